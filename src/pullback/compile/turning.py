"""Arrays read across their order in memory: turned by squares in registers first, then read along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..core.spec import Shape
from .access import Access, Operand
from .builder import Lowering
from .emit.moving import Move, turns
from .program import Instruction, Point, Special

__all__ = ["by_squares"]

LARGE = 1 << 12
"""From how many elements on it pays: fewer stay in the first cache, in whatever order they are read."""


def by_squares(lowering: Lowering, instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions with every large operand that lies across its result turned beforehand.

    A loop that runs along one of the two arrays jumps through the other one, a line of the cache for each element.
    """
    result: list[Instruction] = []
    for instruction in instructions:
        if not isinstance(instruction, Point):
            result.append(instruction)
            continue
        out = instruction.out
        if (move := _plain(instruction)) is not None:
            result.append(Special(instruction.source, "move", (move,), (out,), tuple(instruction.reads)))
            continue
        turned: dict[Access, Access] = {}
        operands: list[Operand] = []
        for x in instruction.operands:
            if isinstance(x, Access) and x not in turned and _across(out, x) is not None:
                copy, move = _turned(lowering, out, x)
                turned[x] = copy.spread(x.shape)
                one = Access(x.array, x.offset, copy.shape, x.strides)
                result.append(Special(instruction.source, "move", (move,), (copy,), (one,)))
            operands.append(turned.get(x, x) if isinstance(x, Access) else x)
        result.append(replace(instruction, operands=tuple(operands)) if turned else instruction)
    return result


def _plain(point: Point) -> Move | None:
    """Return the move that the instruction is, if it only copies and that is a large transposition."""
    if point.name != "copy" or len(point.reads) != 1:
        return None
    (x,) = point.reads
    return None if x.dtype != point.out.dtype or 0 in x.strides else _across(point.out, x)


def _across(out: Access, x: Access) -> Move | None:
    """Return the move of x, without the axes along which it is repeated, if it is a large transposition."""
    move = Move(_distinct(x), out.strides, x.strides, x.dtype.itemsize)
    large = math.prod(move.shape) >= LARGE and move.itemsize >= 4
    return move if large and turns(move) else None


def _turned(lowering: Lowering, out: Access, x: Access) -> tuple[Access, Move]:
    """Return room for x in the order of out, without the axes along which it is repeated, and the move there."""
    shape = _distinct(x)
    order = sorted(range(len(shape)), key=lambda axis: (-abs(out.strides[axis]), axis))
    copy = lowering.array(shape, x.dtype, order=order).whole()
    return copy, Move(shape, copy.strides, x.strides, x.dtype.itemsize)


def _distinct(x: Access) -> Shape:
    return tuple(1 if s == 0 else n for n, s in zip(x.shape, x.strides, strict=True))
