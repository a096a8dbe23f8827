"""Matrices that many products use: turned once, instead of by each product for itself; and sums of products as one."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from .access import Access, Array
from .builder import Lowering
from .program import Instruction, Point, Product

__all__ = ["turned_once"]

ALIASING = 2048
"""Rows whose distance in bytes is a multiple of this fall on the same few lines of the cache."""


def turned_once(
    lowering: Lowering, instructions: Sequence[Instruction], fixed: Container[Array] = ()
) -> list[Instruction]:
    """Return the instructions with a right-hand matrix that lies column by column copied before its first use.

    That pays where several products take it, or one product of a batch takes it every time, or every turn of a loop
    in which the array is `fixed`.
    """
    uses: dict[Any, int] = {}
    for instruction in instructions:
        if isinstance(instruction, Product) and (key := _columnwise(instruction)) is not None:
            times = 2 if instruction.b.array in fixed else math.prod(instruction.out.shape[:-2])
            uses[key] = uses.get(key, 0) + times
    copies: dict[Any, Access] = {}
    result: list[Instruction] = []
    for instruction in instructions:
        key = _columnwise(instruction) if isinstance(instruction, Product) else None
        if key is None or uses[key] < 2:
            result.append(instruction)
            continue
        assert isinstance(instruction, Product)
        b = instruction.b
        if key not in copies:
            copy = _room(lowering, b)
            matrix = Access(b.array, b.offset, b.shape[-2:], b.strides[-2:])
            result.append(Point(instruction.source, "copy", matrix.shape, (matrix,), copy, b.dtype))
            copies[key] = copy
        copy = copies[key]
        lead = len(b.shape) - 2
        turned = Access(copy.array, 0, b.shape, (*(0,) * lead, *copy.strides))
        result.append(replace(instruction, b=turned))
    return result


def _columnwise(product: Product) -> Any:
    """Return what identifies the right-hand matrix, if it is one for the whole batch and lies column by column."""
    b = product.b
    one = not any(s for n, s in zip(b.shape[:-2], b.strides[:-2], strict=True) if n != 1)
    if product.turned or not one or b.strides[-1] == 1 or min(b.shape[-2:]) == 1:
        return None
    return b.array, b.offset, b.shape[-2:], b.strides[-2:]


def _room(lowering: Lowering, b: Access) -> Access:
    """Return room for a matrix row by row, its rows a little apart where they would fall on the same lines."""
    rows, columns = b.shape[-2:]
    gap = 64 // b.dtype.itemsize if columns * b.dtype.itemsize % ALIASING == 0 else 0
    whole: Array = lowering.array((rows, columns + gap), b.dtype)
    whole.layered = True  # not written in full
    return Access(whole, 0, (rows, columns), whole.strides)
