"""Joining and parting: several arrays as one, one array as several, and the same array again and again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.joint import jointly_linear
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, ndim_of, operand, result_dtype, shape_of
from .gather import _gather
from .shape import _broadcast_to, _reshape, expand_dims, several_axes
from .slicing import FULL, _embed, _slice, _slice_set, repeated
from .stack import _stack, _unstack

__all__ = ["concat", "flip", "meshgrid", "pad", "repeat", "roll", "split", "stack", "tile", "unstack"]

# ----------------------------------------------------------------------------------------------- concat


def _concat_spec(*specs: Spec, axis: int) -> Spec:
    shape = list(specs[0].shape)
    shape[axis] = sum(spec.shape[axis] for spec in specs)
    return Spec(tuple(shape), result_dtype(*specs))


def _concat_transpose(g: Any, specs: Sequence[Spec], *, needs: Sequence[bool], axis: int) -> list[Any]:
    parts: list[Any] = []
    start = 0
    for spec, needed in zip(specs, needs, strict=True):
        stop = start + spec.shape[axis]
        parts.append(_slice(g, index=(*(FULL,) * axis, (start, stop, None))) if needed else None)
        start = stop
    return parts


_concat = jointly_linear(
    "concat",
    lambda *xs, axis: np.concatenate(xs, axis),
    _concat_spec,
    _concat_transpose,
    lambda batched, xs, *, axis: _concat(*repeated(batched, xs), axis=axis + 1),
    arguments=("arrays",),
    formula="[{arrays}]",
    words="{arrays} one behind the other",
    lower="concat",
    onnx="Concat",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), rng.normal(size=(0, 3))), {"axis": 0}),
            Sample((rng.normal(size=(2, 3)), rng.normal(size=(2, 1))), {"axis": 1}),
            Sample((rng.normal(size=(3,)),), {"axis": 0}),
        ]
    ),
)


def concat(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Return the arrays one behind the other along `axis`; None flattens them first.

    The arrays agree in all other axes. Raises ShapeError when they do not, or when there is none.

    >>> import pullback as pb
    >>> pb.concat([pb.tensor([1.0, 2.0]), pb.tensor([3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    xs = [operand(x) for x in arrays]
    if not xs:
        raise ShapeError("concat: there must be at least one array")
    if axis is None:
        xs, axis = [_reshape(x, shape=(math.prod(shape_of(x)),)) for x in xs], 0
    shapes = [shape_of(x) for x in xs]
    first = shapes[0]
    ndim = len(first)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"concat: axis {axis} does not exist in an array of shape {first}")
    axis %= ndim
    for i, shape in enumerate(shapes):
        if len(shape) != ndim or shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
            raise ShapeError(
                f"concat: the arrays must have the same shape but along axis {axis}; "
                f"array 0: {first}, array {i}: {shape}"
            )
    return _concat(*xs, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Return arrays of one shape side by side along a new axis, which stands at `axis` in the result.

    Raises ShapeError when the shapes differ, or when there is no array.

    >>> import pullback as pb
    >>> pb.stack([pb.zeros((3,)), pb.ones((3,))], axis=1).shape
    (3, 2)
    """
    xs = [operand(x) for x in arrays]
    if not xs:
        raise ShapeError("stack: there must be at least one array")
    first = shape_of(xs[0])
    for i, x in enumerate(xs):
        if shape_of(x) != first:
            raise ShapeError(f"stack: the arrays must have one shape; array 0: {first}, array {i}: {shape_of(x)}")
    (at,) = several_axes("stack", axis, len(first) + 1)
    return _stack(*xs, axis=at)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """Return the parts of `x` along `axis`, each without that axis.

    >>> import pullback as pb
    >>> [part.tolist() for part in pb.unstack(pb.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)]
    [[1.0, 3.0], [2.0, 4.0]]
    """
    x = operand(x)
    (at,) = several_axes("unstack", axis, ndim_of(x))
    return tuple(_unstack(x, axis=at))


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return the parts of `x` along `axis`: a number of equal parts, or parts that end before the given positions.

    Raises ShapeError when the axis cannot be divided into that many equal parts.

    >>> import pullback as pb
    >>> [part.tolist() for part in pb.split(pb.tensor([1.0, 2.0, 3.0]), [1])]
    [[1.0], [2.0, 3.0]]
    """
    x = operand(x)
    (at,) = several_axes("split", axis, ndim_of(x))
    n = shape_of(x)[at]
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections < 1 or n % sections:
            raise ShapeError(f"split: axis {at} of length {n} cannot be divided into {sections} equal parts")
        bounds = [n // sections * i for i in range(sections + 1)]
    else:
        bounds = [0, *(int(i) for i in indices_or_sections), n]
    return [
        _slice(x, index=(*(FULL,) * at, (start, stop, None)))
        for start, stop in pairwise(bounds)
    ]


# --------------------------------------------------------------------------------------- pad, roll, flip


def pad(x: Any, pad_width: Any, constant_values: float = 0) -> Any:
    """Return `x` with a border of `constant_values`.

    `pad_width` is one width for every side, a pair (before, after) for every axis, or one pair per axis.
    Raises ShapeError when it does not fit the axes or is negative.

    >>> import pullback as pb
    >>> pb.pad(pb.tensor([1.0, 2.0]), (1, 2)).tolist()
    [0.0, 1.0, 2.0, 0.0, 0.0]
    """
    x = operand(x)
    shape = shape_of(x)
    try:
        widths = np.broadcast_to(np.asarray(pad_width, dtype=np.int64), (len(shape), 2)).tolist()
    except ValueError:
        raise ShapeError(f"pad: pad_width {pad_width} does not fit an array of shape {shape}") from None
    if any(width < 0 for pair in widths for width in pair):
        raise ShapeError(f"pad: a border cannot have a negative width, got {pad_width}")
    padded = tuple(before + n + after for n, (before, after) in zip(shape, widths, strict=True))
    index = tuple((before, before + n, None) for n, (before, _) in zip(shape, widths, strict=True))
    if constant_values == 0:
        return _embed(x, index=index, shape=padded)
    return _slice_set(np.full(padded, constant_values, dtype_of(x)), x, index=index)


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` with the elements along `axis` (None: along every axis) in reverse order.

    >>> import pullback as pb
    >>> pb.flip(pb.tensor([1.0, 2.0, 3.0])).tolist()
    [3.0, 2.0, 1.0]
    """
    x = operand(x)
    ndim = ndim_of(x)
    axes = range(ndim) if axis is None else several_axes("flip", axis, ndim)
    return _slice(x, index=tuple((None, None, -1) if a in axes else FULL for a in range(ndim)))


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` with its elements moved on by `shift` along `axis`; what leaves at the end enters at the start.

    None rolls the flattened array. Raises ShapeError when there are more shifts than axes.

    >>> import pullback as pb
    >>> pb.roll(pb.tensor([1.0, 2.0, 3.0]), 1).tolist()
    [3.0, 1.0, 2.0]
    """
    x = operand(x)
    if axis is None:
        flat = _reshape(x, shape=(math.prod(shape_of(x)),))
        return _reshape(roll(flat, shift, 0), shape=shape_of(x))
    axes = several_axes("roll", axis, ndim_of(x))
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    if len(shifts) != len(axes):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for a, places in zip(axes, shifts, strict=True):
        n = shape_of(x)[a]
        cut = -places % n if n else 0
        if cut:
            lead = (FULL,) * a
            x = _concat(_slice(x, index=(*lead, (cut, None, None))), _slice(x, index=(*lead, (0, cut, None))), axis=a)
    return x


# ------------------------------------------------------------------------------- tile, repeat, meshgrid


def tile(x: Any, repetitions: int | Sequence[int]) -> Any:
    """Return `x` laid side by side `repetitions[i]` times along axis i.

    >>> import pullback as pb
    >>> pb.tile(pb.tensor([1.0, 2.0]), (2, 2)).tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    x = operand(x)
    counts = (repetitions,) if isinstance(repetitions, int) else tuple(int(n) for n in repetitions)
    shape = shape_of(x)
    ndim = max(len(shape), len(counts))
    shape = (1,) * (ndim - len(shape)) + shape
    counts = (1,) * (ndim - len(counts)) + counts
    apart = tuple(length for n in shape for length in (1, n))
    spread = tuple(length for pair in zip(counts, shape, strict=True) for length in pair)
    tiled = tuple(count * n for count, n in zip(counts, shape, strict=True))
    return _reshape(_broadcast_to(_reshape(x, shape=apart), shape=spread), shape=tiled)


def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Return `x` with every element along `axis` (None: of the flattened array) standing `repeats` times.

    `repeats` is one number, or one number per element. Raises ShapeError when it does not fit the axis.

    >>> import pullback as pb
    >>> pb.repeat(pb.tensor([1.0, 2.0]), 2).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    x = operand(x)
    if axis is None:
        x, axis = _reshape(x, shape=(math.prod(shape_of(x)),)), 0
    (at,) = several_axes("repeat", axis, ndim_of(x))
    shape = shape_of(x)
    if isinstance(repeats, int):
        spread = _broadcast_to(expand_dims(x, at + 1), shape=(*shape[: at + 1], repeats, *shape[at + 1 :]))
        return _reshape(spread, shape=(*shape[:at], shape[at] * repeats, *shape[at + 1 :]))
    counts = np.asarray(repeats)
    if counts.shape not in ((), (1,), (shape[at],)):
        raise ShapeError(f"repeat: repeats of shape {counts.shape} do not fit axis {at} of length {shape[at]}")
    return _gather(x, np.repeat(np.arange(shape[at]), counts), axes=(at,))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """Return the coordinates of a grid: array i of the result varies along the axis of argument i alone.

    With `indexing="xy"` the first two axes are swapped. Raises ShapeError unless the arguments have one axis.

    >>> import pullback as pb
    >>> [x.tolist() for x in pb.meshgrid(pb.tensor([1.0, 2.0]), pb.tensor([3.0]), indexing="ij")]
    [[[1.0], [2.0]], [[3.0], [3.0]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    xs = [operand(x) for x in arrays]
    for i, x in enumerate(xs):
        if ndim_of(x) != 1:
            raise ShapeError(f"meshgrid: argument {i} must have one axis, its shape is {shape_of(x)}")
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[:2] = 1, 0
    lengths = [shape_of(x)[0] for x in xs]
    shape = tuple(lengths[i] for i in order)
    return [
        _broadcast_to(_reshape(x, shape=tuple(lengths[i] if j == i else 1 for j in order)), shape=shape)
        for i, x in enumerate(xs)
    ]
