"""Sums, products, extremes, means, lengths and running totals: the rules that fold elements along axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Spec, spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access, Immediate
from .builder import Lowering
from .program import Special

__all__ = ["FOLDS", "can_fold"]

Rule = Callable[[Lowering, Equation], bool]


def folding(operation: str) -> Rule:
    def rule(lowering: Lowering, equation: Equation) -> bool:
        (symbol,) = equation.outputs
        x = lowering.access(equation.inputs[0])
        axis: tuple[int, ...] = equation.static["axis"]
        _folded(lowering, operation, x, axis, symbol)
        return True

    return rule


def _folded(lowering: Lowering, operation: str, x: Access, axis: tuple[int, ...], symbol: Symbol) -> None:
    if not axis:
        lowering.point("copy", symbol.shape, symbol.dtype, x, common=symbol.dtype, out=lowering.new(symbol))
        return
    out = lowering.new(symbol)
    kept = tuple(1 if i in axis else n for i, n in enumerate(x.shape))
    strides = iter(out.strides if len(out.shape) != len(x.shape) else ())
    if len(out.shape) == len(x.shape):
        wide = out
    else:
        wide = Access(out.array, 0, kept, tuple(0 if i in axis else next(strides) for i in range(len(kept))))
    lowering.fold(operation, x, x.shape, axis, symbol.dtype, wide)


def mean(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    x = lowering.access(equation.inputs[0])
    axis: tuple[int, ...] = equation.static["axis"]
    count = math.prod(x.shape[a] for a in axis)
    total = Symbol(-1, Spec(symbol.shape, symbol.dtype))
    _folded(lowering, "add", x, axis, total)
    number = Immediate(float(count), symbol.dtype)
    lowering.point("divide", symbol.shape, symbol.dtype, lowering.accesses.pop(-1), number, out=lowering.new(symbol))
    return True


def norm(lowering: Lowering, equation: Equation) -> bool:
    """√(Σ x²), with the size of the largest element taken out first where squares would overflow or vanish."""
    (symbol,) = equation.outputs
    x, axis = lowering.access(equation.inputs[0]), equation.static["axis"]
    size = lowering.point("abs", x.shape, x.dtype, x)
    if not axis:
        lowering.define(symbol, size)
        return True
    largest = lowering.fold("max", size, x.shape, axis, x.dtype)
    scale = _scale(lowering, largest, math.prod(x.shape[a] for a in axis))
    inverse = lowering.point("reciprocal", scale.shape, x.dtype, scale)
    part = lowering.point("multiply", x.shape, x.dtype, x, inverse)
    squares = lowering.fold("add", lowering.point("square", x.shape, x.dtype, part), x.shape, axis, x.dtype)
    length = lowering.point("sqrt", squares.shape, x.dtype, squares)
    y = lowering.point("multiply", squares.shape, x.dtype, length, scale)
    if symbol.shape != y.shape:
        stays = [i for i in range(len(y.shape)) if i not in axis]
        y = Access(y.array, y.offset, symbol.shape, tuple(y.strides[i] for i in stays))
    lowering.define(symbol, y)
    return True


def _scale(lowering: Lowering, largest: Access, count: int) -> Access:
    """Return 1, and where the squares of `count` numbers leave the range, the size of the largest of them.

    That size and its reciprocal are normal numbers.
    """
    shape, dtype = largest.shape, largest.dtype
    limits = np.finfo(dtype)
    low, high = math.sqrt(limits.tiny) / float(limits.eps), math.sqrt(float(limits.max) / count)

    def asked(comparison: str, number: float) -> Access:
        return lowering.point(comparison, shape, np.bool_, largest, Immediate(number, dtype), common=dtype)

    def both(name: str, a: Access, b: Access) -> Access:
        return lowering.point(name, shape, np.bool_, a, b, common=np.bool_)

    extreme = both("logical_or", asked("less", low), asked("greater", high))
    usable = both("logical_and", asked("greater", 0.0), asked("less", math.inf))
    chosen = both("logical_and", extreme, usable)
    tiny = float(limits.tiny)
    size = lowering.point("maximum", shape, dtype, largest, Immediate(tiny, dtype), common=dtype)
    size = lowering.point("minimum", shape, dtype, size, Immediate(1 / tiny, dtype), common=dtype)
    return lowering.point("where", shape, dtype, chosen, size, Immediate(1.0, dtype), common=dtype)


def running(operation: str) -> Rule:
    """What has been added up, or multiplied, up to each place along an axis."""

    def rule(lowering: Lowering, equation: Equation) -> bool:
        from .emit.running import Running

        (symbol,) = equation.outputs
        x = lowering.access(equation.inputs[0])
        y = lowering.new(symbol)
        static = equation.static
        settings = Running(
            operation, x.shape, static["axis"], x.strides, y.strides, static.get("reverse", False), x.dtype, y.dtype
        )
        lowering.add(Special(equation, "running", (settings,), (y,), (x,)))
        return True

    return rule


FOLDS: dict[str, Rule] = {
    "sum": folding("add"),
    "prod": folding("mul"),
    "max": folding("max"),
    "min": folding("min"),
    "mean": mean,
    "norm": norm,
    "cumulative_sum": running("add"),
    "cumulative_prod": running("mul"),
}


def can_fold(equation: Equation) -> bool:
    """Whether the dtype is one that is folded here: of integers there is a mean but no length."""
    (symbol,) = equation.outputs
    x: Any = spec_of(equation.inputs[0])
    return equation.mapping.lower != "norm" or x.dtype == symbol.dtype
