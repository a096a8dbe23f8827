"""Indexing: parts of an array, chosen by slices or by positions, and copies with other values there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.spec import Shape, dtype_of, operand, shape_of
from .arithmetic import add
from .dtype import _cast
from .gather import _gather, _scatter_add, _scatter_set, gathered_shape
from .positions import Place, basic_index, place_of, positions
from .shape import broadcast_to
from .slicing import _embed, _slice, _slice_set, sliced_shape

__all__ = ["getitem", "index_add", "index_set", "take"]


def getitem(x: Any, index: Any) -> Any:
    """Return `x[index]` as NumPy reads it: ints, slices, None, `...`, arrays of integers or of truth values.

    Slices give parts of the same elements, arrays of integers choose elements one by one; where one is
    chosen several times, its gradients add up. Raises IndexError for a position that does not exist,
    TraceError for a mask inside `vmap` or `trace`, because the shape of the result would depend on numbers.

    >>> import pullback as pb
    >>> x = pb.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> pb.getitem(x, (slice(None), [0, 2])).tolist()
    [[1.0, 3.0], [4.0, 6.0]]
    """
    static = basic_index(index)
    if static is not None:
        return _slice(x, index=static)
    x = operand(x)
    if isinstance(index, np.ndarray) and index.ndim and index.dtype == np.int64:
        return _gather(x, index, axes=(0,))
    place = place_of(index, shape_of(x), "getitem")
    if place.static is not None:
        x = _slice(x, index=place.static)
    return _gather(x, *place.indices, axes=place.axes) if place.axes else x


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the elements of `x` at the positions `indices` (integers, of any shape) along `axis`.

    `axis` may be left out for an array with one axis. The axes of `indices` stand in the result where
    `axis` was. Raises IndexError for a position that does not exist.

    >>> import pullback as pb
    >>> pb.take(pb.tensor([10.0, 20.0, 30.0]), [2, 0]).tolist()
    [30.0, 10.0]
    """
    x = operand(x)
    ndim = len(shape_of(x))
    if axis is None:
        if ndim != 1:
            raise ShapeError(f"take: axis is needed for an array of shape {shape_of(x)}")
        axis = 0
    if not -ndim <= axis < ndim:
        raise ShapeError(f"take: axis {axis} does not exist in an array of shape {shape_of(x)}")
    return _gather(x, positions(indices, "take"), axes=(axis % ndim,))


def index_add(x: Any, index: Any, values: Any) -> Any:
    """Return a copy of `x` with `values` added at `index`; where a position is named twice, both are added.

    `values` broadcast to the shape of `x[index]` and take the dtype of `x`. Raises ShapeError when they do
    not fit, IndexError for a position that does not exist.

    >>> import pullback as pb
    >>> pb.index_add(pb.tensor([1.0, 2.0, 3.0]), [0, 0], 10.0).tolist()
    [21.0, 2.0, 3.0]
    """
    x = operand(x)
    place = place_of(index, shape_of(x), "index_add")
    values, part = _fitting("index_add", x, place, values)
    if place.axes:
        values = _scatter_add(values, *place.indices, axes=place.axes, shape=part)
    if place.static is not None:
        values = _embed(values, index=place.static, shape=shape_of(x))
    return add(x, values)


def index_set(x: Any, index: Any, values: Any) -> Any:
    """Return a copy of `x` with `values` at `index`.

    `values` broadcast to the shape of `x[index]` and take the dtype of `x`. Where a position is named
    twice the last value stays, and it alone gets the gradient. Raises ShapeError when the values do not
    fit, IndexError for a position that does not exist.

    >>> import pullback as pb
    >>> pb.index_set(pb.tensor([1.0, 2.0, 3.0]), slice(1, None), 0.0).tolist()
    [1.0, 0.0, 0.0]
    """
    x = operand(x)
    place = place_of(index, shape_of(x), "index_set")
    values, _ = _fitting("index_set", x, place, values)
    if not place.axes:
        return _slice_set(x, values, index=place.static)
    if place.static is None:
        return _scatter_set(x, values, *place.indices, axes=place.axes)
    part = _scatter_set(_slice(x, index=place.static), values, *place.indices, axes=place.axes)
    return _slice_set(x, part, index=place.static)


def _fitting(name: str, x: Any, place: Place, values: Any) -> tuple[Any, Shape]:
    """Return `values` in the shape and dtype of a place in `x`, and the shape of what the static part leaves."""
    part = shape_of(x) if place.static is None else sliced_shape(shape_of(x), place.static)
    shape = gathered_shape(part, place.indices, place.axes) if place.axes else part
    values = operand(values)
    have, want = dtype_of(values), dtype_of(x)
    if have != want:
        if not np.can_cast(have, want, "same_kind"):
            raise DtypeError(f"{name}: values of dtype {have} do not go into an array of dtype {want}")
        values = _cast(values, dtype=want)
    if shape_of(values) != shape:
        try:
            values = broadcast_to(values, shape)
        except ShapeError:
            raise ShapeError(
                f"{name}: values of shape {shape_of(values)} do not fit the place, whose shape is {shape}"
            ) from None
    return values, part
