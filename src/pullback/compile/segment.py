"""The emitted function of a segment: its kernels one after the other, and loops with theirs inside."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from .access import Array
from .emit.function import Function, Module
from .emit.mode import flushing
from .emit.sync import emit_barrier
from .emit.types import I8, I64, PTR, Operand, constant
from .hazards import Hazards
from .kernels import Kernel, Steps
from .plan import ARENA, POOL, STATUS, WORKSPACE, Plan
from .program import Follow, Loop

__all__ = ["MODE", "POINTERS", "SegmentWriter"]

POINTERS = 64
"""How many addresses the operands behind a product can have; they stand at the start of the workspace."""

MODE = 64
"""Bytes at the end of the workspace for the processor's control word."""


class SegmentWriter:
    """Writes the function of a segment: `name(ptr table)`, or, for several threads, `name(table, thread, threads)`."""

    def __init__(self, module: Module, plan: Plan, name: str, kernels: Sequence[Kernel], shared: bool) -> None:
        parameters = [(PTR, "table"), (I64, "thread"), (I64, "threads")] if shared else [(PTR, "table")]
        self.f = Function(module, name + (".shared" if shared else ""), parameters, internal=False)
        self.plan = plan
        self.kernels = kernels
        self.shared = shared
        self.bases: dict[int, Operand] = {}
        self.barriers = 0
        self.met: Operand = self.f.index(0)
        """How often the threads have met in loops; `barriers` counts how often they have met since."""
        self.asked = False
        """Whether a thread may be about to ask how a check went, so that no other may begin."""
        self.hazards = Hazards(plan.slots, plan.places)
        self.followed: dict[Array, Operand] = {}
        """Where the arrays of a loop's body lie in the present turn."""
        self.inside: dict[Array, tuple[Array, int]] = {}
        """In the room of which loop something lies, and how many bytes behind its start."""

    def write(self) -> None:
        """Write the whole function."""
        f = self.f
        used = {p.array for k in self.kernels for p in (*k.places, *k.extra)}
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
            self._calls(list(self.kernels))

    def _calls(self, kernels: Sequence[Kernel]) -> None:
        f = self.f
        for at, kernel in enumerate(kernels):
            if self.shared and (self.hazards.between(kernel) or (kernel.checks and self.asked)):
                self._meet()
            self._call(kernel)
            if kernel.checks and not (at + 1 < len(kernels) and kernels[at + 1].group.kind == "check"):
                if self.shared:
                    self._meet()
                    self.asked = True
                with f.when(self._is_well()):
                    self._calls(kernels[at + 1 :])
                return

    def _is_well(self) -> Operand:
        """Whether no check has failed so far."""
        return self.f.compare("eq", self.f.load(I64, self.bases[STATUS]), constant(I64, 0))

    def _meet(self) -> None:
        """Have the threads wait for each other."""
        self.barriers += 1
        self.asked = False
        all_of_them = self.f.times(self.f.argument("threads"), self.f.plus(self.met, self.barriers))
        self.f.call(emit_barrier(self.f.module), self.bases[POOL], all_of_them)

    def _call(self, kernel: Kernel) -> None:
        f = self.f
        if kernel.steps is not None and (not self.shared or kernel.units > 1):
            with self._chosen(kernel.steps.loop):
                self._loop(kernel.steps, kernel.checks)
        elif not self.shared:
            self._run(kernel, f.index(0), f.index(kernel.units))
        elif kernel.units == 1:
            with f.when(f.compare("eq", f.argument("thread"), constant(I64, 0))):
                self.shared = False
                self._call(kernel)
                self.shared = True
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
        if kernel.group.kind == "check":
            f.call(kernel.name, *pointers, self.bases[STATUS])
        elif kernel.group.kind == "product":
            workspace = self.bases[WORKSPACE]
            for number, place in enumerate(kernel.extra):
                pointer = self._pointer(place.array, place.offset)
                f.do(f"store ptr {pointer}, ptr {f.at(workspace, number, I64)}, align 8")
            f.call(kernel.name, *pointers, begin, end, f.at(workspace, POINTERS, I64), workspace)
        else:
            f.call(kernel.name, *pointers, begin, end)

    def _chosen(self, loop: Loop) -> AbstractContextManager[None]:
        """Write what follows so that it runs where the loop's predicate lets it."""
        f, predicate = self.f, loop.predicate
        if predicate is None:
            return nullcontext()
        holds = f.load(I8, self._pointer(predicate.array, predicate.offset))
        return f.when(f.compare("eq" if loop.otherwise else "ne", holds, constant(I8, 0)))

    def _loop(self, steps: Steps, checks: bool) -> None:
        """Write a loop with its kernels in it; threads that share it meet at the end of each turn."""
        f, loop = self.f, steps.loop
        self.inside.update((array, (loop.room, at)) for array, at in steps.places.items())
        used = {p.array for kernel in steps.kernels for p in (*kernel.places, *kernel.extra)}
        starts = {
            follow: [self._start(steps, follow, at) for at in follow.places]
            for follow in loop.follows
            if follow.array in used
        }
        if self.shared:
            self.hazards.enter(loop.follows, loop.touched, self.inside)
        carried = [f.plus(self.met, self.barriers)] if self.shared else []
        with f.loop(0, loop.length, carried=carried) as turn:
            if self.shared:
                self.met, self.barriers = turn.carried[0], 0
            with f.when(self._is_well()) if checks else nullcontext():
                self._follow(starts, turn.index)
                self._calls(steps.kernels)
            if self.shared:
                self._meet()
                self.hazards.forget()
                turn.next = [f.plus(self.met, self.barriers)]
        if self.shared:
            self.met, self.barriers = turn.results[0], 0

    def _start(self, steps: Steps, follow: Follow, at: int) -> Operand:
        """Return where an array of a loop's body starts within one of those that are touched."""
        x = steps.loop.touched[at]
        return self._pointer(x.array, x.offset + follow.start)

    def _follow(self, starts: dict[Follow, list[Operand]], turn: Operand) -> None:
        """Say where the arrays of a loop's body lie in this turn."""
        f = self.f
        for follow, (start, *other) in starts.items():
            here = start
            if follow.advance:
                distance = f.times(turn, follow.advance * follow.array.dtype.itemsize)
                here = f.value(PTR, f"getelementptr i8, ptr {start}, i64 {distance}")
            elif other:
                odd = f.compare("ne", f.binary("and", turn, constant(I64, 1)), constant(I64, 0))
                here = f.select(odd, other[0], start)
            self.followed[follow.array] = here

    def _pointer(self, array: Array, offset: int) -> Operand:
        f = self.f
        nbytes = offset * array.dtype.itemsize
        while array in self.inside:
            array, before = self.inside[array]
            nbytes += before
        if array in self.followed:
            base = self.followed[array]
        elif array in self.plan.slots:
            base = self.bases[self.plan.slots[array]]
        else:
            base = self.bases[ARENA]
            nbytes += self.plan.places[array]
        return base if not nbytes else f.value(PTR, f"getelementptr i8, ptr {base}, i64 {nbytes}")
