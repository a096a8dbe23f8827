"""Whether two recordings of a function are the same program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..transforms.graph import Graph, Symbol

__all__ = ["same"]


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs apply the same mappings to the same things, in the same order, with the same state."""
    return (
        len(a.equations) == len(b.equations)
        and list(a.reads) == list(b.reads)
        and list(a.writes) == list(b.writes)
        and _content(a) == _content(b)
    )


def _content(graph: Graph) -> list[Any]:
    # Symbols are numbered as they come, and what was dropped leaves gaps: they are numbered anew.
    numbers: dict[int, int] = {}

    def word(x: Any) -> Any:
        if isinstance(x, Symbol):
            return numbers.setdefault(x.index, len(numbers)), x.shape, x.dtype
        if isinstance(x, np.ndarray | np.generic):
            return x.shape, x.dtype, x.tobytes()
        return type(x), repr(x)

    content: list[Any] = [word(s) for s in (*graph.inputs, *graph.reads.values())]
    for e in graph.equations:
        static = sorted((name, _setting(value)) for name, value in e.static.items())
        content.append((e.mapping.name, [word(x) for x in e.inputs], static, [word(s) for s in e.outputs]))
    content += [word(x) for x in (*graph.outputs, *graph.writes.values())]
    return content


def _setting(value: Any) -> str:
    """Return a static parameter in words; of an object that is made for each recording (a loop's body), its type."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text
