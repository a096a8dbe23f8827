"""The engine's own gradients of the values on the way: one ordinary walk back, watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core import space
from ..core.cell import Cell
from ..core.interpret import interpreting
from ..transforms.node import Leaf, Node, Part
from ..transforms.reverse import tape
from ..transforms.walk import walk_back
from .history import History, Place, part_of

__all__ = ["Cotangents"]


class Cotangents:
    """∂root/∂value for the leaves and nodes asked for, as `backward` computes them; nothing is written or released.

    Hooks run as they would in `backward`. `arrived` holds the gradients, `replaced` what hooks made of them.
    """

    def __init__(self, history: History, seed: Any, wanted: Iterable[int]) -> None:
        self.arrived: dict[int, Any] = {}
        self.replaced: dict[int, Any] = {}
        watched = [history.nodes.get(serial) or history.leaves[serial] for serial in wanted]
        hooks = [item.hooks for item in watched]
        cells = _cells(history)
        kept = [cell.value for cell in cells]
        try:
            for item in watched:
                item.hooks = self._watching(item)
            with interpreting(tape().below):
                walk_back([(history.root, seed)], retain=True)
        finally:
            for item, old in zip(watched, hooks, strict=True):
                item.hooks = old
            _put_back(cells, kept)

    def of(self, place: Place) -> Any:
        """Return the gradient of a value as its own mapping's pullback gets it; None where none arrived."""
        serial, part = place
        g = self.replaced.get(serial, self.arrived.get(serial))
        return g[part] if g.__class__ is list else g

    def before_hooks(self, place: Place) -> Any:
        """Return the gradient of a value before hooks replaced it: the sum of what its readers sent."""
        serial, part = place
        g = self.arrived.get(serial)
        return g[part] if g.__class__ is list else g

    def of_link(self, link: Any) -> Any:
        """Return the gradient of what a link stands for."""
        return self.of((link.serial, part_of(link)))

    def _watching(self, item: Leaf | Node) -> list[Callable[[Any], Any]]:
        serial = item.serial

        def first(g: Any) -> Any:
            self.arrived[serial] = list(g) if g.__class__ is list else g
            return g

        if not item.hooks:
            return [first]

        def last(g: Any) -> Any:
            if g is not self.arrived[serial]:
                self.replaced[serial] = g
            return g

        return [first, *item.hooks, last]


def _cells(history: History) -> list[Cell]:
    """Return where `retain_grad` keeps gradients."""
    links = [link for node in history.nodes.values() for link in node.links if link.__class__ is Part]
    return [item.grad for item in (*history.nodes.values(), *links, history.root) if item.grad is not None]


def _put_back(cells: list[Cell], kept: list[Any]) -> None:
    for cell, value in zip(cells, kept, strict=True):
        cell.value = value


def zeros_for(g: Any, like: Any) -> Any:
    """Return the gradient, or zeros where none arrived."""
    return space.zeros(like) if g is None else g
