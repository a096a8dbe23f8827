"""Where in a typed expression a node was made, told as a line of a program is told."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from typing import Any

from ..transforms.node import Leaf, Node, Part

__all__ = ["Place", "extent", "place_nodes", "place_of", "sign_of"]


@dataclass(frozen=True)
class Place:
    """A part of an expression: the whole `text`, the column of the part's sign, and the part itself.

    It stands where a node keeps the code object of the program's line, and has what is read from one.
    """

    text: str
    column: int
    part: str

    @property
    def co_filename(self) -> str:
        """What stands for the file's name: the expression in quotation marks, without what separates folders."""
        return f'"{self.text}"'.replace("/", "∕")

    @property
    def co_firstlineno(self) -> int:
        """What stands for the line: the column, from 1."""
        return self.column + 1

    def co_lines(self) -> tuple[tuple[int, int, int | None], ...]:
        """No further lines."""
        return ()


def place_nodes(value: Any, inputs: list[Any], place: Place) -> None:
    """Make the nodes between `inputs` and `value` say that they come from this place.

    The place takes that of file and line: the column, from 1, is the line's number, the part its text.
    """
    file = place.co_filename
    entry: Any = linecache.cache.setdefault(file, (0, None, [""] * len(place.text), file))
    entry[2][place.column] = place.part
    known = {id(getattr(x, "_link", None)) for x in inputs}
    waiting = [getattr(value, "_link", None)]
    while waiting:
        link = waiting.pop()
        node = link.node if isinstance(link, Part) else link
        if node is None or isinstance(node, Leaf) or id(link) in known:
            continue
        assert isinstance(node, Node)
        known.add(id(link))
        node.code, node.lasti = place, -1  # type: ignore[assignment]
        waiting += node.links


def place_of(node: Node) -> str:
    """Return the part of an expression that made a node; of a program, file and line with its text."""
    return node.code.part if isinstance(node.code, Place) else node.place


def extent(text: str, node: ast.AST) -> tuple[int, int]:
    """The characters of `text` that a part of its tree was read from: the first, and the one behind the last."""
    line = text.encode()
    start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
    return len(line[:start].decode()), len(line[:end].decode())


def sign_of(text: str, node: ast.expr) -> int:
    """The column of an operator's sign, or of a function's name: no two parts of an expression share it."""
    start, _ = extent(text, node)
    if not isinstance(node, ast.BinOp):
        return start
    column = extent(text, node.left)[1]
    while text[column] not in "+-*/@":
        column += 1
    return column
