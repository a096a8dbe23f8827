"""The lowered program: instructions over arrays, in order, each knowing the equation that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cell import Cell
from ..core.mapping import Mapping
from ..core.spec import Shape
from ..transforms.graph import Equation
from .access import Access, Array, Operand

if TYPE_CHECKING:
    from .group import Group

__all__ = [
    "Call",
    "Check",
    "Convolve",
    "Fold",
    "Follow",
    "Instruction",
    "Loop",
    "Point",
    "Product",
    "Program",
    "RowMove",
    "Special",
]


@dataclass(eq=False)
class Instruction:
    """Something done to arrays. `reads` and `writes` are all that it touches."""

    source: Equation | None

    @property
    def reads(self) -> Sequence[Access]:
        """What is read."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it reads")

    @property
    def writes(self) -> Sequence[Access]:
        """What is written."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")

    @property
    def fallible(self) -> bool:
        """Whether it may stop the plan."""
        return False


@dataclass(eq=False)
class Point(Instruction):
    """One scalar operation at each index of `shape`; every operand is spread over it."""

    name: str
    shape: Shape
    operands: tuple[Operand, ...]
    out: Access
    common: np.dtype[Any]
    static: dict[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> list[Access]:
        return [x for x in self.operands if isinstance(x, Access)]

    @property
    def writes(self) -> list[Access]:
        return [self.out]


@dataclass(eq=False)
class Fold(Instruction):
    """Elements folded over `axes` of `shape` by add, mul, max or min; the result does not move along these axes."""

    operation: str
    shape: Shape
    operand: Operand
    out: Access
    axes: tuple[int, ...]

    @property
    def reads(self) -> list[Access]:
        return [self.operand] if isinstance(self.operand, Access) else []

    @property
    def writes(self) -> list[Access]:
        return [self.out]


@dataclass(eq=False)
class Product(Instruction):
    """Matrix products C = A·B of the last two axes, one for each index of the axes before them."""

    a: Access
    b: Access
    out: Access

    @property
    def turned(self) -> bool:
        """Whether Cᵀ = BᵀAᵀ is computed instead, because the columns of C are not consecutive but its rows are."""
        c = self.out
        return c.strides[-1] != 1 and not (c.shape[-1] == 1 and c.strides[-2] != 1)

    @property
    def reads(self) -> list[Access]:
        return [self.a, self.b]

    @property
    def writes(self) -> list[Access]:
        return [self.out]


@dataclass(eq=False)
class Convolve(Instruction):
    """A convolution, or its gradient with respect to the input or the weights (`part`).

    Images have their channels last in memory, weights (*kernel, inputs, outputs). `a` and `b` are x and the
    weights; y and the weights; x and y.
    """

    part: str
    settings: Any
    a: Access
    b: Access
    out: Access

    @property
    def reads(self) -> list[Access]:
        return [self.a, self.b]

    @property
    def writes(self) -> list[Access]:
        return [self.out]


@dataclass(eq=False)
class Special(Instruction):
    """Something that has a kernel of its own, named by `kind`; `settings` are what that kernel is emitted for."""

    kind: str
    settings: tuple[Any, ...]
    outs: tuple[Access, ...]
    ins: tuple[Access, ...]

    @property
    def reads(self) -> list[Access]:
        return list(self.ins)

    @property
    def writes(self) -> list[Access]:
        return list(self.outs)


@dataclass(eq=False)
class RowMove(Instruction):
    """Rows of a table chosen by positions: gathered, or (`scatter`) added up where the positions say.

    The rows are the trailing axes behind axis 0 of the table, without gaps; `positions` has been checked.
    """

    table: Access
    positions: Access
    rows: Access
    scatter: bool

    @property
    def reads(self) -> list[Access]:
        return [self.positions, self.rows if self.scatter else self.table]

    @property
    def writes(self) -> list[Access]:
        return [self.table if self.scatter else self.rows]


@dataclass(eq=False)
class Check(Instruction):
    """Positions that have to lie in 0, …, bound − 1, or if they may be `negative` in −bound, …, bound − 1.

    Where they do not, the plan stops before anything is changed.
    """

    negative: bool = field(default=False, kw_only=True)
    positions: Access
    bound: int

    @property
    def fallible(self) -> bool:
        return True

    def same_as_one_of(self, others: Sequence[Check]) -> bool:
        """Whether another check looks at the same elements with the same bounds."""
        mine = self._elements()
        bounds = self.bound, self.negative
        return any(mine == other._elements() and bounds == (other.bound, other.negative) for other in others)

    def _elements(self) -> Any:
        x = self.positions
        moving = tuple((n, s) for n, s in zip(x.shape, x.strides, strict=True) if n != 1)
        return x.array.number, x.offset, moving

    @property
    def reads(self) -> list[Access]:
        return [self.positions]

    @property
    def writes(self) -> list[Access]:
        return []


@dataclass(eq=False)
class Call(Instruction):
    """A mapping without a kernel: its own evaluation runs inside the plan."""

    mapping: Mapping
    inputs: tuple[Any, ...]
    """Accesses, and constants as they are."""
    outs: tuple[Access, ...]
    static: dict[str, Any]
    several: bool

    @property
    def fallible(self) -> bool:
        return True

    @property
    def reads(self) -> list[Access]:
        return [x for x in self.inputs if isinstance(x, Access)]

    @property
    def writes(self) -> list[Access]:
        return list(self.outs)


@dataclass(frozen=True)
class Follow:
    """Where an array of a loop's body lies in turn i = 0, 1, …: `start + i·advance` elements into what is touched.

    `touched` and `other` count among what the loop reads and writes; in odd turns it is the other one, if there is one.
    """

    array: Array
    touched: int
    start: int = 0
    advance: int = 0
    other: int | None = None

    @property
    def places(self) -> list[int]:
        """What it lies in: one, or two in turn."""
        return list(dict.fromkeys(at for at in (self.touched, self.other) if at is not None))


@dataclass(eq=False)
class Loop(Instruction):
    """Groups of instructions that are gone through `length` times.

    `ins` are read and `outs` written, of which `kept` (carried from turn to turn) are read as well. What a turn
    computes on its way lies in `room`, whose size is known when the kernels are.
    """

    groups: list[Group]
    results: list[Access]
    """What has to be in memory after a turn, as the body sees it."""
    follows: list[Follow]
    length: int
    ins: tuple[Access, ...]
    kept: tuple[Access, ...]
    outs: tuple[Access, ...]
    room: Array
    predicate: Access | None = None
    """A truth value without which nothing is done; with `otherwise` one with which nothing is done."""
    otherwise: bool = False

    @property
    def fallible(self) -> bool:
        return any(i.fallible for group in self.groups for i in group.instructions)

    @property
    def touched(self) -> tuple[Access, ...]:
        """What `follows` count."""
        return (*self.ins, *self.kept, *self.outs)

    @property
    def reads(self) -> list[Access]:
        return [*self.ins, *self.kept, *([] if self.predicate is None else [self.predicate])]

    @property
    def writes(self) -> list[Access]:
        return [*self.kept, *self.outs, self.room.whole()]


@dataclass
class Program:
    """Instructions in order, with the arrays that come from outside and go there.

    `inputs` are the arguments, `reads` the cells' arrays. `outputs` and `writes` say what is handed back: an
    access, or a constant.
    """

    instructions: list[Instruction]
    inputs: list[Array]
    reads: dict[Cell, Array]
    outputs: list[Any]
    writes: dict[Cell, Any]
    constants: list[Array]

    def readers(self) -> dict[Array, list[Instruction]]:
        """Return, for each array, the instructions that read it."""
        found: dict[Array, list[Instruction]] = {}
        for instruction in self.instructions:
            for access in instruction.reads:
                found.setdefault(access.array, []).append(instruction)
        return found

    def results(self) -> Iterator[Access]:
        """Go through what is handed back."""
        for value in (*self.outputs, *self.writes.values()):
            if isinstance(value, Access):
                yield value
