"""Along an axis: one element chosen per position, each from its own row, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.joint import jointly_linear
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, operand, shape_of
from .gather import checked
from .positions import positions
from .shape import broadcast_to
from .slicing import repeated

__all__ = ["take_along_axis"]


@lru_cache(maxsize=256)
def _grid(shape: Shape, axis: int) -> tuple[list[Any], list[Any]]:
    """Return the positions along the axes before and behind `axis` (negative) of an array of this shape."""
    open_grid = [np.arange(n).reshape(-1, *(1,) * (len(shape) - 1 - a)) for a, n in enumerate(shape)]
    for numbers in open_grid:
        numbers.flags.writeable = False
    at = axis + len(shape)
    return open_grid[:at], open_grid[at + 1 :]


def _taken(x: Any, indices: Any, *, axis: int) -> Any:
    before, behind = _grid(indices.shape, axis)
    return x[(*before, indices, *behind)]


def _put(g: Any, indices: Any, *, axis: int, shape: Shape) -> Any:
    before, behind = _grid(indices.shape, axis)
    indices = checked(indices, shape[axis], axis + len(shape))
    total = np.zeros(shape, g.dtype)
    if indices.shape[axis] == 1:  # then no element is chosen twice
        total[(*before, indices, *behind)] = g
        return total
    flat, stride = np.zeros((), np.int64), math.prod(shape)
    for n, numbers in zip(shape, (*before, indices, *behind), strict=True):
        stride = stride // n if n else 0
        flat = flat + numbers * stride
    np.add.at(total.reshape(-1), flat.ravel(), g.ravel())
    return total


def _take_batch(batched: Sequence[bool], xs: Sequence[Any], *, axis: int) -> Any:
    return _take_along(*repeated(batched, xs), axis=axis)


def _put_batch(batched: Sequence[bool], xs: Sequence[Any], *, axis: int, shape: Shape) -> Any:
    g, indices = repeated(batched, xs)
    return _put_along(g, indices, axis=axis, shape=(shape_of(g)[0], *shape))


def _draw(rng: np.random.Generator, shape: Shape, chosen: Shape, axis: int) -> tuple[Any, Any]:
    return rng.normal(size=shape), rng.integers(-shape[axis], shape[axis], chosen)


_take_along = jointly_linear(
    "take_along_axis",
    _taken,
    lambda x, indices, *, axis: Spec(indices.shape, x.dtype),
    lambda g, specs, indices, *, needs, axis: (_put_along(g, indices, axis=axis, shape=specs[0].shape),),
    _take_batch,
    count=1,
    arguments=("x", "indices"),
    formula="{x}_{{{indices}}}",
    words="the elements of {x} that {indices} chooses in each row",
    lower="take_along",
    onnx="GatherElements",
    samples=fixed(
        lambda rng: [
            Sample(_draw(rng, (4, 3), (4, 1), -1), {"axis": -1}),
            Sample(_draw(rng, (4, 3), (5, 3), -2), {"axis": -2}),
            Sample(_draw(rng, (2, 3, 2), (2, 2, 2), -2), {"axis": -2}),
            Sample(_draw(rng, (3,), (4,), -1), {"axis": -1}),
            Sample(_draw(rng, (0, 3), (0, 1), -1), {"axis": -1}),
        ]
    ),
)

_put_along = jointly_linear(
    "put_along_axis",
    _put,
    lambda g, indices, *, axis, shape: Spec(shape, g.dtype),
    lambda t, specs, indices, *, needs, axis, shape: (_take_along(t, indices, axis=axis),),
    _put_batch,
    count=1,
    arguments=("g", "indices"),
    formula=r"\sum_{{{indices}}} {g}",
    words="{g} added up where {indices} chooses in each row of an array of zeros",
    lower="put_along",
    onnx="ScatterElements",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 1)), rng.integers(-3, 3, (4, 1))), {"axis": -1, "shape": (4, 3)}),
            Sample((rng.normal(size=(5, 3)), rng.integers(-4, 4, (5, 3))), {"axis": -2, "shape": (4, 3)}),
            Sample((rng.normal(size=(2, 2, 2)), rng.integers(-3, 3, (2, 2, 2))), {"axis": -2, "shape": (2, 3, 2)}),
            Sample((rng.normal(size=(4,)), rng.integers(-3, 3, (4,))), {"axis": -1, "shape": (3,)}),
            Sample((rng.normal(size=(0, 2)), rng.integers(-3, 3, (0, 2))), {"axis": -1, "shape": (0, 3)}),
        ]
    ),
)


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """Return the elements of `x` that `indices` chooses along `axis`: yᵢⱼ = x at (i, indicesᵢⱼ) for the last axis.

    `indices` is an integer array with as many axes as `x`; the other axes broadcast. Raises ShapeError when
    they do not, IndexError for a position that does not exist, TypeError unless `indices` are integers.

    >>> import pullback as pb
    >>> scores = pb.tensor([[0.1, 0.9], [0.3, 0.2]])
    >>> pb.take_along_axis(scores, pb.tensor([[1], [0]]), axis=1).shape
    (2, 1)
    """
    x, indices = operand(x), positions(indices, "take_along_axis")
    shape, chosen = shape_of(x), shape_of(indices)
    ndim = len(shape)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"take_along_axis: axis {axis} does not exist in an array of shape {shape}")
    axis = axis - ndim if axis >= 0 else axis
    at = axis + ndim
    if len(chosen) != ndim or shape[:at] != chosen[:at] or shape[at + 1 :] != chosen[at + 1 :]:
        if len(chosen) != ndim or any(
            a != b and 1 not in (a, b) for i, (a, b) in enumerate(zip(shape, chosen, strict=True)) if i != at
        ):
            raise ShapeError(
                f"take_along_axis: indices must have the axes of x and agree with it but along axis {axis}; "
                f"x: {shape}, indices: {chosen}"
            )
        both = [b if a == 1 else a for a, b in zip(shape, chosen, strict=True)]
        x = broadcast_to(x, [*both[:at], shape[at], *both[at + 1 :]])
        indices = broadcast_to(indices, [*both[:at], chosen[at], *both[at + 1 :]])
    return _take_along(x, indices, axis=axis)
