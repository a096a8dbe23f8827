"""Whether two recordings of a function are the same program."""

from __future__ import annotations

from typing import Any

from ..core.value import Value
from ..transforms.graph import Graph
from .words import in_words

__all__ = ["same"]


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs apply the same mappings to the same things, in the same order, with the same state."""
    return (
        len(a.equations) == len(b.equations)
        and list(a.reads) == list(b.reads)
        and list(a.writes) == list(b.writes)
        and repr(in_words(a, _name)) == repr(in_words(b, _name))
        # A tensor that is handed back itself is no other with the same numbers.
        and all(x is y for x, y in zip(a.outputs, b.outputs, strict=True) if isinstance(x, Value))
    )


def _name(x: Any) -> str:
    """Return what stands for something that has no words of its own; for what is made anew each time, its type."""
    text = repr(x)
    return type(x).__name__ if " at 0x" in text else text
