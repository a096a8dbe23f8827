"""What does not change from step to step is taken out of a loop, and done once before it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .access import Access, Array
from .builder import Lowering
from .costs import COSTLY
from .program import Check, Fold, Instruction, Point, Product, Special
from .sinking import moved

__all__ = ["hoisted"]


def hoisted(
    outer: Lowering, instructions: Sequence[Instruction], fixed: dict[Array, Access], entries: dict[Array, Access],
    length: int,
) -> tuple[list[Instruction], list[Access]]:  # fmt: skip
    """Return the instructions that have to stay in a loop, and what they read of those that do not.

    `fixed` are the arrays that stand for the same one in each of the `length` steps, `entries` those that stand for
    an entry of what is gone through. A check of what is gone through is made of all of it.
    """
    writers = Counter(x.array for instruction in instructions for x in instruction.writes)
    kept: list[Instruction] = []
    computed: dict[Array, Access] = {}
    for instruction in instructions:
        if isinstance(instruction, Check) and instruction.positions.array in entries:
            outer.add(replace(instruction, positions=_all_of(instruction.positions, entries, length)))
        elif (
            all(x.array in fixed or x.array in computed or x.array.role == "constant" for x in instruction.reads)
            and all(writers[x.array] == 1 for x in instruction.writes)
            and _pays(instruction)
        ):
            outer.add(moved(instruction, fixed))
            computed.update((x.array, x.array.whole()) for x in instruction.writes)
        else:
            kept.append(instruction)
    used = {x.array for instruction in kept for x in instruction.reads}
    return kept, [x for array, x in computed.items() if array in used]


def _all_of(x: Access, entries: dict[Array, Access], length: int) -> Access:
    """Return the same of all entries."""
    whole = entries[x.array]
    return Access(whole.array, whole.offset + x.offset, (length, *x.shape), (whole.strides[0], *x.strides))


def _pays(instruction: Instruction) -> bool:
    """Whether a result is rather read in every step than computed there."""
    if isinstance(instruction, Check):
        return True
    if any(x.array.role != "temporary" or x.array.pieces for x in instruction.writes):
        return False
    if isinstance(instruction, Point):
        size = sum(math.prod(n for n, s in zip(x.shape, x.strides, strict=True) if s) for x in instruction.reads)
        return instruction.name in COSTLY or math.prod(instruction.shape) <= size
    return isinstance(instruction, Product | Fold | Special)
