"""From one element to the elements made of it: local derivative, incoming gradient, and their product."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.spec import shape_of
from ..transforms.node import Node
from .cotangents import Cotangents
from .history import History, Place, part_of
from .slopes import column, parts, readers_of_element

__all__ = ["MOST_EDGES", "Edge", "Edges", "Spot", "Surroundings", "at", "weight"]

MOST_EDGES = 64
"""So many edges of an element are told apart; of the others there is the sum."""

Element = tuple[int, ...]


@dataclass(frozen=True)
class Spot:
    """One element of a leaf, of a node's output, or of one of its outputs."""

    place: Place
    index: Element


@dataclass(frozen=True)
class Edge:
    """An element goes into a node and out at another element."""

    node: Node
    position: int
    target: Spot
    local: float
    incoming: float
    product: float


@dataclass(frozen=True)
class Edges:
    """The edges out of a spot with the largest products, and what the others come to."""

    shown: tuple[Edge, ...]
    best: tuple[Edge, ...]
    """For each node that reads the element, and each input that it reads it as, the edge of the largest product."""
    omitted: int
    omitted_total: float
    total: float
    magnitude: float
    """The sum of the absolute products: what rounding errors are measured against."""


class Surroundings:
    """The graph with its values and gradients: what the edges of any element are read from."""

    def __init__(self, history: History, cotangents: Cotangents) -> None:
        self.history = history
        self.cotangents = cotangents
        self._columns: dict[int, dict[tuple[int, Element], list[Any]]] = {}

    def column(self, node: Node, position: int, index: Element) -> list[Any]:
        """Return ∂output/∂(element `index` of input `position`) for all outputs of a node, as arrays."""
        known = self._columns.setdefault(node.serial, {})
        if (position, index) not in known:
            inputs, y = self.history.inputs(node), self.history.output(node)
            gs = [self.cotangents.of((node.serial, i)) for i in range(len(parts(y)))]
            known[position, index] = column(node.mapping, node.static, inputs, y, position, index, gs)
        return known[position, index]

    def forget(self, node: Node) -> None:
        """Drop the columns of a node."""
        self._columns.pop(node.serial, None)

    def readers(self, spot: Spot) -> Iterable[tuple[Node, int]]:
        """Return the nodes, and the positions of their inputs, that read the value an element belongs to."""
        for node, position in self.history.readers.get(spot.place[0], ()):
            if part_of(node.links[position]) == spot.place[1]:
                yield node, position

    def value(self, place: Place) -> Any:
        """Return the array at a place."""
        serial, part = place
        item = self.history.leaves.get(serial)
        return self.history.value(item) if item else parts(self.history.output(self.history.nodes[serial]))[part]

    def gradient(self, spot: Spot) -> float:
        """Return ∂L/∂element as the engine computed it; 0 where nothing arrived."""
        return at(self.cotangents.of(spot.place), spot.index)

    def edges(self, spot: Spot, limit: int) -> Edges:
        """Return the edges out of an element, those with the largest products first."""
        undefined = np.isnan(at(self.cotangents.before_hooks(spot.place), spot.index))
        shown: list[Edge] = []
        best: list[Edge] = []
        omitted, omitted_total, total, magnitude = 0, 0.0, 0.0, 0.0
        for node, position in self.readers(spot):
            for number, t in enumerate(self.column(node, position, spot.index)):
                place = (node.serial, number)
                shape = shape_of(self.value(place))
                slopes = np.zeros(shape) if t is None else np.asarray(t, dtype=np.float64)
                g = self.cotangents.of(place)
                incoming = np.zeros(shape) if g is None else np.asarray(g, dtype=np.float64)
                with np.errstate(all="ignore"):
                    products = np.asarray(slopes * incoming)
                if not undefined:  # the rule that ran made 0, not NaN, of 0 times infinity
                    products = np.where(slopes == 0, 0.0, products)
                pointwise = node.mapping.family == "elementwise"
                reads = shape_of(self.history.inputs(node)[position])
                there = readers_of_element(reads, shape, spot.index) if pointwise else slopes != 0
                chosen = np.flatnonzero(there)
                if not chosen.size:
                    continue
                flat = products.reshape(-1)[chosen]
                total += float(flat.sum())
                magnitude += float(np.abs(flat).sum())
                order = chosen[np.argsort(-np.abs(np.where(np.isnan(flat), np.inf, flat)), kind="stable")]
                slopes, incoming, products = (a.reshape(-1) for a in (slopes, incoming, products))  # once: it may copy
                edges = [
                    Edge(
                        node,
                        position,
                        Spot(place, tuple(int(i) for i in np.unravel_index(k, shape))),
                        float(slopes[k]),
                        float(incoming[k]),
                        float(products[k]),
                    )
                    for k in order[:limit]
                ]
                best.append(edges[0])
                shown.extend(edges)
                omitted += max(0, len(order) - limit)
                omitted_total += float(products[order[limit:]].sum())
        shown.sort(key=lambda edge: -weight(edge.product))
        omitted += len(shown[limit:])
        omitted_total += sum(edge.product for edge in shown[limit:])
        return Edges(tuple(shown[:limit]), tuple(best), omitted, omitted_total, total, magnitude)


def weight(product: float) -> float:
    """Return how large a product is, where NaN is larger than any number: it is what a sum then is."""
    return float("inf") if np.isnan(product) else abs(product)


def at(array: Any, index: Element) -> float:
    """Return one element as a float; a missing array is zero."""
    return 0.0 if array is None else float(np.asarray(array)[index])
