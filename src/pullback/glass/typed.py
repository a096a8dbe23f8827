"""Where in a typed expression something was computed, told as a line of a program is told."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

__all__ = ["Place", "call_at", "extent", "is_typed", "sign_of"]


@dataclass(frozen=True)
class Place:
    """A part of an expression: the whole `text`, the column of the part's sign, and the part itself."""

    text: str
    column: int
    part: str


def call_at(place: Place, function: Callable[..., Any], inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Call a function so that the engine takes this place for the line of the program that does so.

    The expression in quotation marks stands for the file, the column (from 1) for the line, and the part for
    the text of the line.
    """
    return FunctionType(_code_at(place), {})(function, inputs, settings)


def is_typed(file: str) -> bool:
    """Whether this stands for a typed expression, and is no file."""
    return file.startswith('"')


@lru_cache(maxsize=1024)
def _code_at(place: Place) -> CodeType:
    file = f'"{place.text}"'.replace("/", "∕")  # what a file is called must not look like a path
    entry: Any = linecache.cache.setdefault(file, (0, None, [""] * len(place.text), file))
    entry[2][place.column] = place.part
    return _call.__code__.replace(co_filename=file, co_firstlineno=place.column + 1, co_name="expression")


_call = lambda function, inputs, settings: function(*inputs, **settings)


def extent(text: str, node: ast.AST) -> tuple[int, int]:
    """The characters of `text` that a part of its tree was read from: the first, and the one behind the last."""
    line = text.encode()
    start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]  # every expression has them
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
