"""The state of a plan: which cells it reads and writes, and whether it may write into their own memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.cell import Cell
from .access import Access, Array
from .group import Group
from .overwriting import overwrites
from .plan import Holding
from .program import Program

__all__ = ["holdings"]


def holdings(program: Program, groups: Sequence[Group]) -> tuple[list[Holding], list[tuple[Cell, Any]]]:
    """Return what the plan does with each cell, and the cells that are given a constant."""
    reads, writes = _touching(groups)
    fallible = max((at for at, g in enumerate(groups) if any(i.fallible for i in g.instructions)), default=-1)
    found: list[Holding] = []
    constants: list[tuple[Cell, Any]] = []
    for cell in dict.fromkeys((*program.reads, *program.writes)):
        read = program.reads.get(cell)
        value = program.writes.get(cell)
        if cell in program.writes and not isinstance(value, Access):
            constants.append((cell, value))
            if read is not None:
                found.append(Holding(cell, read, None, False))
            continue
        written = value.array if isinstance(value, Access) else None
        in_place = written is not None and _in_place(
            groups, read, written, writes.get(written, []), reads.get(read, []) if read else [], fallible
        )
        found.append(Holding(cell, read, written, in_place))
    return found, constants


def _touching(groups: Sequence[Group]) -> tuple[dict[Array, list[int]], dict[Array, list[int]]]:
    """Return which groups read an array, and which write it."""
    reads: dict[Array, list[int]] = {}
    writes: dict[Array, list[int]] = {}
    for at, group in enumerate(groups):
        for touched, accesses in ((reads, group.reads), (writes, group.writes)):
            for array in dict.fromkeys(x.array for x in accesses):
                touched.setdefault(array, []).append(at)
    return reads, writes


def _in_place(
    groups: Sequence[Group], read: Array | None, written: Array, writers: list[int], readers: list[int], fallible: int
) -> bool:
    if not writers or min(writers) <= fallible:
        return False
    if read is None:
        return True
    if not written.whole().lies_in(read.order):
        return False  # one memory cannot have both orders
    if max(readers, default=-1) < min(writers):
        return True
    if len(writers) != 1 or max(readers) > writers[0]:
        return False
    return overwrites(groups[writers[0]], read, written)
