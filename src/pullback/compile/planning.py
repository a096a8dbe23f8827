"""Making a plan: kernels in order, their memory, and the emitted functions that run them one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from .access import LINE, Array
from .emit.function import Function, Module
from .emit.machine import Target, host
from .emit.types import PTR
from .kernels import Kernel, Workshop
from .late import copied_late
from .memory import needed, planned
from .plan import FIRST, Plan, Segment
from .program import Program
from .recompute import economical
from .segment import MODE, POINTERS, SegmentWriter
from .soundness import Soundness
from .state import holdings

__all__ = ["apart", "made"]


def made(program: Program, target: Target | None = None) -> Plan:
    """Return the plan of a program."""
    return _assembled(program, target or host(), one_by_one=False)[0]


def apart(program: Program, target: Target) -> tuple[Plan, list[Kernel]]:
    """Return the same plan with every kernel a segment of its own, and these kernels."""
    return _assembled(program, target, one_by_one=True)


def _assembled(program: Program, target: Target, one_by_one: bool) -> tuple[Plan, list[Kernel]]:
    groups = economical(program)
    groups += copied_late(program, groups)
    Soundness(grouped=True).look("economical", [i for group in groups for i in group.instructions])
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
    outside = (program.inputs, program.outputs, program.constants)
    plan = Plan(*outside, held, constants, slots, places, arena, workspace, [], target)
    for number, together in enumerate([[k] for k in kernels] if one_by_one else _segments(kernels)):
        plan.segments.append(_segment(module, plan, f"segment.{number}", together, one_by_one))
    if one_by_one:
        Function(module, "nothing", [(PTR, "table")], internal=False)
    plan.text = module.text() if workshop.made or one_by_one else ""
    return plan, kernels


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


def _segments(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """Return the kernels that run in one call of native code, and by themselves those that are evaluations."""
    segments: list[list[Kernel]] = []
    for kernel in kernels:
        if kernel.call is not None or not segments or segments[-1][-1].call is not None:
            segments.append([])
        segments[-1].append(kernel)
    return segments


def _segment(module: Module, plan: Plan, name: str, kernels: list[Kernel], alone: bool) -> Segment:
    """Write the functions of a segment, the one for several threads where they help."""
    if kernels[0].call is not None:
        return Segment("", call=kernels[0].call)
    SegmentWriter(module, plan, name, kernels, False).write()
    shareable = any(k.units > 1 for k in kernels) and not alone
    if shareable:
        SegmentWriter(module, plan, name, kernels, True).write()
    return Segment(name, shareable, any(k.checks for k in kernels))
