"""Chosen by positions: the rules that lower gathering, scattering, and choices along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.spec import Shape, spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access, Immediate, Iota, Operand
from .builder import Lowering
from .program import Check, RowMove, Special

__all__ = ["PICKS", "can_pick"]

INT64 = np.dtype(np.int64)


# ------------------------------------------------------------------------------------------------ positions


def _within(lowering: Lowering, equation: Equation, positions: Any, n: int) -> Access:
    """Return the access to positions, with a check of those that are not known to lie in −n, …, n − 1."""
    access = lowering.access(positions)
    if isinstance(positions, Symbol) or not np.all(np.less(positions, n) & np.greater_equal(positions, -n)):
        lowering.add(Check(equation, access, n, negative=(access, n) not in lowering.counted))
    return access


def _from_the_front(lowering: Lowering, positions: Access, n: int) -> Access:
    """Return checked positions, the negative ones counted from the front."""
    if positions.dtype.kind != "i" or (positions, n) in lowering.counted:
        return positions
    wide = lowering.point("copy", positions.shape, INT64, positions, common=INT64)
    moved = lowering.point("add", positions.shape, INT64, wide, Immediate(n, INT64), common=INT64)
    negative = lowering.point("less", positions.shape, np.bool_, wide, Immediate(0, INT64), common=INT64)
    return lowering.point("where", positions.shape, INT64, negative, moved, wide, common=INT64)


def _pick(
    lowering: Lowering,
    equation: Equation,
    mode: str,
    chosen: Access,
    table: Access,
    static: Sequence[int],
    positions: Sequence[tuple[Access, int]],
) -> None:
    """Add the instruction. `static` are the table's strides along what is chosen; `positions` come with their axis."""
    from .emit.pick import Picked, Positions

    found = tuple(
        Positions(x.dtype, x.spread(chosen.shape).strides, table.shape[axis], table.strides[axis])
        for x, axis in positions
    )
    picked = Picked(mode, chosen.shape, chosen.strides, tuple(static), found, table.dtype)
    written, read = (chosen, table) if mode == "take" else (table, chosen)
    lowering.add(Special(equation, "pick", (picked,), (written,), (read, *(x for x, _ in positions))))


# ------------------------------------------------------------------------------------------ gather and scatter


def _laid_out(shape: Shape, ndim: int, axes: tuple[int, ...]) -> tuple[list[int], int]:
    """Return which axis of the table each axis of what is chosen moves along (−1: the positions'), and where the
    positions' axes end."""
    rest = [a for a in range(ndim) if a not in axes]
    place = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
    count = len(shape) - len(rest)
    return [*rest[:place], *[-1] * count, *rest[place:]], place + count


def _chosen(
    lowering: Lowering, equation: Equation, mode: str, chosen: Access, table: Access, indices: Sequence[Any]
) -> None:
    axes = equation.static["axes"]
    moving, end = _laid_out(chosen.shape, len(table.shape), axes)
    positions = []
    for index, axis in zip(indices, axes, strict=True):
        x = _within(lowering, equation, index, table.shape[axis])
        behind = len(chosen.shape) - end
        positions.append((Access(x.array, x.offset, (*x.shape, *(1,) * behind), (*x.strides, *(0,) * behind)), axis))
    _pick(lowering, equation, mode, chosen, table, [0 if a < 0 else table.strides[a] for a in moving], positions)


def gather(lowering: Lowering, equation: Equation) -> bool:
    x, *indices = equation.inputs
    table, out = lowering.access(x), lowering.new(equation.outputs[0])
    if not _whole_rows(equation, table):
        _chosen(lowering, equation, "take", out, table, indices)
        return True
    positions = _tight(lowering, _within(lowering, equation, indices[0], table.shape[0]))
    lowering.add(RowMove(equation, table, positions, out, scatter=False))
    return True


def scatter_add(lowering: Lowering, equation: Equation) -> bool:
    g, *indices = equation.inputs
    rows, out = lowering.access(g), lowering.new(equation.outputs[0])
    if not _whole_rows(equation, out) or out.dtype == np.bool_:
        out.array.layered = True
        lowering.copy(Immediate(0, out.dtype), out)
        _chosen(lowering, equation, "add", rows, out, indices)
        return True
    positions = _tight(lowering, _within(lowering, equation, indices[0], out.shape[0]))
    lowering.add(RowMove(equation, out, positions, _tight(lowering, rows), scatter=True))
    return True


def scatter_set(lowering: Lowering, equation: Equation) -> bool:
    x, values, *indices = equation.inputs
    out = lowering.new(equation.outputs[0])
    out.array.layered = True
    lowering.copy(lowering.operand(x), out)
    _chosen(lowering, equation, "set", lowering.access(values), out, indices)
    return True


def last_written(lowering: Lowering, equation: Equation) -> bool:
    """Each write leaves its number, and asks afterwards whether that is still there."""
    (symbol,) = equation.outputs
    lengths = equation.static["lengths"]
    numbers = lowering.constant(np.arange(math.prod(symbol.shape)).reshape(symbol.shape)).whole()
    writers = lowering.array(lengths, INT64).whole()
    writers.array.layered = True
    indices = enumerate(zip(equation.inputs, lengths, strict=True))
    positions = [(_within(lowering, equation, x, n), axis) for axis, (x, n) in indices]
    static = (0,) * len(symbol.shape)
    _pick(lowering, equation, "set", numbers, writers, static, positions)
    left = lowering.array(symbol.shape, INT64).whole()
    _pick(lowering, equation, "take", left, writers, static, positions)
    lowering.point("equal", symbol.shape, np.bool_, left, numbers, common=INT64, out=lowering.new(symbol))
    return True


def _whole_rows(equation: Equation, table: Access) -> bool:
    return equation.static["axes"] == (0,) and table.contiguous


def _tight(lowering: Lowering, x: Access) -> Access:
    """Return the same numbers without gaps, copied if need be."""
    if x.contiguous:
        return x
    tight = lowering.array(x.shape, x.dtype).whole()
    lowering.copy(x, tight)
    return tight


# ------------------------------------------------------------------------------------------------ along an axis


def one_hot(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    x = lowering.access(equation.inputs[0])
    lowering.add(Check(equation, x, equation.static["num_classes"]))
    labels = Access(x.array, x.offset, (*x.shape, 1), (*x.strides, 0))
    index = Iota(len(x.shape), x.dtype)
    hot = lowering.point("equal", symbol.shape, np.bool_, labels, index, common=x.dtype)
    lowering.point("copy", symbol.shape, symbol.dtype, hot, common=symbol.dtype, out=lowering.new(symbol))
    return True


def take_along(lowering: Lowering, equation: Equation) -> bool:
    """One element a row: the sum of the row where its number is the chosen one, and 0 elsewhere, which can be fused."""
    x = lowering.access(equation.inputs[0])
    (symbol,) = equation.outputs
    axis = equation.static["axis"] + len(x.shape)
    indices = _within(lowering, equation, equation.inputs[1], x.shape[axis])
    if not _one_each(indices, x.shape, axis) or x.dtype.kind != "f":
        static = tuple(0 if a == axis else s for a, s in enumerate(x.strides))
        _pick(lowering, equation, "take", lowering.new(symbol), x, static, [(indices, axis)])
        return True
    hot = _hot(lowering, indices, x.shape, axis)
    chosen = lowering.point("where", x.shape, x.dtype, hot, x, Immediate(0, x.dtype), common=x.dtype)
    lowering.fold("add", chosen, x.shape, (axis,), x.dtype, lowering.new(symbol))
    return True


def put_along(lowering: Lowering, equation: Equation) -> bool:
    g = lowering.access(equation.inputs[0])
    (symbol,) = equation.outputs
    axis = equation.static["axis"] + len(symbol.shape)
    indices = _within(lowering, equation, equation.inputs[1], symbol.shape[axis])
    out = lowering.new(symbol)
    if not _one_each(indices, symbol.shape, axis):
        out.array.layered = True
        lowering.copy(Immediate(0, symbol.dtype), out)
        static = tuple(0 if a == axis else s for a, s in enumerate(out.strides))
        _pick(lowering, equation, "add", g, out, static, [(indices, axis)])
        return True
    hot = _hot(lowering, indices, symbol.shape, axis)
    zero = Immediate(0, symbol.dtype)
    lowering.point("where", symbol.shape, symbol.dtype, hot, g, zero, common=symbol.dtype, out=out)
    return True


def _one_each(indices: Access, shape: Shape, axis: int) -> bool:
    return indices.shape == (*shape[:axis], 1, *shape[axis + 1 :])


def _hot(lowering: Lowering, indices: Access, shape: Shape, axis: int) -> Operand:
    """Return where the index along an axis is the chosen one."""
    indices = _from_the_front(lowering, indices, shape[axis])
    return lowering.point("equal", shape, np.bool_, indices, Iota(axis, indices.dtype), common=indices.dtype)


# ------------------------------------------------------------------------------------------------ in windows


def window_positions(lowering: Lowering, equation: Equation) -> bool:
    """Taken from a table that says where each element of each window lies."""
    choice = lowering.access(equation.inputs[0])
    static = equation.static
    kernel = static["kernel"]
    counts = choice.shape[len(choice.shape) - len(kernel) :]
    windows = zip(static["size"], kernel, static["stride"], static["padding"], static["dilation"], counts, strict=True)
    places = np.zeros((1,) * 2 * len(kernel), INT64)
    for axis, (n, k, s, (before, _), d, count) in enumerate(windows):
        along = d * np.arange(k)[:, None] + s * np.arange(count) - before
        shape = [1] * 2 * len(kernel)
        shape[axis], shape[len(kernel) + axis] = k, count
        places = places * n + along.reshape(shape)
    table = lowering.constant(places.reshape(math.prod(kernel), *counts)).whole()
    lowering.add(Check(equation, choice, table.shape[0]))
    strides = (*(0,) * (len(choice.shape) - len(kernel)), *table.strides[1:])
    _pick(lowering, equation, "take", lowering.new(equation.outputs[0]), table, strides, [(choice, 0)])
    return True


PICKS: dict[str, Callable[[Lowering, Equation], bool]] = {
    "gather": gather,
    "scatter_add": scatter_add,
    "scatter_set": scatter_set,
    "last_written": last_written,
    "one_hot": one_hot,
    "take_along": take_along,
    "put_along": put_along,
    "window_positions": window_positions,
}


def can_pick(equation: Equation) -> bool:
    """Whether what says where is made of integers."""
    first = {"gather": 1, "scatter_add": 1, "take_along": 1, "put_along": 1, "scatter_set": 2}
    return all(spec_of(x).dtype.kind in "iu" for x in equation.inputs[first.get(str(equation.mapping.lower), 0) :])
