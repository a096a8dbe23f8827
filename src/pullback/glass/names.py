"""What the values of a graph are called: as the user's program calls them, else by module path, else by number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from collections.abc import Mapping as ReadOnlyDict
from types import FrameType
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.value import Value
from ..transforms.node import Node
from ..transforms.reverse import TAPE
from .history import History, Place, owner, part_of

__all__ = ["Names", "caller", "element_symbol"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
MOST_NAMES = 5000
MOST_NUMBERED = 10_000


def caller() -> FrameType | None:
    """Return the innermost frame outside of the package: the program that asks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


class Names:
    """Names of leaves, nodes and constants, and paths of modules.

    `given` are names that take precedence; then come the paths of parameters in the modules that ran, then the
    variables of `frame` (its locals, then its globals), then numbers: v1, v2, … for results, p1, … for leaves.
    """

    def __init__(
        self, history: History | None, given: ReadOnlyDict[str, Any] | None = None, frame: FrameType | None = None
    ) -> None:
        self._places: dict[Place, str] = {}
        self._arrays: dict[int, tuple[Any, str]] = {}
        self._paths: dict[int, tuple[Any, str]] = {}
        self._numbered: set[str] = set()  # asked for membership only
        self._counts = {"v": 0, "p": 0, "c": 0}
        for name, x in (given or {}).items():
            self._note(name, x)
        for root in self._roots(history) if history is not None else ():
            for path, parameter in root.named_parameters():
                self._note(path, parameter)
        if frame is not None:
            for name, x in _variables(frame):
                if isinstance(x, Value | np.ndarray):
                    self._note(name, x)
                elif hasattr(
                    type(x), "named_parameters"
                ):  # a module that did not run, or whose parameters were cut off
                    for path, parameter in x.named_parameters():
                        self._note(f"{name}.{path}", parameter)
        self._used = set(self._places.values())
        if history is not None:
            self._number(history)

    def _note(self, name: str, x: Any) -> None:
        if isinstance(x, Value) and x._owner is TAPE:
            if x._link is not None:
                self._places.setdefault((owner(x._link).serial, part_of(x._link)), name)
            payload = x._payload
            x = payload.value if isinstance(payload, Cell) else payload
        if isinstance(x, np.ndarray | np.generic):
            self._arrays.setdefault(id(x), (x, name))

    def _roots(self, history: History) -> Iterator[Any]:
        seen: dict[int, Any] = {}
        for node in history.nodes.values():
            if node.scope:
                seen.setdefault(id(node.scope[0]), node.scope[0])
        for root in seen.values():
            for path, module in root.named_modules():
                self._paths.setdefault(id(module), (module, path or type(module).__name__))
            yield root

    def _number(self, history: History) -> None:
        if len(history.nodes) > MOST_NUMBERED:
            return  # numbered as they are met
        several = {node.serial for node in history.nodes.values() if node.mapping.outputs is not None}
        for serial in sorted([*history.leaves, *history.nodes]):
            if serial in several:
                continue
            if (serial, 0) not in self._places:
                self._places[serial, 0] = self._fresh("p" if serial in history.leaves else "v", self._used)

    def _fresh(self, letter: str, used: set[str]) -> str:
        while True:
            self._counts[letter] += 1
            name = f"{letter}{self._counts[letter]}"
            if name not in used:
                used.add(name)
                self._numbered.add(name)
                return name

    def of(self, place: Place) -> str:
        """Return the name of a leaf or of an output of a node."""
        if place not in self._places:
            self._places[place] = self._fresh("v", self._used)
        return self._places[place]

    def of_link(self, link: Any) -> str:
        """Return the name of what a link stands for."""
        return self.of((link.serial, part_of(link)))

    def of_tensor(self, x: Any) -> str | None:
        """Return the program's name for a tensor; None where it has none, or only a number."""
        if x._link is not None:
            name = self._places.get((owner(x._link).serial, part_of(x._link)))
            return None if name in self._numbered else name
        payload = x._payload.value if isinstance(x._payload, Cell) else x._payload
        known = self._arrays.get(id(payload))
        return known[1] if known is not None and known[0] is payload else None

    def of_loss(self, loss: Any) -> str:
        """Return the program's name for the loss, or else L, which it is called from now on."""
        name = self.of_tensor(loss)
        if name is None:
            name = "L" if "L" not in self._used else "L′"
            if loss._link is not None:
                self._places[owner(loss._link).serial, part_of(loss._link)] = name
                self._used.add(name)
        return name

    def of_constant(self, x: Any) -> str | None:
        """Return the name of a constant array; None for a number, which needs none."""
        if np.ndim(x) == 0:
            return None
        if id(x) not in self._arrays:
            self._arrays[id(x)] = (x, self._fresh("c", {name for _, name in self._arrays.values()}))
        return self._arrays[id(x)][1]

    def module(self, node: Node) -> str:
        """Return the path of the module that recorded a node; "" outside of modules."""
        return self._paths[id(node.scope[-1])][1] if node.scope and id(node.scope[-1]) in self._paths else ""


def _variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    count = 0
    for variables in (frame.f_locals, frame.f_globals):
        for name, x in variables.items():
            count += 1
            if count > MOST_NAMES:
                return
            if name.isidentifier() and not name.startswith("_"):
                yield name, x


def element_symbol(name: str, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    """Return the name of an element: `w[0, 3]`; of a number, its name."""
    return f"{name}[{', '.join(map(str, index))}]" if shape else name
