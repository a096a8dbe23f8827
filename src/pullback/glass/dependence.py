"""Which elements of an input each element of an output depends on, as rules that a page can follow without any
mathematics of its own.

The rules are found by asking the mapping: unit cotangents are pulled back, numbered tangents are pushed forward, and
what comes out is put into a few whole numbers, then checked at other places.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import shape_of, spec_of
from .diagram import Box
from .probing import Asked, Enough, Inquiry, Rule, Unknown, broadcast, places, rule_of, seed
from .slopes import parts, pulled

__all__ = ["Inquiry", "dependence", "typical"]

INDEPENDENT_OF_VALUES = ("elementwise", "linear", "jointly linear", "bilinear", "composite")
"""Families whose structure is the same for all values, or may be: a composite is asked at several."""
SEEDS = (0, 1, 2)
LONG, SHORT = 16, (11, 13, 7, 5)
"""Axes longer than this are made so short for a first try."""

Element = tuple[int, ...]


def dependence(box: Box, inquiry: Inquiry) -> list[list[Rule | None]] | None:
    """Return for each output of a box, for each input, the rule by which their elements belong together.

    A rule is a dict. `axes` has for each axis of the input `low` and `high`, the first and the last index, each as
    [c, s, …]: c plus s times the output's index along each of its axes, or, where there is `over`, as a table along
    these axes of the output (−1: none); `step` from one index to the next. Indices outside of the array are none.
    Instead of `axes` there may be `flat`: the element of the input in the order of the rows is that of the output
    plus this number. `mask` has a bit for each element of the output, 0 where it depends on nothing (base64). None
    stands for an input that gets no gradient, or whose rule is not known.

    None when nothing at all is known, or nothing is left to ask.
    """
    mapping = box.mapping
    if mapping is None or box.value is None or any(x.value is None for x in box.inputs):
        return None
    xs, outputs = [x.value for x in box.inputs], parts(box.value)
    if not all(isinstance(y, np.ndarray) and y.size and np.isrealobj(y) for y in [*outputs, *xs]):
        return None
    key = None
    if mapping.family in INDEPENDENT_OF_VALUES and all(x.dtype.kind == "f" for x in xs):
        static = repr(sorted(box.static.items())) if box.static else ""
        key = (id(mapping), static, tuple(map(spec_of, xs)))
    if key is None or key not in inquiry.found:
        found = [_rules(mapping, box.static, xs, box.value, part, inquiry) for part in range(len(outputs))]
        if key is None:
            return found if any(any(rules) for rules in found) else None
        inquiry.found[key] = found
    found = inquiry.found[key]
    return found if any(any(rules) for rules in found) else None


def typical(mapping: Mapping, static: dict[str, Any], xs: Sequence[Any]) -> tuple[list[Any], Any] | None:
    """Return other inputs without accidental zeros, and their output; None where the structure depends on values."""
    if mapping.family not in INDEPENDENT_OF_VALUES:
        return None
    needs = [x.dtype.kind == "f" and x.ndim > 0 for x in xs]
    points, masks = [], []
    for number in SEEDS if mapping.family == "composite" else SEEDS[:1]:
        rng = np.random.default_rng(number)
        others = [rng.uniform(0.25, 0.75, x.shape).astype(x.dtype) if x.dtype.kind == "f" else x for x in xs]
        try:
            points.append((others, mapping.evaluate(*others, **static)))
            if mapping.family == "composite":
                masks.append(_masks(mapping, static, *points[-1], needs))
        except Exception:  # a mapping may refuse values that are not its own
            return None
    return points[0] if all(mask == masks[0] for mask in masks) else None


def _masks(mapping: Mapping, static: dict[str, Any], xs: Sequence[Any], y: Any, needs: list[bool]) -> list[Any]:
    """On which elements of the inputs a few elements of the output depend."""
    found: list[Any] = []
    for part, one in enumerate(parts(y)):
        for place in places(shape_of(one))[:3] if one.dtype.kind == "f" else []:
            slopes = pulled(mapping, static, xs, y, seed(y, part, place), needs)
            found.extend(None if s is None or not np.any(s) else (np.asarray(s) != 0).tobytes() for s in slopes)
    return found


# ------------------------------------------------------------------------------------------- finding


def _rules(
    mapping: Mapping, static: dict[str, Any], xs: list[Any], y: Any, part: int, inquiry: Inquiry
) -> list[Rule | None]:
    out = shape_of(parts(y)[part])
    needs = [x.dtype.kind == "f" and x.ndim > 0 for x in xs]
    if not any(needs) or parts(y)[part].dtype.kind != "f":
        return [None] * len(xs)
    if mapping.family == "elementwise":
        return [broadcast(x.shape, out) if need else None for x, need in zip(xs, needs, strict=True)]
    try:
        with np.errstate(all="ignore"):
            if rules := _of_small_ones(mapping, static, xs, y, part, needs, inquiry):
                return rules
            asked = Asked(mapping, static, *(typical(mapping, static, xs) or (xs, y)), part, needs, inquiry)
            return [rule_of(asked, i, inquiry) if need else None for i, need in enumerate(needs)]
    except (Enough, Unknown):
        return [None] * len(xs)


def _of_small_ones(
    mapping: Mapping, static: dict[str, Any], xs: list[Any], y: Any, part: int, needs: list[bool], inquiry: Inquiry
) -> list[Rule | None] | None:
    """The rules as small arrays have them, where these are the rules of the large ones too; None where they are not.

    Long axes are made short, equal ones equally; the output must become short in the same way. What is then the whole
    of an axis is the whole of the long one, what goes along with an index goes along with it.
    """
    if mapping.family not in INDEPENDENT_OF_VALUES or any(x.dtype.kind != "f" for x in xs):
        return None
    outs = tuple(shape_of(one) for one in parts(y))
    for short in _shorter(xs):
        small = [np.zeros(_shrunk(x.shape, short), x.dtype) for x in xs]
        point = typical(mapping, static, small)
        if point is None or tuple(map(shape_of, parts(point[1]))) != tuple(_shrunk(out, short) for out in outs):
            continue
        asked = Asked(mapping, static, *point, part, needs, inquiry)
        grown: list[Rule | None] = []
        for i, need in enumerate(needs):
            rule = rule_of(asked, i, inquiry) if need else None
            grown.append(None if rule is None else _grown(rule, xs[i].shape, small[i].shape, outs[part], asked.out))
        if all((rule is not None) == need for rule, need in zip(grown, needs, strict=True)):
            return grown
    return None


def _shorter(xs: list[Any]) -> Iterator[dict[int, int]]:
    """Shorter lengths for long ones: for all of them, and where that does not do, for some."""
    lengths = sorted({n for x in xs for n in x.shape}, reverse=True)
    long = [n for n in lengths if n > LONG][: len(SHORT)]
    free = [n for n in SHORT if n not in lengths]
    for count in range(len(long), 0, -1):
        for chosen in itertools.combinations(long, count):
            yield dict(zip(chosen, free, strict=False))


def _shrunk(shape: Element, short: dict[int, int]) -> Element:
    return tuple(short.get(n, n) for n in shape)


def _grown(rule: Rule, shape: Element, small: Element, out: Element, small_out: Element) -> Rule | None:
    """A rule of short axes for long ones; None where it says something that does not grow with them."""
    if "mask" in rule or "flat" in rule:
        return None
    axes = []
    for axis, n, m in zip(rule["axes"], shape, small, strict=True):
        low, high = axis["low"], axis["high"]
        if "over" in axis:
            tables = [_stretched(axis[end], axis["over"], out, small_out) for end in ("low", "high")]
            if n != m or None in tables:
                return None
            axis = {**axis, "low": tables[0], "high": tables[1]}
        elif n != m and low[0] == 0 and high[0] == m - 1 and not any(low[1:]) and not any(high[1:]):
            axis = {**axis, "high": [n - 1, *high[1:]]}
        elif n != m and not (low[1:] == high[1:] and sorted(low[1:])[-1:] == [1] and sum(map(abs, low[1:])) == 1):
            return None
        axes.append(axis)
    return {"axes": axes}


def _stretched(table: list[int], over: list[int], out: Element, small: Element) -> list[int] | None:
    """A table along one axis that is the same in the middle, for a longer axis; None for another."""
    if len(over) != 1 or out[over[0]] == small[over[0]]:
        return table if all(out[j] == small[j] for j in over) else None
    half, more = len(table) // 2, out[over[0]] - small[over[0]]
    if len(table) < 7 or len(set(table[half - 1 : half + 2])) > 1:
        return None
    return [*table[:half], *[table[half]] * more, *table[half:]]
