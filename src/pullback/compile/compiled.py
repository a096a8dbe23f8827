"""pb.compile: a function recorded once, and run as native code afterwards."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import tree
from ..core.cell import Cell, active_store
from ..core.errors import TraceError
from ..core.interpret import EVALUATE, current
from ..core.value import Value
from ..transforms.graph import Graph
from ..transforms.reverse import TAPE, Tape, keep_values
from ..transforms.trace import Call, Traced
from .entrance import MISSED, STEADY, Entrance, entrance
from .form import is_plain
from .runner import Runner, Stopped
from .stored import plan_for

if TYPE_CHECKING:
    from .report import Report

__all__ = ["LARGEST", "Compiled", "compile"]

LARGEST = 20_000
"""How many mappings a graph may have to be compiled."""


class Compiled(Traced):
    """A function that runs as native code. Made by `pullback.compile`."""

    def __init__(self, function: Callable[..., Any], max_traces: int, verify: bool = False) -> None:
        super().__init__(function, max_traces)
        self.verify = verify
        self.runners: dict[Any, list[Runner]] = {}
        self._made: dict[int, Runner] = {}
        self.seconds: dict[int, float] = {}
        """How long each plan took to make and to compile."""
        self.last: Runner | None = None
        self._too_large: set[int] = set()
        self._attached = False
        self._enter: Entrance | None = None
        """The short way into the plan that ran last."""
        self._doubted: set[int] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        enter = self._enter
        if enter is not None:
            found = enter(args, kwargs)
            if found is not MISSED:
                return found
        quick = None if kwargs else _quick(args)
        if quick is not None:
            key, arrays = quick
            for runner in self.runners.get(key, ()):
                ready = runner.ready()
                if ready or runner.valid():
                    return self._run(runner, arrays, args, ready)
        return super().__call__(*args, **kwargs)

    def record_again(self) -> None:
        """Record the function again at its next call, and compile it anew where it is no longer the same program.

        What a function does may depend on Python's own variables, which a recording takes as they were.
        """
        self._doubted = {id(graph) for graphs in self.graphs.values() for graph in graphs}
        self.runners.clear()
        self._enter = None

    def doubts(self, graph: Graph, again: Callable[[], Graph]) -> bool:
        if id(graph) not in self._doubted:
            return False
        from .sameness import same

        self._doubted.discard(id(graph))
        changed = not same(graph, again())
        if changed:
            self._made.pop(id(graph), None)
        return changed

    def report(self) -> Report:
        """Return what the plan that ran last does: its kernels, their mappings, source lines, times, memory.

        The kernels are run one by one on copies of everything, so nothing changes. Raises TraceError when the
        function has not run natively yet.
        """
        if self.last is None:
            raise TraceError(
                f"compile: {self.function.__name__!r} has not run as native code yet: there is no plan to report on.\n"
                f"  wrong:  step = pb.compile(f); print(step.report())\n"
                f"  right:  step = pb.compile(f); step(x); print(step.report())\n"
                f"A call whose result can be differentiated further does not run natively: see the warning it gives."
            )
        from .report import reported

        return reported(self.last, self.seconds[id(self.last)])

    def explain(self, *args: Any, wrt: Any, **settings: Any) -> Any:
        """Explain a gradient of the function's first result, as `pullback.explain` does.

        The function runs eagerly on `args` for it, with every value kept, and all state is put back afterwards: what
        is explained is the run that a compiled call would make now. `settings` go to `pullback.explain`.

        >>> import pullback as pb
        >>> w = pb.tensor([2.0, 3.0], requires_grad=True)
        >>> step = pb.compile(lambda x: pb.sum(w * x))
        >>> receipt = step.explain(pb.tensor([5.0, 7.0]), wrt=w[1])
        >>> float(receipt.gradient)
        7.0
        """
        from ..glass.explain import explain
        from .verifying import unchanged

        with keep_values():
            with unchanged(self.graph(*args)):
                result = self.function(*args)
            first = tree.leaves(result)[0]
            return explain(first, wrt=wrt, **settings)

    def run_graph(self, graph: Graph, dynamic: list[Any], call: Call) -> Any:
        """Run a recorded graph natively, where that means the same."""
        runner = self._made.get(id(graph))
        if runner is None and len(graph.equations) > LARGEST:
            self._say_too_large(graph)
            return graph.run(dynamic)
        if runner is None:
            start = perf_counter()
            runner = self._made[id(graph)] = Runner(graph, plan_for(graph))
            self.seconds[id(runner)] = perf_counter() - start
        key = _quick(dynamic) if is_plain(call) else None
        if key is not None and runner not in self.runners.setdefault(key[0], []):
            self.runners[key[0]].append(runner)
        return self._run(runner, [_array(x) for x in dynamic], dynamic, runner.ready(), call)

    def _say_attached(self) -> None:
        if not self._attached:
            self._attached = True
            warnings.warn(
                f"compile: {self.function.__name__!r} returns a result that can be differentiated further, so the "
                f"recorded graph runs eagerly, without native code.\n"
                f"  for training:   compile the whole step, with loss.backward() inside, and return loss.detach()\n"
                f"  for inference:  call it inside pb.no_grad()",
                stacklevel=4,
            )

    def _say_too_large(self, graph: Graph) -> None:
        if id(graph) not in self._too_large:
            self._too_large.add(id(graph))
            warnings.warn(
                f"compile: {self.function.__name__!r} is a graph of {len(graph.equations):,} mappings, more than "
                f"{LARGEST:,}; it runs as it was recorded, without native code.\n"
                f"  wrong:  for x in xs: h = cell(h, x)\n"
                f"  right:  h, _ = pb.scan(lambda h, x: (cell(h, x), None), h, xs), which is recorded once",
                stacklevel=5,
            )

    def _run(self, runner: Runner, arrays: Any, arguments: Any, ready: bool, call: Call | None = None) -> Any:
        top = current()
        if not isinstance(top, Tape) or top.below is not EVALUATE or active_store() is not None:
            return runner.graph.run(arguments)
        if top.recording and runner.graph.carries_gradient:
            self._say_attached()
            return runner.graph.run(arguments)
        if runner is not self.last:
            self.last, self._enter = runner, None
        with runner.lock:
            if runner.running:  # an evaluation inside the plan calls the function that is running
                return runner.graph.run(arguments)
            runner.running = True
            try:
                return self._native(runner, arrays, arguments, ready, call)
            finally:
                runner.running = False

    def _native(self, runner: Runner, arrays: Any, arguments: Any, ready: bool, call: Call | None) -> Any:
        try:
            if self.verify:
                from .verifying import compared

                return compared(self.function.__name__, runner.graph, arguments, lambda: runner.run(arrays))
            result = runner.run(arrays, ready)
        except Stopped:
            return runner.graph.run(arguments)
        if runner.gate is None:
            self._enter = None
        if self._enter is None and runner.steady >= STEADY and runner is self.last:
            runner.steady = 0
            self._enter = entrance(runner, arguments, call)
        return result


def _quick(args: Any) -> tuple[Any, list[Any]] | None:
    """Return shapes and dtypes of arguments that are plain arrays or tensors without a graph, and their arrays."""
    key, arrays = [], []
    for x in args:
        if isinstance(x, Value):
            if x._owner is not TAPE or x._link is not None:
                return None
            x = x._payload
            if x.__class__ is Cell:
                x = x.read()
        if x.__class__ is not np.ndarray:
            return None
        key.append((x.shape, x.dtype))
        arrays.append(x)
    return tuple(key), arrays


def _array(x: Any) -> Any:
    if isinstance(x, Value):
        x = x._payload
        return x.read() if x.__class__ is Cell else x
    return x


def compile(function: Callable[..., Any] | None = None, *, max_traces: int = 64, verify: bool = False) -> Any:
    """Record a function as a graph of mappings on its first call, and run it as native code from then on.

    Any function of arrays will do: a whole training step (forward, backward, clipping, optimiser, metrics), a
    model, `grad` or `hessian` or `vmap` of a function. State (parameters, slots of the optimiser, random counters,
    `.grad`) is found automatically; it changes when a run has succeeded. Shapes, dtypes, static arguments and static
    state belong to the signature: another one is compiled once more, up to `max_traces` times.

    What is computed equals eager execution up to rounding (sums may be made in another order); it does not depend
    on the number of threads. In a function that changes state, denormal numbers count as zero. A mapping without a
    kernel runs as it is inside the plan; `report()` of the compiled function says which do. Plans and their code are
    kept on disk, in `$PULLBACK_CACHE` or the user's folder for such files. `verify=True` runs every call eagerly as
    well and raises VerifyError where the two differ.

    Where a result is to be differentiated from outside, the recorded graph runs eagerly, and a warning says so; inside
    other transforms it runs eagerly, too.

    Raises TraceError when the function asks for a number behind a traced value, or changes too often.

    >>> import pullback as pb
    >>> slope = pb.compile(pb.grad(lambda x: pb.sum(x**3)))
    >>> slope(pb.tensor([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    if function is None:
        return functools.partial(compile, max_traces=max_traces, verify=verify)
    return Compiled(function, max_traces, verify)
