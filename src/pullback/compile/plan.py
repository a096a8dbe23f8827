"""The plan: kernels in order, their memory, and the emitted function that runs them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from ..core.cell import Cell
from .access import Array
from .cache import object_code
from .emit.function import Function, Module
from .emit.machine import Code, Target, host, load
from .emit.mode import flushing
from .emit.sync import emit_barrier
from .emit.types import I64, PTR, Operand, constant
from .fuse import grouped
from .group import Group
from .hazards import Hazards
from .kernels import Kernel, Workshop
from .memory import LINE, planned
from .program import Program
from .state import Holding, holdings

__all__ = ["ARENA", "STATUS", "WORKSPACE", "POOL", "Plan", "Segment", "apart", "made"]

ARENA, STATUS, WORKSPACE, POOL, FIRST = 0, 1, 2, 3, 4
"""Entries of the table of addresses: the arena, the status, the threads' workspaces, what the threads share, and
then one an array."""

POINTERS = 64
"""How many addresses the operands behind a product can have; they stand at the start of the workspace."""

MODE = 64
"""Bytes at the end of the workspace for the processor's control word."""


@dataclass
class Segment:
    """Kernels that run in one call of native code, or one evaluation of a mapping."""

    kernels: list[Kernel]
    name: str = ""
    shareable: bool = False


@dataclass
class Plan:
    """A program made ready to run."""

    program: Program
    kernels: list[Kernel]
    segments: list[Segment]
    holdings: list[Holding]
    constants: list[tuple[Cell, Any]]
    """Cells that are given a value known beforehand."""
    slots: dict[Array, int]
    places: dict[Array, int]
    arena: int
    workspace: int
    text: str
    target: Target
    code: Code | None = field(default=None, repr=False)
    from_disk: bool = False
    """Whether the code had been compiled before."""

    @property
    def writes_state(self) -> bool:
        """Whether a run changes cells; then denormal numbers count as zero in it."""
        return any(h.written is not None for h in self.holdings)

    def load(self) -> None:
        """Compile the text, unless its object code is on disk, and load it."""
        if self.text:
            code, self.from_disk = object_code(self.text, self.target)
            self.code = load(code, self.target)


def made(program: Program, target: Target | None = None, one_by_one: bool = False) -> Plan:
    """Return the plan of a program; with every kernel a segment of its own, if they are wanted one by one."""
    target = target or host()
    groups = grouped(program)
    held, constants = holdings(program, groups)
    in_place = {h.written: h.read for h in held if h.in_place and h.read is not None and h.written is not None}
    kept = _needed(program, groups)
    module = Module(target.vector_bits, target.family)
    workshop = Workshop(module)
    kernels = [workshop.kernel(group, kept) for group in groups]
    kept |= {p.array for k in kernels for p in (*k.places, *k.extra)}
    places, arena = planned(groups, kept - set(in_place))
    slots = _slots(program, kernels, in_place)
    workspace = POINTERS * 8 + max((k.workspace for k in kernels), default=0)
    workspace = -(-workspace // LINE) * LINE + MODE
    segments = [Segment([k]) for k in kernels] if one_by_one else _segments(kernels)
    plan = Plan(program, kernels, segments, held, constants, slots, places, arena, workspace, "", target)
    for number, segment in enumerate(plan.segments):
        if segment.kernels[0].call is None:
            segment.name = f"segment.{number}"
            _Segment(module, plan, segment, False).write()
            segment.shareable = any(k.units > 1 for k in segment.kernels) and not one_by_one
            if segment.shareable:
                _Segment(module, plan, segment, True).write()
    if one_by_one:
        Function(module, "nothing", [(PTR, "table")], internal=False)
    plan.text = module.text() if workshop.made or one_by_one else ""
    return plan


def apart(plan: Plan) -> Plan:
    """Return the same plan with its kernels one by one."""
    return made(plan.program, plan.target, one_by_one=True)


def _needed(program: Program, groups: Sequence[Group]) -> set[Array]:
    """Return the arrays that have to be in memory: those read by another group than the one that writes them."""
    needed = {access.array for access in program.results()}
    writers: dict[Array, set[int]] = {}
    for at, group in enumerate(groups):
        for access in group.writes:
            writers.setdefault(access.array, set()).add(at)
    for at, group in enumerate(groups):
        for access in group.reads:
            if writers.get(access.array, {at}) != {at}:  # what is written in parts may be another group's part
                needed.add(access.array)
        if group.kind not in ("nest", "product"):
            needed.update(access.array for access in (*group.reads, *group.writes))
    return needed


def _slots(program: Program, kernels: Sequence[Kernel], in_place: dict[Array, Array]) -> dict[Array, int]:
    """Give every array from outside an entry in the table of addresses."""
    arrays = [*program.inputs, *program.reads.values(), *program.constants]
    arrays += [a for a in (access.array for access in program.results()) if a.role == "output"]
    slots: dict[Array, int] = {}
    for array in arrays:
        slots.setdefault(array, FIRST + len(slots))
    for array, other in in_place.items():
        slots[array] = slots[other]
    return slots


def _segments(kernels: Sequence[Kernel]) -> list[Segment]:
    segments: list[Segment] = []
    for kernel in kernels:
        if kernel.call is not None or not segments or segments[-1].kernels[-1].call is not None:
            segments.append(Segment([]))
        segments[-1].kernels.append(kernel)
    return segments


class _Segment:
    """Writes the function of a segment: `name(ptr table)`, or, for several threads, `name(table, thread, threads)`."""

    def __init__(self, module: Module, plan: Plan, segment: Segment, shared: bool) -> None:
        parameters = [(PTR, "table"), (I64, "thread"), (I64, "threads")] if shared else [(PTR, "table")]
        self.f = Function(module, segment.name + (".shared" if shared else ""), parameters, internal=False)
        self.plan = plan
        self.segment = segment
        self.shared = shared
        self.bases: dict[int, Operand] = {}
        self.barriers = 0
        self.hazards = Hazards(plan.slots, plan.places)

    def write(self) -> None:
        """Write the whole function."""
        f = self.f
        used = {p.array for k in self.segment.kernels for p in (*k.places, *k.extra)}
        entries = {ARENA, STATUS, WORKSPACE} | {self.plan.slots[a] for a in used if a in self.plan.slots}
        if self.shared:
            entries.add(POOL)
        for entry in sorted(entries):
            self.bases[entry] = f.load(PTR, f.at(f.argument("table"), entry, I64))
        if self.shared:
            own = f.times(f.argument("thread"), self.plan.workspace)
            self.bases[WORKSPACE] = f.value(PTR, f"getelementptr inbounds i8, ptr {self.bases[WORKSPACE]}, i64 {own}")
        end = f"getelementptr inbounds i8, ptr {self.bases[WORKSPACE]}, i64 {self.plan.workspace - MODE}"
        with flushing(f, f.value(PTR, end)) if self.plan.writes_state else nullcontext():
            self._calls(list(self.segment.kernels))

    def _calls(self, kernels: Sequence[Kernel]) -> None:
        f = self.f
        for at, kernel in enumerate(kernels):
            if self.shared and self.hazards.between(kernel):
                self._meet()
            self._call(kernel)
            if kernel.checks and not (at + 1 < len(kernels) and kernels[at + 1].checks):
                if self.shared:
                    self._meet()
                status = f.load(I64, self.bases[STATUS])
                with f.when(f.compare("eq", status, constant(I64, 0))):
                    self._calls(kernels[at + 1 :])
                return

    def _meet(self) -> None:
        """Have the threads wait for each other."""
        self.barriers += 1
        all_of_them = self.f.times(self.f.argument("threads"), self.barriers)
        self.f.call(emit_barrier(self.f.module), self.bases[POOL], all_of_them)

    def _call(self, kernel: Kernel) -> None:
        f = self.f
        if not self.shared:
            self._run(kernel, f.index(0), f.index(kernel.units))
        elif kernel.units == 1:
            with f.when(f.compare("eq", f.argument("thread"), constant(I64, 0))):
                self._run(kernel, f.index(0), f.index(1))
        else:
            thread, threads = f.argument("thread"), f.argument("threads")
            begin = f.value(I64, f"udiv i64 {f.times(thread, kernel.units)}, {threads}")
            following = f.times(f.value(I64, f"add nsw i64 {thread}, 1"), kernel.units)
            end = f.value(I64, f"udiv i64 {following}, {threads}")
            with f.when(f.compare("ult", begin, end)):
                self._run(kernel, begin, end)

    def _run(self, kernel: Kernel, begin: Operand, end: Operand) -> None:
        f = self.f
        pointers = [self._pointer(p.array, p.offset) for p in kernel.places]
        if kernel.checks:
            f.call(kernel.name, *pointers, self.bases[STATUS])
        elif kernel.group.kind == "product":
            workspace = self.bases[WORKSPACE]
            for number, place in enumerate(kernel.extra):
                pointer = self._pointer(place.array, place.offset)
                f.do(f"store ptr {pointer}, ptr {f.at(workspace, number, I64)}, align 8")
            f.call(kernel.name, *pointers, begin, end, f.at(workspace, POINTERS, I64), workspace)
        else:
            f.call(kernel.name, *pointers, begin, end)

    def _pointer(self, array: Array, offset: int) -> Operand:
        f = self.f
        nbytes = offset * array.dtype.itemsize
        if array in self.plan.slots:
            base = self.bases[self.plan.slots[array]]
        else:
            base = self.bases[ARENA]
            nbytes += self.plan.places[array]
        return base if not nbytes else f.value(PTR, f"getelementptr inbounds i8, ptr {base}, i64 {nbytes}")
