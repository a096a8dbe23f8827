"""trace: record a function once as a graph of mappings, with its state found automatically, and replay it."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..core import space, tree
from ..core.cell import Cell, storing
from ..core.errors import TraceError
from ..core.interpret import EVALUATE, Interpreter, escaped, interpreting, levels
from ..core.mapping import Mapping
from ..core.replaced import Taken
from ..core.scope import present_scope
from ..core.spec import Spec, default_dtype, spec_of, stand_in
from ..core.value import Face, Value
from .arguments import array_leaf
from .graph import Equation, Graph, Origin, Recorder, Symbol, is_array, peel, signature
from .node import Leaf, Node, Part
from .reverse import TAPE, Reverse, Tape, _is_ours
from .walk import walk_back

__all__ = ["DYNAMIC", "Call", "Equation", "Graph", "Symbol", "Trace", "Traced", "finish", "trace"]


class Trace(Recorder):
    """Records mappings applied to symbols; it is also the store that turns cells into inputs and outputs."""

    described = "a traced step"

    def __init__(self) -> None:
        super().__init__(EVALUATE)
        self.count = 0
        self.equations: list[Equation] = []
        self.reads: dict[Cell, Symbol] = {}
        self.writes: dict[Cell, Any] = {}
        self.guards: dict[Cell, Any] = {}
        around = next((level for level in levels() if isinstance(level, Trace)), None)
        self.taken: Taken = Taken() if around is None else around.taken

    def over(self, below: Interpreter | None) -> Trace:
        return self

    def symbol(self, spec: Spec) -> Symbol:
        """Return a new symbol."""
        self.count += 1
        return Symbol(self.count - 1, spec)

    def spec(self, value: Value) -> Spec:
        symbol: Symbol = value._payload
        return symbol.spec

    def concrete(self, value: Value) -> Any:
        raise TraceError(
            "trace: this value is only known when the traced step runs, so Python cannot branch on it, print it or "
            "read it as a number while the step is recorded.\n"
            "  wrong:  if loss > 10: loss = loss * 0.1\n"
            "  right:  loss = pb.where(loss > 10, loss * 0.1, loss), or return the value and read it outside"
        )

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        inputs: list[Any] = []
        symbolic = False
        for x in args:
            if isinstance(x, Value):
                symbolic = True
                x = x._payload if x._owner is self else self.foreign(mapping.name, x)
            else:
                self.taken.ids.add(id(x))
            inputs.append(x)
        if not symbolic:
            return EVALUATE.apply(mapping, args, static)
        if mapping.spec is None:
            assert mapping.body is not None, f"{mapping.name} has neither a spec nor a body"
            with interpreting(self):
                return mapping.body(*args, **static)
        specs = [x.spec if x.__class__ is Symbol else spec_of(x) for x in inputs]
        if all(s.weak is not None for s in specs):
            return self._apply_to_numbers(mapping, inputs, specs, static)
        spec = mapping.spec(*specs, **static)
        several = spec.__class__ is tuple
        outputs = tuple(self.symbol(s) for s in (spec if several else (spec,)))
        self._add(mapping, inputs, static, outputs, several)
        boxes = tuple(Face.new(self, symbol) for symbol in outputs)
        return boxes if several else boxes[0]

    def foreign(self, where: str, value: Value) -> Symbol:
        """Return a symbol for a value that belongs to another interpreter; here that is an error."""
        raise escaped(where, value)

    def _add(
        self,
        mapping: Any,
        inputs: Sequence[Any],
        static: dict[str, Any],
        outputs: tuple[Symbol, ...],
        several: bool,
    ) -> None:
        constant = self.constant > 0 or any(
            isinstance(level, Reverse) and not level.recording for level in levels()
        )
        origin = _origin()
        self.equations.append(Equation(mapping, tuple(inputs), static, outputs, several, constant, origin))

    def _apply_to_numbers(
        self, mapping: Mapping, inputs: Sequence[Any], specs: Sequence[Spec], static: dict[str, Any]
    ) -> Any:
        """Numbers alone: Python's operators make a number of them; for the rest they take the default dtype."""
        kind = type(mapping.evaluate(*map(stand_in, specs), **static))
        if kind in (float, int, bool):
            return self._number(mapping, inputs, static, Spec((), np.result_type(kind(1)), kind))
        settled = []
        for x, spec in zip(inputs, specs, strict=True):
            dtype = default_dtype() if spec.weak is float else spec.dtype
            if x.__class__ is Symbol:
                settled.append(self._number(space.caster(), (x,), {"dtype": dtype}, Spec((), dtype)))
            else:
                settled.append(dtype.type(x))
        return self.apply(mapping, settled, static)

    def _number(self, mapping: Any, inputs: Sequence[Any], static: dict[str, Any], spec: Spec) -> Value:
        symbol = self.symbol(spec)
        self._add(mapping, inputs, static, (symbol,), False)
        return Face.new(self, symbol)

    def read(self, cell: Cell) -> Any:
        """Return what the step sees in `cell`: what it wrote, else a new input; static values as they are."""
        if cell in self.writes:
            return self.writes[cell]
        if cell not in self.guards:
            self.guards[cell] = signature(cell)
        value = cell.value
        if not is_array(value):
            return value
        if cell not in self.reads:
            self.reads[cell] = self.symbol(spec_of(value))
        return Face.new(self, self.reads[cell])

    def write(self, cell: Cell, value: Any) -> None:
        """Take `value` as what the step leaves in `cell`."""
        old = cell.value
        if is_array(old) and (is_array(value) or isinstance(value, Value)) and spec_of(old) != spec_of(value):
            raise TraceError(
                f"trace: the cell {cell.name!r} changes its type inside the step, from {spec_of(old)} to "
                f"{spec_of(value)}; a replay would need another recording each time"
            )
        self.writes[cell] = value


def _global_draws() -> Any:
    """Return where the global streams of random numbers of Python and NumPy stand."""
    state = np.random.get_state()  # noqa: NPY002  # a user's own code may draw from it
    return random.getstate(), state[1].tobytes(), state[2:]  # type: ignore[index]  # a tuple, as nothing else is asked for


def _origin() -> Origin:
    """Return the line of the user's program that the mapping being recorded comes from."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        if frame.f_code is walk_back.__code__:
            node = frame.f_locals.get("node")
            if isinstance(node, Node):
                return Origin(node.code, node.lasti, node.scope, True)
        frame = frame.f_back
    return Origin(frame.f_code, frame.f_lasti, present_scope(), False)


class Traced:
    """A function recorded once per signature and replayed afterwards. Made by `pullback.trace`."""

    def __init__(self, function: Callable[..., Any], max_traces: int) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.max_traces = max_traces
        self.graphs: dict[Any, list[Graph]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        static = [x if not _is_dynamic(x) else DYNAMIC for x in leaves]
        dynamic = [_input(x, i) for i, x in enumerate(leaves) if _is_dynamic(x)]
        specs = tuple((spec_of(x), _wants_grad(x)) for x in dynamic)
        signature = (structure, tuple(map(_hashable, static)), specs)
        known = self.graphs.setdefault(signature, [])
        graph = next((g for g in known if g.valid()), None)
        if graph is not None and self.doubts(graph, lambda: self._record(static, structure, dynamic)):
            known.remove(graph)
            graph = None
        if graph is None:
            if sum(map(len, self.graphs.values())) >= self.max_traces:
                raise TraceError(
                    f"trace: {self.function.__name__!r} was recorded {self.max_traces} times already, each time for "
                    f"other shapes, static arguments or state. Pass what changes as an array, or raise max_traces."
                )
            graph = self._record(static, structure, dynamic)
            known.append(graph)
        return self.run_graph(graph, dynamic, (structure, static))

    def doubts(self, graph: Graph, again: Callable[[], Graph]) -> bool:
        """Whether a recording is no longer what the function does; `again()` records it anew."""
        return False

    def run_graph(self, graph: Graph, dynamic: list[Any], call: Call) -> Any:
        """Run a recorded graph on the arguments that are arrays and numbers; `call` says how they came."""
        return graph.run(dynamic)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Return the graph for a call with these arguments, without running it."""
        leaves, structure = tree.flatten((args, kwargs))
        static = [x if not _is_dynamic(x) else DYNAMIC for x in leaves]
        dynamic = [_input(x, i) for i, x in enumerate(leaves) if _is_dynamic(x)]
        return self._record(static, structure, dynamic)

    def _record(self, static: list[Any], structure: tree.Structure, dynamic: list[Any]) -> Graph:
        level = Trace()
        symbols = [level.symbol(spec_of(x)) for x in dynamic]
        top = Tape(level, TAPE, since=Leaf().serial)
        boxes = iter(
            Face.new(TAPE, Face.new(level, symbol), Leaf(Cell(None)) if _wants_grad(x) else None)
            for symbol, x in zip(symbols, dynamic, strict=True)
        )
        leaves = [next(boxes) if x is DYNAMIC else x for x in static]
        args, kwargs = tree.unflatten(structure, leaves)
        drawn = _global_draws()
        with interpreting(top), storing(level):
            results, out_structure = tree.flatten(self.function(*args, **kwargs))
            outputs = [_to_symbol(level, y) for y in results]  # here a cell among them says what the step left in it
        walkable = [_can_be_walked(y) for y in results]
        alone = [_without_recording(y) for y in results]
        del results
        for at, known in enumerate(alone):
            tensor = known and known()
            if tensor is not None:  # somebody outside holds it: the function hands it back itself
                outputs[at], walkable[at] = tensor, False
        if _global_draws() != drawn:
            raise TraceError(
                f"trace: {self.function.__name__!r} draws random numbers from Python or NumPy; a replay would use the "
                f"same ones every time.\n"
                f"  wrong:  noise = np.random.normal(size=x.shape)\n"
                f"  right:  noise = pb.random.normal(x.shape), whose stream is state that a replay goes on with"
            )
        return finish(level, symbols, outputs, out_structure, any(walkable))


def _without_recording(y: Any) -> ref[Value] | None:
    """Return a weak reference to a result that is a tensor with numbers of its own, and no value being recorded."""
    return ref(y) if isinstance(y, Value) and y._owner is TAPE and not isinstance(y._payload, Value) else None


def _can_be_walked(y: Any) -> bool:
    """Whether a result of the function depends on a leaf by a graph that nobody has walked and released."""
    link = y._link if isinstance(y, Value) and y._owner is TAPE else None
    node = link.node if isinstance(link, Part) else link
    return node is not None and not (isinstance(node, Node) and node.inputs is None)


def finish(
    level: Trace, inputs: list[Symbol], outputs: list[Any], structure: tree.Structure, carries_gradient: bool
) -> Graph:
    """Drop equations whose results nobody needs and which refuse no value, and note where each value is used last."""
    writes = {cell: _to_symbol(level, value) for cell, value in level.writes.items()}
    needed = {x.index for x in [*outputs, *writes.values()] if isinstance(x, Symbol)}
    kept_to_the_end = set(needed)
    equations: list[Equation] = []
    releases: list[tuple[int, ...]] = []
    for equation in reversed(level.equations):
        if not equation.mapping.refuses and not any(symbol.index in needed for symbol in equation.outputs):
            continue
        last_uses = dict.fromkeys(
            x.index for x in equation.inputs if isinstance(x, Symbol) and x.index not in needed
        )
        unused = [s.index for s in equation.outputs if s.index not in needed]
        equations.append(equation)
        releases.append((*last_uses, *unused))
        needed.update(last_uses)
    equations.reverse()
    releases.reverse()
    assert kept_to_the_end <= needed
    reads = {cell: symbol for cell, symbol in level.reads.items() if symbol.index in needed}
    guards = list(level.guards.items())
    return Graph(inputs, equations, outputs, structure, reads, writes, guards, releases, carries_gradient, level.taken)


def _to_symbol(level: Trace, y: Any) -> Any:
    """Return the symbol behind a result of a traced function; constants stay constants."""
    y = peel(y)
    if isinstance(y, Value):
        if y._owner is not level:
            raise escaped("trace", y)
        return y._payload
    level.taken.ids.add(id(y))
    return y


class _Dynamic:
    def __repr__(self) -> str:
        return "dynamic"


DYNAMIC = _Dynamic()
"""Stands for an array or a number among the leaves of a call's arguments."""

Call = tuple[tree.Structure, list[Any]]
"""The structure of a call's arguments `(args, kwargs)`, and their leaves, arrays and numbers as DYNAMIC."""


def _is_dynamic(x: Any) -> bool:
    return isinstance(x, Value | np.ndarray | np.generic) or (isinstance(x, int | float) and not isinstance(x, bool))


def _input(x: Any, index: int) -> Any:
    """Return an argument as the graph takes it: a Python number stays one, so that it stays weak."""
    is_number = isinstance(x, int | float) and not isinstance(x, np.generic)
    return x if is_number else array_leaf(x, f"trace: argument leaf {index}")


def _hashable(x: Any) -> Any:
    try:
        hash(x)
    except TypeError:
        raise TraceError(
            f"trace: an argument of type {type(x).__name__} is neither an array nor hashable, so it cannot belong to "
            f"the signature. Pass arrays, numbers, or containers of them."
        ) from None
    return x


def _wants_grad(x: Any) -> bool:
    return isinstance(x, Value) and x._owner is TAPE and x._link is not None


def trace(function: Callable[..., Any] | None = None, *, max_traces: int = 64) -> Any:
    """Record a function as a graph of mappings on its first call, and replay the graph afterwards.

    Arrays and numbers among the arguments are inputs; everything else belongs to the signature, together
    with the shapes, the dtypes and the static state (train or eval mode, frozen parameters): a new
    signature is recorded once more. State (parameters, optimiser slots, random counters, `.grad`) is
    found automatically, and is written together after a run has succeeded. Replay equals eager execution
    bit for bit.

    Raises TraceError when the function asks for a number behind a traced value.

    >>> import pullback as pb
    >>> step = pb.trace(lambda x: pb.sum(x * x))
    >>> float(step(pb.tensor([1.0, 2.0]))), float(step(pb.tensor([3.0, 4.0])))
    (5.0, 25.0)
    """
    if function is None:
        return functools.partial(trace, max_traces=max_traces)
    return Traced(function, max_traces)
