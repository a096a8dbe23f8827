"""Rows of a table chosen by positions: gathered, and added up where the positions say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .places import counted
from .types import I64, PTR, Operand, constant, type_of

__all__ = ["Rows", "emit_gather", "emit_scatter_add", "scatter_units"]

TOGETHER = 4
"""How many registers of columns are added up in one turn of the loop over them, and are a unit of work."""

@dataclass(frozen=True)
class Rows:
    """A table of `table` rows of `width` elements without gaps, and `count` consecutive positions in it."""

    table: int
    width: int
    count: int
    dtype: np.dtype[Any]
    positions: np.dtype[Any]


def emit_gather(module: Module, name: str, rows: Rows) -> None:
    """Write `name(ptr rows, ptr table, ptr positions, i64 begin, i64 end)`: the chosen rows begin … end − 1."""
    f = Function(module, name, [(PTR, "rows"), (PTR, "table"), (PTR, "positions"), (I64, "begin"), (I64, "end")])
    scalar = type_of(rows.dtype)
    with f.loop(f.argument("begin"), f.argument("end")) as loop:
        source = f.at(f.argument("table"), f.times(_position(f, rows, loop.index), rows.width), scalar)
        target = f.at(f.argument("rows"), f.times(loop.index, rows.width), scalar)
        for column, lanes, valid in _pieces(f, module, rows, rows.width):
            vector = scalar.of(lanes)
            x = f.load(vector, f.at(source, column, scalar), valid)
            f.store(x, f.at(target, column, scalar), valid)


def scatter_units(module: Module, rows: Rows) -> int:
    """Return into how many parts of columns the table is cut."""
    return max(1, rows.width // _part(module, rows))


def _part(module: Module, rows: Rows) -> int:
    """Return how many columns are a unit of work; what is left over belongs to the last one."""
    return TOGETHER * module.lanes(type_of(rows.dtype))


def emit_scatter_add(module: Module, name: str, rows: Rows) -> None:
    """Write `name(ptr table, ptr rows, ptr positions, i64 begin, i64 end)`: begin and end count parts of the columns.

    Rows are added in the order of the positions, so the sum does not depend on how the columns are shared out. Of
    each row all columns that are to be done are done at once: so it is read in one go.
    """
    f = Function(module, name, [(PTR, "table"), (PTR, "rows"), (PTR, "positions"), (I64, "begin"), (I64, "end")])
    scalar = type_of(rows.dtype)

    def clear(place: Operand, source: Operand, lanes: int, valid: int) -> None:
        f.store(constant(scalar.of(lanes), 0), place, valid)

    def add(place: Operand, source: Operand, lanes: int, valid: int) -> None:
        vector = scalar.of(lanes)
        f.store(f.add(f.load(vector, place, valid), f.load(vector, source, valid)), place, valid)

    with f.loop(0, rows.table) as row:
        target = f.at(f.argument("table"), f.times(row.index, rows.width), scalar)
        _columns(f, module, rows, target, target, clear)
    with f.loop(0, rows.count) as loop:
        target = f.at(f.argument("table"), f.times(_position(f, rows, loop.index), rows.width), scalar)
        source = f.at(f.argument("rows"), f.times(loop.index, rows.width), scalar)
        _columns(f, module, rows, target, source, add)


def _columns(
    f: Function,
    module: Module,
    rows: Rows,
    target: Operand,
    source: Operand,
    act: Callable[[Operand, Operand, int, int], None],
) -> None:
    """Do something to the registers of one row that are this thread's: with where they are, lanes, and valid ones."""
    scalar = type_of(rows.dtype)
    lanes, part, units = module.lanes(scalar), _part(module, rows), scatter_units(module, rows)

    def one(column: Operand | int, valid: int) -> None:
        act(f.at(target, column, scalar), f.at(source, column, scalar), lanes, valid)

    whole = units * part if rows.width >= part else 0
    if whole:
        begin, end = (f.times(f.argument(edge), part) for edge in ("begin", "end"))
        with f.loop(begin, end, part) as column:
            for number in range(TOGETHER):
                one(f.plus(column.index, number * lanes), lanes)
    if rows.width == whole:
        return
    with f.when(f.compare("eq", f.argument("end"), f.constant(I64, units))) if whole else nullcontext():
        for at in range(whole, rows.width, lanes):
            one(at, min(lanes, rows.width - at))


def _position(f: Function, rows: Rows, index: Operand) -> Operand:
    scalar = type_of(rows.positions)
    found = f.load(scalar, f.at(f.argument("positions"), index, scalar))
    return counted(f, found, rows.positions, rows.table)


def _pieces(
    f: Function, module: Module, rows: Rows, width: int
) -> Iterator[tuple[Operand | int, int, int]]:
    """Go through `width` columns a register at a time: in a loop where they are many, and the rest one by one.

    Yields the column, the lanes of the register, and how many of them are valid.
    """
    lanes = module.lanes(type_of(rows.dtype))
    many = width // lanes
    done = 0
    if many > 8:
        with f.loop(0, many * lanes, lanes) as loop:
            yield loop.index, lanes, lanes
        done = many * lanes
    for column in range(done, width, lanes):
        yield column, lanes, min(lanes, width - column)
