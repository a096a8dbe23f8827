"""tally: what a function would do, told from shapes alone: its mappings, their operations, and what is kept.

Nothing is computed and nothing changes: the function runs on symbols, as under `trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.cell import storing
from ..core.interpret import interpreting
from ..core.mapping import Mapping
from ..core.scope import present_scope
from ..core.spec import Spec, spec_of, stand_in
from ..core.value import Face
from .node import Leaf
from .reverse import TAPE, Tape
from .trace import Equation, Symbol, Trace

__all__ = ["Tally", "Work", "tally"]


@dataclass(frozen=True)
class Work:
    """One application of a mapping: which modules it ran in, outermost first, and its operations.

    `flops` is None where the mapping does not say how much it does.
    """

    mapping: Mapping
    scope: tuple[Any, ...]
    outputs: tuple[Spec, ...]
    flops: int | None


class Tally(Trace):
    """Records like `Trace`, and notes for every mapping which modules are running."""

    described = "a tally"

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[tuple[Any, ...]] = []

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        y = super().apply(mapping, args, static)
        scope = present_scope()
        self.scopes.extend([scope] * (len(self.equations) - len(self.scopes)))
        return y

    def works(self) -> list[Work]:
        """Return what was applied, in order."""
        return [
            Work(e.mapping, scope, tuple(s.spec for s in e.outputs), flops(e))
            for e, scope in zip(self.equations, self.scopes, strict=True)
        ]

    def kept(self) -> int:
        """Return how many bytes a graph of what was recorded keeps for the way back, inputs and cells left out.

        Every array counts once, and a view counts as the array that it shows.
        """
        given = {symbol.index for symbol in self.reads.values()}
        live = {symbol.index for cell, symbol in self.reads.items() if cell.leaf is not None}
        made: dict[int, int] = {}
        shown: dict[int, int] = {}
        sizes: dict[int, int] = {}
        constants: dict[int, int] = {}
        for equation in self.equations:
            inputs = [x for x in equation.inputs if isinstance(x, Symbol)]
            for symbol in equation.outputs:
                made[symbol.index] = symbol.spec.size * symbol.spec.dtype.itemsize
                if equation.mapping.lower == "view" and inputs:
                    shown[symbol.index] = shown.get(inputs[0].index, inputs[0].index)
            if not equation.mapping.differentiable or not any(x.index in live for x in inputs):
                continue
            live.update(symbol.index for symbol in equation.outputs)
            uses = equation.mapping.uses
            held = [x for x in inputs if uses.inputs or x.index not in live]
            held += equation.outputs if uses.output else ()
            for symbol in held:
                at = shown.get(symbol.index, symbol.index)
                if at in made and at not in given:
                    sizes[at] = made[at]
            constants.update({id(x): x.nbytes for x in equation.inputs if isinstance(x, np.ndarray)})
        return sum(sizes.values()) + sum(constants.values())


def tally(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Tally]:
    """Run `function` on symbols in place of the arrays in `args`; return its result and what was recorded.

    Arrays and specs among `args` and `kwargs` become symbols; everything else is passed as it is. The result
    holds symbols, of which the spec is known and nothing else.
    """
    level = Tally()

    def box(x: Any) -> Any:
        if not isinstance(x, Spec | np.ndarray | np.generic) and not hasattr(x, "_payload"):
            return x
        return Face.new(TAPE, Face.new(level, level.symbol(spec_of(x))))

    top = Tape(level, TAPE, recording=False, since=Leaf().serial)
    boxes = [box(x) for x in args], {name: box(x) for name, x in kwargs.items()}
    with interpreting(top), storing(level):
        return function(*boxes[0], **boxes[1]), level


def flops(equation: Equation) -> int | None:
    """Return how many operations one application takes: a product and a sum are two, whatever a function costs is one.

    An elementwise mapping takes one for each element of its value, a reduction one for each element that it
    reads; what only moves numbers takes none; a composite takes what its body takes. A mapping that does more
    says so in its facet `flops`.
    """
    mapping, static = equation.mapping, equation.static
    specs = [x.spec if isinstance(x, Symbol) else spec_of(x) for x in equation.inputs]
    if mapping.flops is not None:
        return int(mapping.flops(*specs, **static))
    if mapping.lower in ("copy", "view") or mapping.family in ("linear", "jointly linear"):
        return 0
    if not any(symbol.spec.dtype.kind in "fc" for symbol in equation.outputs):
        return 0
    if mapping.family == "elementwise":
        return sum(symbol.spec.size for symbol in equation.outputs)
    if mapping.family == "reduction":
        return specs[0].size
    if mapping.body is not None:
        return _of_body(mapping, specs, static)
    return None if mapping.differentiable else 0


def _of_body(mapping: Mapping, specs: Sequence[Spec], static: dict[str, Any]) -> int | None:
    assert mapping.body is not None
    level = Tally()
    boxes = [stand_in(s) if s.weak is not None else Face.new(level, level.symbol(s)) for s in specs]
    with interpreting(level):
        mapping.body(*boxes, **static)
    parts = [work.flops for work in level.works()]
    return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)
