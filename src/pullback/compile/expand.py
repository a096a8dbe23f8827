"""Bodies in the place of composites: a graph in which each equation has a kernel, or cannot have one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.interpret import interpreting
from ..core.spec import spec_of
from ..core.value import Face, Value
from ..transforms.graph import Equation, Graph, Symbol
from ..transforms.trace import Trace
from .soundness import look_at_body

__all__ = ["UNROLLED", "expanded"]

UNROLLED = 100
"""How many mappings the steps of a loop may be together to be written out: that takes a tenth of a second.

A loop is as quick as its steps one by one (measured from 8 steps on), and takes as long to compile as a single one.
"""


def expanded(graph: Graph, is_native: Callable[[Equation], bool]) -> tuple[list[Equation], dict[int, Any]]:
    """Return the equations with bodies in the place of those that are not native but have one.

    The second result says what stands for a symbol of the graph that an equation no longer computes: another
    symbol, or a constant.
    """
    level = _Rewriter(graph)
    for equation in graph.equations:
        level.take(equation, is_native, equation)
    return level.rewritten, level.standing


class _Rewriter:
    def __init__(self, graph: Graph) -> None:
        self.count = 1 + max(
            [s.index for e in graph.equations for s in e.outputs]
            + [s.index for s in (*graph.inputs, *graph.reads.values())],
            default=-1,
        )
        self.rewritten: list[Equation] = []
        self.standing: dict[int, Any] = {}

    def known(self, x: Any) -> Any:
        """Return what stands for an input of an equation."""
        while x.__class__ is Symbol and x.index in self.standing:
            x = self.standing[x.index]
        return x

    def take(self, equation: Equation, is_native: Callable[[Equation], bool], source: Equation) -> None:
        """Add an equation, or what its body does."""
        inputs = tuple(self.known(x) for x in equation.inputs)
        equation = replace(equation, inputs=inputs, origin=source.origin)
        written_out = self._written_out(equation)
        body = written_out or equation.mapping.body
        if body is None or (written_out is None and is_native(equation)):
            self.rewritten.append(equation)
            return
        level = Trace()
        level.count = self.count
        boxes = [Face.new(level, x) if x.__class__ is Symbol else x for x in inputs]
        with interpreting(level):
            result = body(*boxes, **equation.static)
        self.count = level.count
        for inner in level.equations:
            self.take(inner, is_native, source)
        results: Sequence[Any] = result if equation.several else (result,)
        for symbol, value in zip(equation.outputs, results, strict=True):
            stands = value._payload if isinstance(value, Value) else value
            look_at_body(equation.mapping.name, symbol.spec, spec_of(stands))
            self.standing[symbol.index] = stands

    def _written_out(self, equation: Equation) -> Callable[..., Any] | None:
        """Return the steps of a loop one after the other, where they are few."""
        mapping = equation.mapping
        if mapping.unrolled is None or mapping.unrolled_size is None:
            return None
        size = mapping.unrolled_size(**equation.static)
        return mapping.unrolled if 0 < size <= UNROLLED else None
