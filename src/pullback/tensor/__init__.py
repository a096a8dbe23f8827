"""Tensor: an array with operators, `.backward()` and `.grad`. Sugar only; there is no mathematics here."""

from .construct import asarray, tensor, value
from .device import device
from .tensor import Tensor

__all__ = ["Tensor", "asarray", "device", "tensor", "value"]
