"""The operators and methods of a tensor: each is one mapping by its short name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import shape_of
from ..core.value import Value
from .device import is_device

__all__ = ["Operators"]

Axis = int | Sequence[int] | None


class Operators(Value):
    """What can be written with a tensor: `x + y`, `x @ y`, `x[i]`, `x.sum()`, …"""

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Any:
        return m.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return m.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return m.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return m.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return m.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return m.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return m.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return m.divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return m.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return m.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return m.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return m.remainder(other, self)

    def __pow__(self, other: Any) -> Any:
        return m.pow(self, other)

    def __rpow__(self, other: Any) -> Any:
        return m.pow(other, self)

    def __matmul__(self, other: Any) -> Any:
        return m.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return m.matmul(other, self)

    def __neg__(self) -> Any:
        return m.negative(self)

    def __pos__(self) -> Any:
        return m.positive(self)

    def __abs__(self) -> Any:
        return m.abs(self)

    def __invert__(self) -> Any:
        return m.bitwise_invert(self)

    def __and__(self, other: Any) -> Any:
        return m.bitwise_and(self, other)

    def __or__(self, other: Any) -> Any:
        return m.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Any:
        return m.bitwise_xor(self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else m.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else m.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return m.less(self, other)

    def __le__(self, other: Any) -> Any:
        return m.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return m.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return m.greater_equal(self, other)

    def __getitem__(self, index: Any) -> Any:
        return m.getitem(self, index)

    # ------------------------------------------------------------------------------- methods

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        shape = shape_of(self)
        if len(shape) != 2:
            raise ShapeError(f"T: only a matrix has one transpose, this tensor has shape {shape}; use .mT")
        return m.permute_dims(self, (1, 0))

    @property
    def mT(self) -> Any:
        """The tensor with its last two axes swapped."""
        return m.matrix_transpose(self)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """`pullback.sum`."""
        return m.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """`pullback.mean`."""
        return m.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """`pullback.max`."""
        return m.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """`pullback.min`."""
        return m.min(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """`pullback.prod`."""
        return m.prod(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
        """`pullback.var`."""
        return m.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
        """`pullback.std`."""
        return m.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """`pullback.argmax`."""
        return m.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """`pullback.argmin`."""
        return m.argmin(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Any:
        """`pullback.reshape`; the shape as a tuple or as several numbers."""
        return m.reshape(self, shape[0] if len(shape) == 1 else shape)

    def flatten(self, start_axis: int = 0) -> Any:
        """The axes from `start_axis` on folded into one."""
        shape = shape_of(self)
        kept, folded = shape[:start_axis], shape[start_axis:]
        return m.reshape(self, (*kept, math.prod(folded)))

    def squeeze(self, axis: Axis = None) -> Any:
        """`pullback.squeeze`."""
        return m.squeeze(self, axis=axis)

    def astype(self, dtype: Any) -> Any:
        """`pullback.astype`."""
        return m.astype(self, dtype)

    def float(self) -> Any:
        """The tensor in float32."""
        return m.astype(self, np.float32)

    def double(self) -> Any:
        """The tensor in float64."""
        return m.astype(self, np.float64)

    def to(self, target: Any) -> Any:
        """The tensor on a device (only "cpu" so far) or in a dtype."""
        return self if is_device(target) else m.astype(self, target)

    def pow(self, exponent: Any) -> Any:
        """`pullback.pow`."""
        return m.pow(self, exponent)

    def abs(self) -> Any:
        """`pullback.abs`."""
        return m.abs(self)

    def exp(self) -> Any:
        """`pullback.exp`."""
        return m.exp(self)

    def log(self) -> Any:
        """`pullback.log`."""
        return m.log(self)

    def sqrt(self) -> Any:
        """`pullback.sqrt`."""
        return m.sqrt(self)

    def tanh(self) -> Any:
        """`pullback.tanh`."""
        return m.tanh(self)

    def sigmoid(self) -> Any:
        """`pullback.sigmoid`."""
        return m.sigmoid(self)

    def relu(self) -> Any:
        """`pullback.relu`."""
        return m.relu(self)

    def softmax(self, axis: int = -1) -> Any:
        """`pullback.softmax`."""
        return m.softmax(self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Any:
        """`pullback.log_softmax`."""
        return m.log_softmax(self, axis=axis)

    def matmul(self, other: Any) -> Any:
        """`pullback.matmul`."""
        return m.matmul(self, other)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """`pullback.clip`."""
        return m.clip(self, min, max)
