"""A recorded function: its equations, the state it reads and writes, and how it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from ..core import tree
from ..core.cell import Cell
from ..core.errors import TraceError
from ..core.interpret import EVALUATE, Interpreter, current, levels
from ..core.mapping import Mapping
from ..core.replaced import Taken
from ..core.spec import Spec, spec_of
from ..core.value import Face, Value
from .batch import Batch
from .forward import bare
from .reverse import TAPE, Tape, no_grad, present

__all__ = ["Equation", "Graph", "Origin", "Recorder", "Symbol", "as_constants", "is_array", "peel", "signature"]


class Symbol:
    """A value that is only known when the graph runs: its number in the graph, and its spec."""

    __slots__ = ("index", "spec")

    def __init__(self, index: int, spec: Spec) -> None:
        self.index = index
        self.spec = spec

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the value."""
        return self.spec.dtype

    def __repr__(self) -> str:
        return f"%{self.index}:{self.spec}"


@dataclass(frozen=True)
class Origin:
    """Where in the user's program an equation comes from: the code, and the modules that were running.

    What is applied on the way back (`backward`) comes from where its forward mapping was applied.
    """

    code: CodeType
    lasti: int
    scope: tuple[Any, ...]
    backward: bool

    @property
    def line(self) -> tuple[str, int]:
        """File and line."""
        for start, end, number in self.code.co_lines():
            if start <= self.lasti < end and number is not None:
                return self.code.co_filename, number
        return self.code.co_filename, self.code.co_firstlineno


@dataclass(frozen=True)
class Equation:
    """One application of a mapping in a graph. Inputs are symbols or constants.

    `constant` says that it was applied inside `no_grad`: a run that is differentiated takes its results as
    constants, as the function itself would.
    """

    mapping: Mapping
    inputs: tuple[Any, ...]
    static: dict[str, Any]
    outputs: tuple[Symbol, ...]
    several: bool
    constant: bool = False
    origin: Origin | None = None

    def __str__(self) -> str:
        outs = ", ".join(map(repr, self.outputs))
        ins = ", ".join(repr(x) if isinstance(x, Symbol) else f"const {spec_of(x)}" for x in self.inputs)
        static = "".join(f" {k}={v}" for k, v in self.static.items())
        return f"{outs} = {self.mapping.name}({ins}){static}"


@dataclass
class Graph:
    """A recorded function: inputs, equations in order, outputs; and the cells it reads and writes.

    `guards` are the values of static cells (None, flags, …) and the specs of array cells under which the
    recording is valid. Among the outputs are symbols, constants, and tensors from outside, which are handed back
    themselves. `carries_gradient` says that a result can be differentiated further: then a run
    inside recording code takes part in the graph; a step that ends in its own `backward()` does not. `taken` are
    the arrays that were taken as constants.
    """

    inputs: list[Symbol]
    equations: list[Equation]
    outputs: list[Any]
    structure: tree.Structure
    reads: dict[Cell, Symbol]
    writes: dict[Cell, Any]
    guards: list[tuple[Cell, Any]]
    releases: list[tuple[int, ...]]
    carries_gradient: bool
    taken: Taken

    def valid(self) -> bool:
        """Return whether the cells and the constants are as they were when the graph was recorded."""
        return not self.taken.outdated and all(signature(cell) == before for cell, before in self.guards)

    def __str__(self) -> str:
        head = f"inputs: {self.inputs}"
        state = [f"read {cell.name or 'cell'}: {symbol!r}" for cell, symbol in self.reads.items()]
        body = [str(equation) for equation in self.equations]
        tail = [f"write {cell.name or 'cell'}: {value!r}" for cell, value in self.writes.items()]
        return "\n".join([head, *state, *body, *tail, f"outputs: {self.outputs}"])

    def _repr_html_(self) -> str:
        from ..glass.notebook import graph_html

        return graph_html(self)

    def run(self, arguments: Sequence[Any]) -> Any:
        """Run the equations on `arguments` in the present context, then write the cells together."""
        values: dict[int, Any] = {s.index: x for s, x in zip(self.inputs, arguments, strict=True)}
        top = current()
        plain = isinstance(top, Tape) and top.below is EVALUATE
        recording = not isinstance(top, Tape) or top.recording
        for cell, symbol in self.reads.items():
            takes_part = recording and self.carries_gradient and cell.leaf is not None
            values[symbol.index] = Face.new(TAPE, cell, cell.leaf) if takes_part else cell.read()
        direct = plain and not (recording and any(map(_on_tape, values.values())))
        if direct:
            values = {index: peel(x) for index, x in values.items()}
        for equation, released in zip(self.equations, self.releases, strict=True):
            xs = [values[x.index] if x.__class__ is Symbol else x for x in equation.inputs]
            mapping = equation.mapping
            if direct:
                ys = mapping.evaluate(*xs, **equation.static)
            elif equation.constant:
                with as_constants():
                    ys = mapping(*xs, **equation.static)
            else:
                ys = mapping(*xs, **equation.static)
            for symbol, y in zip(equation.outputs, ys if equation.several else (ys,), strict=True):
                values[symbol.index] = y
            for index in released:
                del values[index]

        def known(x: Any) -> Any:
            return values[x.index] if isinstance(x, Symbol) else x

        new = [(cell, _storable(cell, bare(known(value)))) for cell, value in self.writes.items()]
        outputs = [present(known(x)) for x in self.outputs]
        for cell, value in new:
            cell.write(value)
        return tree.unflatten(self.structure, outputs)


def _storable(cell: Cell, value: Any) -> Any:
    if isinstance(value, Value) and isinstance(value._owner, Batch):
        raise TraceError(
            f"trace: a traced step that changes state ({cell.name or 'cell'}) is run inside vmap; one state cannot "
            f"follow many examples.\n"
            f"  wrong:  pb.vmap(pb.trace(step))(xs)\n  right:  pb.trace(pb.vmap(step)), or a step that takes the batch"
        )
    return value


class Recorder(Interpreter):
    """An interpreter that records a graph."""

    constant = 0
    """How many blocks deep the recording is in what a differentiated run takes as constant."""


@contextmanager
def as_constants() -> Iterator[None]:
    """Apply mappings inside `no_grad`, and have the graphs that record them note it."""
    graphs = [level for level in levels() if isinstance(level, Recorder)]
    for graph in graphs:
        graph.constant += 1
    try:
        with no_grad():
            yield
    finally:
        for graph in graphs:
            graph.constant -= 1


def is_array(value: Any) -> bool:
    """Return whether a cell holds an array, which a recording takes as an input, and nothing static."""
    return isinstance(value, np.ndarray | np.generic)


def signature(cell: Cell) -> Any:
    """Return that of the state of a cell which a recording depends on: its type, or its static value."""
    value = cell.value
    return (spec_of(value) if is_array(value) else ("static", value), cell.leaf)


def _on_tape(x: Any) -> bool:
    return isinstance(x, Value) and (x._owner is not TAPE or x._link is not None)


def peel(x: Any) -> Any:
    """Return the array of a tensor, cut off from its graph."""
    if isinstance(x, Value) and x._owner is TAPE:
        payload = x._payload
        return payload.read() if payload.__class__ is Cell else payload
    return x
