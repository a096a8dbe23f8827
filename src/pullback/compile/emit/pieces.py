"""How a length is cut into pieces that are as equal as can be, and the loops over those pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .function import Function
from .types import I64, Operand

__all__ = ["Run", "each", "runs"]


@dataclass(frozen=True)
class Run:
    """`count` equal pieces in a row, the first at `start`; `unit` is its number among all pieces."""

    unit: int
    start: int
    size: int
    count: int


def runs(total: int, most: int, grain: int = 1) -> list[Run]:
    """Cut `total` into the fewest pieces of at most `most`, as even as multiples of `grain` allow."""
    grains = -(-total // grain)
    pieces = -(-grains // max(1, most // grain))
    small, larger = divmod(grains, pieces)
    sizes = [(small + (i < larger)) * grain for i in range(pieces)]
    sizes[-1] -= grains * grain - total
    found: list[Run] = []
    start = 0
    for unit, size in enumerate(sizes):
        if found and found[-1].size == size:
            found[-1] = replace(found[-1], count=found[-1].count + 1)
        else:
            found.append(Run(unit, start, size, 1))
        start += size
    return found


@contextmanager
def each(f: Function, run: Run, share: tuple[Operand, Operand] | None) -> Iterator[Operand]:
    """Write code for where each piece of a run begins: all of them, or those with a number in the share."""
    if share is None:
        if run.count == 1:
            yield f.index(run.start)
            return
        with f.loop(0, run.count) as loop:
            yield f.plus(f.times(loop.index, run.size), run.start)
        return
    low = f.intrinsic("smax", I64, share[0], f.index(run.unit))
    high = f.intrinsic("smin", I64, share[1], f.index(run.unit + run.count))
    with f.when(f.compare("slt", low, high)), f.loop(low, high) as loop:
        yield f.plus(f.times(loop.index, run.size), run.start - run.unit * run.size)
