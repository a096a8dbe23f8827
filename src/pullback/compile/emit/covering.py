"""Windows that cover an axis, as many as are asked for: where the largest element of each lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .sweep import Space, Step, sweep
from .types import I64, PTR, Operand, type_of

__all__ = ["Covering", "emit_covering_maximum"]


SIDE_BY_SIDE = 4
"""How many windows are gone through at once where registers hold one element."""


@dataclass(frozen=True)
class Covering:
    """An array x whose last axes, of lengths `size`, are covered by `counts` windows each. Strides count elements.

    Window i of n elements begins at ⌊i·n/count⌋ and ends before ⌈(i + 1)·n/count⌉.
    """

    lead: tuple[int, ...]
    size: tuple[int, ...]
    counts: tuple[int, ...]
    x: tuple[int, ...]
    y: tuple[int, ...]
    dtype: np.dtype[Any]


def emit_covering_maximum(module: Module, name: str, covering: Covering) -> int:
    """Write `name(ptr y, ptr x, i64 begin, i64 end)`: where the first largest element of each window lies, or NaN.

    y are int64 numbers of elements in the flattened last axes. Returns the units of work.
    """
    f = Function(module, name, [(PTR, "y"), (PTR, "x"), (I64, "begin"), (I64, "end")])
    type = type_of(covering.dtype)
    first = len(covering.lead)
    shape = [*covering.lead, *covering.counts]
    y_strides, lead = list(covering.y), [*covering.x[:first], *(0 for _ in covering.counts)]
    numbers = [tuple(int(a == first + k) for a in range(len(shape))) for k in range(len(covering.counts))]
    apart = [(0, 0)]
    if (axis := _several(covering)) is not None:
        apart = [(i * covering.x[axis], i * covering.y[axis]) for i in range(SIDE_BY_SIDE)]
        shape[axis] //= SIDE_BY_SIDE
        y_strides[axis], lead[axis] = (row[axis] * SIDE_BY_SIDE for row in (y_strides, lead))
    space = Space(tuple(shape), (tuple(y_strides), tuple(lead), *numbers), 2, (True,) * len(shape))

    def at(offsets: Sequence[Operand | int]) -> Step:
        y, x, *windows = offsets
        edges = []
        for i, n, count in zip(windows, covering.size, covering.counts, strict=True):
            start = f.value(I64, f"udiv i64 {f.times(i, n)}, {count}")
            above = f.plus(f.times(f.plus(i, 1), n), count - 1)
            edges.append((start, f.value(I64, f"udiv i64 {above}, {count}")))

        def step(index: Operand | int, lanes: int, valid: int) -> None:
            def load(places: Sequence[Operand]) -> tuple[list[Operand], Operand]:
                offset, number = f.plus(x, index), f.index(0)
                for place, n, stride in zip(places, covering.size, covering.x[first:], strict=True):
                    offset = f.plus(offset, f.times(place, stride))
                    number = f.plus(f.times(number, n), place)
                at = f.at(f.argument("x"), offset, type)
                values = [f.load(type.of(lanes), f.at(at, far, type), valid) for far, _ in apart]
                return values, f.spread(number, lanes)

            def along(places: list[Operand], best: list[Operand]) -> list[Operand]:
                if len(places) == len(edges):
                    values, number = load(places)
                    takes = [_takes(f, v, b, covering.dtype) for v, b in zip(values, best, strict=False)]
                    largest = [f.select(t, v, b) for t, v, b in zip(takes, values, best, strict=False)]
                    return [*largest, *(f.select(t, number, b) for t, b in zip(takes, best[len(apart) :], strict=True))]
                with f.loop(*edges[len(places)], carried=best) as loop:
                    loop.next = along([*places, loop.index], loop.carried)
                return loop.results

            values, number = load([start for start, _ in edges])
            positions = along([], [*values, *[number] * len(apart)])[len(apart) :]
            for position, (_, far) in zip(positions, apart, strict=True):
                f.store(position, f.at(f.argument("y"), f.plus(f.plus(y, index), far), I64), valid)

        return step

    return sweep(f, space, type, at)


def _several(covering: Covering) -> int | None:
    """Return the axis before the windows along which several are gone through side by side, if there is one.

    Each comparison waits for the one before it. Where registers hold elements, that is the same.
    """
    if any(n > 1 and x == y == 1 for n, x, y in zip(covering.lead, covering.x, covering.y, strict=False)):
        return None
    fitting = [axis for axis, n in enumerate(covering.lead) if n % SIDE_BY_SIDE == 0]
    return fitting[-1] if fitting else None


def _takes(f: Function, x: Operand, best: Operand, dtype: np.dtype[Any]) -> Operand:
    """Whether x takes the place of the best: where it is larger, or the first that is NaN."""
    if dtype.kind != "f":
        return f.compare("sgt" if dtype.kind == "i" else "ugt", x, best)
    first_nan = f.binary("and", f.compare("uno", x, x), f.compare("ord", best, best))
    return f.binary("or", f.compare("ogt", x, best), first_nan)
