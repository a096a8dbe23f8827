"""The innermost part of a matrix product: a tile of C held in registers while the depth goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .function import Function, Module
from .types import BOOL, I64, PTR, Operand, Type, constant

__all__ = ["Epilogue", "Tile", "emit_tile", "multiply_add", "rows_of_tile", "store_finished"]

Epilogue = Callable[[Function, Operand, Operand, Operand, int, Operand], Operand | None]
"""What becomes of a finished vector of C.

It is called with the function being written, the vector, its row and its first column (i64), how many of its lanes
are valid, and the table pointer. It returns the vector to store in C, or None if it has stored what it wants itself.
The vector may have fewer lanes than the target's registers (its type says so), down to one.
"""

INLINE_LINES = 200
"""A tile whose epilogues are longer than this in all has them in a loop over its rows."""


@dataclass(frozen=True)
class Tile:
    """A tile of `rows` × `columns` of C; the strides are in elements, `tail` is the depth that is left over of fours.

    With `parts` the depth comes in several calls: then the kernel is told whether C is to be added to (`more`), and
    whether this call completes it (`last`).
    """

    type: Type
    rows: int
    columns: int
    a_row: int
    a_depth: int
    b_depth: int
    c_row: int
    tail: int
    long: bool
    parts: bool
    accumulate: bool
    epilogue: Epilogue | None = None

    @property
    def parameters(self) -> tuple[tuple[Type, str], ...]:
        """The parameters of the emitted function."""
        names: list[tuple[Type, str]] = [(PTR, "c"), (PTR, "a"), (PTR, "b")]
        if self.long:
            names.append((I64, "depth"))
        if self.parts:
            names += [(BOOL, "more"), (BOOL, "last")]
        if self.epilogue is not None:
            names += [(I64, "row"), (I64, "column"), (PTR, "table"), (PTR, "scratch")]
        return tuple(names)


def registers(module: Module) -> int:
    """Return how many vector registers the target has."""
    return 32 if module.vector_bits in (512, 128) else 16


def rows_of_tile(module: Module, vectors: int) -> int:
    """Return how many rows of accumulators fit beside one row of B's vectors and a broadcast element of A."""
    return max(1, min(24, (registers(module) - vectors - 1) // vectors))


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
    a, b, c = f.argument("a"), f.argument("b"), f.argument("c")

    def step(k: Operand | int, ahead: int, totals: Sequence[Operand]) -> list[Operand]:
        from_b = f.at(f.at(b, f.times(k, tile.b_depth), tile.type), ahead * tile.b_depth, tile.type)
        from_a = f.at(f.at(a, f.times(k, tile.a_depth), tile.type), ahead * tile.a_depth, tile.type)
        row = [f.load(vector, f.at(from_b, j * lanes, tile.type), valid[j]) for j in range(len(valid))]
        found = []
        for i in range(tile.rows):
            element = f.spread(f.load(tile.type, f.at(from_a, i * tile.a_row, tile.type)), lanes)
            for j, other in enumerate(row):
                found.append(multiply_add(f, element, other, totals[i * len(row) + j]))
        return found

    totals = [constant(vector, 0.0)] * (tile.rows * len(valid))
    start: Operand | int = 0
    if tile.long:
        start = f.argument("depth") if tile.tail == 0 else f.plus(f.argument("depth"), -tile.tail)
        with f.loop(0, start, 4, totals) as loop:
            found = loop.carried
            for ahead in range(4):
                found = step(loop.index, ahead, found)
            loop.next = found
        totals = loop.results
    for ahead in range(tile.tail):
        totals = step(start, ahead, totals)

    places = [f.at(c, i * tile.c_row + j * lanes, tile.type) for i in range(tile.rows) for j in range(len(valid))]
    widths = valid * tile.rows

    def with_c() -> list[Operand]:
        old = [f.load(vector, place, n) for place, n in zip(places, widths, strict=True)]
        return [f.add(x, y) for x, y in zip(totals, old, strict=True)]

    if tile.accumulate:
        totals = with_c()
    elif tile.parts:
        totals = f.either_all(f.argument("more"), with_c, lambda: totals)

    def store() -> None:
        for total, place, n in zip(totals, places, widths, strict=True):
            f.store(total, place, n)

    if tile.epilogue is None:
        store()
    elif tile.parts:
        with f.when(f.value(BOOL, f"xor i1 {f.argument('last')}, true")):
            store()
        with f.when(f.argument("last")):
            _finish(f, tile, totals, valid)
    else:
        _finish(f, tile, totals, valid)
    return name


def store_finished(
    f: Function, epilogue: Epilogue | None, vector: Operand, place: Operand, row: Operand, column: Operand, lanes: int
) -> None:
    """Pass a finished vector through the epilogue and store what it returns."""
    result = vector if epilogue is None else epilogue(f, vector, row, column, lanes, f.argument("table"))
    if result is not None:
        f.store(result, place, lanes)


def _finish(f: Function, tile: Tile, totals: Sequence[Operand], valid: Sequence[int]) -> None:
    """Run the epilogue on each vector of a tile: in line where it is short, else from memory in a loop over rows."""
    epilogue = tile.epilogue
    assert epilogue is not None
    row, column, scratch, c = (f.argument(name) for name in ("row", "column", "scratch", "c"))
    lanes = totals[0].type.lanes
    width = len(valid) * lanes
    if epilogue_lines(f.module, epilogue, totals[0].type) * len(totals) <= INLINE_LINES:
        for at, total in enumerate(totals):
            i, j = divmod(at, len(valid))
            place = f.at(c, i * tile.c_row + j * lanes, tile.type)
            store_finished(f, epilogue, total, place, f.plus(row, i), f.plus(column, j * lanes), valid[j])
        return
    for at, total in enumerate(totals):
        f.store(total, f.at(scratch, at * lanes, tile.type))
    with f.loop(0, tile.rows) as loop:
        source = f.at(scratch, f.times(loop.index, width), tile.type)
        target = f.at(c, f.times(loop.index, tile.c_row), tile.type)
        here = f.plus(row, loop.index)
        for j, n in enumerate(valid):
            total = f.load(totals[0].type, f.at(source, j * lanes, tile.type))
            place = f.at(target, j * lanes, tile.type)
            store_finished(f, epilogue, total, place, here, f.plus(column, j * lanes), n)


def epilogue_lines(module: Module, epilogue: Epilogue, vector: Type) -> int:
    """Return how many lines an epilogue writes, by letting it write them into a module that is thrown away."""
    probe = Function(Module(module.vector_bits), "probe", [(I64, "row"), (I64, "column"), (PTR, "table")])
    row, column, table = (probe.argument(name) for name in ("row", "column", "table"))
    epilogue(probe, constant(vector, 0.0), row, column, vector.lanes, table)
    return len(probe.lines)
