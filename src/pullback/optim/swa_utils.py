"""Averages of weights under PyTorch's path: `from pullback.optim.swa_utils import AveragedModel, SWALR, update_bn`."""

from .averaging import AveragedModel, get_ema_avg_fn, get_swa_avg_fn, update_bn
from .schedule_shapes import SWALR

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_swa_avg_fn", "update_bn"]
