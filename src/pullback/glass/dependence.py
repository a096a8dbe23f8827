"""Which elements of an input each element of an output depends on, as rules that a page can follow without any
mathematics of its own.

The rules are found by asking the mapping: unit cotangents are pulled back, numbered tangents are pushed forward, and
what comes out is put into a few whole numbers, then checked at other places.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import shape_of, spec_of
from .diagram import Box
from .slopes import parts, pulled, pushed, unit, wide

__all__ = ["Inquiry", "dependence", "typical"]

INDEPENDENT_OF_VALUES = ("elementwise", "linear", "jointly linear", "bilinear", "composite")
"""Families whose structure is the same for all values, or may be: a composite is asked at several."""
SEEDS = (0, 1, 2)
LONGEST_TABLE = 4096
TRIED_ALONG = 64
"""Of an axis of so many elements, each is asked about where no simpler rule is found."""
ALL_PLACES, MOST_CORNERS, RANDOM_PLACES = 64, 8, 6

Element = tuple[int, ...]
Rule = dict[str, Any]


class Inquiry:
    """How much may still be asked for a drawing, in elements computed, and what was found already."""

    def __init__(self, elements: int = 120_000_000, entries: int = 30_000) -> None:
        self.elements = elements
        self.entries = entries
        self.found: dict[Any, list[list[Rule | None]]] = {}


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
    for seed in SEEDS if mapping.family == "composite" else SEEDS[:1]:
        rng = np.random.default_rng(seed)
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
        for place in _places(shape_of(one))[:3] if one.dtype.kind == "f" else []:
            slopes = pulled(mapping, static, xs, y, _seed(y, part, place), needs)
            found.extend(None if s is None or not np.any(s) else (np.asarray(s) != 0).tobytes() for s in slopes)
    return found


def _seed(y: Any, part: int, element: Element) -> Any:
    """A cotangent of an output, or of several, with a 1 at one element."""
    one = unit(parts(y)[part], element)
    return tuple(one if i == part else np.zeros_like(p) for i, p in enumerate(y)) if y.__class__ is tuple else one


# ------------------------------------------------------------------------------------------- finding


def _rules(
    mapping: Mapping, static: dict[str, Any], xs: list[Any], y: Any, part: int, inquiry: Inquiry
) -> list[Rule | None]:
    out = shape_of(parts(y)[part])
    needs = [x.dtype.kind == "f" and x.ndim > 0 for x in xs]
    if not any(needs) or parts(y)[part].dtype.kind != "f":
        return [None] * len(xs)
    if mapping.family == "elementwise":
        return [_broadcast(x.shape, out) if need else None for x, need in zip(xs, needs, strict=True)]
    try:
        with np.errstate(all="ignore"):
            asked = _Asked(mapping, static, *(typical(mapping, static, xs) or (xs, y)), part, needs, inquiry)
            return [_rule(asked, i, inquiry) if need else None for i, need in enumerate(needs)]
    except (_Enough, _Unknown):
        return [None] * len(xs)


class _Enough(Exception):
    """Nothing is left to ask."""


class _Unknown(Exception):
    """A rule of the mapping's only works on what it was given."""


class _Asked:
    """One output of a mapping at some inputs, and what its rules say of single elements."""

    def __init__(
        self, mapping: Mapping, static: dict[str, Any], xs: list[Any], y: Any, part: int, needs: list[bool],
        inquiry: Inquiry,
    ) -> None:  # fmt: skip
        self.mapping, self.static, self.needs, self.inquiry, self.part = mapping, static, needs, inquiry, part
        self.xs, self.y = [wide(x) for x in xs], y
        flops = mapping.flops(*map(spec_of, self.xs), **static) if mapping.flops is not None else 0
        self.cost = sum(x.size for x in xs) + sum(p.size for p in parts(y)) + flops // 16
        if any(x.dtype != w.dtype for x, w in zip(xs, self.xs, strict=True)):
            self.y = self.ask(lambda: mapping.evaluate(*self.xs, **static))
        self.out: Element = shape_of(parts(self.y)[part])
        self.rows: dict[Element, list[Any]] = {}

    def ask(self, rule: Callable[[], Any]) -> Any:
        """Run a rule of the mapping's, which may be a user's own."""
        self.inquiry.elements -= self.cost
        if self.inquiry.elements < 0:
            raise _Enough
        try:
            return rule()
        except Exception as error:
            raise _Unknown from error

    def row(self, element: Element, position: int) -> Any:
        """Return which elements of an input an element of the output depends on, as a mask; None for none."""
        if element not in self.rows:
            g = _seed(self.y, self.part, element)
            slopes = self.ask(lambda: pulled(self.mapping, self.static, self.xs, self.y, g, self.needs))
            self.rows[element] = [None if s is None or not np.any(s) else np.asarray(s) != 0 for s in slopes]
        return self.rows[element][position]

    def pushed(self, position: int, tangent: Any) -> Any:
        """Return what a tangent of one input makes of the output."""
        ts: list[Any] = [None] * len(self.xs)
        ts[position] = tangent
        t = self.ask(lambda: pushed(self.mapping, self.static, self.xs, self.y, ts))[self.part]
        return np.zeros(self.out) if t is None else np.asarray(t)


def _rule(asked: _Asked, position: int, inquiry: Inquiry) -> Rule | None:
    for find in (_picked, _ranges):
        try:
            found = find(asked, position)
        except _Unknown:
            continue
        if found is None:
            continue
        inquiry.entries -= sum(len(axis["low"]) for axis in found.get("axes", ()) if "over" in axis)
        inquiry.entries -= len(found.get("mask", "")) // 4
        return found if inquiry.entries >= 0 else None
    return None


# -------------------------------------------------------------------- each from one element, or none


def _broadcast(shape: Element, out: Element) -> Rule:
    axes = []
    for axis, n in enumerate(shape, len(out) - len(shape)):
        line = [0] * (len(out) + 1)
        line[axis + 1] = int(n > 1)
        axes.append({"low": line, "high": line, "step": 1})
    return {"axes": axes}


def _picked(asked: _Asked, position: int) -> Rule | None:
    """The rule of a mapping that picks: three tangents tell from which single element each one came."""
    shape = asked.xs[position].shape
    size = math.prod(shape)
    rng = np.random.default_rng(0)
    checks = rng.uniform(1, 2, size)
    slope = asked.pushed(position, np.ones(shape))
    counted = asked.pushed(position, np.arange(1.0, size + 1).reshape(shape))
    again = asked.pushed(position, checks.reshape(shape))
    some = slope != 0
    if not np.all(np.isfinite(slope)) or np.any(counted[~some]) or np.any(again[~some]):
        return None
    source = np.divide(counted, slope, out=np.zeros(asked.out), where=some)
    picked = np.rint(source).astype(np.int64) - 1
    if np.any(np.abs(source - picked - 1)[some] > 1e-6) or np.any((picked[some] < 0) | (picked[some] >= size)):
        return None
    if not np.allclose(again[some], (slope * checks[np.where(some, picked, 0)])[some], rtol=1e-9, atol=0):
        return None
    return _written_out(np.where(some, picked, -1), shape) if np.any(some) else None


def _written_out(picked: Any, shape: Element) -> Rule | None:
    """The shortest way to say which element of an array of `shape` each one of the output is; −1 is none."""
    out = picked.shape
    some = picked >= 0
    order = np.arange(picked.size).reshape(out)
    offset = int((picked - order)[some][0])
    coordinates = np.unravel_index(np.maximum(picked, 0), shape)
    where = np.argwhere(some)
    axes: list[Any] = []
    for c in coordinates:
        line = _affine(where, c[some])
        if line is None and np.array_equal(picked, order + offset):
            return {"flat": offset}
        axes.append({"low": line, "high": line, "step": 1} if line is not None else _table(np.where(some, c, -1)))
    if any(axis is None for axis in axes):
        return None
    found = {"axes": axes}
    if np.all(some) or any("over" in axis for axis in axes):
        return found
    predicted = np.ones(out, bool)
    for axis, n in zip(axes, shape, strict=True):
        i = axis["low"][0] + sum(s * k for s, k in zip(axis["low"][1:], np.indices(out), strict=True))
        predicted &= (i >= 0) & (i < n)
    if np.array_equal(predicted, some):
        return found
    return {**found, "mask": base64.b64encode(np.packbits(some, bitorder="little").tobytes()).decode()}


def _affine(where: Any, c: Any) -> list[int] | None:
    """Whole numbers with which `c` is a constant and a multiple of each index, at all the places; or None."""
    few = slice(None, None, max(1, len(where) // 512))
    equations = np.concatenate([np.ones((len(where), 1)), where], axis=1)
    line = np.rint(np.linalg.lstsq(equations[few], c[few].astype(float), rcond=None)[0]).astype(np.int64)
    return line.tolist() if np.array_equal(equations @ line, c) else None


def _table(c: Any) -> Rule | None:
    """The numbers along the fewest axes on which they depend."""
    for count in range(c.ndim + 1):
        for over in itertools.combinations(range(c.ndim), count):
            if math.prod(c.shape[j] for j in over) > LONGEST_TABLE:
                continue
            rest = tuple(j for j in range(c.ndim) if j not in over)
            if np.array_equal(c.min(axis=rest), c.max(axis=rest)):
                numbers = c.min(axis=rest).reshape(-1).tolist()
                return {"over": list(over), "low": numbers, "high": numbers, "step": 1}
    return None


# ------------------------------------------------------------------------- each from a range of every axis


def _places(out: Element) -> list[Element]:
    """Elements to ask about: the middle, its neighbours, corners and some at random; of a small output all."""
    middle = tuple(n // 2 for n in out)
    if math.prod(out) <= ALL_PLACES:
        return list(dict.fromkeys([middle, *np.ndindex(out)]))
    rng = np.random.default_rng(0)
    neighbours = [tuple(i + (a == j) * _towards(n, i) for a, (i, n) in enumerate(zip(middle, out, strict=True)))
                  for j in range(len(out))]  # fmt: skip
    random = [tuple(int(rng.integers(n)) for n in out) for _ in range(RANDOM_PLACES)]
    corners = itertools.islice(itertools.product(*((0, n - 1) for n in out)), MOST_CORNERS)
    return list(dict.fromkeys([middle, *neighbours, *corners, tuple(n - 1 for n in out), *random]))


def _towards(n: int, i: int) -> int:
    return 0 if n == 1 else 1 if i + 1 < n else -1


def _ranges(asked: _Asked, position: int) -> Rule | None:
    """The rule of a mapping of which each element depends on a range along each axis: a row, a window, the past."""
    out, shape = asked.out, asked.xs[position].shape

    def ranges(place: Element) -> list[Any] | None:
        return _box(asked.row(place, position), len(shape))

    places = _places(out)
    seen = {place: ranges(place) for place in places}
    if any(found is None for found in seen.values()):
        return None
    middle = places[0]
    axes: list[Any] = []
    for axis, n in enumerate(shape):
        known = {place: found[axis] for place, found in seen.items() if found}
        if middle not in known:
            return None
        fits: Rule | None = _fitted(middle, known, out)
        if fits is None or not _predicts(fits, known, n, out):
            fits = _along_one(axis, n, middle, known, out, ranges)
        if fits is None:
            return None
        axes.append(fits)
    for place in (place for place, found in seen.items() if not found):
        if all(_indices(axis, place, n, out) for axis, n in zip(axes, shape, strict=True)):
            return None
    return {"axes": axes}


def _box(mask: Any, ndim: int) -> list[Any] | None:
    """Along each axis (first, last, step), [] for a mask of nothing, None where it is no product of such ranges."""
    if mask is None:
        return []
    where = np.argwhere(mask)
    found = []
    for axis in range(ndim):
        indices = np.unique(where[:, axis])
        steps = np.unique(np.diff(indices))
        if len(steps) > 1:
            return None
        found.append((int(indices[0]), int(indices[-1]), int(steps[0]) if len(steps) else 1, len(indices)))
    return found if math.prod(count for *_, count in found) == len(where) else None


def _fitted(middle: Element, known: dict[Element, Any], out: Element) -> Rule | None:
    """Low and high as a constant and a multiple of each index of the output, from the middle and its neighbours."""
    lines = []
    for end in (0, 1):
        slopes = []
        for j, n in enumerate(out):
            towards = _towards(n, middle[j])
            beside = tuple(i + (a == j) * towards for a, i in enumerate(middle))
            if beside not in known:
                return None
            slopes.append((known[beside][end] - known[middle][end]) // towards if towards else 0)
        constant = known[middle][end] - sum(s * i for s, i in zip(slopes, middle, strict=True))
        lines.append([constant, *slopes])
    return {"low": lines[0], "high": lines[1], "step": known[middle][2]}


def _indices(axis: Rule, place: Element, n: int, out: Element) -> range:
    """The indices that a rule gives for an element of the output, as the page reads it."""
    ends = []
    for end in ("low", "high"):
        if "over" in axis:
            at = 0
            for j in axis["over"]:
                at = at * out[j] + place[j]
            ends.append(axis[end][at])
        else:
            ends.append(axis[end][0] + sum(s * i for s, i in zip(axis[end][1:], place, strict=True)))
    low, high = ends
    step = axis["step"]
    first = low if low >= 0 else low + step * -(low // step)
    return range(first, min(high, n - 1) + 1, step)


def _predicts(axis: Rule, known: dict[Element, Any], n: int, out: Element) -> bool:
    for place, (low, _, step, count) in known.items():
        if list(_indices(axis, place, n, out)) != [low + step * i for i in range(count)]:
            return False
    return True


def _along_one(
    axis: int, n: int, middle: Element, known: dict[Element, Any], out: Element,
    ranges: Callable[[Element], list[Any] | None],
) -> Rule | None:  # fmt: skip
    """A table along the one axis of the output that decides, such as the channels of groups."""
    for j, length in enumerate(out):
        if not 1 < length <= TRIED_ALONG:
            continue
        found = [ranges((*middle[:j], i, *middle[j + 1 :])) for i in range(length)]
        if any(f is None for f in found):
            continue
        low, high = ([f[axis][end] if f else -1 for f in found] for end in (0, 1))
        table = {"over": [j], "low": low, "high": high, "step": known[middle][2]}
        if _predicts(table, known, n, out):
            return table
    return None
