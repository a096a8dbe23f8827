"""A matrix times a number, times another matrix: the number comes last, where that costs less.

(s·A)·B = s·(A·B): instead of a copy of A that is s times as large, which is written, kept and read, each product is
multiplied by s while it is in registers.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import replace

from .access import Access, Array, Immediate
from .builder import Lowering
from .costs import CHEAP, KEPT, moved
from .program import Instruction, Point, Product

__all__ = ["scaled_late"]

LARGEST = 1e4
"""Numbers larger than this, or smaller than one over it, stay where they are: the product might leave the format."""


def scaled_late(
    lowering: Lowering, instructions: Sequence[Instruction], results: Container[Array]
) -> list[Instruction]:
    """Return the instructions with products of an array that is a multiple of another one made of that other one.

    What is among the `results` is wanted as it is.
    """
    readers: dict[Array, list[Instruction]] = {}
    for instruction in instructions:
        for access in instruction.reads:
            readers.setdefault(access.array, []).append(instruction)
    instead: dict[Array, Point] = {}
    for instruction in instructions:
        if not isinstance(instruction, Point) or instruction.out.array in results:
            continue
        if _pays(instruction, readers.get(instruction.out.array, [])):
            instead[instruction.out.array] = instruction
    result: list[Instruction] = []
    for instruction in instructions:
        if isinstance(instruction, Point) and instruction.out.array in instead:
            continue
        if not isinstance(instruction, Product) or not any(x.array in instead for x in instruction.reads):
            result.append(instruction)
            continue
        result += _late(lowering, instruction, instead)
    return result


def _pays(point: Point, users: Sequence[Instruction]) -> bool:
    """Whether an instruction is a multiple that only products use, and these are not much larger than it."""
    multiple = _multiple(point)
    if multiple is None or not users:
        return False
    x, out, array = multiple[0], point.out, point.out.array
    whole = array.role == "temporary" and not array.layered and not array.pieces and out == array.whole()
    if not whole or x.dtype != out.dtype or out.dtype.kind != "f" or 0 in x.strides:
        return False
    if not all(isinstance(user, Product) and _fits(user, point) for user in users):
        return False
    later = sum(CHEAP * moved(user.writes[0]) / 4 for user in users)
    return later < moved(out) * (2 + KEPT)


def _multiple(point: Point) -> tuple[Access, Immediate] | None:
    """Return what is multiplied by a number, and the number, where that is near enough to 1."""
    if point.name != "multiply":
        return None
    for x, number in (point.operands, point.operands[::-1]):
        if isinstance(x, Access) and isinstance(number, Immediate):
            size = abs(float(number.number))
            return (x, number) if math.isfinite(size) and 1 / LARGEST <= size <= LARGEST else None
    return None


def _fits(product: Product, point: Point) -> bool:
    """Whether a product could take what is multiplied in the place of the multiple."""
    for x in (product.a, product.b):
        if x.array is point.out.array:
            other = _before(x, point)
            if other is None or product.a.array is product.b.array:
                return False
            right = product.a if product.turned else product.b
            if x is right and 1 not in other.strides[-2:]:
                return False
    return True


def _before(x: Access, point: Point) -> Access | None:
    """Return the access to what is multiplied that goes through it as `x` goes through the multiple."""
    multiple = _multiple(point)
    assert multiple is not None
    source, _ = multiple
    if x.offset or math.prod(x.shape) != math.prod(point.shape):
        return None
    axes = {s: (n, t) for n, s, t in zip(point.shape, point.out.strides, source.strides, strict=True) if n != 1}
    strides = []
    for n, s in zip(x.shape, x.strides, strict=True):
        length, stride = axes.get(s, (0, 0)) if n != 1 else (1, 0)
        if n != length:
            return None
        strides.append(stride)
    return Access(source.array, source.offset, x.shape, tuple(strides))


def _late(lowering: Lowering, product: Product, instead: dict[Array, Point]) -> list[Instruction]:
    found: list[Instruction] = []
    out = product.out
    for side in ("a", "b"):
        x = getattr(product, side)
        point = instead.get(x.array)
        if point is None:
            continue
        before, multiple = _before(x, point), _multiple(point)
        assert before is not None and multiple is not None
        room = lowering.array(out.shape, out.dtype, order=_order(out)).whole()
        a, b = (before, product.b) if side == "a" else (product.a, before)
        product = replace(product, a=a, b=b, out=room)
        found.append(replace(point, shape=out.shape, operands=(room, multiple[1]), out=out))
        out = room
    return [product, *reversed(found)]


def _order(x: Access) -> tuple[int, ...]:
    return tuple(sorted(range(len(x.shape)), key=lambda axis: (-abs(x.strides[axis]), axis)))
