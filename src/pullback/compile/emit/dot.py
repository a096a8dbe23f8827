"""Tiles of a matrix product whose factors both run along the depth: sums of vectors, folded at the end."""

from __future__ import annotations

from dataclasses import dataclass

from .finish import Epilogue, Finished, finish, finish_parameters
from .function import Function, Module
from .tile import multiply_add, registers
from .types import PTR, Operand, Type, constant

__all__ = ["DotTile", "emit_dot", "shape_of_dots"]


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
    sums = Finished(tile.type, tile.c_row, [1] * tile.columns, [f.reduce("add", total) for total in totals])
    if tile.accumulate:
        sums = sums.with_c(f)
    if tile.epilogue is None:
        sums.store(f)
    else:
        finish(f, tile.epilogue, sums)
    return name
