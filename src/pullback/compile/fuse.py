"""Fusion: instructions that go through the same space, and meet in registers, become one kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

from ..core.spec import Shape
from .access import Access, Array, Iota, Operand
from .program import Call, Check, Convolve, Fold, Instruction, Point, Product, Program, RowMove, Special

__all__ = ["COSTLY", "Group", "grouped", "rows_and_column"]

COSTLY = frozenset(
    {
        "exp", "expm1", "log", "log1p", "log2", "log10", "pow", "sigmoid", "log_sigmoid", "softplus",
        "logaddexp", "erf", "erfc", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
        "asinh", "acosh", "atanh", "atan2", "hypot", "elu", "celu", "selu", "silu", "mish", "gelu",
        "gelu_tanh", "remainder", "floor_divide",
    }
)  # fmt: skip
"""Scalar operations that are rather kept in memory than computed again."""

NEAR = 6
"""How many of the last groups are looked at for one that takes another single number."""

LARGEST = 48
"""How many instructions one kernel takes at the most."""


Touched = dict[Array, list[Access]]


@dataclass(eq=False)
class Group:
    """Instructions that run as one kernel, in order.

    A `nest` goes through `shape`; its folds all fold the axes `folded`. A `product` may have scalar
    operations behind it, which act on its results while they are in registers. Everything else stands alone.
    """

    kind: str
    shape: Shape
    instructions: list[Instruction] = field(default_factory=list)
    folded: tuple[int, ...] = ()
    _touched: tuple[int, Touched, Touched] = field(default_factory=lambda: (0, {}, {}))

    def touched(self) -> tuple[Touched, Touched]:
        """Return how each array is written, and how it is read, by the instructions so far."""
        known, written, read = self._touched
        if known > len(self.instructions):  # some were taken back
            known, written, read = 0, {}, {}
        for instruction in self.instructions[known:]:
            for access in instruction.writes:
                written.setdefault(access.array, []).append(access)
            for access in instruction.reads:
                read.setdefault(access.array, []).append(access)
        self._touched = len(self.instructions), written, read
        return written, read

    @property
    def reads(self) -> list[Access]:
        """What is read, also what another instruction of the group writes."""
        return [x for i in self.instructions for x in i.reads]

    @property
    def writes(self) -> list[Access]:
        """What is written."""
        return [x for i in self.instructions for x in i.writes]


def grouped(program: Program) -> list[Group]:
    """Return the program as groups, in an order in which each finds what it reads."""
    fusion = _Fusion()
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
    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.written: dict[Array, int] = {}
        """The last group that writes an array."""
        self.touched: dict[Array, set[int]] = {}
        """The groups that read an array."""
        self.deferred: dict[Array, Point] = {}
        """What is cheap to compute from one array, and is computed by whoever wants it."""
        self.fallible = -1
        """The last group that may stop the plan."""

    def place(self, instruction: Instruction) -> None:
        """Put an instruction into the first group that can take it, or into a new one."""
        if _can_wait(instruction):
            assert isinstance(instruction, Point)
            self.deferred[instruction.out.array] = instruction
            return
        chain = self._awaited(instruction)
        if isinstance(instruction, Point | Fold):
            if not self._enter_together([*chain, instruction]):
                self._settle(chain)
                if not self._enter_together([instruction]):
                    raise AssertionError("a group of its own takes any instruction")
            return
        self._settle(chain)
        shape = instruction.out.shape if isinstance(instruction, Product | Convolve) else ()
        self.groups.append(Group(_KINDS[type(instruction)], shape))
        if isinstance(instruction, Call | Check):
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

    def _settle(self, chain: Sequence[Point]) -> None:
        """Compute what has waited, for good."""
        for waiting in chain:
            if waiting.out.array in self.deferred:
                del self.deferred[waiting.out.array]
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
            fitted = _fitted(instruction, group, instruction is chain[-1])
            if fitted is None:
                del group.instructions[before:]
                group.folded = folded
                return False
            group.instructions.append(fitted)
            if isinstance(fitted, Fold) and not group.folded:
                group.folded = fitted.axes
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
            if access.array not in self.deferred:
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
}


def _can_wait(instruction: Instruction) -> bool:
    """Whether it costs no more to compute something where it is used: cheap, and from one array of its size."""
    if not isinstance(instruction, Point) or instruction.name in COSTLY or instruction.out.array.pieces:
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


def _fitted(instruction: Point | Fold, group: Group, reader: bool) -> Point | Fold | None:
    """Return the instruction as it goes through the group's space, or None where it does not fit there.

    Behind a product stands what reads its result (`reader`), and what that needs.
    """
    if group.kind not in ("nest", "product") or len(group.instructions) >= LARGEST:
        return None
    if group.kind == "product" and (
        rows_and_column(group) is None
        or isinstance(instruction, Fold)
        or math.prod(instruction.shape) != math.prod(group.shape)
        or any(isinstance(x, Iota) for x in instruction.operands)
    ):
        return None
    if isinstance(instruction, Fold) and group.folded and instruction.shape != group.shape:
        return None
    for candidate in _embedded(instruction, group):
        if _meets(candidate, group, reader) and (group.kind != "product" or _by_rows(candidate, group)):
            return candidate
    return None


def _embedded(instruction: Point | Fold, group: Group) -> list[Point | Fold]:
    """Return the ways in which the space of an instruction lies within that of a group."""
    mine, whole = instruction.shape, group.shape
    if mine == whole:
        return [instruction]
    if math.prod(mine) == math.prod(whole):
        other = _reshaped(instruction, whole)
        return [] if other is None else [other]
    if isinstance(instruction, Fold) or any(isinstance(x, Iota) for x in instruction.operands):
        return []
    found: list[Point | Fold] = []
    rows = [i for i in range(len(whole)) if i not in group.folded]
    for axes in _placements(mine, whole, rows):
        operands = tuple(_placed(x, axes, whole) for x in instruction.operands)
        out = _placed(instruction.out, axes, whole)
        assert isinstance(out, Access)
        found.append(replace(instruction, shape=whole, operands=operands, out=out))
    return found


def _placements(mine: Shape, whole: Shape, rows: Sequence[int]) -> list[tuple[int | None, ...]]:
    """Return where each axis of `mine` may stand among the axes of `whole` that are not folded.

    An axis of length 1 needs no place (None). All the axes in `rows` have to be filled, else an element
    would be computed more than once.
    """
    moving = [i for i, n in enumerate(mine) if n != 1]
    needed = [i for i in rows if whole[i] != 1]
    if len(moving) != len(needed):
        return []
    found = []
    for chosen in combinations(needed, len(moving)):
        if all(mine[i] == whole[j] for i, j in zip(moving, chosen, strict=True)):
            places: list[int | None] = [None] * len(mine)
            for i, j in zip(moving, chosen, strict=True):
                places[i] = j
            found.append(tuple(places))
    return found


def _reshaped(instruction: Point | Fold, whole: Shape) -> Point | Fold | None:
    """Return the instruction with its axes joined and parted as those of `whole`, where its strides allow it."""
    blocks = _blocks(instruction.shape, whole)
    out = _joined(instruction.out, blocks, whole)
    if out is None:
        return None
    if isinstance(instruction, Fold):
        operand = _joined(instruction.operand, blocks, whole)
        axes: list[int] = []
        for mine, theirs in blocks:
            folded = {i in instruction.axes for i in mine if instruction.shape[i] != 1}
            if len(folded) > 1:
                return None
            if folded == {True}:
                axes += theirs
        if operand is None:
            return None
        return replace(instruction, shape=whole, operand=operand, out=out, axes=tuple(axes))
    operands = [_joined(x, blocks, whole) for x in instruction.operands]
    if any(x is None for x in operands):
        return None
    return replace(instruction, shape=whole, operands=tuple(operands), out=out)


def _blocks(mine: Shape, whole: Shape) -> list[tuple[list[int], list[int]]]:
    """Return the axes of two shapes of one size in groups whose lengths have the same product."""
    found = []
    i = j = 0
    while i < len(mine) or j < len(whole):
        ours: list[int] = []
        theirs: list[int] = []
        p = q = 1
        while (not ours and not theirs) or p != q:
            if (p <= q or j == len(whole)) and i < len(mine):
                ours.append(i)
                p *= mine[i]
                i += 1
            else:
                theirs.append(j)
                q *= whole[j]
                j += 1
        found.append((ours, theirs))
    return found


def _joined(x: Operand, blocks: Sequence[tuple[list[int], list[int]]], whole: Shape) -> Any:
    if isinstance(x, Iota):
        return None
    if not isinstance(x, Access):
        return x
    strides = [0] * len(whole)
    for ours, theirs in blocks:
        moving = [i for i in ours if x.shape[i] != 1]
        if not moving:
            continue
        step = x.strides[moving[-1]]
        inner = 1
        for i in reversed(moving):
            if x.strides[i] != step * inner:
                return None
            inner *= x.shape[i]
        for j in reversed(theirs):
            strides[j] = step
            step *= whole[j]
    return Access(x.array, x.offset, whole, tuple(strides))


def _placed(x: Operand, axes: Sequence[int | None], whole: Shape) -> Operand:
    if not isinstance(x, Access):
        return x
    strides = [0] * len(whole)
    for stride, axis in zip(x.strides, axes, strict=True):
        if axis is not None:
            strides[axis] = stride
    return Access(x.array, x.offset, whole, tuple(strides))


def _meets(instruction: Point | Fold, group: Group, reader: bool) -> bool:
    """Whether each value that the instruction takes from the group is at hand where it is wanted."""
    if isinstance(instruction, Fold) and group.folded and instruction.axes != group.folded:
        return False
    if isinstance(instruction, Fold) and not group.folded and not _rows_only(group, instruction.axes):
        return False
    written, read = group.touched()
    read_here = False
    for access in instruction.reads:
        for other in written.get(access.array, ()):
            if not _in_space(other, group).same_elements(access):
                return False
            read_here = True
    for access in instruction.writes:
        if access.array in written and not access.array.pieces:
            return False
        if any(access.overlaps(other) for other in read.get(access.array, ())):
            return False
    return read_here or not reader or group.kind != "product"


def _in_space(written: Access, group: Group) -> Access:
    return written if written.shape == group.shape else written.spread(group.shape)


def _rows_only(group: Group, axes: tuple[int, ...]) -> bool:
    """Whether every value of the group moves along the axes, as a fold over them needs it of what came before."""
    return all(
        isinstance(i, Point) and all(i.out.strides[a] or group.shape[a] == 1 for a in axes) for i in group.instructions
    )


def rows_and_column(group: Group) -> tuple[tuple[int, ...], int] | None:
    """Return the axes of rows and that of columns of what a product writes, whose columns are consecutive.

    None where nothing can stand behind it.
    """
    product = group.instructions[0]
    assert isinstance(product, Product | Convolve)
    if isinstance(product, Convolve) and product.part == "weight":
        return None
    out = product.out
    column = 1 if isinstance(product, Convolve) else len(out.shape) - (2 if product.turned else 1)
    return tuple(a for a in range(len(out.shape)) if a != column), column


def _by_rows_and_columns(x: Access, axes: tuple[tuple[int, ...], int]) -> tuple[int, int] | None:
    """Return the strides of an access along the rows, taken as one axis, and along the columns."""
    rows = [a for a in axes[0] if x.shape[a] != 1]
    step = x.strides[rows[-1]] if rows else 0
    for outer, inner in pairwise(rows):
        if x.strides[outer] != x.strides[inner] * x.shape[inner]:
            return None
    return step, x.strides[axes[1]]


def _by_rows(instruction: Point | Fold, group: Group) -> bool:
    """Whether every access goes by the product's rows and columns."""
    axes = rows_and_column(group)
    assert isinstance(instruction, Point)
    return axes is not None and all(
        _by_rows_and_columns(x, axes) is not None
        for x in (*instruction.operands, instruction.out)
        if isinstance(x, Access)
    )
