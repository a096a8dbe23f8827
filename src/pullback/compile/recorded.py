"""Functions that an equation has inside: as they were recorded, for the arrays that they are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core import tree
from ..core.interpret import interpreting
from ..core.replaced import Taken
from ..core.spec import Spec
from ..core.value import Face, Value
from ..transforms.graph import Equation, Graph, Symbol
from ..transforms.trace import Trace

__all__ = ["Inside", "Recorded", "recorded_for"]


class Recorded(Protocol):
    """A function of arrays that was recorded once, and can be applied in any context."""

    inputs: Sequence[Symbol]
    equations: Sequence[Equation]
    outputs: Sequence[Any]

    def __call__(self, *xs: Any) -> Sequence[Any]: ...


@dataclass(frozen=True)
class Inside:
    """The inputs, equations and outputs of a function within a graph."""

    inputs: Sequence[Symbol]
    equations: Sequence[Equation]
    outputs: Sequence[Any]

    def graph(self, outputs: Sequence[Any]) -> Graph:
        """Return the function as a graph that gives these of its outputs."""
        structure = tree.flatten(())[1]
        return Graph(list(self.inputs), list(self.equations), list(outputs), structure, {}, {}, [], [], False, Taken())


def recorded_for(body: Recorded, kinds: Sequence[Any]) -> Inside:
    """Return a function for inputs of these shapes and dtypes, recorded once more if it was for others.

    `kinds` has pairs of a shape and a dtype.
    """
    if all((s.shape, s.dtype) == kind for s, kind in zip(body.inputs, kinds, strict=True)):
        return Inside(body.inputs, body.equations, body.outputs)
    level = Trace()
    symbols = [level.symbol(Spec(*kind)) for kind in kinds]
    with interpreting(level):
        ys = body(*(Face.new(level, symbol) for symbol in symbols))
    outputs = [y._payload if isinstance(y, Value) else y for y in ys]
    return Inside(symbols, level.equations, outputs)
