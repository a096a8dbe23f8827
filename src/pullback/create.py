"""Creation: tensors that start from a shape or a range rather than from data."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .core.errors import ShapeError
from .core.spec import default_dtype, dtype_of, operand, shape_of
from .core.value import Value
from .mappings import astype, broadcast_to
from .tensor import Tensor
from .tensor import device as checked_device
from .transforms.reverse import present

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

Lengths = int | Sequence[int]


def zeros(shape: Lengths, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return zeros of a shape; the dtype is the default dtype unless it is given.

    >>> import pullback as pb
    >>> pb.zeros((2, 3)).dtype
    dtype('float32')
    """
    return full(shape, 0.0, _floating(dtype), device=device)


def ones(shape: Lengths, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return ones of a shape; the dtype is the default dtype unless it is given.

    >>> import pullback as pb
    >>> pb.ones(2).tolist()
    [1.0, 1.0]
    """
    return full(shape, 1.0, _floating(dtype), device=device)


def empty(shape: Lengths, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return an array that is to be filled later. Its elements are zeros, so that no run depends on old memory."""
    return zeros(shape, dtype, device=device)


def full(shape: Lengths, fill_value: Any, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return `fill_value` in every place of a shape.

    Without `dtype`, a Python float gives the default dtype, an int int64, a bool bool. A tensor as
    `fill_value` gets the sum of the gradients.

    >>> import pullback as pb
    >>> pb.full((2,), 7).tolist()
    [7, 7]
    """
    checked_device(device)
    lengths = _lengths(shape)
    if isinstance(fill_value, Value):
        filled = broadcast_to(fill_value, lengths)
        return filled if dtype is None else astype(filled, dtype)
    number = operand(fill_value)
    if shape_of(number) != ():
        raise ShapeError(f"full: fill_value must be one number, its shape is {shape_of(number)}")
    return _tensor(np.full(lengths, fill_value, dtype_of(number) if dtype is None else dtype))


def zeros_like(x: Any, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return zeros of the shape and (unless it is given) the dtype of `x`."""
    return full_like(x, 0, dtype, device=device)


def ones_like(x: Any, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return ones of the shape and (unless it is given) the dtype of `x`."""
    return full_like(x, 1, dtype, device=device)


def empty_like(x: Any, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return an array of the shape and dtype of `x` that is to be filled later; its elements are zeros."""
    return full_like(x, 0, dtype, device=device)


def full_like(x: Any, fill_value: Any, dtype: Any = None, *, device: str = "cpu") -> Tensor:
    """Return `fill_value` in every place of the shape and (unless it is given) the dtype of `x`.

    >>> import pullback as pb
    >>> pb.full_like(pb.zeros((2,)), 3).tolist()
    [3.0, 3.0]
    """
    x = operand(x)
    return full(shape_of(x), fill_value, dtype_of(x) if dtype is None else dtype, device=device)


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: Any = None, *, device: str = "cpu"
) -> Tensor:
    """Return `start`, `start + step`, … up to and without `stop`; with one argument, from 0 up to it.

    Integers give int64, a float gives the default dtype.

    >>> import pullback as pb
    >>> pb.arange(3).tolist(), pb.arange(0.0, 1.0, 0.5).tolist()
    ([0, 1, 2], [0.0, 0.5])
    """
    checked_device(device)
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if dtype is None:
        dtype = default_dtype() if any(isinstance(x, float) for x in (start, stop, step)) else np.int64
    return _tensor(np.arange(start, stop, step).astype(dtype))


def linspace(
    start: float, stop: float, num: int, dtype: Any = None, *, endpoint: bool = True, device: str = "cpu"
) -> Tensor:
    """Return `num` numbers at equal distances from `start` to `stop`, with `stop` as the last if `endpoint`.

    >>> import pullback as pb
    >>> pb.linspace(0.0, 1.0, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    checked_device(device)
    return _tensor(np.linspace(start, stop, num, endpoint=endpoint).astype(_floating(dtype)))


def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = None, device: str = "cpu") -> Tensor:
    """Return a matrix with ones on diagonal `k` and zeros elsewhere.

    >>> import pullback as pb
    >>> pb.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    checked_device(device)
    return _tensor(np.eye(n_rows, n_cols, k, dtype=_floating(dtype)))


def _floating(dtype: Any) -> np.dtype[Any]:
    return default_dtype() if dtype is None else np.dtype(dtype)


def _lengths(shape: Lengths) -> tuple[int, ...]:
    lengths = (shape,) if isinstance(shape, int) else tuple(operator.index(n) for n in shape)
    if any(n < 0 for n in lengths):
        raise ShapeError(f"a length cannot be negative, got the shape {shape}")
    return lengths


def _tensor(array: Any) -> Any:
    return present(array[()])
