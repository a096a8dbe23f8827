"""The plan: kernels in order, their memory, and the emitted function that runs them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.cell import Cell
from .access import Array
from .cache import object_code
from .emit.function import Function, Module
from .emit.machine import Code, Target, host, load
from .emit.types import PTR
from .kernels import Kernel, Workshop
from .memory import LINE, needed, planned
from .program import Program
from .recompute import economical
from .segment import ARENA, FIRST, MODE, POINTERS, POOL, STATUS, WORKSPACE, SegmentWriter
from .state import Holding, holdings

__all__ = ["ARENA", "STATUS", "WORKSPACE", "POOL", "Plan", "Segment", "apart", "made"]


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
    groups = economical(program)
    held, constants = holdings(program, groups)
    in_place = {h.written: h.read for h in held if h.in_place and h.read is not None and h.written is not None}
    kept = needed(program.results(), groups)
    module = Module(target.vector_bits, target.family)
    workshop = Workshop(module)
    kernels = [workshop.kernel(group, kept) for group in groups]
    kept |= {p.array for k in kernels for p in (*k.places, *k.extra)}
    places, arena = planned(groups, kept - set(in_place))
    slots = _slots(program, kernels, in_place)
    workspace = POINTERS * 8 + max((k.workspace for k in kernels), default=0)
    workspace = -(-workspace // LINE) * LINE + MODE
    if one_by_one:
        kernels = [part for kernel in kernels for part in kernel.parts()]
    segments = [Segment([k]) for k in kernels] if one_by_one else _segments(kernels)
    plan = Plan(program, kernels, segments, held, constants, slots, places, arena, workspace, "", target)
    for number, segment in enumerate(plan.segments):
        if segment.kernels[0].call is None:
            segment.name = f"segment.{number}"
            SegmentWriter(module, plan, segment, False).write()
            segment.shareable = any(k.units > 1 for k in segment.kernels) and not one_by_one
            if segment.shareable:
                SegmentWriter(module, plan, segment, True).write()
    if one_by_one:
        Function(module, "nothing", [(PTR, "table")], internal=False)
    plan.text = module.text() if workshop.made or one_by_one else ""
    return plan


def apart(plan: Plan) -> Plan:
    """Return the same plan with its kernels one by one."""
    return made(plan.program, plan.target, one_by_one=True)


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
