"""The receipts that a page carries along, so that it can show them without the engine."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..core.value import Face
from ..transforms.node import Leaf, Node, Part
from ..transforms.reverse import TAPE
from .diagram import Box, Diagram
from .explain import explain
from .history import History, owner

__all__ = ["carried_receipts", "kept"]

MOST_RECEIPTS = 80
MOST_ELEMENTS = 16
"""Of leaves of so many elements, every element gets its receipt while there is room."""

WIDTH = 60

Element = tuple[int, ...]


def kept(link: Any) -> Any:
    """Return the same graph in nodes of its own, which stay what they are when the program releases its graph."""
    if link.__class__ is Leaf:
        return link
    copies: dict[int, Any] = {}

    def same(other: Any) -> Any:
        if other is None or other.__class__ is Leaf:
            return other
        node = copies[owner(other).serial]
        return Part(node, other.index) if other.__class__ is Part else node

    for node in History(link).nodes.values():
        copied: Node = copy.copy(node)
        copied.links = tuple(map(same, node.links))
        copies[node.serial] = copied
    return same(link)


def carried_receipts(diagram: Diagram, link: Any, lang: str) -> dict[int, dict[str, str]]:
    """Return receipts as text: by the number of the box, then by the element, that of the largest gradient first."""
    history = History(link)
    links = {**history.nodes, **history.leaves}
    values = {
        box.number: Face.new(TAPE, box.value, links[box.serial])
        for box in diagram.boxes
        if box.serial in links and isinstance(box.value, np.ndarray)
    }
    loss = values.get(diagram.root)
    if loss is None:
        return {}
    names: dict[str, Any] = {
        box.symbol: values.get(box.number, box.value) for box in diagram.boxes if not isinstance(box.value, tuple)
    }
    found: dict[int, dict[str, str]] = {}
    for number, index in _in_turn(diagram, values):
        receipt = explain(loss, values[number], index=index, names=names, lang=lang)
        if receipt.gradient is not None:
            found.setdefault(number, {}).setdefault(receipt.wrt.symbol, receipt.text(lang, width=WIDTH))
    return found


def _in_turn(diagram: Diagram, values: dict[int, Any]) -> list[tuple[int, Element | None]]:
    """Leaves before results, whole boxes before single elements, as many as there is room for."""
    boxes = sorted((diagram.boxes[number] for number in values), key=_leaves_first)
    turns: list[tuple[int, Element | None]] = [(box.number, None) for box in boxes if box.spec.dtype.kind == "f"]
    for box in boxes:
        if box.kind == "leaf" and box.spec.shape and box.spec.size <= MOST_ELEMENTS:
            turns.extend((box.number, index) for index in np.ndindex(box.spec.shape))
    return turns[:MOST_RECEIPTS]


def _leaves_first(box: Box) -> tuple[bool, int]:
    return box.kind != "leaf", box.number
