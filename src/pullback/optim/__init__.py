"""Optimisers and learning-rate schedules, under PyTorch's names."""

from typing import NoReturn

from ..nn.absent import refusal
from ..nn.clipping import *
from . import lr_scheduler, swa_utils
from .absent import OPTIMISERS
from .adam import *
from .adam_relatives import *
from .adaptive import *
from .averaging import *
from .group import *
from .lbfgs import *
from .matrix import *
from .optimizer import *
from .plateau import *
from .schedule import *
from .schedule_combined import *
from .schedule_shapes import *
from .sgd import *
from .sign import *


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.optim", name, OPTIMISERS)
