"""Sums of products over the steps of a loop, such as the gradient of a weight: one product behind the loop.

A step that adds A_t·B_t to what it carries reads and writes all of the sum for a product of little depth. With all A_t
and B_t kept, Σ_t A_t·B_t is one product of great depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .access import Access, Array
from .program import Instruction, Point, Product

__all__ = ["Gathered", "gathered"]

NEAR = 1 << 15
"""Sums of so many bytes stay in the first cache from step to step."""

DEEP, DEEP_FAR = 2, 8
"""How deep the product of a step is at most for gathering to pay, where the sum stays in the first cache or does not.

Measured: gathered, a sum takes two thirds of the time for one row a step, nine tenths for eight where it is far, and a
tenth more for four where it is near.
"""

LARGEST = 64 << 20
"""How many bytes may be kept for one sum that are not kept anyway."""


@dataclass
class Gathered:
    """A sum that is carried, as a product over all steps: what it adds up, and which arrays have to be kept for it."""

    add: Point
    product: Product
    kept: list[Array]

    def behind(self, rows: dict[Array, Access], length: int, out: Access) -> Product:
        """Return the product of all steps, where `rows` says where the arrays of each step are kept."""
        a, b = self.product.a, self.product.b
        whole_a, whole_b = self.whole(a, 1, rows[a.array], length), self.whole(b, 0, rows[b.array], length)
        return Product(self.product.source, whole_a, whole_b, out)

    def whole(self, x: Access, depth: int, rows: Access, length: int) -> Access:
        """Return a factor of all steps at once, its steps being rows of `rows`, along its axis `depth`."""
        step = rows.strides[0]
        shape, strides = list(x.shape), list(x.strides)
        if shape[depth] == 1:
            strides[depth] = step
        shape[depth] *= length
        return Access(rows.array, rows.offset + x.offset, tuple(shape), tuple(strides))


def gathered(
    before: Array, after: Array, instructions: Sequence[Instruction], entries: dict[Array, Access], length: int
) -> Gathered | None:
    """Return the sum that is carried from `before` to `after`, if it is one of products that can be gathered."""
    readers = [i for i in instructions if any(x.array is before for x in i.reads)]
    writers = [i for i in instructions if any(x.array is after for x in i.writes)]
    if len(readers) != 1 or readers != writers or any(x.array is after for i in instructions for x in i.reads):
        return None
    (add,) = readers
    if not isinstance(add, Point) or add.name != "add" or add.out != after.whole():
        return None
    others = [x for x in add.operands if not (isinstance(x, Access) and x == before.whole())]
    if len(others) != 1 or not isinstance(others[0], Access) or others[0].array.role != "temporary":
        return None
    x = others[0]
    products = [i for i in instructions if any(y.array is x.array for y in i.writes)]
    users = [i for i in instructions if any(y.array is x.array for y in i.reads)]
    if len(products) != 1 or users != [add]:
        return None
    (product,) = products
    if not isinstance(product, Product) or len(product.out.shape) != 2 or product.out != x:
        return None
    if product.a.shape[1] > (DEEP if after.nbytes <= NEAR else DEEP_FAR):
        return None
    kept = []
    for factor, depth in ((product.a, 1), (product.b, 0)):
        if factor.array in entries:
            step = entries[factor.array].strides[0]
        elif _is_whole(factor.array, instructions):
            step = factor.array.size
            kept.append(factor.array)
        else:
            return None
        if factor.shape[depth] != 1 and factor.strides[depth] * factor.shape[depth] != step:
            return None
    new = sum(array.nbytes for array in dict.fromkeys(kept)) * length
    strided = (product.a.shape[1] == 1 or 1 in product.a.strides) and 1 in product.b.strides
    return Gathered(add, product, kept) if new <= LARGEST and strided else None


def _is_whole(array: Array, instructions: Sequence[Any]) -> bool:
    """Whether an array is computed by one instruction of the body, all of it."""
    writers = [x for i in instructions for x in i.writes if x.array is array]
    return (
        array.role == "temporary"
        and not array.layered
        and not array.pieces
        and len(writers) == 1
        and math.prod(n for n, s in zip(writers[0].shape, writers[0].strides, strict=True) if s) == array.size
    )
