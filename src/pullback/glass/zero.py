"""Why a gradient is exactly zero: the causes are looked for row by row, downstream as far as the zeros go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..core.spec import Spec, dtype_of, shape_of
from ..transforms.node import Node
from . import language
from .bent import at_kink, kink_of
from .edges import Spot, Surroundings, at
from .formula.tree import Binary, Formula, Name
from .history import origin_of, spoken_place
from .receipt import Reason
from .slopes import broadcast_element, parts, pushed, readers_of_element, unit
from .symbols import Word, number, written

__all__ = ["cancelled", "why_zero"]

Element = tuple[int, ...]
MOST_SPOTS, MOST_ROWS = 400, 64
FAR = (-1e6, -1e3, -50.0, 50.0, 1e3, 1e6)
NEAR = (-4.0, -2.0, -1.0, -0.5, 0.25, 0.5, 1.0, 2.0, 4.0)
RELATIONS = ("=", "<", ">", "≤", "≥", "≠")


@dataclass(frozen=True)
class Cause:
    """Why one row is zero, and at which node."""

    code: str
    node: Node | None
    detail: str = ""


def why_zero(around: Surroundings, start: Spot, root: Spot, name: str, lang: str, *, far: bool = True) -> Reason:
    """Return why the gradient of an element is zero. Rows that would carry something say more than closed ones.

    Not `far`: only the mappings that read the element are asked.
    """
    search = _Search(around, root, MOST_SPOTS if far else 1)
    local, downstream = search.causes(start)
    found = downstream or local
    if not found:
        found = Counter({Cause("not on any path", None): 1})
    cause = max(found, key=lambda one: (found[one], one.code != "kink"))
    counts: Counter[str] = Counter()
    for one, count in (local + downstream).items():
        counts[one.code] += count
    node = cause.node
    names = {"name": name, "mapping": "", "place": "", "kink": ""}
    if node is not None:
        names |= {"mapping": node.mapping.name, "place": spoken_place(node), "kink": kink_of(node, lang)}
    words = language.text(f"receipt.reason.zero.{cause.code}{cause.detail}", lang, **names)
    if cause.code != "kink" and search.bends(cause):
        words = language.text("receipt.reason.zero.at_kink", lang, words=words, kink=names["kink"])
    return Reason(
        cause.code,
        words,
        missing=False,
        serial=node.serial if node is not None else None,
        mapping=node.mapping.name if node is not None else None,
        origin=origin_of(node) if node is not None else None,
        causes=tuple(counts.most_common()),
    )


def cancelled(name: str, lang: str) -> Reason:
    """Return the reason of a gradient that is the difference of larger contributions."""
    words = language.text("receipt.reason.zero.cancelled", lang, name=name, mapping="", place="")
    return Reason("cancelled", words, missing=False)


class _Search:
    def __init__(self, around: Surroundings, root: Spot, budget: int) -> None:
        self.around = around
        self.root = root
        self.budget = budget
        self._met: dict[Cause, tuple[int, Element, int, Element]] = {}
        """Of each cause where it was met first: position and element of the input, part and element of the output."""

    def causes(self, start: Spot) -> tuple[Counter[Cause], Counter[Cause]]:
        """Return the causes at the mappings that read the element, and those further downstream."""
        local: Counter[Cause] = Counter()
        downstream: Counter[Cause] = Counter()
        waiting = [start]
        seen = {start}
        while waiting and self.budget > 0:
            self.budget -= 1
            spot = waiting.pop()
            here, onwards = self._rows(spot)
            (local if spot == start else downstream).update(here)
            for target in onwards:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return local, downstream

    def bends(self, cause: Cause) -> bool:
        """Whether the mapping that a cause names stands at its kink there."""
        return cause.node is not None and cause in self._met and at_kink(
            self.around.history, cause.node, *self._met[cause]
        )

    def _rows(self, spot: Spot) -> tuple[Counter[Cause], list[Spot]]:
        """Classify the rows of one element: closed here, or open and closed further on."""
        found: Counter[Cause] = Counter()
        onwards: list[Spot] = []
        alive: list[tuple[Node, float]] = []
        before = self.around.cotangents.before_hooks(spot.place)
        if before is not None and at(before, spot.index) != 0:  # a hook of the user's set it to zero
            node = self.around.history.nodes.get(spot.place[0])
            return Counter({Cause("multiplied by zero", node, ".hook"): 1}), []
        for node, position in self.around.readers(spot):
            x = self.around.history.inputs(node)[position]
            for i, t in enumerate(self.around.column(node, position, spot.index)):
                place = (node.serial, i)
                shape = shape_of(self.around.value(place))
                slopes = np.zeros(shape) if t is None else np.asarray(t, dtype=np.float64)
                g = self.around.cotangents.of(place)
                there = slopes != 0
                if node.mapping.family == "elementwise":
                    there = readers_of_element(shape_of(x), shape, spot.index)
                elif not there.any():
                    there = self._touched(node, position, spot, i, shape)
                rows = np.argwhere(there)
                order = np.argsort(slopes[there] == 0, kind="stable")[:MOST_ROWS]
                for row in rows[order]:
                    element = tuple(map(int, row))
                    incoming = at(g, element)
                    slope = float(slopes[element])
                    cause = self._closed(node, position, spot.index, i, element) if slope == 0 else None
                    if cause is not None and (cause.code != "kink" or incoming != 0):
                        self._met.setdefault(cause, (position, spot.index, i, element))
                        found[cause] += 1
                    elif incoming == 0:  # whatever the slope: a choice made at a kink does not matter then
                        onwards.append(Spot(place, element))
                    else:
                        alive.append((node, slope * incoming))
            self.around.forget(node)
        if alive:
            smallest = np.finfo(dtype_of(self.around.value(spot.place))).smallest_subnormal
            total = abs(sum(product for _, product in alive))
            small = all(abs(product) <= 2 * smallest for _, product in alive) or 0 < total <= 2 * smallest
            code = "underflow" if small else "cancelled"
            found[Cause(code, alive[0][0])] += len(alive)
        return found, onwards

    def _touched(self, node: Node, position: int, spot: Spot, i: int, shape: tuple[int, ...]) -> Any:
        """Return which outputs an element has to do with although its derivative is zero: a NaN tangent shows them."""
        inputs, y = self.around.history.inputs(node), self.around.history.output(node)
        ts: list[Any] = [None] * len(inputs)
        t = unit(inputs[position], spot.index)
        ts[position] = np.where(t != 0, np.nan, 0.0).astype(dtype_of(inputs[position]))[()]
        try:
            with np.errstate(all="ignore"):
                touched = pushed(node.mapping, node.static, inputs, y, ts)[i]
        except Exception:  # a rule of the user's need not take NaN
            touched = None
        if touched is not None and np.isnan(touched).any():
            return np.asarray(np.isnan(touched))
        if node.mapping.family == "reduction" and "axis" in node.static:
            axis, keep = node.static["axis"], node.static.get("keepdims")
            index = tuple(0 if a in axis else n for a, n in enumerate(spot.index) if keep or a not in axis)
            mask = np.zeros(shape, bool)
            mask[index] = True
            return mask
        return self._moves(node, position, spot.index, i)

    # ------------------------------------------------------------------------- why a local derivative is zero

    def _closed(self, node: Node, position: int, index: Element, i: int, out: Element) -> Cause:
        cause = self._why_closed(node, position, index, i, out)
        if cause.code == "multiplied by zero" and at_kink(self.around.history, node, position, index, i, out):
            return Cause("kink", node)  # no factor is 0: of the slopes on either side 0 was chosen
        return cause

    def _why_closed(self, node: Node, position: int, index: Element, i: int, out: Element) -> Cause:
        mapping = node.mapping
        if mapping.derivative is not None and mapping.family in ("elementwise", "user"):
            return self._closed_pointwise(node, position, out)
        if mapping.family == "reduction" and mapping.derivative is not None:
            if self._selects(node):
                return Cause("mask off", node, ".not_chosen")
            flat = self._flat(node, position, index, i, out)
            return Cause("underflow" if flat else "multiplied by zero", node, "")
        if self._is_linear_in(node, position, index, i):
            return Cause("multiplied by zero", node)
        if np.isneginf(np.asarray(self.around.history.inputs(node)[position])[index]):
            return Cause("mask off", node, ".minus_infinity")
        flat = self._flat(node, position, index, i, out)
        return Cause("saturated" if flat else "multiplied by zero", node)

    def _closed_pointwise(self, node: Node, position: int, out: tuple[int, ...]) -> Cause:
        inputs, y = self.around.history.inputs(node), self.around.history.output(node)
        mapping, static = node.mapping, node.static
        shape = shape_of(y)
        if shape_of(y) != () and not all(np.ndim(x) <= len(shape) for x in inputs):
            return Cause("multiplied by zero", node)
        xs = [np.asarray(x)[broadcast_element(shape_of(x), shape, out)] if np.ndim(x) else x for x in inputs]
        here = np.asarray(y)[out]
        words = [Word(Name(f"x{k}"), number(x), Spec((), dtype_of(x))) for k, x in enumerate(xs)]
        assert mapping.derivative is not None
        rule = written(
            mapping.derivative[position], [*words, Word(Name("y"), number(here), Spec((), dtype_of(here)))], **static
        )
        names = _names(rule[0]) if rule is not None else {f"x{position}"}
        if rule is not None and not names and mapping.differentiable and _is_constant(mapping, static, xs, position):
            return Cause("constant", node)
        others = [k for k in range(len(xs)) if k != position]
        if f"x{position}" not in names and "y" not in names:
            return self._closed_by_factor(node, inputs, xs, [k for k in others if f"x{k}" in names])
        flat_at = _curve(mapping, static, xs, position)
        x = float(xs[position])
        step = 1e-3 * max(1.0, abs(x))
        sides = [float(flat_at(x - step)), float(flat_at(x + step))]
        level = float(flat_at(x))
        flat = sides[0] == level == sides[1]
        half = mapping.kink is not None and level in sides
        rest = [k for k in others if np.ndim(inputs[k]) or node.links[k] is not None]
        if (flat or half) and rest and any(level == float(xs[k]) for k in rest):
            return Cause("mask off", node, ".not_chosen")
        if mapping.kink is not None and (flat or half):
            dead = level == 0 and _steepest(mapping, static, xs, position) >= 0.99
            return Cause("dead unit" if dead else "saturated", node)
        if flat and _steepest(mapping, static, xs, position) == 0:
            return Cause("constant", node)
        if flat:
            bounded = all(np.isfinite(v) and abs(v) <= 1e3 for v in map(flat_at, FAR))
            return Cause("underflow" if level == 0 and not bounded else "saturated", node)
        return Cause("multiplied by zero", node)

    def _closed_by_factor(self, node: Node, inputs: Any, xs: list[Any], factors: list[int]) -> Cause:
        for k in factors:
            kind = dtype_of(inputs[k]).kind
            values = np.unique(np.asarray(inputs[k]).reshape(-1)[:100_000])
            two = node.links[k] is None and np.ndim(inputs[k]) > 0 and len(values) == 2 and 0 in values
            if kind == "b" or (two and xs[k] == 0):
                return Cause("mask off", node)
        return Cause("multiplied by zero", node)

    def _selects(self, node: Node) -> bool:
        """Whether a reduction's derivative asks which elements are equal to something: then it chooses among them."""
        assert node.mapping.derivative is not None
        x = self.around.history.inputs(node)[0]
        spec = Spec(shape_of(x), dtype_of(x))
        kept = Spec(tuple(1 if a in node.static["axis"] else n for a, n in enumerate(spec.shape)), spec.dtype)
        static = {key: v for key, v in node.static.items() if key != "keepdims"}
        rule = written(
            node.mapping.derivative[0], [Word(Name("x"), Name("x"), spec), Word(Name("y"), Name("y"), kept)], **static
        )
        return rule is not None and _relates(rule[0])

    def _is_linear_in(self, node: Node, position: int, index: tuple[int, ...], i: int) -> bool:
        """Whether the derivative is the same wherever this input is, and so a factor made of the other inputs."""
        inputs, y = list(self.around.history.inputs(node)), self.around.history.output(node)
        if node.mapping.family in ("linear", "bilinear", "jointly linear"):
            return True
        ts: list[Any] = [None] * len(inputs)
        x = np.asarray(inputs[position])
        ts[position] = unit(x, index)
        slopes = []
        try:
            for elsewhere in (x[index], 0.7, -1.3, 2.5):
                moved = x.copy()
                moved[index] = elsewhere
                inputs[position] = moved[()]
                with interpreting(EVALUATE):
                    y = node.mapping.evaluate(*inputs, **node.static)
                slope = pushed(node.mapping, node.static, inputs, y, ts)[i]
                slopes.append(np.zeros(()) if slope is None else np.asarray(slope))
        except Exception:  # a mapping that takes no other values there is not linear in them
            return False
        return all(np.allclose(slope, slopes[0], rtol=1e-5) for slope in slopes)

    def _moves(self, node: Node, position: int, index: tuple[int, ...], i: int) -> Any:
        """Return which outputs change when the element does."""
        inputs = list(self.around.history.inputs(node))
        before = np.asarray(parts(self.around.history.output(node))[i])
        moved = np.array(inputs[position])
        moved[index] += 0.01 * max(1.0, abs(float(moved[index])))
        inputs[position] = moved[()]
        try:
            with interpreting(EVALUATE):
                after = np.asarray(parts(node.mapping.evaluate(*inputs, **node.static))[i])
        except Exception:  # a mapping that takes no other values there
            return np.zeros(before.shape, bool)
        return np.asarray(before != after)

    def _flat(self, node: Node, position: int, index: tuple[int, ...], i: int, out: tuple[int, ...]) -> bool:
        """Whether the output does not change when the element is moved a little."""
        inputs = list(self.around.history.inputs(node))
        x = np.asarray(inputs[position])
        values = []
        for factor in (-1e-3, 0.0, 1e-3):
            moved = x.copy()
            moved[index] += factor * max(1.0, abs(float(x[index])))
            inputs[position] = moved[()]
            with interpreting(EVALUATE), np.errstate(all="ignore"):
                values.append(float(np.asarray(parts(node.mapping.evaluate(*inputs, **node.static))[i])[out]))
        return values[0] == values[1] == values[2]


def _curve(mapping: Any, static: dict[str, Any], xs: list[Any], position: int) -> Any:
    """Return the mapping as a function of one number."""

    def curve(x: float) -> float:
        values = list(xs)
        values[position] = dtype_of(xs[position]).type(x)
        with np.errstate(all="ignore"):
            return float(mapping.evaluate(*values, **static))

    return curve


def _steepest(mapping: Any, static: dict[str, Any], xs: list[Any], position: int) -> float:
    """Return the largest slope of the mapping at a few ordinary numbers."""
    curve = _curve(mapping, static, xs, position)
    return max(abs(curve(x + 0.01) - curve(x - 0.01)) / 0.02 for x in NEAR)


def _is_constant(mapping: Any, static: dict[str, Any], xs: list[Any], position: int) -> bool:
    """Whether the declared derivative is the number 0 everywhere: the value moves in jumps or not at all."""
    slope = mapping.derivative[position](*xs, mapping.evaluate(*xs, **static), **static)
    return isinstance(slope, int | float) and slope == 0


def _names(formula: Formula) -> set[str]:
    found: set[str] = set()  # asked for membership only
    waiting: list[Any] = [formula]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Name):
            found.add(part.text)
        elif isinstance(part, Formula):
            waiting.extend(vars(part).values())
        elif isinstance(part, tuple):
            waiting.extend(part)
    return found


def _relates(formula: Formula) -> bool:
    waiting: list[Any] = [formula]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Binary) and part.sign in RELATIONS:
            return True
        if isinstance(part, Formula):
            waiting.extend(vars(part).values())
        elif isinstance(part, tuple):
            waiting.extend(part)
    return False
