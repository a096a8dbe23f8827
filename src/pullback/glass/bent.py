"""Whether a mapping stands at its kink: its slope is another on either side of an element, or its value jumps."""

from __future__ import annotations

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..transforms.node import Node
from . import language
from .history import History
from .slopes import parts, wide

__all__ = ["at_kink", "kink_of"]

STEPS = (1e-6, 1e-9)
"""A kink is at the element when the slopes differ at both distances; one nearer than the second counts as there."""
DIFFERENT = 1e-2
Element = tuple[int, ...]


def at_kink(history: History, node: Node, position: int, index: Element, part: int, out: Element) -> bool:
    """Whether output element `out` of a node bends or jumps where element `index` of an input is now.

    Only of mappings that state what they choose at a kink.
    """
    if node.mapping.kink is None:
        return False
    inputs = [wide(x) for x in history.inputs(node)]
    x = np.array(inputs[position])
    if not np.isfinite(x[index]):
        return False

    def value(step: float) -> float:
        moved = x.copy()
        moved[index] += step
        with interpreting(EVALUATE), np.errstate(all="ignore"):
            y = node.mapping.evaluate(*inputs[:position], moved[()], *inputs[position + 1 :], **node.static)
        return float(np.asarray(parts(y)[part])[out])

    here = value(0.0)
    bent, steepest = True, []
    for step in STEPS:
        step *= max(1.0, abs(float(x[index])))
        left, right = (here - value(-step)) / step, (value(step) - here) / step
        noise = 16 * np.finfo(np.float64).eps * abs(here) / step
        size = max(abs(left), abs(right))
        bent = bent and bool(abs(right - left) > DIFFERENT * size + noise)
        steepest.append(size)
    return bent or steepest[1] > 100 * steepest[0] > 0


def kink_of(node: Node, lang: str) -> str:
    """Return what a node's mapping states that it chooses at its kink; "" where it states nothing."""
    return language.kink(node.mapping, lang, **{name: name for name in node.mapping.arguments}) or ""
