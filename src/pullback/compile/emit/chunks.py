"""How a nest of loops is cut: into units for threads, and the loop that fills registers into chunks and a tail."""

from __future__ import annotations

import numpy as np

from ..nest import Nest
from .function import Module
from .tile import registers as registers_of
from .types import Type

__all__ = ["Cut", "units_of"]

ABREAST = 4
"""Up to how many short rows are computed side by side: each of their steps waits for the one before."""

IN_REGISTERS = 4
"""Up to how many registers a folded axis stays in registers through all passes."""

HEAVY = 12
"""A program of more steps wants registers for what it has at hand, so that fewer are left side by side."""

SHORT = 32
"""Rows of up to so many registers are done two at a time: while one waits for its sums, the other is busy."""


def units_of(module: Module, nest: Nest) -> int:
    """Return how many units of work there are to share among threads."""
    plan = Cut(module, nest)
    if nest.rows and plan.outer:
        return nest.lengths[0] // (plan.together if plan.alone else 1)
    if nest.rows and not nest.horizontal:
        return max(1, plan.length // plan.chunk)
    return 1


class Cut:
    """How the loop that fills registers is cut: lanes, registers side by side, whole chunks, and a tail."""

    def __init__(self, module: Module, nest: Nest) -> None:
        self.lanes = _lanes(module, nest)
        self.length = nest.lengths[nest.across] if nest.lengths else 1
        registers = -(-self.length // self.lanes)
        heavy = len(nest.steps) > HEAVY
        most = IN_REGISTERS if nest.horizontal or not heavy else 2
        if nest.horizontal and heavy and registers > IN_REGISTERS:
            most = 2
        if not nest.horizontal and nest.rows < len(nest.lengths) and registers >= 4:
            most = _of_sums(module, nest, registers)
        self.side_by_side = min(registers, most)
        self.chunk = self.lanes * self.side_by_side
        self.outer = nest.rows > (0 if nest.horizontal else 1)
        self.alone = nest.rows == 1
        """Whether one loop goes over the rows."""
        short = nest.horizontal and nest.rows > 0 and nest.rows == len(nest.lengths) - 1 and self.straight()
        self.abreast = _abreast(nest.lengths[nest.rows - 1], registers) if short and heavy and nest.stages > 1 else 1
        """How many rows are gone through side by side."""
        one = nest.horizontal and nest.rows == len(nest.lengths) - 1 and nest.stages > 1 and registers <= SHORT
        paired = one and nest.rows > 0 and nest.lengths[nest.rows - 1] % 2 == 0
        self.together = self.abreast if self.abreast > 1 else 2 if paired else 1
        """How many rows one turn of the loop over rows does: side by side, or pass by pass."""

    def straight(self) -> bool:
        """Whether one run of straight code does the whole loop."""
        return -(-self.length // self.lanes) <= self.side_by_side

    def vectors(self, length: int) -> list[tuple[int, int]]:
        """Return the offset and the number of lanes of each register over `length` elements."""
        return [(i, min(self.lanes, length - i)) for i in range(0, length, self.lanes)]


def _of_sums(module: Module, nest: Nest, registers: int) -> int:
    """Return how many registers of columns are added up side by side, so that each row is read in long pieces.

    Their sums take half of the target's registers. There are four pieces at least, so that there is something to
    share among threads.
    """
    sums = max(1, sum(1 for s in nest.steps if s.fold))
    heavy = sum(1 for s in nest.steps if not s.by_row) > HEAVY
    free = IN_REGISTERS if heavy else registers_of(module) // 2
    most = max(2, min(free // sums, registers // 4))
    return -(-registers // -(-registers // most))  # pieces of like width


def _abreast(rows: int, registers: int) -> int:
    return next(count for count in range(max(1, ABREAST // registers), 0, -1) if rows % count == 0)


def _lanes(module: Module, nest: Nest) -> int:
    """Return how many elements a register takes: as many as fit of the commonest floating type."""
    dtypes = [p.dtype for p in nest.places] + [s.dtype for s in nest.steps]
    if not nest.lengths:
        return 1
    wide = sum(1 for d in dtypes if d == np.float64 or d.name in ("int64", "uint64"))
    narrow = sum(1 for d in dtypes if d.itemsize == 4)
    return module.lanes(Type("double") if wide > narrow else Type("float"))
