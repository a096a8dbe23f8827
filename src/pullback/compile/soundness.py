"""What holds of a program whatever a pass has made of it: looked at after each pass.

Shapes and dtypes fit, nothing reaches out of its array, and nothing is read before it is written. A pass that breaks
this is an error of the library's own; it is found here, and not in emitted code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.errors import PullbackError
from ..core.spec import Spec
from .access import Access, Array, Iota
from .program import Convolve, Fold, Instruction, Loop, Point, Product, RowMove

__all__ = ["Soundness", "UnsoundProgram", "look_at_body"]


class UnsoundProgram(PullbackError, AssertionError):
    """A pass of the compiler has made a program that does not fit together."""


class Soundness:
    """Looks at a program after each pass. What an earlier look has found in order is not looked at again.

    A `closed` program gets what it reads from its own instructions, or from outside (arguments, cells, constants); the
    body of a loop also reads what lies around it. In a `grouped` one instructions are spread over the loops of their
    group, where a result that stays the same along one of them is written at each of its turns.
    """

    def __init__(self, closed: bool = True, grouped: bool = False) -> None:
        self.closed = closed
        self.grouped = grouped
        self.known: dict[int, Instruction] = {}
        """By `id`; kept so that it stays theirs."""

    def look(self, after: str, instructions: Sequence[Instruction]) -> None:
        """Raise UnsoundProgram if something does not hold after the pass of this name."""
        for instruction in instructions:
            if id(instruction) not in self.known:
                self._complain(after, instruction, self._out_of_place(instruction) or _fault(instruction, self.grouped))
                self.known[id(instruction)] = instruction
        self._in_order(after, instructions)

    def _out_of_place(self, instruction: Instruction) -> str | None:
        for x in (*instruction.reads, *instruction.writes):
            # In a body what stands for an array around it lies as that one does, of which it does not know the size.
            known = self.closed or x.array.role != "input"
            if known and 0 not in x.shape and not _inside(x):
                return f"{x!r} of shape {x.shape} reaches out of its array"
        return None

    def _in_order(self, after: str, instructions: Sequence[Instruction]) -> None:
        made = {x.array for i in instructions for x in i.writes}
        written: set[Array] = set()
        for instruction in instructions:
            # A loop reads what its own earlier turns have written, and a choice leaves as it is what the other fills.
            if isinstance(instruction, Loop):
                written.update(x.array for x in instruction.writes)
            for x in instruction.reads:
                array = x.array
                if array in written or array.role not in ("temporary", "output"):
                    continue
                if array in made or self.closed:
                    self._complain(after, instruction, f"{array!r} is read before it is written")
            written.update(x.array for x in instruction.writes)

    def _complain(self, after: str, instruction: Instruction, fault: str | None) -> None:
        if fault is not None:
            name = instruction.source.mapping.name if instruction.source is not None else "copy"
            raise UnsoundProgram(
                f"compile: after {after!r}, {type(instruction).__name__} of {name}: {fault}. "
                f"This is an error of pullback's own; without pb.compile (or with compile=False) the function runs."
            )


def look_at_body(name: str, promised: Spec, given: Spec) -> None:
    """Raise UnsoundProgram if the body of a composite gives something else than the composite promises.

    The dtype of a number of Python's own is that of what it meets; and a loop that was recorded for fractions makes
    fractions of whole numbers, too.
    """
    other = given.dtype != promised.dtype and given.dtype.kind == promised.dtype.kind
    if given.shape != promised.shape or (given.weak is None and other):
        raise UnsoundProgram(
            f"compile: after 'expanded', the body of {name} gives {given} where {promised} is promised. "
            f"Its spec and its body must agree; without pb.compile (or with compile=False) the function runs."
        )


def _fault(i: Instruction, grouped: bool) -> str | None:
    """Return what is wrong with an instruction by itself; None if nothing is."""
    match i:
        case Point():
            return _fault_of_point(i, grouped)
        case Fold():
            return _fault_of_fold(i, grouped)
        case Product():
            (m, k), (l, n) = i.a.shape[-2:], i.b.shape[-2:]
            lead = {x.shape[:-2] for x in (i.a, i.b, i.out)}
            if len(lead) != 1 or k != l or i.out.shape[-2:] != (m, n):
                return f"{i.a.shape} times {i.b.shape} is not {i.out.shape}"
            return _one_dtype(i.a, i.b, i.out)
        case Convolve():
            return _one_dtype(i.a, i.b, i.out)
        case RowMove():
            if math.prod(i.rows.shape) != math.prod(i.positions.shape) * math.prod(i.table.shape[1:]):
                return f"{i.rows.shape} are not the rows of {i.table.shape} at {i.positions.shape}"
            if i.positions.dtype.kind not in "iu":
                return f"positions are {i.positions.dtype}"
            tight = all(x.contiguous for x in (i.rows, i.positions, i.table))
            return _one_dtype(i.rows, i.table) if tight else "rows, positions or table have gaps"
    return None


def _inside(x: Access) -> bool:
    low = high = x.offset
    for n, s in zip(x.shape, x.strides, strict=True):
        if s < 0:
            low += (n - 1) * s
        else:
            high += (n - 1) * s
    return low >= 0 and high < x.array.size


def _fault_of_point(i: Point, grouped: bool) -> str | None:
    if i.out.shape != i.shape:
        return f"the result has shape {i.out.shape}, the loops {i.shape}"
    if not grouped and any(n > 1 and s == 0 for n, s in zip(i.shape, i.out.strides, strict=True)):
        return "an element of the result is written several times"
    for x in i.operands:
        if isinstance(x, Access) and x.shape != i.shape:
            return f"an operand has shape {x.shape}, the loops {i.shape}"
        if isinstance(x, Iota) and not 0 <= x.axis < len(i.shape):
            return f"there is no axis {x.axis} in {i.shape}"
    return None


def _fault_of_fold(i: Fold, grouped: bool) -> str | None:
    if i.out.shape != i.shape or (isinstance(i.operand, Access) and i.operand.shape != i.shape):
        return f"operand or result have another shape than the loops {i.shape}"
    for axis, (n, s) in enumerate(zip(i.shape, i.out.strides, strict=True)):
        if n > 1 and s and axis in i.axes:
            return f"the result moves along axis {axis} of {i.shape}, which is folded"
        if n > 1 and not s and axis not in i.axes and not grouped:
            return f"the result rests along axis {axis} of {i.shape}, which is not folded"
    return None


def _one_dtype(*accesses: Access) -> str | None:
    dtypes = list(dict.fromkeys(x.dtype.name for x in accesses))
    return None if len(dtypes) == 1 else f"the dtypes {', '.join(dtypes)} meet"
