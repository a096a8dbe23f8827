"""Rows of a table chosen by positions: gathered, and added up where the positions say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .places import counted
from .types import I64, PTR, Operand, constant, type_of

__all__ = ["Rows", "emit_gather", "emit_scatter_add", "scatter_units"]

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
    return max(1, rows.width // (4 * module.lanes(type_of(rows.dtype))))


def emit_scatter_add(module: Module, name: str, rows: Rows) -> None:
    """Write `name(ptr table, ptr rows, ptr positions, i64 begin, i64 end)`: begin and end count parts of the columns.

    Rows are added in the order of the positions, so the sum does not depend on how the columns are shared out.
    """
    f = Function(module, name, [(PTR, "table"), (PTR, "rows"), (PTR, "positions"), (I64, "begin"), (I64, "end")])
    units = scatter_units(module, rows)
    scalar = type_of(rows.dtype)
    part = rows.width // units // module.lanes(scalar) * module.lanes(scalar) if units > 1 else rows.width
    with f.loop(f.argument("begin"), f.argument("end")) as unit:
        column = f.times(unit.index, part)
        table = f.at(f.argument("table"), column, scalar)
        source = f.at(f.argument("rows"), column, scalar)
        _add_up(f, module, rows, table, source, part)
        rest = rows.width - units * part
        if rest:
            with f.when(f.compare("eq", unit.index, f.constant(I64, units - 1))):
                _add_up(f, module, rows, f.at(table, part, scalar), f.at(source, part, scalar), rest)


def _add_up(f: Function, module: Module, rows: Rows, table: Operand, source: Operand, width: int) -> None:
    scalar = type_of(rows.dtype)
    with f.loop(0, rows.table) as row:
        target = f.at(table, f.times(row.index, rows.width), scalar)
        for column, lanes, valid in _pieces(f, module, rows, width):
            f.store(constant(scalar.of(lanes), 0), f.at(target, column, scalar), valid)
    with f.loop(0, rows.count) as loop:
        target = f.at(table, f.times(_position(f, rows, loop.index), rows.width), scalar)
        added = f.at(source, f.times(loop.index, rows.width), scalar)
        for column, lanes, valid in _pieces(f, module, rows, width):
            vector = scalar.of(lanes)
            place = f.at(target, column, scalar)
            total = f.add(f.load(vector, place, valid), f.load(vector, f.at(added, column, scalar), valid))
            f.store(total, place, valid)


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
