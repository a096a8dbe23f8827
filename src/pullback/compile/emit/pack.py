"""Copies of a panel of a matrix into consecutive memory, turned over where its rows are not consecutive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .function import Function, Module
from .types import I64, PTR, Operand, Type, constant

__all__ = ["Panel", "emit_pack", "transposed"]


@dataclass(frozen=True)
class Panel:
    """A panel to copy: `columns` wide, its depth told at run time or, where it is `short`, fixed.

    The copy has its columns consecutive, and each of its rows fills whole vectors; what stands beyond the last
    column is undefined.
    """

    type: Type
    columns: int
    depth_stride: int
    column_stride: int
    short: int = 0


def emit_pack(module: Module, panel: Panel) -> str:
    """Write `pack(to, from, depth)`, once a module for the same panel, and return its name.

    A panel that is turned over must be as deep as a vector is long, unless its depth is fixed.
    """
    if panel in module.names:
        return module.names[panel]
    name = f"pack.{len(module.names)}"
    module.names[panel] = name
    f = Function(module, name, [(PTR, "to"), (PTR, "from"), (I64, "depth")])
    lanes = module.lanes(panel.type)
    width = -(-panel.columns // lanes) * lanes
    to, source = f.argument("to"), f.argument("from")
    depth: Operand | int = panel.short or f.argument("depth")
    if panel.column_stride == 1:
        _copy_rows(f, panel, lanes, width, to, source, depth)
    else:
        _turn_over(f, panel, lanes, width, to, source, depth)
    return name


def _copy_rows(
    f: Function, panel: Panel, lanes: int, width: int, to: Operand, source: Operand, depth: Operand | int
) -> None:
    vector = panel.type.of(lanes)
    with f.loop(0, depth) as loop:
        row = f.at(source, f.times(loop.index, panel.depth_stride), panel.type)
        place = f.at(to, f.times(loop.index, width), panel.type)
        for j in range(0, panel.columns, lanes):
            value = f.load(vector, f.at(row, j, panel.type), min(lanes, panel.columns - j))
            f.store(value, f.at(place, j, panel.type))


def _turn_over(
    f: Function, panel: Panel, lanes: int, width: int, to: Operand, source: Operand, depth: Operand | int
) -> None:
    """Copy square by square. The last square reaches back over the one before it, so that none is cut off."""
    vector = panel.type.of(lanes)
    full, rest = divmod(panel.columns, lanes)

    def square(start: Operand | int, deep: int, column: Operand | int, columns: int) -> None:
        corner = f.at(f.at(source, start, panel.type), f.times(column, panel.column_stride), panel.type)
        place = f.at(f.at(to, f.times(start, width), panel.type), column, panel.type)
        rows = [
            f.load(vector, f.at(corner, j * panel.column_stride, panel.type), deep)
            if j < columns
            else constant(vector, 0.0)
            for j in range(lanes)
        ]
        for k, row in enumerate(transposed(f, rows)[:deep]):
            f.store(row, f.at(place, k * width, panel.type))

    def squares(start: Operand | int, deep: int) -> None:
        if full:
            with f.loop(0, full * lanes, lanes) as across:
                square(start, deep, across.index, lanes)
        if rest:
            square(start, deep, full * lanes, rest)

    if panel.short:
        for start in range(0, panel.short, lanes):
            squares(start, min(lanes, panel.short - start))
        return
    last = f.value(I64, f"sub nsw i64 {depth}, {lanes}")
    with f.loop(0, depth, lanes) as down:
        squares(f.select(f.compare("slt", down.index, last), down.index, last), lanes)


def transposed(f: Function, rows: Sequence[Operand]) -> list[Operand]:
    """Return the columns of a square of vectors: at each stage one bit of the lane is exchanged with one of the row."""
    lanes = len(rows)
    found = list(rows)
    bit = 1
    while bit < lanes:
        low = ", ".join(f"i32 {j if not j & bit else lanes + (j ^ bit)}" for j in range(lanes))
        high = ", ".join(f"i32 {j | bit if not j & bit else lanes + j}" for j in range(lanes))
        following = list(found)
        for i in range(lanes):
            if not i & bit:
                pair = f"shufflevector {found[i].typed}, {found[i | bit].typed}, <{lanes} x i32>"
                following[i] = f.value(found[i].type, f"{pair} <{low}>")
                following[i | bit] = f.value(found[i].type, f"{pair} <{high}>")
        found = following
        bit *= 2
    return found
