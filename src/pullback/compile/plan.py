"""The plan: kernels in order, their memory, and the emitted function that runs them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.cell import Cell
from .access import Array
from .emit.function import Function, Module
from .emit.machine import Code, Target, compile_text, host, load
from .emit.types import I64, PTR, Operand, constant
from .fuse import Group, grouped
from .kernels import Kernel, Workshop
from .memory import LINE, planned
from .program import Program
from .state import Holding, holdings

__all__ = ["ARENA", "STATUS", "WORKSPACE", "Plan", "Segment", "made"]

ARENA, STATUS, WORKSPACE, FIRST = 0, 1, 2, 3
"""Entries of the table of addresses: the arena, the status, the threads' workspaces, and then one an array."""

POINTERS = 64
"""How many addresses the operands behind a product can have; they stand at the start of the workspace."""


@dataclass
class Segment:
    """Kernels that run in one call of native code, or one evaluation of a mapping."""

    kernels: list[Kernel]
    name: str = ""


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

    def load(self, object_code: bytes | None = None) -> None:
        """Compile the text, unless its object code is given, and load it."""
        if self.text:
            self.code = load(object_code or compile_text(self.text, self.target), self.target)


def made(program: Program, target: Target | None = None) -> Plan:
    """Return the plan of a program."""
    target = target or host()
    groups = grouped(program)
    held, constants = holdings(program, groups)
    in_place = {h.written: h.read for h in held if h.in_place and h.read is not None and h.written is not None}
    kept = _needed(program, groups)
    module = Module(target.vector_bits)
    workshop = Workshop(module)
    kernels = [workshop.kernel(group, kept) for group in groups]
    kept |= {p.array for k in kernels for p in (*k.places, *k.extra)}
    places, arena = planned(groups, kept - set(in_place))
    slots = _slots(program, kernels, in_place)
    workspace = POINTERS * 8 + max((k.workspace for k in kernels), default=0)
    workspace = -(-workspace // LINE) * LINE
    plan = Plan(program, kernels, _segments(kernels), held, constants, slots, places, arena, workspace, "", target)
    for number, segment in enumerate(plan.segments):
        if segment.kernels[0].call is None:
            segment.name = f"segment.{number}"
            _Segment(module, plan, segment).write()
    plan.text = module.text() if workshop.made else ""
    return plan


def _needed(program: Program, groups: Sequence[Group]) -> set[Array]:
    """Return the arrays that have to be in memory: those read by another group than the one that writes them."""
    needed = {access.array for access in program.results()}
    writers: dict[Array, set[int]] = {}
    for at, group in enumerate(groups):
        for access in group.writes:
            writers.setdefault(access.array, set()).add(at)
    for at, group in enumerate(groups):
        for access in group.reads:
            if at not in writers.get(access.array, {at}):
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
    """Writes the function of a segment: `name(ptr table)`."""

    def __init__(self, module: Module, plan: Plan, segment: Segment) -> None:
        self.f = Function(module, segment.name, [(PTR, "table")], internal=False)
        self.plan = plan
        self.segment = segment
        self.bases: dict[int, Operand] = {}

    def write(self) -> None:
        f = self.f
        used = {p.array for k in self.segment.kernels for p in (*k.places, *k.extra)}
        entries = {ARENA, STATUS, WORKSPACE} | {self.plan.slots[a] for a in used if a in self.plan.slots}
        for entry in sorted(entries):
            self.bases[entry] = f.load(PTR, f.at(f.argument("table"), entry, I64))
        self._calls(list(self.segment.kernels))

    def _calls(self, kernels: Sequence[Kernel]) -> None:
        f = self.f
        for at, kernel in enumerate(kernels):
            self._call(kernel)
            if kernel.checks and not (at + 1 < len(kernels) and kernels[at + 1].checks):
                status = f.load(I64, self.bases[STATUS])
                with f.when(f.compare("eq", status, constant(I64, 0))):
                    self._calls(kernels[at + 1 :])
                return

    def _call(self, kernel: Kernel) -> None:
        f = self.f
        pointers = [self._pointer(p.array, p.offset) for p in kernel.places]
        if kernel.checks:
            f.call(kernel.name, *pointers, self.bases[STATUS])
            return
        share = (f.index(0), f.index(kernel.units))
        if kernel.group.kind == "product":
            workspace = self.bases[WORKSPACE]
            for number, place in enumerate(kernel.extra):
                pointer = self._pointer(place.array, place.offset)
                f.do(f"store ptr {pointer}, ptr {f.at(workspace, number, I64)}, align 8")
            f.call(kernel.name, *pointers, *share, f.at(workspace, POINTERS, I64), workspace)
        else:
            f.call(kernel.name, *pointers, *share)

    def _pointer(self, array: Array, offset: int) -> Operand:
        f = self.f
        nbytes = offset * array.dtype.itemsize
        if array in self.plan.slots:
            base = self.bases[self.plan.slots[array]]
        else:
            base = self.bases[ARENA]
            nbytes += self.plan.places[array]
        return base if not nbytes else f.value(PTR, f"getelementptr inbounds i8, ptr {base}, i64 {nbytes}")
