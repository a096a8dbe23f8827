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
    shape = (*covering.lead, *covering.counts)
    lead = (*covering.x[:first], *(0 for _ in covering.counts))
    numbers = [tuple(int(a == first + k) for a in range(len(shape))) for k in range(len(covering.counts))]
    space = Space(shape, (covering.y, lead, *numbers), 2, (True,) * len(shape))

    def at(offsets: Sequence[Operand | int]) -> Step:
        y, x, *windows = offsets
        edges = []
        for i, n, count in zip(windows, covering.size, covering.counts, strict=True):
            start = f.value(I64, f"udiv i64 {f.times(i, n)}, {count}")
            above = f.plus(f.times(f.plus(i, 1), n), count - 1)
            edges.append((start, f.value(I64, f"udiv i64 {above}, {count}")))

        def step(index: Operand | int, lanes: int, valid: int) -> None:
            def load(places: Sequence[Operand]) -> tuple[Operand, Operand]:
                offset, number = f.plus(x, index), f.index(0)
                for place, n, stride in zip(places, covering.size, covering.x[first:], strict=True):
                    offset = f.plus(offset, f.times(place, stride))
                    number = f.plus(f.times(number, n), place)
                return f.load(type.of(lanes), f.at(f.argument("x"), offset, type), valid), f.spread(number, lanes)

            def along(places: list[Operand], best: list[Operand]) -> list[Operand]:
                if len(places) == len(edges):
                    value, number = load(places)
                    takes = _takes(f, value, best[0], covering.dtype)
                    return [f.select(takes, value, best[0]), f.select(takes, number, best[1])]
                with f.loop(*edges[len(places)], carried=best) as loop:
                    loop.next = along([*places, loop.index], loop.carried)
                return loop.results

            _, position = along([], list(load([start for start, _ in edges])))
            f.store(position, f.at(f.argument("y"), f.plus(y, index), I64), valid)

        return step

    return sweep(f, space, type, at)


def _takes(f: Function, x: Operand, best: Operand, dtype: np.dtype[Any]) -> Operand:
    """Whether x takes the place of the best: where it is larger, or the first that is NaN."""
    if dtype.kind != "f":
        return f.compare("sgt" if dtype.kind == "i" else "ugt", x, best)
    first_nan = f.binary("and", f.compare("uno", x, x), f.compare("ord", best, best))
    return f.binary("or", f.compare("ogt", x, best), first_nan)
