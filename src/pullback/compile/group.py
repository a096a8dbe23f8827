"""Groups: instructions that run as one kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.spec import Shape
from .access import Access, Array
from .program import Convolve, Instruction, Product

__all__ = ["LARGEST", "Group", "rows_and_column"]

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
