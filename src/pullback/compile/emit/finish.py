"""What happens to sums that are complete: they are stored, or pass through an epilogue first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from .function import Function, Module
from .types import I64, PTR, Operand, Type, constant

__all__ = ["Epilogue", "Finished", "Foresight", "finish", "finish_parameters"]

Epilogue = Callable[[Function, Operand, Operand, Operand, int, Operand], Operand | None]
"""What becomes of a finished vector of C.

It is called with the function being written, the vector, its row and its first column (i64), how many of its lanes
are valid, and the table pointer. It returns the vector to store in C, or None if it has stored what it wants itself.
The vector may have fewer lanes than the target's registers (its type says so), down to one.
"""


@runtime_checkable
class Foresight(Protocol):
    """An epilogue that knows what it will read, and asks for it where `asks` holds.

    `ask` is called before the sums are made, for each row of a tile: with the function, the row and its first column
    (i64), how many columns the tile has, and the table pointer.
    """

    @property
    def asks(self) -> bool: ...

    def ask(self, f: Function, row: Operand, column: Operand, columns: int, table: Operand) -> None: ...


INLINE_LINES = 64
"""A tile whose epilogues are longer than this in all has them in a loop over its rows: measured to be as quick."""

finish_parameters: tuple[tuple[Type, str], ...] = ((I64, "row"), (I64, "column"), (PTR, "table"), (PTR, "scratch"))
"""What a function must be given, beside `c`, for an epilogue: the first row and column, and room for the tile."""


@dataclass(frozen=True)
class Finished:
    """The sums of a tile, row by row, that belong at the parameter `c`: `valid` lanes in each vector of a row.

    In a `turned` tile, which is one row, the vector runs along C's rows: C is a single column. `row_step` is how far
    apart the numbers of two rows of the tile are, as the epilogue is told them.
    """

    type: Type
    c_row: int
    valid: Sequence[int]
    totals: Sequence[Operand]
    turned: bool = False
    row_step: int = 1

    @property
    def lanes(self) -> int:
        """How many lanes each vector has."""
        return self.totals[0].type.lanes

    def place(self, f: Function, at: int) -> Operand:
        """Return where in C a vector belongs."""
        row, part = divmod(at, len(self.valid))
        return f.at(f.argument("c"), row * self.c_row + part * self.lanes, self.type)

    def with_c(self, f: Function) -> Finished:
        """Return the sums with what stands in C added to them."""
        added = [
            f.add(total, f.load(total.type, self.place(f, at), self.valid[at % len(self.valid)]))
            for at, total in enumerate(self.totals)
        ]
        return replace(self, totals=added)

    def store(self, f: Function) -> None:
        """Store the sums as they are."""
        for at, total in enumerate(self.totals):
            f.store(total, self.place(f, at), self.valid[at % len(self.valid)])


def finish(f: Function, epilogue: Epilogue, sums: Finished) -> None:
    """Run the epilogue on each vector of a tile: in line where it is short, else from memory in a loop over rows."""
    row, column, table, scratch = (f.argument(name) for _, name in finish_parameters)
    type, lanes, parts = sums.type, sums.lanes, len(sums.valid)

    def through(total: Operand, place: Operand, row: Operand, column: Operand, valid: int) -> None:
        result = epilogue(f, total, row, column, valid, table)
        if result is not None:
            f.store(result, place, valid)

    lines = _lines(f.module, epilogue, sums.totals[0].type)
    if lines * len(sums.totals) <= INLINE_LINES and not sums.turned:
        for at, total in enumerate(sums.totals):
            i, j = divmod(at, parts)
            through(total, sums.place(f, at), f.plus(row, i * sums.row_step), f.plus(column, j * lanes), sums.valid[j])
        return
    for at, total in enumerate(sums.totals):
        f.store(total, f.at(scratch, at * lanes, type))
    if sums.turned:
        with f.loop(0, sum(sums.valid)) as loop:
            total = f.load(type, f.at(scratch, loop.index, type))
            here = f.plus(f.plus(row, column), loop.index)
            through(total, f.at(f.argument("c"), loop.index, type), here, f.index(0), 1)
        return
    with f.loop(0, len(sums.totals) // parts) as loop:
        source = f.at(scratch, f.times(loop.index, parts * lanes), type)
        target = f.at(f.argument("c"), f.times(loop.index, sums.c_row), type)
        here = f.plus(row, f.times(loop.index, sums.row_step))
        for j, valid in enumerate(sums.valid):
            total = f.load(sums.totals[0].type, f.at(source, j * lanes, type))
            through(total, f.at(target, j * lanes, type), here, f.plus(column, j * lanes), valid)


def _lines(module: Module, epilogue: Epilogue, vector: Type) -> int:
    """Return how many lines an epilogue writes, by letting it write them into a module that is thrown away."""
    probe = Function(Module(module.vector_bits), "probe", [(I64, "row"), (I64, "column"), (PTR, "table")])
    row, column, table = (probe.argument(name) for name in ("row", "column", "table"))
    epilogue(probe, constant(vector, 0.0), row, column, vector.lanes, table)
    return len(probe.lines)
