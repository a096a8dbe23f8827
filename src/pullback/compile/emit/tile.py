"""The innermost part of a matrix product: a tile of C held in registers while the depth goes by."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from .finish import Epilogue, Finished, Foresight, finish, finish_parameters
from .function import Function, Module
from .types import BOOL, I64, PTR, Operand, Type, constant

__all__ = ["UNROLLED", "Level", "Tile", "emit_tile", "equal_rows", "multiply_add", "registers", "rows_of_tile"]


BUSY = 10
"""How many sums keep two units busy that each take four cycles over one."""

UNROLLED = 4
"""An inner loop over the depth that runs no more often than this is written out."""


@dataclass(frozen=True)
class Level:
    """One loop over the depth: how often it runs, and how far A and B move each time, in elements."""

    count: int
    a: int
    b: int


@dataclass(frozen=True)
class Tile:
    """A tile of C, `columns` wide: one row for each of `a_rows`, which say where the rows of A begin.

    The depth is gone through by the nested loops `levels`, the outermost first; how often that one runs is told at
    run time. Without levels the sums are zero. With `parts` the depth comes in several calls: then the kernel is told
    whether C is to be added to (`more`), and whether this call completes it (`last`). In a `lanewise` tile A has
    the same columns as B, and each is multiplied with its own.
    """

    type: Type
    columns: int
    a_rows: tuple[int, ...]
    levels: tuple[Level, ...]
    c_row: int
    parts: bool
    accumulate: bool
    epilogue: Epilogue | None = None
    turned: bool = False
    row_step: int = 1
    lanewise: bool = False

    @property
    def parameters(self) -> tuple[tuple[Type, str], ...]:
        """The parameters of the emitted function."""
        names: list[tuple[Type, str]] = [(PTR, "c"), (PTR, "a"), (PTR, "b"), (I64, "depth")]
        if self.parts:
            names += [(BOOL, "more"), (BOOL, "last")]
        if self.epilogue is not None:
            names += finish_parameters
        return tuple(names)


def registers(module: Module) -> int:
    """Return how many vector registers the target has."""
    return 32 if module.vector_bits in (512, 128) else 16


def rows_of_tile(module: Module, vectors: int) -> int:
    """Return how many rows of accumulators fit beside one row of B's vectors and a broadcast element of A."""
    return max(1, min(24, (registers(module) - vectors - 1) // vectors))


def equal_rows(most: int, least: int, vectors: int, total: int) -> int:
    """Return how many rows, at most and at least so many, cut `total` into equal tiles; `most` if none do."""
    fitting = (rows for rows in range(most, max(least, 1) - 1, -1) if total % rows == 0 and rows * vectors >= BUSY)
    return next(fitting, most)


def multiply_add(f: Function, a: Operand, b: Operand, total: Operand) -> Operand:
    """Return a·b + total: fused where the target has vectors, in two steps where it may have no such instruction."""
    return f.fma(a, b, total) if f.module.vector_bits else f.add(f.mul(a, b), total)


def emit_tile(module: Module, tile: Tile) -> str:
    """Write the kernel of a tile, once a module for the same tile, and return its name."""
    if tile in module.names:
        return module.names[tile]
    name = f"tile.{len(module.names)}"
    module.names[tile] = name
    f = Function(module, name, tile.parameters)
    lanes = module.lanes(tile.type)
    vector = tile.type.of(lanes)
    valid = [min(lanes, tile.columns - at) for at in range(0, tile.columns, lanes)]

    def step(a: Operand, b: Operand, totals: Sequence[Operand]) -> list[Operand]:
        parts = [f.load(vector, f.at(b, j * lanes, tile.type), n) for j, n in enumerate(valid)]
        found = []
        for i, begin in enumerate(tile.a_rows):
            place = f.at(a, begin, tile.type)
            element = None if tile.lanewise else f.spread(f.load(tile.type, place), lanes)
            for j, part in enumerate(parts):
                factor = element or f.load(vector, f.at(place, j * lanes, tile.type), valid[j])
                found.append(multiply_add(f, factor, part, totals[i * len(valid) + j]))
        return found

    def nest(at: int, a: Operand, b: Operand, totals: Sequence[Operand]) -> Sequence[Operand]:
        if at == len(tile.levels):
            return step(a, b, totals)
        level = tile.levels[at]
        if at > 0 and level.count <= UNROLLED:
            for n in range(level.count):
                totals = nest(at + 1, f.at(a, n * level.a, tile.type), f.at(b, n * level.b, tile.type), totals)
            return totals
        with f.loop(0, level.count if at else f.argument("depth"), 1, totals) as loop:
            from_a = f.at(a, f.times(loop.index, level.a), tile.type)
            from_b = f.at(b, f.times(loop.index, level.b), tile.type)
            loop.next = list(nest(at + 1, from_a, from_b, loop.carried))
        return loop.results

    _ask_for_epilogue(f, tile)
    totals = [constant(vector, 0.0)] * (len(tile.a_rows) * len(valid))
    if tile.levels:
        totals = list(nest(0, f.argument("a"), f.argument("b"), totals))
    sums = Finished(tile.type, tile.c_row, valid, totals, tile.turned, tile.row_step)
    if tile.accumulate:
        sums = sums.with_c(f)
    elif tile.parts:
        added = f.either_all(f.argument("more"), lambda: sums.with_c(f).totals, lambda: totals)
        sums = replace(sums, totals=added)
    if tile.epilogue is None:
        sums.store(f)
    elif tile.parts:
        with f.when(f.value(BOOL, f"xor i1 {f.argument('last')}, true")):
            sums.store(f)
        with f.when(f.argument("last")):
            finish(f, tile.epilogue, sums)
    else:
        finish(f, tile.epilogue, sums)
    return name


def _ask_for_epilogue(f: Function, tile: Tile) -> None:
    """Ask for what the epilogue will read beside the sums, if it wants that: it comes while the depth goes by."""
    if tile.turned or not isinstance(tile.epilogue, Foresight) or not tile.epilogue.asks:
        return
    row, column, table = (f.argument(name) for name in ("row", "column", "table"))
    with f.when(f.argument("last")) if tile.parts else nullcontext(), f.loop(0, len(tile.a_rows)) as loop:
        tile.epilogue.ask(f, f.plus(row, f.times(loop.index, tile.row_step)), column, tile.columns, table)
