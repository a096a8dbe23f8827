"""Why a gradient is NaN or infinite: where on the way forward, or on the way back, that arose first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.spec import dtype_of, shape_of
from ..transforms.node import Leaf, Node
from . import language
from .columns import shown_number, signed
from .edges import Edge, Spot, Surroundings, at
from .history import origin_of, owner, spoken_place
from .names import Names, element_symbol
from .receipt import Reason
from .slopes import broadcast_element, parts, readers_of_element

__all__ = ["why_undefined"]

MOST_STEPS = 100_000
Element = tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """Where NaN or ∞ arose: a node, or the leaf or constant `name` that holds it."""

    node: Node | None
    name: str
    result: str
    """"NaN", "∞" or "−∞"."""
    of: str
    """What it was made of: "v1 = −1"."""


def why_undefined(around: Surroundings, start: Spot, names: Names, lang: str) -> Reason:
    """Return where the NaN or ∞ in the gradient of an element comes from."""
    trace = _Trace(around, names, lang)
    edges = trace.back_to_finite(start)
    if edges is None:
        return _reason("not finite backward", lang, "hook", mapping="", place="")
    if not edges:
        return _reason("not finite backward", lang, "sum", mapping="", place="")
    last = edges[-1]
    source = trace.forward_source(last.node, last.target.index)
    if source is not None and (np.isnan(last.local) or not trace.loss_is_finite()):
        return trace.forward_reason(source)
    return trace.backward_reason(edges, start)


class _Trace:
    def __init__(self, around: Surroundings, names: Names, lang: str) -> None:
        self.around, self.names, self.lang = around, names, lang

    def back_to_finite(self, start: Spot) -> list[Edge] | None:
        """Follow what is not finite from an element towards the loss, to an edge at which a finite gradient arrives.

        None where a hook of the user's made it; an empty list where finite contributions have no finite sum.
        """
        found: list[Edge] = []
        spot, seen = start, {start}
        while len(found) < MOST_STEPS:
            if np.isfinite(at(self.around.cotangents.before_hooks(spot.place), spot.index)):
                return None
            edges = self._undefined(spot)
            if not edges:
                return found
            onwards = [edge for edge in edges if not np.isfinite(edge.incoming) and edge.target not in seen]
            if not onwards:
                return [*found, edges[0]]
            found.append(onwards[0])
            spot = onwards[0].target
            seen.add(spot)
        return found

    def _undefined(self, spot: Spot) -> list[Edge]:
        """Return the edges out of an element whose product is not finite, those of the NaN gradients first."""
        found: list[Edge] = []
        for node, position in self.around.readers(spot):
            reads = shape_of(self.around.history.inputs(node)[position])
            for number, t in enumerate(self.around.column(node, position, spot.index)):
                place = (node.serial, number)
                shape = shape_of(self.around.value(place))
                slopes = np.zeros(shape) if t is None else np.asarray(t, dtype=np.float64)
                g = self.around.cotangents.of(place)
                incoming = np.zeros(shape) if g is None else np.asarray(g, dtype=np.float64)
                with np.errstate(all="ignore"):
                    products = np.asarray(slopes * incoming)
                taking_part = ~np.isfinite(products)
                if node.mapping.family == "elementwise":
                    taking_part = taking_part & readers_of_element(reads, shape, spot.index)
                elif (slopes != 0).any():
                    taking_part = taking_part & (slopes != 0)
                for k in np.flatnonzero(taking_part)[:1]:
                    target = Spot(place, tuple(int(i) for i in np.unravel_index(k, shape)))
                    values = (float(a.reshape(-1)[k]) for a in (slopes, incoming, products))
                    found.append(Edge(node, position, target, *values))
            self.around.forget(node)
        return sorted(found, key=lambda edge: not np.isnan(edge.incoming))

    # ------------------------------------------------------------------------------------- on the way forward

    def loss_is_finite(self) -> bool:
        """Whether what is not finite stayed out of the loss, as behind a `where`."""
        return not _badness(self.around.history.value(self.around.history.root))

    def forward_reason(self, source: Source) -> Reason:
        """Say which mapping made it, and of NaN made of ∞ also where the ∞ is from; or what holds it from the start."""
        node = source.node
        if node is None:
            return _reason("not finite forward", self.lang, "held", mapping=source.name, result=source.result)
        made = {"result": source.result, "of": source.of}
        reason = _reason("not finite forward", self.lang, "made", node, **_names(node), **made)
        for x, link in zip(self.around.history.inputs(node), node.links, strict=True):
            earlier = self._source_of(x, link, None) if _badness(x) else None
            if earlier is None:
                continue
            told = {"words": reason.words, "result": earlier.result, "name": earlier.name}
            key = "from_held"
            if earlier.node is not None:
                key, told = "from_made", told | _names(earlier.node)
            return replace(reason, words=language.text(f"receipt.reason.undefined.{key}", self.lang, **told))
        return reason

    def _source_of(self, x: Any, link: Any, element: Element | None) -> Source | None:
        """Return where what is not finite in an input arose."""
        if link is not None and owner(link).__class__ is not Leaf:
            return self.forward_source(owner(link), element)
        name = self.names.of_constant(x) if link is None else self.names.of_link(link)
        return Source(None, name or "…", _shown(x, _badness(x, element), element), "")

    def forward_source(self, node: Node, element: Element | None) -> Source | None:
        """Return where what is not finite in or out of a node arose; None where all of that is finite.

        Asked about one element, as long as each element is made of one, and from there on about whole arrays.
        """
        history = self.around.history
        while True:
            history.complete([node])
            inputs, y = history.inputs(node), history.output(node)
            pointwise = element is not None and node.mapping.family == "elementwise"
            shape = shape_of(parts(y)[0])
            at_inputs = [
                broadcast_element(shape_of(x), shape, element) if pointwise and element is not None else None
                for x in inputs
            ]
            here = [_badness(x, index) for x, index in zip(inputs, at_inputs, strict=True)]
            result = _badness(y, element if pointwise else None)
            worst = max(*here, result)
            if worst == 0:
                return None
            onwards = [i for i, badness in enumerate(here) if badness == worst]
            if not onwards:
                bad = element if pointwise and element is not None else _first(y, worst)
                return Source(node, "", _shown(y, worst, element if pointwise else None), self._told(node, shape, bad))
            x, link, element = inputs[onwards[0]], node.links[onwards[0]], at_inputs[onwards[0]]
            if link is None or owner(link).__class__ is Leaf:
                return self._source_of(x, link, element)
            node = owner(link)

    def _told(self, node: Node, shape: Element, out: Element) -> str:
        told = []
        for x, link in zip(self.around.history.inputs(node), node.links, strict=True):
            name = self.names.of_link(link) if link is not None else self.names.of_constant(x)
            if np.ndim(x) and node.mapping.family != "elementwise":
                told.append(name or "…")
                continue
            index = broadcast_element(shape_of(x), shape, out) if np.ndim(x) else ()
            value = shown_number(float(np.asarray(x)[index]))
            told.append(f"{element_symbol(name, shape_of(x), index)} = {value}" if name else value)
        return language.text("receipt.text.list", self.lang).join(told)

    # ---------------------------------------------------------------------------------------- on the way back

    def backward_reason(self, edges: list[Edge], start: Spot) -> Reason:
        """Say where a finite gradient became infinite or NaN, and, where that is elsewhere, where ∞ became NaN."""
        first = edges[-1]
        shape = shape_of(self.around.value(first.target.place))
        told = self._told(first.node, shape, first.target.index)
        facts = {
            "slope": shown_number(first.local),
            "product": f"{signed(first.incoming)} · {signed(first.local)}",
            "of": told,
            "dtype": dtype_of(self.around.history.inputs(first.node)[first.position]).name,
        }
        detail = "overflow" if np.isfinite(first.local) else "slope"
        if np.isinf(first.local) and np.isnan(first.product):
            detail = "zero_times"
        reason = _reason("not finite backward", self.lang, detail, first.node, **_names(first.node), **facts)
        later = next((e for e in reversed(edges[:-1]) if np.isnan(e.product) and not np.isnan(e.incoming)), None)
        words = reason.words
        if later is not None:
            facts = _names(later.node) | {"product": f"{signed(later.incoming)} · {signed(later.local)}"}
            words = language.text("receipt.reason.undefined.then", self.lang, words=words, **facts)
        elif np.isnan(self.around.gradient(start)) and np.isinf(first.product):
            words = language.text("receipt.reason.undefined.then_sum", self.lang, words=words)
        return replace(reason, words=words)


def _reason(code: str, lang: str, detail: str, node: Node | None = None, **values: Any) -> Reason:
    words = language.text(f"receipt.reason.undefined.{code}.{detail}", lang, **values)
    if node is None:
        return Reason(code, words, missing=False)
    return Reason(code, words, False, node.serial, node.mapping.name, origin_of(node))


def _names(node: Node) -> dict[str, str]:
    return {"mapping": node.mapping.name, "place": spoken_place(node)}


def _badness(x: Any, index: Element | None = None) -> int:
    """2 for what holds NaN, 1 for what holds ∞, 0 for finite numbers; of one element where one is given."""
    if x.__class__ is tuple:
        return max(map(_badness, x))
    a = np.asarray(x) if index is None else np.asarray(x)[index]
    if a.dtype.kind != "f" or np.isfinite(a).all():
        return 0
    return 2 if np.isnan(a).any() else 1


def _first(x: Any, badness: int) -> Element:
    """Return the first element of so bad a value."""
    array = next(np.asarray(part) for part in parts(x) if _badness(part) == badness)
    return tuple(int(i) for i in np.argwhere(np.isnan(array) if badness == 2 else np.isinf(array))[0])


def _shown(x: Any, badness: int, index: Element | None) -> str:
    array = next(np.asarray(part) for part in parts(x) if _badness(part) >= badness)
    return shown_number(float(array[_first(x, badness) if index is None else index]))
