"""Averages of weights under PyTorch's path: `from pullback.optim.swa_utils import AveragedModel, SWALR, update_bn`."""

from typing import NoReturn

from ..nn.absent import refusal
from .absent import AVERAGES
from .averaging import AveragedModel, get_ema_avg_fn, get_swa_avg_fn, update_bn
from .schedule_shapes import SWALR

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_swa_avg_fn", "update_bn"]


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.optim.swa_utils", name, AVERAGES)
