"""What a plan does: kernel by kernel, with the mappings in it, where they come from, and how long each takes."""

from __future__ import annotations

import ctypes
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ..core.errors import TraceError
from .access import Array
from .holders import aligned_empty
from .kernels import Kernel
from .lowering import lowered
from .pages import block
from .plan import Plan
from .planning import apart
from .runner import Runner, Stopped

__all__ = ["KernelReport", "Report", "reported"]

ROUNDS = 7
"""How many times each kernel is run for its time."""


@dataclass(frozen=True)
class KernelReport:
    """One kernel: `mappings` in order, the `module` and the `lines` that they come from, and what it costs.

    `native` is False where a mapping's own evaluation runs. `times` is how often it runs: in a loop once for each step.
    `milliseconds` is the median of several runs on one thread, `operations` counts multiplications and additions,
    `bytes` what is read and written, all `times` together. `again` are those of its mappings that an earlier kernel
    computes as well: that is cheaper than to store what they give and to read it.
    """

    number: int
    kind: str
    mappings: tuple[str, ...]
    module: str
    lines: tuple[str, ...]
    backward: bool
    native: bool
    milliseconds: float
    operations: int
    bytes: int
    times: int = 1
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A compiled function for one kind of arguments: its kernels, its memory, and what compiling it took.

    `arena` and `state` are bytes: of what is computed on the way, and of the cells.
    """

    kernels: tuple[KernelReport, ...]
    arena: int
    state: int
    seconds: float
    from_disk: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        from ..glass.plans import report_text

        return report_text(self)


def reported(runner: Runner, seconds: float) -> Report:
    """Return the report of a plan that has run: each kernel is run by itself, on copies of everything."""
    plan = runner.plan
    runner.settle()
    try:
        times = _measured(runner)
    except Stopped:
        raise TraceError(
            "compile: a check refused the arguments of the last call, so there is nothing to measure.\n"
            "  right:  call the function with arguments that it takes, then step.report()"
        ) from None
    again = _computed_again([kernel for kernel, _ in times])
    kernels = tuple(
        replace(_kernel_report(number, *measured), again=names)
        for number, (measured, names) in enumerate(zip(times, again, strict=True))
    )
    cells = [h.read if h.read is not None else h.written for h in plan.holdings]
    state = sum(array.nbytes for array in cells if array is not None)
    return Report(kernels, plan.arena, state, seconds, plan.from_disk)


def _computed_again(kernels: list[Kernel]) -> list[tuple[str, ...]]:
    """Return, for each kernel, the mappings in it whose results an earlier one has computed for itself."""
    first: dict[Array, int] = {}
    found = []
    for number, kernel in enumerate(kernels):
        names: dict[str, None] = {}
        for instruction in kernel.group.instructions if kernel.steps is None else ():
            for array in (out.array for out in instruction.writes):
                once = array.role == "temporary" and not array.pieces and not array.layered
                if once and first.setdefault(array, number) != number and instruction.source is not None:
                    names[instruction.source.mapping.name] = None
        found.append(tuple(names))
    return found


def _kernel_report(number: int, kernel: Kernel, seconds: float) -> KernelReport:
    times = 1
    while kernel.steps is not None:
        times *= kernel.steps.loop.length
        (kernel,) = kernel.steps.kernels
    sources = [i.source for i in kernel.group.instructions if i.source is not None]
    origins = list(dict.fromkeys(s.origin for s in sources if s.origin is not None))
    lines = tuple(dict.fromkeys(f"{Path(file).name}:{line}" for file, line in (o.line for o in origins)))
    modules = tuple(dict.fromkeys(_path(o.scope) for o in origins if o.scope))
    touched = {a.array for a in (*kernel.group.reads, *kernel.group.writes)}
    in_memory = {p.array for p in (*kernel.places, *kernel.extra)}
    return KernelReport(
        number=number,
        kind=kernel.group.kind,
        mappings=tuple(dict.fromkeys(s.mapping.name for s in sources)) or ("copy",),
        module=", ".join(modules),
        lines=lines,
        backward=bool(origins) and all(o.backward for o in origins),
        native=kernel.call is None,
        milliseconds=seconds * 1e3,
        operations=times * kernel.flops,
        bytes=times * sum(a.nbytes for a in touched if a in in_memory or kernel.call is not None),
        times=times,
    )


def _path(scope: tuple[Any, ...]) -> str:
    """Return the path of the innermost module from the outermost one."""
    outermost, innermost = scope[0], scope[-1]
    for name, module in outermost.named_modules():
        if module is innermost:
            return f"{type(outermost).__name__}.{name}" if name else type(outermost).__name__
    return type(innermost).__name__


def _measured(runner: Runner) -> list[tuple[Kernel, float]]:
    """Return the kernels, those of a loop one by one, and how long each takes by itself, in seconds."""
    # What the plan was made of is not kept; it is made of the graph again, with the same entries in the table.
    alone, kernels = apart(lowered(runner.graph), runner.plan.target)
    alone.load()
    copies = _Copies(runner, alone)
    steps = copies.every_kernel()
    nothing = copies.nothing()
    times: list[list[float]] = [[] for _ in steps]
    idle = []
    for _ in range(ROUNDS):
        for number, step in enumerate(steps):
            start = perf_counter()
            step()
            times[number].append(perf_counter() - start)
        start = perf_counter()
        nothing()
        idle.append(perf_counter() - start)
    return [(k, max(0.0, median(t) - median(idle))) for k, t in zip(kernels, times, strict=True)]


class _Copies(Runner):
    """The plan's kernels one by one, on copies of the cells, so that nothing changes."""

    def __init__(self, runner: Runner, alone: Plan) -> None:
        self.plan = alone
        self.graph = runner.graph
        self.table = runner.table.copy()
        self.arena, self.workspace, self.status = block(alone.arena), block(alone.workspace), np.zeros(1, np.int64)
        self.prepare_table()
        self.memory: list[Any] = []
        for array, slot in alone.slots.items():
            self.memory.append(self._copy(runner, array, slot))

    def _copy(self, runner: Runner, array: Array, slot: int) -> Any:
        copy = aligned_empty(array)
        copy[...] = runner.contents(array, slot)
        self.table[slot] = copy.__array_interface__["data"][0]
        return copy

    def every_kernel(self) -> list[Any]:
        """Return what runs each kernel."""
        return self._steps()

    def nothing(self) -> Any:
        """Return the call of a function that does nothing, whose time is part of every other call's."""
        assert self.plan.code is not None
        function = self.plan.code.function("nothing", ctypes.c_void_p)
        address = self.table.ctypes.data
        return lambda: function(address) is None
