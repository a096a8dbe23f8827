"""The operators and methods of a tensor: each is one mapping by its short name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core import interpret
from ..core.errors import ShapeError
from ..core.mapping import Mapping
from ..core.spec import shape_of
from ..core.value import Value
from .device import is_device

__all__ = ["Operators"]

Axis = int | Sequence[int] | None


_NO_STATIC: dict[str, Any] = {}


def _both_ways(mapping: Mapping) -> tuple[Any, Any]:
    """Return the operators x ∘ y and y ∘ x. They go to the interpreter at once: an operator is the hot path."""
    context = interpret._context

    def forward(self: Any, other: Any) -> Any:
        return context.get().apply(mapping, (self, other), _NO_STATIC)

    def reflected(self: Any, other: Any) -> Any:
        return context.get().apply(mapping, (other, self), _NO_STATIC)

    return forward, reflected


def _alone(mapping: Mapping) -> Any:
    """Return the operator ∘ x."""
    context = interpret._context

    def operator(self: Any) -> Any:
        return context.get().apply(mapping, (self,), _NO_STATIC)

    return operator


class Operators(Value):
    """What can be written with a tensor: `x + y`, `x @ y`, `x[i]`, `x.sum()`, …"""

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = object.__hash__

    __add__, __radd__ = _both_ways(m.add)
    __sub__, __rsub__ = _both_ways(m.subtract)
    __mul__, __rmul__ = _both_ways(m.multiply)
    __truediv__, __rtruediv__ = _both_ways(m.divide)
    __floordiv__, __rfloordiv__ = _both_ways(m.floor_divide)
    __mod__, __rmod__ = _both_ways(m.remainder)
    __and__, __rand__ = _both_ways(m.bitwise_and)
    __or__, __ror__ = _both_ways(m.bitwise_or)
    __xor__, __rxor__ = _both_ways(m.bitwise_xor)
    __lt__, __gt__ = _both_ways(m.less)[0], _both_ways(m.greater)[0]
    __le__, __ge__ = _both_ways(m.less_equal)[0], _both_ways(m.greater_equal)[0]
    __neg__, __pos__ = _alone(m.negative), _alone(m.positive)
    __abs__, __invert__ = _alone(m.abs), _alone(m.bitwise_invert)

    def __pow__(self, other: Any) -> Any:
        return m.pow(self, other)

    def __rpow__(self, other: Any) -> Any:
        return m.pow(other, self)

    def __matmul__(self, other: Any) -> Any:
        return m.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return m.matmul(other, self)

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else m.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else m.not_equal(self, other)

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
