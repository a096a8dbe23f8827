"""Tiles of a matrix product whose factors both run along the depth: sums of vectors, folded at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .finish import Epilogue, Finished, finish, finish_parameters
from .function import Function, Module
from .tile import multiply_add, registers
from .types import PTR, Operand, Type, constant

__all__ = ["DotTile", "emit_dot", "shape_of_dots"]

NARROW = 3
"""Of so many columns the sums of a row are brought together in one vector; of fewer, each is folded by itself."""

WIDE = 12
"""How many columns a tile takes in one go."""


@dataclass(frozen=True)
class DotTile:
    """A tile of `rows` × `columns` of C: A's rows and B's columns are consecutive along the whole depth."""

    type: Type
    rows: int
    columns: int
    depth: int
    a_row: int
    b_column: int
    c_row: int
    accumulate: bool
    epilogue: Epilogue | None = None


def shape_of_dots(module: Module, rows: int, columns: int) -> tuple[int, int]:
    """Return how many rows and columns a tile has: enough sums to keep the units busy, few enough for the registers."""
    free = registers(module)
    if columns < 4:
        return min(rows, (free - columns - 1) // (columns + 1), 8), columns
    if columns <= WIDE:
        return max(1, min(rows, (free - 2) // (columns + 1), 4)), columns
    high = min(rows, 4)
    return high, max(1, min(columns, (free - high - 1) // (high + 1), 8))


def emit_dot(module: Module, tile: DotTile) -> str:
    """Write the kernel of a tile, once a module for the same tile, and return its name."""
    if tile in module.names:
        return module.names[tile]
    name = f"dot.{len(module.names)}"
    module.names[tile] = name
    extra = finish_parameters if tile.epilogue is not None else ()
    f = Function(module, name, [(PTR, "c"), (PTR, "a"), (PTR, "b"), *extra])
    lanes = module.lanes(tile.type)
    vector = tile.type.of(lanes)
    a, b = f.argument("a"), f.argument("b")
    totals = [constant(vector, 0.0)] * (tile.rows * tile.columns)

    def step(k: Operand | int, totals: list[Operand], valid: int) -> list[Operand]:
        from_a, from_b = f.at(a, k, tile.type), f.at(b, k, tile.type)
        rows = [f.load(vector, f.at(from_a, i * tile.a_row, tile.type), valid) for i in range(tile.rows)]
        found = list(totals)
        for j in range(tile.columns):
            other = f.load(vector, f.at(from_b, j * tile.b_column, tile.type), valid)
            for i, row in enumerate(rows):
                at = i * tile.columns + j
                found[at] = multiply_add(f, row, other, totals[at])
        return found

    whole = tile.depth // lanes * lanes
    if whole:
        with f.loop(0, whole, lanes, totals) as loop:
            loop.next = step(loop.index, loop.carried, lanes)
        totals = loop.results
    if whole < tile.depth:
        totals = step(whole, totals, tile.depth - whole)
    if tile.columns < NARROW:
        sums = Finished(tile.type, tile.c_row, [1] * tile.columns, [f.reduce("add", total) for total in totals])
    else:
        width = min(lanes, 1 << (tile.columns - 1).bit_length())
        starts = range(0, tile.columns, width)
        parts = [(i * tile.columns + at, min(width, tile.columns - at)) for i in range(tile.rows) for at in starts]
        valid = [n for _, n in parts[: len(starts)]]
        sums = Finished(tile.type, tile.c_row, valid, [_folded(f, totals[at : at + n], width) for at, n in parts])
    if tile.accumulate:
        sums = sums.with_c(f)
    if tile.epilogue is None:
        sums.store(f)
    else:
        finish(f, tile.epilogue, sums)
    return name


def _folded(f: Function, vectors: Sequence[Operand], width: int) -> Operand:
    """Return one vector of so many lanes, with the sum of each vector's lanes in a lane of its own.

    Two vectors become one that holds a half of each, added up; after as many rounds as halving takes one is left.
    """
    type = vectors[0].type
    found: list[Operand | None] = [*vectors]
    while type.lanes > width:
        half = type.of(type.lanes // 2)
        found = [_halved(f, x, half) for x in found if x is not None]
        type = half
    found += [None] * (width - len(found))
    block = width
    while block > 1:
        found = [_merged(f, x, y, block) for x, y in zip(found[: block // 2], found[block // 2 :], strict=True)]
        block //= 2
    assert found[0] is not None
    return found[0]


def _halved(f: Function, x: Operand, half: Type) -> Operand:
    low, high = (range(start, start + half.lanes) for start in (0, half.lanes))
    return f.add(_shuffled(f, x, None, low), _shuffled(f, x, None, high))


def _merged(f: Function, x: Operand | None, y: Operand | None, block: int) -> Operand | None:
    """Add the halves of each block of lanes: where one was of `x`, one of `x` and one of `y` come to lie."""
    if x is None:
        return None
    lanes, half = x.type.lanes, block // 2
    places = [at + lane for start in range(0, lanes, block) for at in (start, start + lanes) for lane in range(half)]
    return f.add(_shuffled(f, x, y, places), _shuffled(f, x, y, [place + half for place in places]))


def _shuffled(f: Function, x: Operand, y: Operand | None, places: Sequence[int]) -> Operand:
    type = x.type.of(len(places))
    if type.lanes == 1:
        return f.lane(x, places[0])
    if y is None:
        lanes = ["i32 poison" if place >= x.type.lanes else f"i32 {place}" for place in places]
    else:
        lanes = [f"i32 {place}" for place in places]
    mask = f"<{len(places)} x i32> <{', '.join(lanes)}>"
    return f.value(type, f"shufflevector {x.typed}, {y.typed if y else f'{x.type} poison'}, {mask}")
