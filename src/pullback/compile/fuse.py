"""Fusion: instructions that go through the same space, and meet in registers, become one kernel."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from .access import Array
from .costs import COSTLY
from .fitting import fitted
from .group import LARGEST, Group
from .program import Call, Check, Convolve, Fold, Instruction, Loop, Point, Product, Program, RowMove, Special

__all__ = ["grouped"]

NEAR = 6
"""How many of the last groups are looked at for one that takes another single number."""


def grouped(program: Program, again: Container[Array] = ()) -> list[Group]:
    """Return the program as groups, in an order in which each finds what it reads.

    What is cheap to compute from one array, and the arrays in `again`, are computed by whoever uses them.
    """
    fusion = _Fusion(again)
    for instruction in _numbers_first(program.instructions):
        fusion.place(instruction)
    return fusion.groups


def _numbers_first(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Bring forward what single numbers make of single numbers, and what may stop the plan, as far as it can be."""
    first: list[Instruction] = []
    rest: list[Instruction] = []
    late: set[Array] = set()
    checks: list[Check] = []
    for instruction in instructions:
        if isinstance(instruction, Check):
            if instruction.same_as_one_of(checks):
                continue
            checks.append(instruction)
        alone = isinstance(instruction, Check) or (
            isinstance(instruction, Point) and math.prod(instruction.shape) == 1
        )
        known = not any(a.array in late for a in instruction.reads)
        whole = all(a.array.role == "temporary" and not a.array.layered for a in instruction.writes)
        if alone and known and whole:
            first.append(instruction)
        else:
            rest.append(instruction)
            late.update(a.array for a in instruction.writes)
    return first + rest


class _Fusion:
    def __init__(self, again: Container[Array]) -> None:
        self.again = again
        self.groups: list[Group] = []
        self.written: dict[Array, int] = {}
        """The last group that writes an array."""
        self.touched: dict[Array, set[int]] = {}
        """The groups that read an array."""
        self.deferred: dict[Array, Point] = {}
        """What is computed by whoever wants it."""
        self.computed: dict[Array, int] = {}
        """The first group that computes what was deferred."""
        self.fallible = -1
        """The last group that may stop the plan."""

    def place(self, instruction: Instruction) -> None:
        """Put an instruction into the first group that can take it, or into a new one."""
        if isinstance(instruction, Point) and (instruction.out.array in self.again or _can_wait(instruction)):
            self.deferred[instruction.out.array] = instruction
            return
        chain = self._awaited(instruction)
        if isinstance(instruction, Point | Fold):
            if not self._enter_together([*chain, instruction]) and not self._enter_without_small(chain, instruction):
                self._settle(chain)
                if not self._enter_together([instruction]):
                    raise AssertionError("a group of its own takes any instruction")
            return
        self._settle(chain)
        shape = instruction.out.shape if isinstance(instruction, Product | Convolve) else ()
        self.groups.append(Group(_KINDS[type(instruction)], shape))
        if instruction.fallible:
            self.fallible = len(self.groups) - 1
        self._enter(len(self.groups) - 1, instruction)

    def _awaited(self, instruction: Instruction) -> list[Point]:
        """Return what has waited for this instruction, in order."""
        chain: dict[Array, Point] = {}
        for access in instruction.reads:
            waiting = self.deferred.get(access.array)
            if waiting is not None and access.array not in chain:
                for earlier in self._awaited(waiting):
                    chain[earlier.out.array] = earlier
                chain[access.array] = waiting
        return list(chain.values())

    def _enter_without_small(self, chain: Sequence[Point], instruction: Point | Fold) -> bool:
        """Put an instruction with what has waited for it into one group, what is smaller being computed beforehand."""
        size = math.prod(instruction.shape)
        small = [x for x in chain if math.prod(x.shape) < size]
        if not small:
            return False
        for waiting in small:
            self._settle([*self._awaited(waiting), waiting])
        return self._enter_together([*(x for x in chain if x not in small), instruction])

    def _settle(self, chain: Sequence[Point]) -> None:
        """Compute what has waited, for good."""
        for waiting in chain:
            array = waiting.out.array
            if array in self.deferred:
                del self.deferred[array]
                if array in self.computed:
                    self.written[array] = self.computed[array]
                else:
                    self._enter_together([waiting])

    def _enter_together(self, chain: Sequence[Point | Fold]) -> bool:
        """Put instructions that depend on each other into one group. Return whether one takes them."""
        last = chain[-1]
        own = {i.out.array for i in chain}
        outside = [a.array for i in chain for a in i.reads if a.array not in own]
        earliest = max([self.written.get(a, -1) for a in (*outside, *own)], default=-1)
        if last.source is None:  # it hands a result back: after everything that may stop the plan
            earliest = max(earliest, self.fallible)
        for at in self._candidates(last, outside, earliest):
            if self._try(at, chain):
                return True
        folded = last.axes if isinstance(last, Fold) else ()
        self.groups.append(Group("nest", last.shape, [], folded))
        if self._try(len(self.groups) - 1, chain):
            return True
        self.groups.pop()
        return False

    def _try(self, at: int, chain: Sequence[Point | Fold]) -> bool:
        group = self.groups[at]
        before, folded = len(group.instructions), group.folded
        present = set(group.touched()[0])
        for instruction in chain:
            if instruction is not chain[-1] and instruction.out.array in present:
                continue  # somebody here has computed it
            placed = fitted(instruction, group, instruction is chain[-1])
            if placed is None:
                del group.instructions[before:]
                group.folded = folded
                return False
            group.instructions.append(placed)
            if isinstance(placed, Fold) and not group.folded:
                group.folded = placed.axes
        added = group.instructions[before:]
        del group.instructions[before:]
        for entering in added:
            self._enter(at, entering)
        return True

    def _candidates(self, instruction: Point | Fold, reads: Sequence[Array], earliest: int) -> list[int]:
        """The groups to try: the one whose results it reads first, then those that read the same arrays."""
        found = [earliest] if earliest >= 0 else []
        shared = {at for a in reads for at in self.touched.get(a, ()) if at > earliest}
        if math.prod(instruction.shape) == 1:
            last = range(max(earliest + 1, len(self.groups) - NEAR), len(self.groups))
            shared |= {at for at in last if math.prod(self.groups[at].shape) == 1}
        return [at for at in (*found, *sorted(shared)) if len(self.groups[at].instructions) < LARGEST]

    def _enter(self, at: int, instruction: Instruction) -> None:
        group = self.groups[at]
        group.instructions.append(instruction)
        if isinstance(instruction, Fold) and not group.folded:
            group.folded = instruction.axes
        for access in instruction.writes:
            if access.array in self.deferred:
                self.computed.setdefault(access.array, at)
            else:
                self.written[access.array] = max(at, self.written.get(access.array, -1))
        for access in instruction.reads:
            self.touched.setdefault(access.array, set()).add(at)


_KINDS: dict[type[Instruction], str] = {
    Product: "product",
    Convolve: "product",
    Call: "call",
    Check: "check",
    RowMove: "rows",
    Special: "special",
    Loop: "loop",
}


def _can_wait(instruction: Point) -> bool:
    """Whether it costs no more to compute something where it is used: cheap, and from one array of its size."""
    if instruction.name in COSTLY or instruction.out.array.pieces:
        return False
    size = math.prod(instruction.shape)
    array = instruction.out.array
    if size == 1 or array.layered or array.role != "temporary" or instruction.out != array.whole():
        return False
    wide = [
        a
        for a in instruction.reads
        if math.prod([n for n, s in zip(a.shape, a.strides, strict=True) if s]) == size
    ]
    return len(wide) <= 1
