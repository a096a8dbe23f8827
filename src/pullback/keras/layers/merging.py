"""Layers that make one of several inputs: Concatenate, Add, Subtract, Multiply, Average, Maximum, Minimum, Dot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import ndim_of, shape_of
from .layer import Layer

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class _Merge(Layer):
    """What takes a list of inputs; in front of the last axes they may lack some, or have length 1."""

    least = 1

    def build(self, input_shape: Any) -> None:
        """Check that there are inputs enough."""
        several = isinstance(input_shape, list | tuple) and all(isinstance(s, tuple | list) for s in input_shape)
        if not several or len(input_shape) < self.least:
            raise ValueError(
                f"{self.name}: expected a list of {self.least} inputs or more, got shapes {input_shape}.\n"
                f"  right:  layers.{type(self).__name__}()([a, b])"
            )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return what becomes of the inputs."""
        most = max(ndim_of(x) for x in inputs)
        return self.merge([self._widened(x, most) for x in inputs])

    def merge(self, inputs: list[Any]) -> Any:
        """Make one of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(self, inputs)")

    @staticmethod
    def _widened(x: Any, ndim: int) -> Any:
        """As in Keras, an input with fewer axes gets axes of length 1 behind that of the batch."""
        shape = shape_of(x)
        missing = ndim - len(shape)
        return x if not missing else m.reshape(x, (shape[0], *(1,) * missing, *shape[1:]))


class _Fold(_Merge):
    """One function of two, from the first input to the last."""

    function: Callable[[Any, Any], Any]

    def merge(self, inputs: list[Any]) -> Any:
        return reduce(type(self).function, inputs)


class Add(_Fold):
    """The sum of the inputs.

    >>> import numpy as np
    >>> Add()([np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)]).tolist()
    [[2.0, 2.0]]
    """

    function = m.add


class Multiply(_Fold):
    """The product of the inputs."""

    function = m.multiply


class Maximum(_Fold):
    """The largest of the inputs, element by element."""

    function = m.maximum


class Minimum(_Fold):
    """The least of the inputs, element by element."""

    function = m.minimum


class Average(_Merge):
    """The mean of the inputs."""

    def merge(self, inputs: list[Any]) -> Any:
        return m.divide(reduce(m.add, inputs), len(inputs))


class Subtract(_Merge):
    """The first of two inputs minus the second."""

    least = 2

    def build(self, input_shape: Any) -> None:
        """Check that there are two inputs."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"{self.name}: expected two inputs, got {len(input_shape)}")

    def merge(self, inputs: list[Any]) -> Any:
        return m.subtract(*inputs)


class Concatenate(_Merge):
    """The inputs one behind the other along ``axis``; all other axes must agree."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the long one."""
        return m.concat(list(inputs), axis=self.axis)


class Dot(_Merge):
    """The scalar products along an axis of each of two inputs: Σ_k a[…, k, …] b[…, k, …], sample by sample.

    ``axes``: one axis of both, or a pair; 0 is the batch. ``normalize``: divide by the lengths first, which gives
    the cosine. Rows (n, k) and (n, k) give (n, 1); (n, i, k) and (n, j, k) give (n, i, j).
    """

    least = 2

    def __init__(self, axes: int | tuple[int, int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(self.axes) != 2:
            raise ValueError(f"Dot: expected an axis or two, got {axes!r}")
        self.normalize = normalize

    def build(self, input_shape: Any) -> None:
        """Check that the axes are there and have one length."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"{self.name}: expected two inputs, got {len(input_shape)}")
        lengths = []
        for shape, axis in zip(input_shape, self.axes, strict=True):
            if not -len(shape) < axis < len(shape) or axis == 0:
                raise ShapeError(f"{self.name}: axes: there is no axis {axis} of a sample in an input of shape {shape}")
            lengths.append(shape[axis])
        if None not in lengths and lengths[0] != lengths[1]:
            raise ShapeError(f"{self.name}: expected axes of one length, got {lengths[0]} and {lengths[1]}")

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the products."""
        rows = []
        for x, axis in zip(inputs, self.axes, strict=True):
            if self.normalize:
                length = m.sqrt(m.maximum(m.sum(m.multiply(x, x), axis=axis, keepdims=True), 1e-12))
                x = m.divide(x, length)
            kept = [i for i in range(1, ndim_of(x)) if i != axis % ndim_of(x)]
            rows.append(m.permute_dims(x, (0, *kept, axis % ndim_of(x))))
        a, b = rows
        n, k = shape_of(a)[0], shape_of(a)[-1]
        product = m.matmul(m.reshape(a, (n, -1, k)), m.matrix_transpose(m.reshape(b, (n, -1, k))))
        shape = (n, *shape_of(a)[1:-1], *shape_of(b)[1:-1])
        return m.reshape(product, shape if len(shape) > 1 else (n, 1))


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` of the inputs."""
    return Concatenate(axis, **kwargs)(list(inputs))


def dot(inputs: Sequence[Any], axes: int | tuple[int, int], normalize: bool = False, **kwargs: Any) -> Any:
    """`Dot` of the inputs."""
    return Dot(axes, normalize, **kwargs)(list(inputs))


def _called(kind: type[_Merge]) -> Callable[..., Any]:
    def merged(inputs: Sequence[Any], **kwargs: Any) -> Any:
        return kind(**kwargs)(list(inputs))

    merged.__name__ = merged.__qualname__ = kind.__name__.lower()
    merged.__doc__ = f"`{kind.__name__}` of the inputs."
    return merged


add, subtract, multiply = _called(Add), _called(Subtract), _called(Multiply)
average, maximum, minimum = _called(Average), _called(Maximum), _called(Minimum)
