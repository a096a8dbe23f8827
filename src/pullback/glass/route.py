"""The way from the explained element to the loss: which element of every value on it is looked at, and why that one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core.spec import shape_of
from ..transforms.node import Node
from .edges import MOST_EDGES, Edge, Edges, Spot, Surroundings, at
from .history import owner, part_of
from .slopes import parts, pulled, unit

__all__ = ["Followed", "Path", "Route", "follow", "paths"]

MOST_PATHS = 16


@dataclass
class Followed:
    """A node at the element that is looked at, the elements of its inputs that lead there, and the edges onwards."""

    node: Node
    spot: Spot
    sources: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """For each input on the way, the element of it that is looked at."""
    locals: dict[int, float] = field(default_factory=dict)
    edges: Edges | None = None


@dataclass
class Route:
    """The explained element's own edges, and the nodes on the way in the order of the way forward."""

    start: Spot
    edges: Edges
    followed: dict[int, Followed]


@dataclass(frozen=True)
class Path:
    """One path from the loss to the explained element: its edges from the loss on."""

    edges: tuple[Edge, ...]

    @property
    def product(self) -> float:
        """The product of the local derivatives along the path."""
        return float(np.prod([edge.local for edge in self.edges]))


def follow(around: Surroundings, start: Spot, edges: Edges, nodes: list[Node], inside: set[int], root: Spot) -> Route:
    """Walk from the explained element to the loss: at each node look at the element through which most flows.

    `edges` are those of the element, `nodes` the nodes to look at, `inside` the serials of all that lie on the way.
    """
    candidates: dict[int, Edge] = {}
    focus: dict[tuple[int, int], Spot] = {start.place: start}
    _offer(candidates, edges)
    route = Route(start, edges, {})
    for node in nodes:
        edge = candidates.pop(node.serial, None)
        spot = edge.target if edge is not None else _most(around, node, root)
        followed = Followed(node, spot)
        focus[spot.place] = spot
        for position, link in enumerate(node.links):
            if link is None:
                continue
            place = (owner(link).serial, part_of(link))
            if place[0] not in inside and place != start.place:
                continue
            index = focus[place].index if place in focus else _source(around, node, position, spot)
            followed.sources[position] = index
            column = around.column(node, position, index)[spot.place[1]]
            followed.locals[position] = at(column, spot.index)
        around.forget(node)
        if spot.place != root.place:
            followed.edges = around.edges(spot, MOST_EDGES)
            _offer(candidates, followed.edges)
        route.followed[node.serial] = followed
    return route


def _offer(candidates: dict[int, Edge], edges: Edges) -> None:
    for edge in edges.best:
        have = candidates.get(edge.node.serial)
        if have is None or abs(edge.product) > abs(have.product):
            candidates[edge.node.serial] = edge


def _most(around: Surroundings, node: Node, root: Spot) -> Spot:
    """Return the element of a node's output with the largest gradient, where no edge says which to look at."""
    if node.serial == root.place[0]:
        return root
    best = Spot((node.serial, 0), (0,) * len(shape_of(parts(around.history.output(node))[0])))
    largest = -1.0
    for number, part in enumerate(parts(around.history.output(node))):
        g = around.cotangents.of((node.serial, number))
        if g is None or not np.size(g):
            continue
        k = int(np.argmax(np.abs(np.asarray(g))))
        if (size := abs(float(np.asarray(g).reshape(-1)[k]))) > largest:
            largest = size
            best = Spot((node.serial, number), tuple(int(i) for i in np.unravel_index(k, shape_of(part))))
    return best


def _source(around: Surroundings, node: Node, position: int, spot: Spot) -> tuple[int, ...]:
    """Return the element of an input that the element looked at depends on most."""
    y = around.history.output(node)
    seeds = [
        unit(part, spot.index) if i == spot.place[1] else np.zeros(shape_of(part), part.dtype)
        for i, part in enumerate(parts(y))
    ]
    needs = [i == position for i in range(len(node.links))]
    inputs = around.history.inputs(node)
    seed = tuple(seeds) if y.__class__ is tuple else seeds[0]
    row = pulled(node.mapping, node.static, inputs, y, seed, needs)[position]
    shape = shape_of(inputs[position])
    k = 0 if row is None else int(np.argmax(np.abs(np.asarray(row))))
    return tuple(int(i) for i in np.unravel_index(k, shape))


def paths(around: Surroundings, route: Route, root: Spot) -> list[Path] | None:
    """Return every path from the loss to the explained element; None where there are more than a person can read."""
    if len(route.edges.shown) > MOST_PATHS or route.edges.omitted:
        return None
    found: list[Path] = []
    known = {f.spot: f.edges for f in route.followed.values()}
    budget = 40 * MOST_PATHS
    waiting: list[tuple[Edge, ...]] = [(edge,) for edge in reversed(route.edges.shown)]
    while waiting:
        edges = waiting.pop()
        spot = edges[0].target
        if spot == root:
            found.append(Path(edges))
            if len(found) > MOST_PATHS:
                return None
            continue
        onwards = known.get(spot)
        if onwards is None:
            onwards = known[spot] = around.edges(spot, MOST_EDGES)
        budget -= 1
        if onwards.omitted or len(onwards.shown) + len(waiting) > 4 * MOST_PATHS or budget < 0:
            return None
        waiting.extend((edge, *edges) for edge in reversed(onwards.shown))
    return found
