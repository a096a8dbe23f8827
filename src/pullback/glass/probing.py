"""One mapping asked about single elements of its output: by which rule they depend on elements of its inputs."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import shape_of, spec_of
from .slopes import parts, pulled, pushed, unit, wide

__all__ = ["Asked", "Enough", "Inquiry", "Rule", "Unknown", "broadcast", "places", "rule_of", "seed"]

LONGEST_TABLE = 4096
TRIED_ALONG = 64
"""Of an axis of so many elements, each is asked about where no simpler rule is found."""
ALL_PLACES, MOST_CORNERS, RANDOM_PLACES = 64, 8, 6

Element = tuple[int, ...]
Rule = dict[str, Any]


class Inquiry:
    """How much may still be asked for a drawing, in elements computed, and what was found already."""

    def __init__(self, elements: int = 200_000_000, entries: int = 30_000) -> None:
        self.elements = elements
        self.entries = entries
        self.found: dict[Any, list[list[Rule | None]]] = {}


class Enough(Exception):
    """Nothing is left to ask."""


class Unknown(Exception):
    """A rule of the mapping's only works on what it was given."""


class Asked:
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
        if self.cost * len(places(self.out)) > inquiry.elements:  # it would not come to an end
            raise Enough

    def ask(self, rule: Callable[[], Any]) -> Any:
        """Run a rule of the mapping's, which may be a user's own."""
        self.inquiry.elements -= self.cost
        if self.inquiry.elements < 0:
            raise Enough
        try:
            return rule()
        except Exception as error:
            raise Unknown from error

    def row(self, element: Element, position: int) -> Any:
        """Return which elements of an input an element of the output depends on, as a mask; None for none."""
        if element not in self.rows:
            g = seed(self.y, self.part, element)
            slopes = self.ask(lambda: pulled(self.mapping, self.static, self.xs, self.y, g, self.needs))
            self.rows[element] = [None if s is None or not np.any(s) else np.asarray(s) != 0 for s in slopes]
        return self.rows[element][position]

    def pushed(self, position: int, tangent: Any) -> Any:
        """Return what a tangent of one input makes of the output."""
        ts: list[Any] = [None] * len(self.xs)
        ts[position] = tangent
        t = self.ask(lambda: pushed(self.mapping, self.static, self.xs, self.y, ts))[self.part]
        return np.zeros(self.out) if t is None else np.asarray(t)


def rule_of(asked: Asked, position: int, inquiry: Inquiry) -> Rule | None:
    try:
        picks, found = _picked(asked, position)
    except Unknown:
        picks, found = False, None
    if not picks:
        try:
            found = _ranges(asked, position)
        except Unknown:
            return None
    if found is None:
        return None
    inquiry.entries -= sum(len(axis["low"]) for axis in found.get("axes", ()) if "over" in axis)
    inquiry.entries -= len(found.get("mask", "")) // 4
    return found if inquiry.entries >= 0 else None


# -------------------------------------------------------------------- each from one element, or none


def broadcast(shape: Element, out: Element) -> Rule:
    axes = []
    for axis, n in enumerate(shape, len(out) - len(shape)):
        line = [0] * (len(out) + 1)
        line[axis + 1] = int(n > 1)
        axes.append({"low": line, "high": line, "step": 1})
    return {"axes": axes}


def _picked(asked: Asked, position: int) -> tuple[bool, Rule | None]:
    """Whether a mapping picks, and its rule if it can be written: three tangents tell from which element each came."""
    shape = asked.xs[position].shape
    size = math.prod(shape)
    rng = np.random.default_rng(0)
    checks = rng.uniform(1, 2, size)
    slope = asked.pushed(position, np.ones(shape))
    counted = asked.pushed(position, np.arange(1.0, size + 1).reshape(shape))
    again = asked.pushed(position, checks.reshape(shape))
    some = slope != 0
    if not np.all(np.isfinite(slope)) or np.any(counted[~some]) or np.any(again[~some]):
        return False, None
    source = np.divide(counted, slope, out=np.zeros(asked.out), where=some)
    picked = np.rint(source).astype(np.int64) - 1
    if np.any(np.abs(source - picked - 1)[some] > 1e-6) or np.any((picked[some] < 0) | (picked[some] >= size)):
        return False, None
    if not np.allclose(again[some], (slope * checks[np.where(some, picked, 0)])[some], rtol=1e-9, atol=0):
        return False, None
    return True, _written_out(np.where(some, picked, -1), shape) if np.any(some) else None


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


def places(out: Element) -> list[Element]:
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


def _ranges(asked: Asked, position: int) -> Rule | None:
    """The rule of a mapping of which each element depends on a range along each axis: a row, a window, the past."""
    out, shape = asked.out, asked.xs[position].shape

    def ranges(place: Element) -> list[Any] | None:
        return _box(asked.row(place, position), len(shape))

    asked_at = places(out)
    seen = {place: ranges(place) for place in asked_at}
    if any(found is None for found in seen.values()):
        return None
    middle = asked_at[0]
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


def seed(y: Any, part: int, element: Element) -> Any:
    """A cotangent of an output, or of several, with a 1 at one element."""
    one = unit(parts(y)[part], element)
    return tuple(one if i == part else np.zeros_like(p) for i, p in enumerate(y)) if y.__class__ is tuple else one
