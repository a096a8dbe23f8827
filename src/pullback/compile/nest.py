"""The loops of a group: its axes in order of memory, what is kept in registers, and in which pass it is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .access import Access, Array, Immediate, Iota, Operand
from .costs import COSTLY
from .group import Group
from .program import Fold, Point

__all__ = [
    "Index",
    "Loaded",
    "Nest",
    "Number",
    "Place",
    "Result",
    "Source",
    "Step",
    "analysed",
    "build_steps",
]

@dataclass(frozen=True)
class Place:
    """A parameter of the kernel: where one access starts, and its strides along the loops."""

    dtype: np.dtype[Any]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Loaded:
    """An operand that comes from memory: the number of the place."""

    place: int


@dataclass(frozen=True)
class Result:
    """An operand that another step has computed."""

    step: int


@dataclass(frozen=True)
class Number:
    """An operand written into the code."""

    number: Any
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Index:
    """An operand that is the index along a loop."""

    axis: int
    dtype: np.dtype[Any]


Source = Loaded | Result | Number | Index


@dataclass
class Step:
    """One scalar operation, or the folding of one operand.

    `by_row` says that it does not move along the folded axes; `stage` is the pass in which it is computed, or,
    for what is known by row, the pass after which it is (−1: before the first).
    """

    operation: str
    fold: bool
    sources: tuple[Source, ...]
    common: np.dtype[Any]
    dtype: np.dtype[Any]
    static: tuple[tuple[str, Any], ...]
    by_row: bool
    stage: int
    out: int | None = None
    """The place in which the result is stored, if any."""


@dataclass
class Nest:
    """A group as loops.

    `lengths` are those of the loops, the rows' first and the folded ones last, each from the outermost to the
    innermost; `rows` counts the former. `across` is the loop whose elements fill a register.
    """

    lengths: tuple[int, ...]
    rows: int
    across: int
    places: list[Place] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def horizontal(self) -> bool:
        """Whether the lanes of a register are folded into one another."""
        return self.across >= self.rows

    def key(self) -> Any:
        """Return what the emitted code depends on."""
        steps = tuple((s.operation, s.fold, s.sources, s.common, s.dtype, s.static, s.stage, s.out) for s in self.steps)
        return self.lengths, self.rows, self.across, tuple(self.places), steps

    @property
    def stages(self) -> int:
        """The number of passes over the folded axes."""
        return 1 + max((s.stage for s in self.steps if s.fold or not s.by_row), default=0)


def analysed(group: Group, kept: set[Array]) -> Nest:
    """Return the loops of a group. `kept` are the arrays that have to be stored, because they are read elsewhere.

    What is costly and used in a later pass is added to `kept`.
    """
    instructions = [i for i in group.instructions if isinstance(i, Point | Fold)]
    order = _order(group, instructions)
    across = order[-1] if order else None
    rows = [a for a in order if a not in group.folded]
    inner = [a for a in order if a in group.folded]
    operands = [x for i in instructions for x in (*_operands(i), i.out)]
    joined = [*_collapsed(rows, operands, group.shape), *_collapsed(inner, operands, group.shape)]
    count = len(_collapsed(rows, operands, group.shape))
    position = next((k for k, axes in enumerate(joined) if across in axes), 0)
    nest = Nest(tuple(math.prod(group.shape[a] for a in axes) for axes in joined), count, position)
    _Builder(nest, joined, group, kept).build(instructions)
    return nest


def build_steps(nest: Nest, joined: list[list[int]], group: Group, kept: set[Array], product: Access) -> None:
    """Make the steps of what stands behind a product; step 0 is the product itself."""
    builder = _Builder(nest, joined, group, kept)
    nest.steps.append(Step("product", False, (), product.dtype, product.dtype, (), False, 0))
    builder.writers.append((product, 0))
    builder.build([i for i in group.instructions if isinstance(i, Point)])
    nest.steps[0].out = None  # the product's kernel stores it


def _operands(instruction: Point | Fold) -> tuple[Operand, ...]:
    return (instruction.operand,) if isinstance(instruction, Fold) else instruction.operands


def _order(group: Group, instructions: Sequence[Point | Fold]) -> list[int]:
    """Return the axes that have more than one element, from the outermost in memory to the innermost."""
    accesses = [i.out for i in instructions if isinstance(i, Point)]
    accesses += [x for i in instructions for x in _operands(i) if isinstance(x, Access)]
    moving = [a for a in range(len(group.shape)) if group.shape[a] != 1]
    widest = max(accesses, key=lambda x: sum(1 for a in moving if x.strides[a]), default=None)
    if widest is None:
        return moving
    return sorted(moving, key=lambda a: (-abs(widest.strides[a]) if widest.strides[a] else -(1 << 62), a))


def _collapsed(axes: Sequence[int], operands: Sequence[Operand], shape: Sequence[int]) -> list[list[int]]:
    """Join neighbouring axes that every access goes through as if they were one."""
    counted = {x.axis for x in operands if isinstance(x, Iota)}
    accesses = [x for x in operands if isinstance(x, Access)]
    found: list[list[int]] = []
    for axis in axes:
        before = found[-1][-1] if found else None
        if (
            before is not None
            and axis not in counted
            and before not in counted
            and all(x.strides[before] == x.strides[axis] * shape[axis] for x in accesses)
        ):
            found[-1].append(axis)
        else:
            found.append([axis])
    return found


class _Builder:
    def __init__(self, nest: Nest, joined: list[list[int]], group: Group, kept: set[Array]) -> None:
        self.nest = nest
        self.joined = joined
        self.group = group
        self.kept = kept
        self.numbers: dict[Any, int] = {}
        self.writers: list[tuple[Access, int]] = []

    def build(self, instructions: Sequence[Point | Fold]) -> None:
        """Make the steps, and give those a place whose results are stored."""
        for instruction in instructions:
            self._add(instruction)
        self._keep_what_is_costly()
        for access, number in self.writers:
            if access.array in self.kept and self.nest.steps[number].operation != "product":
                self.nest.steps[number].out = self._place(access)

    def _add(self, instruction: Point | Fold) -> None:
        sources = tuple(self._source(x) for x in _operands(instruction))
        fold = isinstance(instruction, Fold)
        folded = self.group.folded
        out = instruction.out
        by_row = fold or (
            bool(folded)
            and all(out.strides[a] == 0 or self.group.shape[a] == 1 for a in folded)
            and all(self._known_by_row(s) for s in sources)
        )
        stage = -1 if by_row and not fold else 0
        for source in sources:
            if isinstance(source, Result):
                step = self.nest.steps[source.step]
                stage = max(stage, step.stage + (1 if step.by_row and (fold or not by_row) else 0))
        if isinstance(instruction, Fold):
            operation, common = instruction.operation, out.dtype
            static: tuple[tuple[str, Any], ...] = ()
        else:
            operation, common = instruction.name, instruction.common
            static = tuple(sorted(instruction.static.items()))
        self.nest.steps.append(Step(operation, fold, sources, common, out.dtype, static, by_row, stage))
        self.writers.append((out, len(self.nest.steps) - 1))

    def _known_by_row(self, source: Source) -> bool:
        if isinstance(source, Result):
            return self.nest.steps[source.step].by_row
        if isinstance(source, Loaded):
            return not any(self.nest.places[source.place].strides[self.nest.rows :])
        return isinstance(source, Number) or source.axis < self.nest.rows

    def _source(self, x: Operand) -> Source:
        if isinstance(x, Immediate):
            return Number(x.number, x.dtype)
        if isinstance(x, Iota):
            loop = next((k for k, axes in enumerate(self.joined) if x.axis in axes), None)
            return Number(0, x.dtype) if loop is None else Index(loop, x.dtype)
        for access, number in reversed(self.writers):
            if access.array is x.array and access.same_elements(x):
                return Result(number)
        return Loaded(self._place(x))

    def _place(self, access: Access) -> int:
        strides = tuple(
            next((access.strides[a] for a in reversed(axes) if self.group.shape[a] != 1), 0) for axes in self.joined
        )
        known = (access.array, access.offset, strides)
        if known not in self.numbers:
            self.numbers[known] = len(self.nest.places)
            self.nest.places.append(Place(access.dtype, strides))
            self.nest.accesses.append(access)
        return self.numbers[known]

    def _keep_what_is_costly(self) -> None:
        """Have what a later pass would compute again at some cost stored, and loaded there."""
        steps = self.nest.steps
        if self.nest.stages == 1:
            return
        used_later = {
            source.step
            for step in steps
            if not step.by_row or step.fold
            for source in step.sources
            if isinstance(source, Result) and not steps[source.step].by_row and steps[source.step].stage < step.stage
        }
        costly: set[int] = set()
        for number, step in enumerate(steps):
            behind = any(isinstance(s, Result) and s.step in costly for s in step.sources)
            if not step.by_row and (step.operation in COSTLY or behind):
                costly.add(number)
        for access, number in self.writers:
            if number in used_later and number in costly:
                self.kept.add(access.array)
