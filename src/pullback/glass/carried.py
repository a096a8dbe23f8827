"""The receipts of a drawing's boxes: any of them on demand, and those that a page without an engine carries along."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..core.errors import GradientError
from ..core.value import Face
from ..transforms.node import Part
from ..transforms.reverse import TAPE
from .diagram import Box, Diagram
from .explanation import Explanation
from .history import History
from .labels import DETAILED
from .receipt import Receipt

__all__ = ["WIDTH", "Receipts"]

MOST_RECEIPTS = 400
MOST_STEPS = 3000
"""A page carries receipts until they have so many steps together: each step costs about a millisecond and 300 bytes."""
MOST_NUMBERS = 40_000_000
"""And until the values of the graph were gone through so often that they are so many numbers: a few seconds."""
MOST_ELEMENTS = 16
"""Of leaves of so many elements, every element gets its receipt while there is room."""

WIDTH = 50
"""How wide the panel of the page is, in columns of text."""

Element = tuple[int, ...]


class Receipts:
    """Writes the receipts of the gradients in a drawing."""

    def __init__(self, diagram: Diagram, history: History, lang: str) -> None:
        self.diagram, self.lang, self.history = diagram, lang, history
        links: dict[int, Any] = {**self.history.nodes, **self.history.leaves}
        self.values: dict[int, tuple[Any, ...]] = {}
        """By the number of the box, its outputs as tensors of the graph."""
        for box in diagram.boxes:
            link_ = links.get(box.serial) if box.serial is not None else None
            if link_ is None or box.value is None:
                continue
            several = isinstance(box.value, tuple)
            parts = box.value if several else (box.value,)
            self.values[box.number] = tuple(
                Face.new(TAPE, x, Part(link_, i) if several else link_) for i, x in enumerate(parts)
            )
        self.names: dict[str, Any] = {}
        for box in diagram.boxes:
            if not isinstance(box.value, tuple):
                self.names[box.symbol] = self.values[box.number][0] if box.number in self.values else box.value

    def of(self, number: int, part: int = 0, index: Element | None = None) -> Receipt:
        """Return the receipt of an element of a box; without an index that of the largest gradient.

        Raises KeyError for a box, or an output of it, that there is not, GradientError for one that gets no gradient,
        IndexError for an element.
        """
        if not 0 <= number < len(self.diagram.boxes):
            raise KeyError(number)
        box = self.diagram.boxes[number]
        if number not in self.values or box.spec.dtype.kind != "f":
            raise GradientError(f"explain: {box.symbol} gets no gradient")
        if not 0 <= part < len(self.values[number]):
            raise KeyError(part)
        loss = self.values[self.diagram.root][0]
        wrt = self.values[number][part]
        receipt = Explanation(loss, wrt, index, self.history, self.names, None, self.lang, True).receipt(None, None)
        return dataclasses.replace(receipt, grad=receipt.gradient)  # what `.grad` held does not last

    def carried(self) -> dict[int, dict[str, str]]:
        """Return receipts as text: by the number of the box, then by the element, that of the largest gradient first.

        Leaves come before results, whole boxes before single elements, as many as there is room for; a drawing of
        more than a few hundred boxes has none.
        """
        found: dict[int, dict[str, str]] = {}
        if len(self.diagram.boxes) > DETAILED:
            return found
        size = sum(x.size for parts in self.values.values() for x in parts)
        count = steps = 0
        for number, index in self._in_turn():
            if count >= MOST_RECEIPTS or steps >= MOST_STEPS or count * size >= MOST_NUMBERS:
                break
            receipt = self.of(number, 0, index)
            count, steps = count + 1, steps + len(receipt.steps)
            if receipt.gradient is not None:
                found.setdefault(number, {}).setdefault(receipt.wrt.symbol, receipt.text(self.lang, width=WIDTH))
        return found

    def _in_turn(self) -> list[tuple[int, Element | None]]:
        boxes = sorted((self.diagram.boxes[number] for number in self.values), key=_leaves_first)
        boxes = [box for box in boxes if box.spec.dtype.kind == "f"]
        turns: list[tuple[int, Element | None]] = [(box.number, None) for box in boxes]
        for box in boxes:
            if box.kind == "leaf" and box.spec.shape and box.spec.size <= MOST_ELEMENTS:
                turns.extend((box.number, index) for index in np.ndindex(box.spec.shape))
        return turns


def _leaves_first(box: Box) -> tuple[bool, int]:
    return box.kind != "leaf", box.number
