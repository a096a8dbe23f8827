"""Making tensors from what a user has: arrays, numbers, nested lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import default_dtype
from ..core.value import Value
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE
from .device import is_device
from .tensor import Tensor

__all__ = ["asarray", "tensor", "value"]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, *, device: str = "cpu") -> Tensor:
    """Make a tensor from an array, a number or nested lists; the numbers are copied.

    Arrays keep their dtype; Python floats take the default dtype. Raises TypeError when `data` does not
    hold numbers, DtypeError when `requires_grad` is asked of integers.

    >>> import pullback as pb
    >>> pb.tensor([[1.0, 2.0]]).shape
    (1, 2)
    """
    is_device(device)
    a = _numbers(data, dtype)
    t = Tensor(TAPE, np.array(a, order="C")[()])
    return t.requires_grad_() if requires_grad else t


def asarray(data: Any, dtype: Any = None, *, copy: bool | None = None, device: str = "cpu") -> Tensor:
    """Return `data` as a tensor, without a copy where that is possible (the array must not be changed then)."""
    is_device(device)
    if isinstance(data, Tensor) and not copy:
        return data if dtype is None or data.dtype == np.dtype(dtype) else data.astype(dtype)
    a = _numbers(data, dtype)
    return Tensor(TAPE, a.copy()[()] if copy else a[()])


def value(x: float, dtype: Any = None) -> Tensor:
    """Make a scalar that gradients are computed for, in the manner of a scalar engine.

    >>> import pullback as pb
    >>> a, b = pb.value(2.0), pb.value(3.0)
    >>> (a * b + a).backward()
    >>> a.grad.item(), b.grad.item()
    (4.0, 2.0)
    """
    a = np.asarray(x, dtype=default_dtype() if dtype is None else dtype)
    if a.ndim:
        raise ShapeError(f"value: expected one number, got an array of shape {a.shape}; use pb.tensor")
    return Tensor(TAPE, a[()]).requires_grad_()


def _numbers(data: Any, dtype: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, Value):
        a = numbers_of(data)
    elif isinstance(data, list | tuple) and any(isinstance(x, Value) for x in data):
        a = np.stack([numbers_of(x) for x in data])
    else:
        try:
            a = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"tensor: data is a ragged sequence: {error}") from None
        python_numbers = not hasattr(data, "dtype") and not hasattr(data, "__array__")
        if dtype is None and python_numbers and a.dtype == np.float64 and not _holds_arrays(data):
            a = a.astype(default_dtype())
    if a.dtype.kind not in "biufc":
        raise TypeError(f"tensor: data must hold numbers, got {type(data).__name__} of dtype {a.dtype}")
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    return a if dtype is None else a.astype(dtype)


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return hasattr(data, "dtype")
