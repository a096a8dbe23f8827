"""Fixed weighted sums along one axis: each element of the result from a few elements that a table names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .sweep import Space, Step, sweep
from .types import I64, PTR, Operand, type_of

__all__ = ["Weighted", "emit_weighted"]

WRITTEN_OUT = 8
"""Up to so many terms stand one behind the other; more are a loop."""


@dataclass(frozen=True)
class Weighted:
    """The shape of the result, the axis, how many terms an element has, and the strides of both arrays.

    The table is an array of int64 (terms, length); if `partial`, −1 stands where there is no term. If `weights`,
    there is another array like it, of the dtype of the numbers; else each term counts once.
    """

    shape: tuple[int, ...]
    axis: int
    terms: int
    y: tuple[int, ...]
    x: tuple[int, ...]
    dtype: np.dtype[Any]
    weights: bool
    partial: bool


def emit_weighted(module: Module, name: str, weighted: Weighted) -> int:
    """Write `name(ptr y, ptr x, ptr table[, ptr weights], i64 begin, i64 end)` and return the units of work.

    Terms are added in the order of the table, as NumPy adds them.
    """
    names = ["y", "x", "table", *(["weights"] if weighted.weights else [])]
    f = Function(module, name, [*((PTR, p) for p in names), (I64, "begin"), (I64, "end")])
    type = type_of(weighted.dtype)
    axis, length = weighted.axis, weighted.shape[weighted.axis]
    along = tuple(int(a == axis) for a in range(len(weighted.shape)))
    still = tuple(0 if a == axis else s for a, s in enumerate(weighted.x))
    space = Space(weighted.shape, (weighted.y, still, along), 2, (True,) * len(weighted.shape))

    def at(offsets: Sequence[Operand | int]) -> Step:
        y, x, place = offsets

        def entry(k: Operand | int) -> tuple[Operand | int, Operand | None, Operand | None]:
            """Return where the term lies in x, its weight, and whether it is missing."""
            number = f.plus(place, f.times(k, length))
            index = f.load(I64, f.at(f.argument("table"), number, I64))
            missing = None
            if weighted.partial:
                missing = f.compare("slt", index, f.index(0))
                index = f.select(missing, f.index(0), index)
            weight = f.load(type, f.at(f.argument("weights"), number, type)) if weighted.weights else None
            return f.plus(x, f.times(index, weighted.x[axis])), weight, missing

        known = [entry(k) for k in range(weighted.terms)] if weighted.terms <= WRITTEN_OUT else None

        def step(index: Operand | int, lanes: int, valid: int) -> None:
            def term(entry: tuple[Operand | int, Operand | None, Operand | None]) -> Operand:
                offset, weight, missing = entry
                value = f.load(type.of(lanes), f.at(f.argument("x"), f.plus(offset, index), type), valid)
                if weight is not None:
                    value = f.binary("fmul", value, f.spread(weight, lanes), flags="")
                return value if missing is None else f.select(missing, f.constant(value, 0), value)

            def plus(a: Operand, b: Operand) -> Operand:
                return f.binary("fadd", a, b, flags="") if a.type.floating else f.add(a, b)

            if known is not None:
                total = term(known[0])
                for each in known[1:]:
                    total = plus(total, term(each))
            else:
                first = term(entry(0))
                with f.loop(1, weighted.terms, carried=[first]) as loop:
                    loop.next = [plus(loop.carried[0], term(entry(loop.index)))]
                (total,) = loop.results
            f.store(total, f.at(f.argument("y"), f.plus(y, index), type), valid)

        return step

    return sweep(f, space, type, at)
