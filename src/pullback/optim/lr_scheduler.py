"""The schedules under PyTorch's path: `from pullback.optim.lr_scheduler import StepLR`."""

from typing import NoReturn

from ..nn.absent import refusal
from .absent import SCHEDULES
from .plateau import ReduceLROnPlateau
from .schedule import CosineAnnealingLR, ExponentialLR, LambdaLR, LinearWarmup, StepLR
from .schedule import Schedule as LRScheduler
from .schedule_combined import ChainedScheduler, SequentialLR
from .schedule_shapes import (
    SWALR,
    ConstantLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
)

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "LinearWarmup",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.optim.lr_scheduler", name, SCHEDULES)
