"""Shape: mappings that move elements and change none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import ShapeError
from ..core.families import linear
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, shape_of

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flatten",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "reshape",
    "squeeze",
    "swapaxes",
]

# ---------------------------------------------------------------------------------------------- reshape

_reshape = linear(
    "reshape",
    lambda x, *, shape: x.reshape(shape) if x.__class__ is np.ndarray else np.reshape(x, shape),
    lambda x, *, shape: Spec(shape, x.dtype),
    lambda g, x, *, shape: _reshape(g, shape=x.shape),
    lambda batched, xs, *, shape: _reshape(xs[0], shape=(shape_of(xs[0])[0], *shape)),
    formula=r"\operatorname{{reshape}}({x})",
    words="{x} in another shape",
    lower="view",
    onnx="Reshape",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"shape": (3, 2)}),
            Sample((rng.normal(size=()),), {"shape": (1, 1)}),
            Sample((rng.normal(size=(0, 3)),), {"shape": (3, 0, 2)}),
            Sample((rng.normal(size=(4, 1)),), {"shape": (4,)}),
        ]
    ),
)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """Return the elements of `x`, in order, in another shape of the same size; one length may be -1.

    Raises ShapeError when the sizes differ.

    >>> import pullback as pb
    >>> pb.reshape(pb.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    x = operand(x)
    new = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    old = shape_of(x)
    size = math.prod(old)
    if new.count(-1) == 1:
        rest = -math.prod(new)
        if rest and size % rest == 0:
            new = tuple(size // rest if n == -1 else n for n in new)
    if any(n < 0 for n in new) or math.prod(new) != size:
        raise ShapeError(f"reshape: an array of shape {old} ({size} elements) does not fit into the shape {shape}")
    return _reshape(x, shape=new)


# ----------------------------------------------------------------------------------------- broadcast_to

_broadcast_to = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    lambda x, *, shape: Spec(shape, x.dtype),
    lambda g, x, *, shape: space.fit(g, x),
    lambda batched, xs, *, shape: _broadcast_to(
        _reshape(
            xs[0],
            shape=(shape_of(xs[0])[0],) + (1,) * (len(shape) + 1 - ndim_of(xs[0])) + shape_of(xs[0])[1:],
        ),
        shape=(shape_of(xs[0])[0], *shape),
    ),
    formula=r"\operatorname{{broadcast}}({x})",
    words="{x} repeated along its missing axes",
    lower="view",
    onnx="Expand",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3,)),), {"shape": (2, 3)}),
            Sample((rng.normal(size=(2, 1)),), {"shape": (4, 2, 3)}),
            Sample((rng.normal(size=()),), {"shape": (2,)}),
            Sample((rng.normal(size=(1, 3)),), {"shape": (0, 3)}),
        ]
    ),
)


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """Return `x` repeated along missing axes and axes of length 1, up to `shape`.

    Raises ShapeError when `x` does not broadcast to `shape`.

    >>> import pullback as pb
    >>> pb.broadcast_to(pb.tensor([1.0, 2.0]), (3, 2)).shape
    (3, 2)
    """
    x = operand(x)
    new = tuple(int(n) for n in shape)
    old = shape_of(x)
    if len(old) > len(new) or any(
        a not in (1, b) for a, b in zip(reversed(old), reversed(new), strict=False)
    ):
        raise ShapeError(f"broadcast_to: an array of shape {old} does not broadcast to {new}")
    return _broadcast_to(x, shape=new)


# ----------------------------------------------------------------------------------------- permute_dims

_permute_dims = linear(
    "permute_dims",
    lambda x, *, axes: x.transpose(axes) if x.__class__ is np.ndarray else np.transpose(x, axes),
    lambda x, *, axes: Spec(tuple(x.shape[a] for a in axes), x.dtype),
    lambda g, x, *, axes: _permute_dims(g, axes=tuple(axes.index(i) for i in range(len(axes)))),
    lambda batched, xs, *, axes: _permute_dims(xs[0], axes=(0, *(a + 1 for a in axes))),
    formula="{x}^T",
    words="{x} with its axes in another order",
    lower="view",
    onnx="Transpose",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"axes": (1, 0)}),
            Sample((rng.normal(size=(2, 3, 4)),), {"axes": (2, 0, 1)}),
            Sample((rng.normal(size=()),), {"axes": ()}),
            Sample((rng.normal(size=(0, 3)),), {"axes": (1, 0)}),
        ]
    ),
)


def permute_dims(x: Any, axes: Sequence[int]) -> Any:
    """Return `x` with axis `axes[i]` as axis i.

    Raises ShapeError unless `axes` names each axis once.

    >>> import pullback as pb
    >>> pb.permute_dims(pb.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = operand(x)
    ndim = ndim_of(x)
    order = tuple(a + ndim if a < 0 else a for a in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"permute_dims: axes must name each of the {ndim} axes of the array once, got {tuple(axes)}")
    return _permute_dims(x, axes=order)


def matrix_transpose(x: Any) -> Any:
    """Return `x` with its last two axes swapped.

    Raises ShapeError for an array with fewer than two axes.

    >>> import pullback as pb
    >>> pb.matrix_transpose(pb.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """
    x = operand(x)
    ndim = ndim_of(x)
    if ndim < 2:
        raise ShapeError(f"matrix_transpose: expected at least two axes, got an array of shape {shape_of(x)}")
    return _permute_dims(x, axes=swapped(ndim))


@lru_cache
def swapped(ndim: int) -> tuple[int, ...]:
    """Return the order of axes in which the last two are swapped."""
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Return `x` with the axes `source` at the places `destination`, the others in order.

    Raises ShapeError when an axis does not exist or is named twice.

    >>> import pullback as pb
    >>> pb.moveaxis(pb.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = operand(x)
    ndim = ndim_of(x)
    sources, destinations = (several_axes("moveaxis", a, ndim) for a in (source, destination))
    if len(sources) != len(destinations):
        raise ShapeError(f"moveaxis: source names {len(sources)} axes and destination {len(destinations)}")
    order = [a for a in range(ndim) if a not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return _permute_dims(x, axes=tuple(order))


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Return `x` with two axes swapped.

    >>> import pullback as pb
    >>> pb.swapaxes(pb.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = operand(x)
    ndim = ndim_of(x)
    (a,), (b,) = (several_axes("swapaxes", axis, ndim) for axis in (axis1, axis2))
    order = list(range(ndim))
    order[a], order[b] = b, a
    return _permute_dims(x, axes=tuple(order))


def expand_dims(x: Any, axis: int | Sequence[int] = 0) -> Any:
    """Return `x` with new axes of length 1, which stand at `axis` in the result.

    Raises ShapeError when `axis` does not exist in the result or is named twice.

    >>> import pullback as pb
    >>> pb.expand_dims(pb.zeros((2, 3)), -1).shape
    (2, 3, 1)
    """
    x = operand(x)
    shape = shape_of(x)
    count = 1 if isinstance(axis, int) else len(axis)
    axes = several_axes("expand_dims", axis, len(shape) + count)
    lengths = iter(shape)
    return _reshape(x, shape=tuple(1 if a in axes else next(lengths) for a in range(len(shape) + count)))


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` without the axes `axis`, which have length 1; None means all axes of length 1.

    Raises ShapeError when a named axis is longer than 1 or does not exist.

    >>> import pullback as pb
    >>> pb.squeeze(pb.zeros((1, 3, 1)), 0).shape
    (3, 1)
    """
    x = operand(x)
    shape = shape_of(x)
    if axis is None:
        axes = tuple(a for a, n in enumerate(shape) if n == 1)
    else:
        axes = several_axes("squeeze", axis, len(shape))
        for a in axes:
            if shape[a] != 1:
                raise ShapeError(f"squeeze: axis {a} of an array of shape {shape} has length {shape[a]}, not 1")
    return _reshape(x, shape=tuple(n for a, n in enumerate(shape) if a not in axes))


def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Any:
    """Return `x` with the axes from `start_axis` to `end_axis` (which belongs to them) folded into one.

    >>> import pullback as pb
    >>> pb.flatten(pb.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = operand(x)
    shape = shape_of(x) or (1,)
    (start,), (end,) = (several_axes("flatten", a, len(shape)) for a in (start_axis, end_axis))
    if end < start:
        raise ShapeError(f"flatten: start_axis {start_axis} lies behind end_axis {end_axis} in the shape {shape}")
    return _reshape(x, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """Return the arrays, each broadcast to their common shape.

    Raises ShapeError when there is none.

    >>> import pullback as pb
    >>> [x.shape for x in pb.broadcast_arrays(pb.zeros((3,)), pb.zeros((2, 1)))]
    [(2, 3), (2, 3)]
    """
    xs = [operand(x) for x in arrays]
    shapes = [shape_of(x) for x in xs]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"broadcast_arrays: the shapes do not broadcast together: {shapes}") from None
    return [_broadcast_to(x, shape=shape) for x in xs]


def several_axes(name: str, axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return `axis` as a tuple of axes in the order given, none negative."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ShapeError(f"{name}: axis {a} does not exist in an array with {ndim} axes")
    normal = tuple(a % ndim for a in axes)
    if len(set(normal)) != len(normal):
        raise ShapeError(f"{name}: an axis is named twice: {axis}")
    return normal
