"""What is written on boxes and edges: a few words, the value that went forward, the gradient that came back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..core.mapping import Mapping
from .diagram import Box, Diagram, Group
from .formula import formula_of, to_unicode
from .language import text
from .recorded import argument_name
from .shown import compact
from .view import Edge, View

__all__ = ["box_title", "edge_lines", "lines"]

LONGEST = 26
DETAILED = 400
"""Drawings of more mappings write formulas in the names of the mappings' arguments."""


def lines(name: str, item: Box | Group, view: View, diagram: Diagram, direction: str, lang: str) -> list[str]:
    """Return what stands on an item, line by line."""
    if isinstance(item, Group):
        count = view.inside[name]
        counted = count and item.kind != "chunk"
        return [item.title, text("graph.mappings", lang, count=count)] if counted else [item.title]
    found = [box_title(item, len(diagram.boxes) <= DETAILED)]
    if item.value is None:
        found.append(str(item.spec))
    elif direction != "backward":
        found.append(f"= {compact(item.value)}")
    if direction != "forward" and diagram.gradients and item.gradient is not None:
        found.append(f"∂ {compact(item.gradient, shape=direction == 'backward')}")
    return found


def box_title(box: Box, detailed: bool) -> str:
    """Return the title of a box: `v3 = tanh(v2)`, or the name of a leaf."""
    if box.mapping is None:
        return box.symbol
    if detailed:
        formula = to_unicode(formula_of(box.mapping, *(x.symbol for x in box.inputs), **box.static))
        return f"{box.symbol} = {formula if len(formula) <= LONGEST else _named(box.mapping, box.static)}"
    general = _general(box.mapping, len(box.inputs), tuple(sorted(box.static.items(), key=lambda item: item[0])))
    return f"{box.symbol}: {general}"


def _general(mapping: Mapping, count: int, static: Any) -> str:
    try:
        return _remembered(mapping, count, static)
    except TypeError:  # a static parameter that cannot be hashed
        return mapping.name


@lru_cache(maxsize=1024)
def _remembered(mapping: Mapping, count: int, static: tuple[tuple[str, Any], ...]) -> str:
    formula = to_unicode(formula_of(mapping, *(argument_name(mapping, i, count) for i in range(count)), **dict(static)))
    return formula if len(formula) <= LONGEST else _named(mapping, dict(static))


def _named(mapping: Mapping, static: dict[str, Any]) -> str:
    """Return the name of a mapping, of a loop with the number of its steps."""
    lengths = [x.length for x in static.values() if hasattr(x, "body") and hasattr(x, "length")]
    return f"{mapping.name} ×{lengths[0]:,}" if lengths else mapping.name


def edge_lines(edge: Edge, diagram: Diagram, direction: str) -> list[str]:
    """Return what stands on an edge: what goes forward along it, and what comes back."""
    if len(edge.inputs) > 1:
        return [f"×{len(edge.inputs)}"]
    given, _ = edge.inputs[0]
    found = []
    if direction != "backward" and given.value is not None:
        found.append(compact(given.value) if given.value.ndim == 0 else "×".join(map(str, given.value.shape)))
    if direction != "forward" and given.product is not None:
        found.append(f"∂ {compact(given.product, shape=False)}")
    return found
