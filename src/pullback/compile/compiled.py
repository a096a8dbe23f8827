"""pb.compile: a function recorded once, and run as native code afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.interpret import EVALUATE, current
from ..core.value import Value
from ..transforms.graph import Graph
from ..transforms.reverse import TAPE, Tape
from ..transforms.trace import Traced
from .lowering import lowered
from .plan import made
from .runner import Runner, Stopped

__all__ = ["Compiled", "compile"]


class Compiled(Traced):
    """A function that runs as native code. Made by `pullback.compile`."""

    def __init__(self, function: Callable[..., Any], max_traces: int) -> None:
        super().__init__(function, max_traces)
        self.runners: dict[Any, list[Runner]] = {}
        self._made: dict[int, Runner] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        quick = None if kwargs else _quick(args)
        if quick is not None:
            key, arrays = quick
            for runner in self.runners.get(key, ()):
                if runner.valid():
                    return self._run(runner, arrays, args)
        return super().__call__(*args, **kwargs)

    def run_graph(self, graph: Graph, dynamic: list[Any]) -> Any:
        """Run a recorded graph natively, where that means the same."""
        runner = self._made.get(id(graph))
        if runner is None:
            plan = made(lowered(graph))
            plan.load()
            runner = self._made[id(graph)] = Runner(graph, plan)
            key = _quick(dynamic)
            if key is not None:
                self.runners.setdefault(key[0], []).append(runner)
        return self._run(runner, [_array(x) for x in dynamic], dynamic)

    def _run(self, runner: Runner, arrays: Any, arguments: Any) -> Any:
        top = current()
        if not isinstance(top, Tape) or top.below is not EVALUATE or (top.recording and runner.graph.carries_gradient):
            return runner.graph.run(arguments)
        try:
            return runner.run(arrays)
        except Stopped:
            return runner.graph.run(arguments)


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


def compile(function: Callable[..., Any] | None = None, *, max_traces: int = 64) -> Any:
    """Record a function as a graph of mappings, and run it as native code from then on."""
    if function is None:
        return functools.partial(compile, max_traces=max_traces)
    return Compiled(function, max_traces)
