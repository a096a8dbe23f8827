"""Elements chosen by arrays of positions along some axes: taken, added up, or replaced where the positions say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .places import counted
from .sweep import Space, Step, sweep
from .types import I64, PTR, Operand, type_of

__all__ = ["Picked", "Positions", "emit_pick"]


@dataclass(frozen=True)
class Positions:
    """Positions along one axis of the table: their dtype, their strides, and the axis' length and stride.

    A negative position is counted from the end.
    """

    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    length: int
    step: int


@dataclass(frozen=True)
class Picked:
    """A table, and elements of it that have been, or are to be, chosen.

    `shape` is that of what is chosen; `table` are the strides of the table along its axes, 0 where only positions
    move. `mode` is `take` (from the table), `add` (to it) or `set` (in it, the last one stays). Strides count
    elements.
    """

    mode: str
    shape: tuple[int, ...]
    chosen: tuple[int, ...]
    table: tuple[int, ...]
    positions: tuple[Positions, ...]
    dtype: np.dtype[Any]


def emit_pick(module: Module, name: str, picked: Picked) -> int:
    """Write `name(ptr written, ptr read, ptr positions…, i64 begin, i64 end)` and return the units of work.

    What is written is the chosen elements, or the table. There threads divide only the axes along which it moves by
    itself, so the order in which elements are added is that of the positions.
    """
    numbers = [f"positions{i}" for i in range(len(picked.positions))]
    writes = ("chosen", "table") if picked.mode == "take" else ("table", "chosen")
    f = Function(module, name, [*((PTR, p) for p in (*writes, *numbers)), (I64, "begin"), (I64, "end")])
    type = type_of(picked.dtype)
    shared = tuple(picked.mode == "take" or stride != 0 for stride in picked.table)
    rows = (picked.chosen, picked.table, *(p.strides for p in picked.positions))

    def at(offsets: list[Operand | int]) -> Step:
        chosen, table, *places = offsets
        for number, place, positions in zip(numbers, places, picked.positions, strict=True):
            scalar = type_of(positions.dtype)
            position = f.load(scalar, f.at(f.argument(number), place, scalar))
            table = f.plus(table, f.times(counted(f, position, positions.dtype, positions.length), positions.step))
        inside, outside = f.at(f.argument("table"), table, type), f.at(f.argument("chosen"), chosen, type)

        def step(index: Operand | int, lanes: int, valid: int) -> None:
            one, other = f.at(inside, index, type), f.at(outside, index, type)
            source, target = (one, other) if picked.mode == "take" else (other, one)
            x = f.load(type.of(lanes), source, valid)
            if picked.mode == "add":
                before = f.load(type.of(lanes), target, valid)
                x = f.binary("or", before, x) if picked.dtype == np.bool_ else f.add(before, x)
            f.store(x, target, valid)

        return step

    # Elements that are added go in the order of the positions: axes that threads divide come before the others.
    order = sorted(range(len(shared)), key=lambda axis: not shared[axis])
    space = Space(
        tuple(picked.shape[a] for a in order),
        tuple(tuple(row[a] for a in order) for row in rows),
        2,
        tuple(shared[a] for a in order),
    )
    return sweep(f, space, type, at)
