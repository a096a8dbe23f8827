"""State that cannot be written where it lies is written beside it, and copied there when nothing can fail any more.

A cell may not be written over while its old value is still wanted, or before everything that may stop the plan. Then
it could get another array at each run, in turn with the old one; but a plan whose memory stays where it is can be
entered without asking for anything (see `entrance`), and little is copied sooner than that is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from .access import Access, Array
from .builder import NUMBERS
from .group import Group
from .program import Point, Program
from .state import holdings

__all__ = ["copied_late"]

LITTLE = 1 << 20
"""Bytes that are copied in less time than it takes to look at the state from Python."""


def copied_late(program: Program, groups: Sequence[Group]) -> list[Group]:
    """Return the groups that come behind the others, and let the program write what they copy; none if it is much."""
    held, _ = holdings(program, groups)
    beside = [h for h in held if h.written is not None and not h.in_place]
    arrays = [h.written for h in beside if h.written is not None and h.written.dtype in NUMBERS]
    if len(arrays) < len(beside) or sum(array.nbytes for array in arrays) > LITTLE or not all(a.size for a in arrays):
        return []
    touched = (x.array for group in groups for x in (*group.reads, *group.writes))
    number = 1 + max((array.number for array in (*program.reads.values(), *touched)), default=0)
    copies = []
    for at, (holding, array) in enumerate(zip(beside, arrays, strict=True)):
        order = array.order if holding.read is None else holding.read.order
        to = Array(number + at, array.shape, array.dtype, "output", order)
        copies.append(_copy(array.whole(), to.whole()))
        program.writes[holding.cell] = to.whole()
        array.role = "temporary"
    return copies


def _copy(x: Access, out: Access) -> Group:
    point = Point(None, "copy", out.shape, (x,), out, out.dtype, {})
    return Group("nest", out.shape, [point])
