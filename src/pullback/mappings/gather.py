"""Gather and scatter: elements chosen by arrays of positions, and the way back.

The positions are inputs, not static parameters, so that a traced or batched position works. `axes` names
the axes that they speak of, one array of positions an axis; the arrays broadcast against each other. As
in NumPy, the axes of the positions appear in the result where the indexed axes were if these are
neighbours, and first otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core import space
from ..core.families import align, irregular
from ..core.joint import jointly_linear
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, dtype_of, ndim_of, shape_of
from .arithmetic import multiply
from .shape import _permute_dims, _reshape
from .slicing import NO_OPERATOR

__all__: list[str] = []

Axes = tuple[int, ...]


# ------------------------------------------------------------------------------------------- on arrays


def neighbours(axes: Axes) -> bool:
    """Return whether the axes follow each other."""
    return axes[-1] - axes[0] == len(axes) - 1


def gathered_shape(shape: Shape, indices: Sequence[Any], axes: Axes) -> Shape:
    """Return the shape of what `gather` returns."""
    chosen = np.broadcast_shapes(*(shape_of(i) for i in indices))
    rest = tuple(n for a, n in enumerate(shape) if a not in axes)
    place = axes[0] if neighbours(axes) else 0
    return rest[:place] + chosen + rest[place:]


@lru_cache(maxsize=64)
def _count(n: int) -> Any:
    numbers = np.arange(n)
    numbers.flags.writeable = False
    return numbers


def checked(index: Any, n: int, axis: int) -> Any:
    """Return positions counted from the front. Raises IndexError for one that does not exist."""
    try:
        return _count(n).take(index)
    except IndexError:
        wrong = np.asarray(index)
        wrong = wrong[(wrong < -n) | (wrong >= n)].flat[0]
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {n}") from None


def _rows(indices: Sequence[Any], axes: Axes, shape: Shape) -> tuple[Any, int]:
    """Return the positions as numbers of rows of the indexed axes folded into one, and the count of rows."""
    rows, count = None, 1
    for index, axis in zip(indices, axes, strict=True):
        n = shape[axis]
        index = checked(index, n, axis)
        rows = index if rows is None else rows * n + index
        count *= n
    return rows, count


def _front(axes: Axes, ndim: int) -> Axes | None:
    """Return the order that brings `axes` to the front, or None if they are there."""
    if axes[-1] == len(axes) - 1:
        return None
    return axes + tuple(a for a in range(ndim) if a not in axes)


def _chosen_first(v: Any, axes: Axes, chosen: int) -> Any:
    """Return values laid out as `gather` returns them with the axes of the positions moved to the front."""
    if axes[0] and neighbours(axes):
        return v.transpose(chosen_first(axes, chosen, v.ndim))
    return v


def chosen_first(axes: Axes, chosen: int, ndim: int) -> Axes:
    """Return the order that brings the `chosen` axes of the positions of neighbouring `axes` to the front."""
    place = axes[0]
    return (*range(place, place + chosen), *range(place), *range(place + chosen, ndim))


def _gather_kernel(x: Any, *indices: Any, axes: Axes) -> Any:
    if len(axes) == 1:
        return x.take(indices[0], axes[0])
    if axes[-1] == len(axes) - 1:
        return x[indices]
    index: list[Any] = [slice(None)] * (axes[-1] + 1)
    for i, a in zip(indices, axes, strict=True):
        index[a] = i
    return x[tuple(index)]


def _scatter_add_kernel(g: Any, *indices: Any, axes: Axes, shape: Shape) -> Any:
    rows, count = _rows(indices, axes, shape)
    g = _chosen_first(np.asarray(g), axes, np.ndim(rows))
    order = _front(axes, len(shape))
    front = shape if order is None else tuple(shape[a] for a in order)
    width = math.prod(front[len(axes) :])
    rows = np.ravel(rows)
    if width != 1:
        rows = (rows[:, None] * width + _count(width)).ravel()
    total = np.zeros(count * width, g.dtype)
    # On flat arrays add.at is quicker than sorting, bincount or assignment of unique positions, and it
    # adds in the order of the positions.
    np.add.at(total, rows, g.ravel())
    total = total.reshape(front)
    return total if order is None else total.transpose(_inverse(order))


def _scatter_set_kernel(x: Any, values: Any, *indices: Any, axes: Axes) -> Any:
    rows, count = _rows(indices, axes, x.shape)
    values = _chosen_first(np.asarray(values), axes, np.ndim(rows))
    order = _front(axes, x.ndim)
    whole = np.array(x if order is None else x.transpose(order), order="C")
    width = math.prod(whole.shape[len(axes) :])
    whole.reshape(count, width)[np.ravel(rows)] = values.reshape(np.size(rows), width)
    return whole if order is None else whole.transpose(_inverse(order))


def _written_last(*indices: Any, lengths: Shape) -> Any:
    rows, count = _rows(indices, tuple(range(len(lengths))), lengths)
    flat = np.ravel(rows)
    turn = np.arange(flat.size)
    writer = np.empty(count, turn.dtype)
    writer[flat] = turn
    return (writer[flat] == turn).reshape(np.shape(rows))[()]


def _inverse(order: Axes) -> Axes:
    inverse = [0] * len(order)
    for i, a in enumerate(order):
        inverse[a] = i
    return tuple(inverse)


# --------------------------------------------------------------------------------------------- batching


def _batched_positions(batched: Sequence[bool], indices: Sequence[Any], size: int) -> list[Any]:
    """Return positions for an array with a batch axis 0: the number of the example before the others."""
    aligned = align(batched, indices)
    rank = max(ndim_of(i) - b for i, b in zip(indices, batched, strict=True))
    return [_count(size).reshape(size, *(1,) * rank), *aligned]


def _gather_batch(batched: Sequence[bool], xs: Sequence[Any], *, axes: Axes) -> Any:
    x, *indices = xs
    raised = tuple(a + 1 for a in axes)
    if not batched[0]:
        y = _gather(x, *align(batched[1:], indices), axes=axes)
        return space.move_axis(y, axes[0] if neighbours(axes) else 0, 0)
    if neighbours(axes) and not any(batched[1:]):
        return _gather(x, *indices, axes=raised)
    positions = _batched_positions(batched[1:], indices, shape_of(x)[0])
    y = _gather(x, *positions, axes=(0, *raised))
    return _permute_dims(y, axes=_inverse(_examples_first(axes, positions, ndim_of(y))))


def _examples_first(axes: Axes, positions: Sequence[Any], ndim: int) -> Axes:
    """Return the order of a batched result laid out for `axes` with the axes of the positions behind axis 0."""
    if not neighbours(axes):
        return tuple(range(ndim))
    chosen = max(map(ndim_of, positions)) - 1
    return (0, *(a + 1 for a in chosen_first(axes, chosen, ndim - 1)))


def _scatter_add_batch(batched: Sequence[bool], xs: Sequence[Any], *, axes: Axes, shape: Shape) -> Any:
    g, *indices = xs
    size = next(shape_of(x)[0] for x, is_batched in zip(xs, batched, strict=True) if is_batched)
    g = g if batched[0] else space.repeat(g, size)
    raised = tuple(a + 1 for a in axes)
    if neighbours(axes) and not any(batched[1:]):
        return _scatter_add(g, *indices, axes=raised, shape=(size, *shape))
    positions = _batched_positions(batched[1:], indices, size)
    g = _permute_dims(g, axes=_examples_first(axes, positions, ndim_of(g)))
    return _scatter_add(g, *positions, axes=(0, *raised), shape=(size, *shape))


def _scatter_set_batch(batched: Sequence[bool], xs: Sequence[Any], *, axes: Axes) -> Any:
    size = next(shape_of(x)[0] for x, is_batched in zip(xs, batched, strict=True) if is_batched)
    x, values = (a if b else space.repeat(a, size) for a, b in zip(xs[:2], batched[:2], strict=True))
    indices = xs[2:]
    raised = tuple(a + 1 for a in axes)
    if neighbours(axes) and not any(batched[2:]):
        return _scatter_set(x, values, *indices, axes=raised)
    positions = _batched_positions(batched[2:], indices, size)
    values = _permute_dims(values, axes=_examples_first(axes, positions, ndim_of(values)))
    return _scatter_set(x, values, *positions, axes=(0, *raised))


def _last_written_batch(batched: Sequence[bool], xs: Sequence[Any], *, lengths: Shape) -> Any:
    size = next(shape_of(x)[0] for x, is_batched in zip(xs, batched, strict=True) if is_batched)
    return _last_written(*_batched_positions(batched, xs, size), lengths=(size, *lengths))


# --------------------------------------------------------------------------------------------- mappings


def _positions(rng: np.random.Generator, n: int, shape: Shape) -> Any:
    return rng.integers(-n, n, shape)


_gather = jointly_linear(
    "gather",
    _gather_kernel,
    lambda x, *indices, axes: Spec(gathered_shape(x.shape, indices, axes), x.dtype),
    lambda g, specs, *indices, needs, axes: (_scatter_add(g, *indices, axes=axes, shape=specs[0].shape),),
    _gather_batch,
    count=1,
    arguments=("x", "indices"),
    formula="{x}[{indices}]",
    words="the elements of {x} at {indices}",
    lower="gather",
    onnx="GatherND",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 3)), _positions(rng, 4, (5,))), {"axes": (0,)}),
            Sample((rng.normal(size=(4, 3, 2)), _positions(rng, 3, (2, 2))), {"axes": (1,)}),
            Sample((rng.normal(size=(4, 3)), _positions(rng, 4, (5,)), _positions(rng, 3, (2, 1))), {"axes": (0, 1)}),
            Sample((rng.normal(size=(4, 3, 2)), _positions(rng, 4, (5,)), np.asarray(1)), {"axes": (0, 2)}),
            Sample((rng.normal(size=(2, 3, 2)), _positions(rng, 3, (2,)), np.asarray(1)), {"axes": (1, 2)}),
            Sample((rng.normal(size=(4, 3)), np.asarray(-1)), {"axes": (1,)}),
            Sample((rng.normal(size=(4, 3)), np.zeros((0,), np.int64)), {"axes": (0,)}),
        ]
    ),
)

_scatter_add = jointly_linear(
    "scatter_add",
    _scatter_add_kernel,
    lambda g, *indices, axes, shape: Spec(shape, g.dtype),
    lambda t, specs, *indices, needs, axes, shape: (_gather(t, *indices, axes=axes),),
    _scatter_add_batch,
    count=1,
    arguments=("g", "indices"),
    formula=r"\sum_{{{indices}}} {g}",
    words="{g} added up at {indices} of an array of zeros",
    lower="scatter_add",
    onnx="ScatterND",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(5, 3)), _positions(rng, 4, (5,))), {"axes": (0,), "shape": (4, 3)}),
            Sample((rng.normal(size=(4, 5)), _positions(rng, 3, (5,))), {"axes": (1,), "shape": (4, 3)}),
            Sample(
                (rng.normal(size=(2, 5)), _positions(rng, 4, (5,)), _positions(rng, 3, (2, 1))),
                {"axes": (0, 1), "shape": (4, 3)},
            ),
            Sample(
                (rng.normal(size=(5, 3)), _positions(rng, 4, (5,)), np.asarray(1)), {"axes": (0, 2), "shape": (4, 3, 2)}
            ),
            Sample((rng.normal(size=()), np.asarray(2)), {"axes": (0,), "shape": (3,)}),
            Sample((rng.normal(size=(0, 3)), np.zeros((0,), np.int64)), {"axes": (0,), "shape": (4, 3)}),
        ]
    ),
)


def _scatter_set_transpose(g: Any, specs: Any, *indices: Any, needs: Any, axes: Axes) -> Any:
    to_x = to_values = None
    if needs[0]:
        to_x = _scatter_set(g, np.zeros(specs[1].shape, dtype_of(g)), *indices, axes=axes)
    if needs[1]:
        lengths = tuple(specs[0].shape[a] for a in axes)
        kept = _last_written(*indices, lengths=lengths)
        behind = ndim_of(g) - len(axes) - (axes[0] if neighbours(axes) else 0)
        kept = _reshape(kept, shape=shape_of(kept) + (1,) * behind)
        to_values = multiply(_gather(g, *indices, axes=axes), kept)
    return to_x, to_values


_last_written = irregular(
    "last_written",
    _written_last,
    spec=lambda *indices, lengths: Spec(np.broadcast_shapes(*(i.shape for i in indices)), np.dtype(np.bool_)),
    batch=_last_written_batch,
    differentiable=False,
    uses=NOTHING,
    arguments=("indices",),
    formula=r"\operatorname{{last}}({indices})",
    words="which of the writes to {indices} is the last one there",
    lower="last_written",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((_positions(rng, 3, (5,)),), {"lengths": (3,)}),
            Sample((_positions(rng, 2, (4,)), _positions(rng, 2, (2, 1))), {"lengths": (2, 2)}),
            Sample((np.asarray(1),), {"lengths": (3,)}),
            Sample((np.zeros((0,), np.int64),), {"lengths": (3,)}),
        ]
    ),
)

_scatter_set = jointly_linear(
    "scatter_set",
    _scatter_set_kernel,
    lambda x, values, *indices, axes: Spec(x.shape, x.dtype),
    _scatter_set_transpose,
    _scatter_set_batch,
    count=2,
    arguments=("x", "values", "indices"),
    formula=r"{x}[{indices} \leftarrow {values}]",
    words="{x} with its elements at {indices} replaced by {values}",
    kink="where a position is written more than once the last value stays, and it alone gets the gradient",
    lower="scatter_set",
    onnx="ScatterND",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), _positions(rng, 4, (5,))), {"axes": (0,)}),
            Sample((rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), np.array([2, 0])), {"axes": (1,)}),
            Sample(
                (
                    rng.normal(size=(4, 3)),
                    rng.normal(size=(2, 5)),
                    _positions(rng, 4, (5,)),
                    _positions(rng, 3, (2, 1)),
                ),
                {"axes": (0, 1)},
            ),
            Sample(
                (rng.normal(size=(4, 3, 2)), rng.normal(size=(5, 3)), _positions(rng, 4, (5,)), np.asarray(1)),
                {"axes": (0, 2)},
            ),
            Sample((rng.normal(size=(3,)), rng.normal(size=()), np.asarray(-1)), {"axes": (0,)}),
            Sample((rng.normal(size=(4,)), rng.normal(size=(0,)), np.zeros((0,), np.int64)), {"axes": (0,)}),
        ]
    ),
)
