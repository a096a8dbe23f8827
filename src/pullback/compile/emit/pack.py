"""Copies of a panel of a matrix into consecutive memory, turned over where its rows are not consecutive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .function import Function, Module
from .types import I64, PTR, Operand, Type, constant

__all__ = ["Panel", "emit_pack", "transposed"]


@dataclass(frozen=True)
class Panel:
    """A panel to copy: `columns` wide, and as deep as is told at run time, but at least `depth`.

    The copy has its columns consecutive, and each of its rows fills whole vectors, what stands beyond the last column
    being undefined; or its rows are `width` apart, where that is given.
    """

    type: Type
    columns: int
    depth: int
    depth_stride: int
    column_stride: int
    width: int = 0


def emit_pack(module: Module, panel: Panel) -> str:
    """Write `pack(to, from, depth)`, once a module for the same panel, and return its name."""
    if panel in module.names:
        return module.names[panel]
    name = f"pack.{len(module.names)}"
    module.names[panel] = name
    f = Function(module, name, [(PTR, "to"), (PTR, "from"), (I64, "depth")])
    lanes = module.lanes(panel.type)
    width = panel.width or -(-panel.columns // lanes) * lanes
    if panel.column_stride == 1:
        _copy_rows(f, panel, lanes, width)
    elif panel.depth < lanes or lanes == 1:
        _copy_elements(f, panel, width)
    else:
        _turn_over(f, panel, lanes, width)
    return name


def _copy_rows(f: Function, panel: Panel, lanes: int, width: int) -> None:
    vector = panel.type.of(lanes)
    with f.loop(0, f.argument("depth")) as loop:
        row = f.at(f.argument("from"), f.times(loop.index, panel.depth_stride), panel.type)
        place = f.at(f.argument("to"), f.times(loop.index, width), panel.type)
        for j in range(0, panel.columns, lanes):
            value = f.load(vector, f.at(row, j, panel.type), min(lanes, panel.columns - j))
            f.store(value, f.at(place, j, panel.type))


def _copy_elements(f: Function, panel: Panel, width: int) -> None:
    with f.loop(0, panel.columns) as across:
        column = f.at(f.argument("from"), f.times(across.index, panel.column_stride), panel.type)
        place = f.at(f.argument("to"), across.index, panel.type)
        with f.loop(0, f.argument("depth")) as down:
            value = f.load(panel.type, f.at(column, f.times(down.index, panel.depth_stride), panel.type))
            f.store(value, f.at(place, f.times(down.index, width), panel.type))


def _turn_over(f: Function, panel: Panel, lanes: int, width: int) -> None:
    """Copy square by square. The last squares reach back over those before them, so that none is cut off."""
    depth = f.argument("depth")
    square = _square(f.module, panel.type, min(lanes, panel.columns))

    def start(index: Operand, last: Operand) -> Operand:
        return f.intrinsic("smin", I64, index, last)

    with f.loop(0, depth, lanes) as down:
        row = start(down.index, f.plus(depth, -lanes))
        with f.loop(0, panel.columns, lanes) as across:
            column = start(across.index, f.index(max(0, panel.columns - lanes)))
            corner = f.at(f.argument("from"), f.plus(row, f.times(column, panel.column_stride)), panel.type)
            place = f.at(f.argument("to"), f.plus(f.times(row, width), column), panel.type)
            f.call(square, place, corner, f.index(width), f.index(panel.column_stride))


def _square(module: Module, type: Type, columns: int) -> str:
    """Write `square(to, from, to_stride, from_stride)`, which turns a square over; shared by all panels."""
    key = ("square", type, columns)
    if key in module.names:
        return module.names[key]
    name = f"square.{len(module.names)}"
    module.names[key] = name
    f = Function(module, name, [(PTR, "to"), (PTR, "from"), (I64, "to_stride"), (I64, "from_stride")])
    lanes = module.lanes(type)
    vector = type.of(lanes)
    source, place = f.argument("from"), f.argument("to")
    rows = []
    for _ in range(columns):
        rows.append(f.load(vector, source))
        source = f.at(source, f.argument("from_stride"), type)
    rows += [constant(vector, 0.0)] * (lanes - columns)
    for row in transposed(f, rows):
        f.store(row, place)
        place = f.at(place, f.argument("to_stride"), type)
    return name


def transposed(f: Function, rows: Sequence[Operand]) -> list[Operand]:
    """Return the columns of a square of vectors, by shuffles that every processor has as one instruction.

    First small squares are turned over inside each 128 bits, then the 128-bit quarters are brought together.
    """
    type = rows[0].type
    lanes = type.lanes
    if lanes == 1:
        return list(rows)
    small = 128 // type.bits
    quarters = lanes // small

    def pick(a: Operand, b: Operand, places: Sequence[int]) -> Operand:
        order = ", ".join(f"i32 {place}" for place in places)
        return f.value(type, f"shufflevector {a.typed}, {b.typed}, <{lanes} x i32> <{order}>")

    def within(a: Operand, b: Operand, pattern: Sequence[int]) -> Operand:
        """Apply a pattern to each 128 bits; places of b begin at `small`."""
        places = [q * small + (p if p < small else lanes + p - small) for q in range(quarters) for p in pattern]
        return pick(a, b, places)

    def across(a: Operand, b: Operand, pattern: Sequence[int]) -> Operand:
        """Apply a pattern to whole quarters; those of b begin at `quarters`."""
        return pick(a, b, [p * small + at for p in pattern for at in range(small)])

    groups = []
    for start in range(0, lanes, small):
        group = list(rows[start : start + small])
        if small == 2:
            a, b = group
            groups.append([within(a, b, (0, 2)), within(a, b, (1, 3))])
            continue
        a, b, c, d = group
        low, high = (0, 4, 1, 5), (2, 6, 3, 7)
        pairs = [(within(a, b, half), within(c, d, half)) for half in (low, high)]
        groups.append([within(x, y, half) for x, y in pairs for half in ((0, 1, 4, 5), (2, 3, 6, 7))])

    # Without a fence between the two halves the compiler spends most of its time looking for a better shuffle.
    groups = [[f.intrinsic("arithmetic.fence", type, x) for x in group] for group in groups]
    columns: list[Operand] = [rows[0]] * lanes
    for k, parts in enumerate(zip(*groups, strict=True)):
        if quarters == 1:
            found = list(parts)
        elif quarters == 2:
            a, b = parts
            found = [across(a, b, (0, 2)), across(a, b, (1, 3))]
        else:
            a, b, c, d = parts
            evens, odds = (0, 2, 4, 6), (1, 3, 5, 7)
            even = across(a, b, evens), across(c, d, evens)
            odd = across(a, b, odds), across(c, d, odds)
            found = [across(x, y, pattern) for pattern in (evens, odds) for x, y in (even, odd)]
        for quarter, column in enumerate(found):
            columns[quarter * small + k] = column
    return columns
