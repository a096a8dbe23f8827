"""From equations to instructions."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.spec import result_dtype, spec_of
from ..transforms.graph import Equation, Graph, Symbol
from .access import Access, Array
from .builder import NUMBERS, Lowering
from .convolutions import weight_orders
from .emit.scalars import can_emit
from .expand import expanded
from .normal import with_one_bell
from .program import Instruction, Program
from .repeated import turned_once
from .rules import CONDITIONS, RULES, Rule, call, point
from .scaling import scaled_late
from .sinking import summed, sunk
from .soundness import Soundness
from .tables import multiplied_as_tables
from .turning import by_squares

__all__ = ["lowered"]

def lowered(graph: Graph) -> Program:
    """Return the program of a graph."""
    equations, standing = expanded(graph, is_native)
    lowering = Lowering(_within)
    inputs = []
    for symbol in graph.inputs:
        inputs.append(lowering.array(symbol.shape, symbol.dtype, "input"))
        lowering.define(symbol, inputs[-1].whole())
    reads: dict[Cell, Array] = {}
    orders = weight_orders(equations)
    for cell, symbol in graph.reads.items():
        reads[cell] = lowering.array(symbol.shape, symbol.dtype, "cell", cell, orders.get(symbol.index, ()))
        lowering.define(symbol, reads[cell].whole())
    results = [_behind(x, standing) for x in (*graph.outputs, *graph.writes.values())]
    _apply(lowering, equations, results)
    # What a cell gets lies as it is read: otherwise it would be laid out anew before every run.
    wanted = [*(None for _ in graph.outputs), *(reads[c].order if c in reads else None for c in graph.writes)]
    handed_back = [
        lowering.handed_back(x, order) if isinstance(x, Symbol) else x for x, order in zip(results, wanted, strict=True)
    ]
    outputs, written = handed_back[: len(graph.outputs)], handed_back[len(graph.outputs) :]
    writes = dict(zip(graph.writes, written, strict=True))
    program = Program(lowering.instructions, inputs, reads, outputs, writes, lowering.constants)
    program.instructions = _improved(lowering, program)
    return program


def _within(lowering: Lowering, graph: Graph, fixed: set[Array]) -> list[Access]:
    """Lower a graph that an equation has inside, whose inputs are defined, and return where its results lie.

    They lie without gaps, each in an array of its own. `fixed` are the arrays that are the same every time it runs.
    """
    equations, standing = expanded(graph, is_native)
    results = [_behind(x, standing) for x in graph.outputs]
    _apply(lowering, equations, results)
    outputs = [lowering.handed_back(x, ()) if isinstance(x, Symbol) else lowering.filled(x) for x in results]
    program = Program(lowering.instructions, [], {}, list(outputs), {}, [])
    lowering.instructions = _improved(lowering, program, fixed, closed=False)
    return outputs


def _behind(x: Any, standing: dict[int, Any]) -> Any:
    """Return what stands for a result of a graph."""
    while isinstance(x, Symbol) and x.index in standing:
        x = standing[x.index]
    return x


def _apply(lowering: Lowering, equations: Sequence[Equation], results: Sequence[Any]) -> None:
    """Add what equations become."""
    used = (*(x for equation in equations for x in equation.inputs), *results)
    lowering.wanted = {x.index for x in used if isinstance(x, Symbol)}
    same = _Duplicates(lowering)
    for equation in equations:
        lowering.source = equation
        if same.found(equation):
            continue
        rule = _rule(equation) if is_native(equation) else None
        if rule is None or not rule(lowering, equation):
            call(lowering, equation)
    lowering.source = None


def _improved(
    lowering: Lowering, program: Program, fixed: Container[Array] = (), closed: bool = True
) -> list[Instruction]:
    """Return the instructions without those that nobody needs, and what can be done once or at once done so."""
    results = {x.array for x in program.results()}
    passes: tuple[partial[list[Instruction]], ...] = (
        partial(with_one_bell, lowering),
        partial(_living, program),
        partial(sunk),
        partial(summed, lowering),
        partial(scaled_late, lowering, results=results),
        partial(multiplied_as_tables, lowering, results=results),
        partial(_living, program),
        partial(turned_once, lowering, fixed=fixed),
        partial(by_squares, lowering),
    )
    soundness, found = Soundness(closed), program.instructions
    soundness.look("lowered", found)
    for improve in passes:
        found = improve(found)
        soundness.look(improve.func.__name__, found)
    return found


def _living(program: Program, instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions without those whose results nobody reads."""
    needed = {access.array for access in program.results()}
    kept: list[Instruction] = []
    for instruction in reversed(instructions):
        if instruction.fallible or any(x.array in needed for x in instruction.writes):
            kept.append(instruction)
            needed.update(x.array for x in instruction.reads)
    return kept[::-1]


class _Duplicates:
    """Equations that compute once more what is known already."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.known: dict[Any, Equation] = {}

    def found(self, equation: Equation) -> bool:
        """Let the results of an equal equation stand for those of this one, if there is one."""
        if not equation.mapping.spec or not isinstance(equation.mapping.lower, str):
            return False  # what has no rule may have an effect, such as an error of its own
        try:
            key = (equation.mapping, tuple(map(self._key, equation.inputs)), tuple(sorted(equation.static.items())))
            earlier = self.known.setdefault(key, equation)
        except TypeError:
            return False
        if earlier is equation:
            return False
        for symbol, other in zip(equation.outputs, earlier.outputs, strict=True):
            self.lowering.define(symbol, self.lowering.accesses[other.index])
        return True

    def _key(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            access = self.lowering.accesses[x.index]
            return access.array.number, access.offset, access.shape, access.strides
        if np.ndim(x) == 0:
            return type(x), np.asarray(x).tobytes()
        return id(x)


def is_native(equation: Equation) -> bool:
    """Whether there is a rule for an equation, and it takes these dtypes and sizes."""
    name = equation.mapping.lower
    if not isinstance(name, str) or (name not in RULES and not elementwise(equation)):
        return False
    specs = [*(spec_of(x) for x in equation.inputs), *(s.spec for s in equation.outputs)]
    if any(s.dtype not in NUMBERS or not s.size for s in specs):
        return False
    if name not in RULES:
        return elementwise(equation)
    condition = CONDITIONS.get(name)
    return condition is None or condition(equation)


def _rule(equation: Equation) -> Rule | None:
    return RULES.get(equation.mapping.lower, point)


def elementwise(equation: Equation) -> bool:
    """Whether the scalar operation of an elementwise mapping can be emitted for these dtypes."""
    mapping = equation.mapping
    if mapping.family != "elementwise" or not isinstance(mapping.lower, str):
        return False
    specs = [spec_of(x) for x in equation.inputs]
    common = result_dtype(*specs)
    return can_emit(mapping.lower, [s.dtype for s in specs], common, equation.outputs[0].dtype)
