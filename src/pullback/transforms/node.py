"""The recorded graph: nodes, the leaves where it ends, and the parts of a node with several outputs."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from itertools import count
from types import CodeType
from typing import Any

from ..core.cell import Cell
from ..core.mapping import Mapping

__all__ = ["Leaf", "Node", "Part", "next_serial"]

next_serial = count(1).__next__


class Leaf:
    """Where a walk back ends: an input that a gradient is asked for.

    Of a tensor that the user holds, `grad` is the cell of its gradient and `storage` that of its values.
    """

    __slots__ = ("grad", "hooks", "serial", "storage")

    def __init__(self, grad: Cell | None = None, storage: Cell | None = None) -> None:
        self.serial = next_serial()
        self.grad = grad
        self.storage = storage
        self.hooks: list[Callable[[Any], Any]] | None = None


class Node:
    """One recorded application of a mapping: what it was applied to, and what its pullback needs."""

    __slots__ = ("code", "grad", "hooks", "inputs", "lasti", "links", "mapping", "output", "scope", "serial", "static")

    mapping: Mapping
    static: dict[str, Any]
    links: tuple[Any, ...]
    """For each input the leaf, node or part of a node that it came from; None for what is constant."""
    inputs: tuple[Any, ...] | None
    """The values the pullback reads, a `Spec` for the others; None once they were released."""
    output: Any
    code: CodeType
    lasti: int
    scope: tuple[Any, ...]
    """The modules that were running, outermost first."""
    serial: int
    hooks: list[Callable[[Any], Any]] | None
    grad: Cell | None

    @property
    def origin(self) -> tuple[str, int]:
        """File and line of the user's program that made this node."""
        line = self.code.co_firstlineno
        for start, end, number in self.code.co_lines():
            if start <= self.lasti < end and number is not None:
                line = number
                break
        return self.code.co_filename, line

    @property
    def place(self) -> str:
        """The origin in words: file, line and the text of the line."""
        file, line = self.origin
        text = linecache.getline(file, line).strip()
        return f"{file}:{line}" + (f": {text}" if text else "")


class Part:
    """The link of one output of a mapping that has several."""

    __slots__ = ("grad", "index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index
        self.grad: Cell | None = None

    @property
    def serial(self) -> int:
        """The serial number of the node."""
        return self.node.serial
