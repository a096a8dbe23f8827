"""Pooling: the rules that lower it, in whatever order its images lie in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Shape, spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access
from .builder import Lowering, followed_order
from .emit.types import type_of
from .emit.windows import Windows
from .program import Special

__all__ = ["POOLS", "can_pool"]


def _lowest(dtype: np.dtype[Any]) -> float:
    return -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _windows(x: Access, y: Access, static: dict[str, Any]) -> Windows:
    kernel: Shape = static["kernel"]
    lead = len(x.shape) - len(kernel)
    return Windows(
        lead=x.shape[:lead],
        size=x.shape[lead:],
        counts=y.shape[lead:],
        kernel=kernel,
        stride=static["stride"],
        before=tuple(before for before, _ in static["padding"]),
        dilation=static.get("dilation", (1,) * len(kernel)),
        x_strides=x.strides,
        y_strides=y.strides,
        type=type_of(x.dtype),
    )


def _results(lowering: Lowering, symbol: Symbol, like: Access) -> Access:
    """Return a new array whose axes lie in memory as those of `like`."""
    return lowering.new(symbol, followed_order([like], like.shape))


def _dense(lowering: Lowering, x: Access) -> Access:
    return lowering.ordered(x, followed_order([x], x.shape))


def largest(lowering: Lowering, equation: Equation) -> bool:
    x = _dense(lowering, lowering.access(equation.inputs[0]))
    y = _results(lowering, equation.outputs[0], x)
    settings = (_windows(x, y, equation.static), _lowest(x.dtype), x.dtype.kind in "fi")
    lowering.add(Special(equation, "max_pool", settings, (y,), (x,)))
    return True


def choice(lowering: Lowering, equation: Equation) -> bool:
    x = _dense(lowering, lowering.access(equation.inputs[0]))
    (symbol,) = equation.outputs
    found = _results(lowering, symbol, x)
    lowering.chosen_from[found.array] = (x, equation.static)
    settings = (_windows(x, found, equation.static), symbol.dtype, x.dtype.kind in "fi")
    lowering.add(Special(equation, "max_choice", settings, (found,), (x,)))
    return True


def pick(lowering: Lowering, equation: Equation) -> bool:
    x, chosen = (lowering.access(v) for v in equation.inputs)
    x = _dense(lowering, x)
    order = followed_order([x], x.shape)
    chosen, out = lowering.ordered(chosen, order), lowering.new(equation.outputs[0], order)
    settings = (_windows(x, out, equation.static), chosen.dtype)
    lowering.add(Special(equation, "window_pick", settings, (out,), (x, chosen)))
    return True


def covering(lowering: Lowering, equation: Equation) -> bool:
    from .emit.covering import Covering

    x = lowering.access(equation.inputs[0])
    y = _results(lowering, equation.outputs[0], x)
    counts = equation.static["counts"]
    lead = len(x.shape) - len(counts)
    settings = Covering(x.shape[:lead], x.shape[lead:], counts, x.strides, y.strides, x.dtype)
    lowering.add(Special(equation, "covering_maximum", (settings,), (y,), (x,)))
    return True


def place(lowering: Lowering, equation: Equation) -> bool:
    """Where the choice was made from an array that is still there, it is made once more: that is less to read."""
    g, chosen = (lowering.access(v) for v in equation.inputs)
    (symbol,) = equation.outputs
    static = {k: v for k, v in equation.static.items() if k != "size"}
    x, made_with = lowering.chosen_from.get(chosen.array, (None, None))
    if x is not None and made_with == static and x.shape == symbol.shape and x.dtype == g.dtype and g.dtype.kind != "u":
        g = lowering.ordered(g, followed_order([x], x.shape))
        out = lowering.new(symbol, followed_order([x], x.shape))
        lowering.add(Special(equation, "max_pool_back", (_windows(x, g, static),), (out,), (g, x)))
        return True
    chosen = _dense(lowering, chosen)
    order = followed_order([chosen], chosen.shape)
    g, out = lowering.ordered(g, order), lowering.new(symbol, order)
    lowering.add(Special(equation, "window_place", (_windows(out, g, static), chosen.dtype), (out,), (g, chosen)))
    return True


def average(lowering: Lowering, equation: Equation) -> bool:
    x = _dense(lowering, lowering.access(equation.inputs[0]))
    y = _results(lowering, equation.outputs[0], x)
    windows = _windows(x, y, equation.static)
    settings = (windows, _divisors(windows, equation.static), equation.static["divisor"])
    lowering.add(Special(equation, "avg_pool", settings, (y,), (x,)))
    return True


def average_back(lowering: Lowering, equation: Equation) -> bool:
    g = _dense(lowering, lowering.access(equation.inputs[0]))
    out = _results(lowering, equation.outputs[0], g)
    windows = _windows(out, g, equation.static)
    settings = (windows, _divisors(windows, equation.static), equation.static["divisor"])
    lowering.add(Special(equation, "avg_pool_back", settings, (out,), (g,)))
    return True


def _divisors(windows: Windows, static: dict[str, Any]) -> tuple[tuple[int, ...], ...]:
    """Return, for each axis, how many elements of each window are counted."""
    found = []
    for n, k, s, before, (counted_before, counted_after), count in zip(
        windows.size, windows.kernel, windows.stride, windows.before, static["counted"], windows.counts, strict=True
    ):
        starts = [s * i - before for i in range(count)]
        found.append(tuple(min(a + k, n + counted_after) - max(a, -counted_before) for a in starts))
    return tuple(found)


POOLS: dict[str, Callable[[Lowering, Equation], bool]] = {
    "max_pool": largest,
    "max_choice": choice,
    "window_pick": pick,
    "window_place": place,
    "adaptive_max_positions": covering,
    "avg_pool": average,
    "avg_pool_back": average_back,
}


def can_pool(equation: Equation) -> bool:
    """Whether the numbers can be compared, added or divided as this asks; means are of floating-point numbers."""
    name, dtype = equation.mapping.lower, spec_of(equation.inputs[0]).dtype
    if name == "max_choice":  # the choice is made among numbers as wide as an element
        return dtype.itemsize > 1 or math.prod(equation.static["kernel"]) < 128
    if name in ("window_pick", "window_place"):
        return dtype.kind != "b" and spec_of(equation.inputs[1]).dtype.kind in "iu"
    return dtype.kind == "f" or name in ("max_pool", "adaptive_max_positions")
