"""What each use of a value makes of it: the local derivative by the mapping's own rule, and by finite differences.

Uses of single elements are measured together, those of one kind of mapping in one run of its rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import unsupported
from ..core.spec import dtype_of, shape_of
from ..transforms.node import Node
from .edges import Surroundings
from .slopes import MOST_ROWS, broadcast_element, parts, pulled, wide

__all__ = ["AGREES", "DIFFERS", "KINK", "NOT_FINITE", "REFUSED", "ROUNDING", "TOO_LARGE", "VERDICTS", "Rate", "measure"]

VERDICTS = ("agrees", "rounding", "kink", "differs", "not finite", "refused", "too large")
AGREES, ROUNDING, KINK, DIFFERS, NOT_FINITE, REFUSED, TOO_LARGE = range(7)
"""What finite differences of one mapping say; the last three: not checked, and why."""

MOST_WORK = 20_000_000
"""So many elements the mappings may read and write together while the uses of a whole graph are measured."""
MOST_TERMS = 3
UNIT = float(np.finfo(np.float64).eps ** (1 / 3))
BENT = 1e-3
Element = tuple[int, ...]
NUMBERS = (bool, int, float)
SCALAR: tuple[int, Element] = (0, ())


class Rate:
    """One use of one element: a mapping reads it as one of its inputs, and sends a part of its gradient back.

    `target` is the output and its element that it goes into, where that is one; then `xs` are the inputs' elements
    `at` which that is made, `y` the element itself. `terms` are the largest of several: output, element, slope,
    incoming gradient, product.
    """

    __slots__ = (
        "at", "count", "incoming", "index", "node", "numeric", "position", "product", "slope", "target", "terms",
        "verdict", "xs", "y",
    )  # fmt: skip

    def __init__(self, node: Node, position: int, index: Element, product: Any) -> None:
        self.node, self.position, self.index, self.product = node, position, index, product
        self.at: Sequence[Element] | None = None
        self.xs: Sequence[Any] = ()
        self.target: tuple[int, Element] | None = None
        self.terms: Sequence[tuple[int, Element, float, float, float]] = ()
        self.count = 1
        self.verdict = TOO_LARGE
        self.slope: Any = None
        self.incoming: Any = None
        self.numeric: Any = None
        self.y: Any = None


def measure(around: Surroundings, rates: Sequence[Rate], most_work: float = MOST_WORK) -> None:
    """Find slope, incoming gradient, target or terms, and the verdict of finite differences, for each use."""
    alike: dict[Any, list[Rate]] = {}
    others: list[Rate] = []
    for rate in rates:
        if not _aligned(around, rate):
            others.append(rate)
            continue
        node = rate.node
        kinds = [None if x.__class__ in NUMBERS else x.dtype for x in rate.xs]
        static = repr(sorted(node.static.items())) if node.static else ""
        alike.setdefault((id(node.mapping), rate.position, static, *kinds), []).append(rate)
    with np.errstate(all="ignore"):
        for together in alike.values():
            try:
                _together(together)
            except Exception:  # a rule of a user's that takes single numbers only
                others.extend(together)
        for rate in others:
            most_work -= _work(around, rate)
            if most_work >= 0:
                _alone(around, rate)


# -------------------------------------------------------------------------------------- single elements


def _aligned(around: Surroundings, rate: Rate) -> bool:
    """Whether the element goes into one element of an elementwise mapping; then note what that is made of."""
    node, index = rate.node, rate.index
    if node.mapping.family != "elementwise":
        return False
    inputs, y = around.history.inputs(node), around.history.output(node)
    g = around.cotangents.of((node.serial, 0))
    out = shape_of(y)
    if out == ():
        if index:
            return False
        for x in inputs:
            if x.__class__ is np.ndarray and x.ndim:
                return False
        rate.xs, rate.y, rate.target = inputs, y, SCALAR
        rate.incoming = 0.0 if g is None else g
        return True
    x = inputs[rate.position]
    if np.size(x) != np.size(y):
        return False
    target = (0,) * (len(out) - len(index)) + index
    rate.at = [broadcast_element(shape_of(x), out, target) for x in inputs]
    rate.xs = [np.asarray(x)[at] if np.ndim(x) else x for x, at in zip(inputs, rate.at, strict=True)]
    rate.y, rate.target = np.asarray(y)[target], (0, target)
    rate.incoming = 0.0 if g is None else np.asarray(g)[target]
    return True


def _together(rates: list[Rate]) -> None:
    first = rates[0]
    node, position = first.node, first.position
    y = np.array([rate.y for rate in rates])
    xs = [_stacked([rate.xs[i] for rate in rates], y.dtype) for i in range(len(first.xs))]
    needs = [i == position for i in range(len(xs))]
    slopes = pulled(node.mapping, node.static, xs, y, np.ones_like(y), needs)[position]
    slopes = np.zeros_like(y) if slopes is None else np.broadcast_to(slopes, y.shape)
    exact = [wide(x) for x in xs]
    x = np.asarray(exact[position], np.float64)

    def values(moved: Any) -> Any:
        with interpreting(EVALUATE):
            given = [*exact[:position], moved, *exact[position + 1 :]]
            return np.broadcast_to(node.mapping.evaluate(*given, **node.static), y.shape)

    size = np.abs(np.asarray(y, np.float64))
    rounding = 16 * float(np.finfo(y.dtype).eps) * np.maximum(1.0, size)
    numeric, verdicts = _differences(values, x, slopes, size, rounding, node.mapping.kink is not None)
    incoming, sent = (np.array([getattr(rate, name) for rate in rates], np.float64) for name in ("incoming", "product"))
    verdicts[(verdicts < DIFFERS) & ~_are_products(slopes, incoming, sent, y.dtype)] = DIFFERS
    for rate, slope, number, verdict in zip(rates, slopes, numeric.tolist(), verdicts.tolist(), strict=True):
        rate.slope, rate.numeric, rate.verdict = slope, number, verdict


def _stacked(values: list[Any], dtype: Any) -> Any:
    """Return single values in one array; Python numbers that are all the same stay one, which takes any dtype."""
    if values[0].__class__ not in NUMBERS:
        return np.array(values)
    return values[0] if all(value == values[0] for value in values) else np.array(values, dtype)


def _are_products(slopes: Any, incoming: Any, sent: Any, dtype: Any) -> Any:
    """Whether what the rule sent is, but for rounding, the slope times the gradient that arrived."""
    info = np.finfo(dtype)
    products = np.asarray(slopes, np.float64) * incoming
    close = np.abs(products - sent) <= 64 * info.eps * np.abs(products) + 4 * float(info.smallest_normal)
    return close | ~np.isfinite(products) | ~np.isfinite(sent)  # of 0 times infinity one rule makes 0, another NaN


# ------------------------------------------------------------------------------------------ differences


def _differences(
    values: Callable[[Any], Any], x: Any, slopes: Any, size: Any, rounding: Any, kinked: bool
) -> tuple[Any, Any]:
    """Compare slopes with central differences, each with steps of several lengths until one agrees.

    `size` is that of the numbers that values are the difference of, `rounding` how far the dtype's may put a slope off.
    """
    slope = np.asarray(slopes, np.float64)
    y = np.asarray(values(x), np.float64)
    numeric = np.full(x.shape, np.nan)
    verdicts = np.full(x.shape, NOT_FINITE)
    known = np.isfinite(x) & np.isfinite(slope) & np.isfinite(y)
    scale = np.maximum(np.abs(x), 1.0)
    for turn, h in enumerate((UNIT * scale, UNIT * scale / 30, UNIT * scale * 30, UNIT * np.abs(x))):
        open_ = known & ((verdicts == NOT_FINITE) | (verdicts == DIFFERS))
        if not open_.any():
            break
        low, high = x - h, x + h
        below, above = np.asarray(values(low), np.float64), np.asarray(values(high), np.float64)
        found = (above - below) / (high - low)
        left, right = (y - below) / (x - low), (above - y) / (high - x)
        noise = 8 * np.finfo(np.float64).eps * (size + np.abs(above - below)) / h
        tolerance = 2e-5 * np.maximum(np.abs(slope), np.abs(found)) + noise
        away = np.abs(found - slope)
        verdict = np.where(away <= tolerance, AGREES, np.where(away <= tolerance + rounding, ROUNDING, DIFFERS))
        if kinked:
            bends = np.abs(right - left) > BENT * np.maximum(np.abs(left), np.abs(right)) + 4 * noise
            verdict = np.where(bends, KINK, verdict)
        usable = open_ & np.isfinite(found) & ((turn == 0) | (verdicts == NOT_FINITE) | (verdict < DIFFERS))
        numeric, verdicts = np.where(usable, found, numeric), np.where(usable, verdict, verdicts)
    return numeric, verdicts


# ------------------------------------------------------------------------------------------- any others


def _work(around: Surroundings, rate: Rate) -> int:
    """Return how many elements are read and written for the slopes of one use, and for its check."""
    node = rate.node
    written = sum(map(np.size, parts(around.history.output(node))))
    size = written + sum(map(np.size, around.history.inputs(node)))
    return size * (min(MOST_ROWS, written) if node.mapping.pushforward.__class__ is unsupported else 1)


def _alone(around: Surroundings, rate: Rate) -> None:
    node, position, index = rate.node, rate.position, rate.index
    inputs, ys = around.history.inputs(node), parts(around.history.output(node))
    gs = [around.cotangents.of((node.serial, i)) for i in range(len(ys))]
    weights = [np.zeros(shape_of(y)) if g is None else np.asarray(g, np.float64) for y, g in zip(ys, gs, strict=True)]
    terms: list[tuple[int, Element, float, float, float]] = []
    rate.count = 0
    total = 0.0
    for i, column in enumerate(around.column(node, position, index)):
        slopes = np.zeros(weights[i].shape) if column is None else np.asarray(column, np.float64)
        chosen = np.flatnonzero(slopes)
        products = np.where(slopes == 0, 0.0, slopes * weights[i]).reshape(-1)[chosen]
        rate.count += len(chosen)
        total += float(np.abs(products).sum())
        sizes = np.where(np.isnan(products), np.inf, np.abs(products))
        for k in np.argsort(-sizes, kind="stable")[:MOST_TERMS]:
            out = tuple(map(int, np.unravel_index(chosen[k], slopes.shape)))
            terms.append((i, out, float(slopes[out]), float(weights[i][out]), float(products[k])))
    around.forget(node)
    rate.terms = sorted(terms, key=lambda term: -abs(term[-1]))[:MOST_TERMS]
    one = len(ys) == 1 and weights[0].size == 1
    if rate.count == 1 or one:
        i, out, rate.slope, rate.incoming, _ = (
            rate.terms[0] if rate.count == 1 else (0, (0,) * weights[0].ndim, 0.0, float(weights[0].reshape(-1)[0]), 0)
        )
        rate.count, rate.terms, rate.target, rate.y = 1, [], (i, out), np.asarray(ys[i])[out]
        if all(np.size(x) == 1 for x in inputs):
            rate.xs = [x if np.ndim(x) == 0 else np.asarray(x).reshape(-1)[0] for x in inputs]
            rate.at = [(0,) * np.ndim(x) for x in inputs] if any(map(np.ndim, inputs)) else None
    _check_alone(rate, inputs, ys, weights, total)


def _check_alone(
    rate: Rate, inputs: Sequence[Any], ys: Sequence[Any], weights: Sequence[Any], magnitude: float
) -> None:
    """Move the element alone, and see what becomes of the target, or of all outputs weighted with their gradients."""
    node, position, index = rate.node, rate.position, rate.index
    exact = [wide(x) for x in inputs]
    start = np.array(exact[position])
    slope, eps = float(rate.product), float(np.finfo(dtype_of(ys[0])).eps)
    if rate.target is not None:
        slope, magnitude = float(rate.slope), max(1.0, abs(float(rate.y)))
        weights = [np.zeros(shape_of(y)) for y in ys]
        weights[rate.target[0]][rate.target[1]] = 1.0
    base = [np.asarray(wide(y), np.float64) for y in ys]
    size = sum(float(np.abs(w * b).sum()) for w, b in zip(weights, base, strict=True))

    def values(moved: Any) -> Any:
        x = start.copy()
        x[index] = moved.item()
        with interpreting(EVALUATE):
            made = parts(node.mapping.evaluate(*exact[:position], x[()], *exact[position + 1 :], **node.static))
        # differences first: the sum of large outputs would hide how little they change
        return np.array([sum(float((w * (part - b)).sum()) for w, b, part in zip(weights, base, made, strict=True))])

    try:
        numeric, verdicts = _differences(
            values, np.array([float(start[index])]), np.array([slope]), np.array([size]),
            np.array([64 * eps * magnitude]), node.mapping.kink is not None,
        )  # fmt: skip
    except Exception:  # a rule of a user's that takes no other values than it was given
        rate.verdict = REFUSED
        return
    rate.numeric, rate.verdict = float(numeric[0]), int(verdicts[0])
    if rate.target is None or rate.verdict >= DIFFERS:
        return
    if not _are_products(rate.slope, float(rate.incoming), float(rate.product), dtype_of(ys[0])):
        rate.verdict = DIFFERS
