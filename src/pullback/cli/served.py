"""A program behind its page: an edit changes a leaf, and the engine computes everything again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import GradientError
from ..glass.carried import WIDTH
from ..glass.drawing import Drawing
from ..glass.graph import graph
from ..glass.language import text
from .program import Program

__all__ = ["Served"]


class Served:
    """What `glass.serve.Server` asks: the page of a program, and what an edit makes of it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.drawing = self._draw()

    def page(self) -> str:
        """The page with the numbers of now."""
        return self.drawing.to_html("edit")

    def edit(self, name: str, index: tuple[int, ...], value: float) -> dict[str, Any]:
        """Set an element of a leaf or a constant, and return the drawing of what follows.

        Raises KeyError for a name that there is not, IndexError for an element, and the engine's errors, after
        which it is what it was.
        """
        before = self.program.given(name).numpy().copy()
        self.program.change(name, index, value)
        try:
            self.drawing = self._draw()
        except Exception:
            self.program.given(name).assign_(before)
            raise
        return self.drawing.to_dict(receipts=False)

    def receipt(self, box: int, part: int, index: tuple[int, ...] | None) -> dict[str, Any]:
        """Return the receipt of a gradient in the drawing, as text.

        Raises KeyError for a box that there is not, IndexError for an element, GradientError for what has no gradient.
        """
        found = self.drawing.receipt(box, index, part=part)
        return {"symbol": found.wrt.symbol, "text": found.text(self.program.lang, width=WIDTH)}

    def _draw(self) -> Drawing:
        with np.errstate(all="ignore"):
            value = self.program.value()
            if not value.requires_grad:
                raise GradientError(text("command.no_gradient", self.program.lang, program=self.program.title))
            return graph(value, names=self.program.names(value), lang=self.program.lang)
