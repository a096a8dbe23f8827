"""The recorded graph run forward again with one element moved, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..transforms.node import Node
from .edges import Spot
from .history import History, Place, owner, part_of
from .slopes import parts, pushed, wide

__all__ = ["Moved"]


class Moved:
    """Repeats the nodes between an element and the root, with the element at other values.

    Comparisons, masks, indices and whatever else is constant in the graph stay as they were recorded: what is
    repeated is the function that the gradient is the derivative of.
    """

    def __init__(self, history: History, spot: Spot, start: Any, nodes: list[Node]) -> None:
        self.spot = spot
        self.nodes = nodes
        self.root: Place = (owner(history.root).serial, part_of(history.root))
        self.start = np.array(wide(start), copy=True)
        inside = {spot.place[0], *(node.serial for node in nodes)}
        self._several = {node.serial: len(y) for node in nodes if (y := history.output(node)).__class__ is tuple}
        self._plans: list[tuple[Node, list[tuple[Place | None, Any]]]] = []
        for node in nodes:
            plan: list[tuple[Place | None, Any]] = []
            for x, link in zip(history.inputs(node), node.links, strict=True):
                place = None if link is None else (owner(link).serial, part_of(link))
                moves = place is not None and (
                    place == spot.place or (place[0] in inside and place[0] != spot.place[0])
                )
                plan.append((place, None) if moves else (None, wide(x)))
            self._plans.append((node, plan))

    @property
    def here(self) -> float:
        """The element as it is."""
        return float(self.start[self.spot.index])

    def values(self, at: float) -> dict[Place, Any]:
        """Return all values on the way with the element at `at`."""
        x = self.start.copy()
        x[self.spot.index] = at
        known: dict[Place, Any] = {self.spot.place: x[()]}
        with interpreting(EVALUATE), np.errstate(all="ignore"):
            for node, plan in self._plans:
                y = node.mapping.evaluate(*self._inputs(plan, known), **node.static)
                for i, part in enumerate(parts(y)):
                    known[node.serial, i] = part
        return known

    def loss(self, at: float) -> float:
        """Return the root's value with the element at `at`."""
        return float(np.asarray(self.values(at)[self.root]))

    def output(self, node: Node, known: dict[Place, Any]) -> Any:
        """Return what comes out of a node, given the values on the way."""
        if node.serial in self._several:
            return tuple(known[node.serial, i] for i in range(self._several[node.serial]))
        return known[node.serial, 0]

    def plans(self, known: dict[Place, Any], other: dict[Place, Any]) -> Any:
        """Go through the nodes with their inputs in two runs, and which of the inputs move."""
        for node, plan in self._plans:
            yield node, self._inputs(plan, known), self._inputs(plan, other), [place is not None for place, _ in plan]

    def tangent(self) -> float:
        """Return the derivative of the root by the mappings' pushforwards, in double precision."""
        known = self.values(self.here)
        x = np.zeros_like(self.start)
        x[self.spot.index] = 1
        tangents: dict[Place, Any] = {self.spot.place: x[()]}
        with np.errstate(all="ignore"):
            for node, plan in self._plans:
                ts = [None if place is None else tangents.get(place) for place, _ in plan]
                if all(t is None for t in ts):
                    continue
                y = self.output(node, known)
                for i, t in enumerate(pushed(node.mapping, node.static, self._inputs(plan, known), y, ts)):
                    if t is not None:
                        tangents[node.serial, i] = t
        return float(np.asarray(tangents.get(self.root, 0.0)))

    @staticmethod
    def _inputs(plan: list[tuple[Place | None, Any]], known: dict[Place, Any]) -> list[Any]:
        return [x if place is None else known[place] for place, x in plan]

    def resolution(self, known: dict[Place, Any]) -> float:
        """Return the rounding unit of the coarsest floating dtype among the values on the way."""
        eps = [np.finfo(x.dtype).eps for x in known.values() if hasattr(x, "dtype") and x.dtype.kind == "f"]
        return float(max(eps, default=np.finfo(np.float64).eps))
