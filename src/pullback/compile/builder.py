"""A program in the making: which access stands for which symbol, and the instructions so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import Shape, spec_of
from ..transforms.graph import Equation, Graph, Symbol
from .access import Access, Array, Immediate, Operand, natural_strides
from .program import Call, Fold, Instruction, Point

__all__ = ["NUMBERS", "Lowering", "followed_order"]

NUMBERS = frozenset(
    map(np.dtype, ["float32", "float64", "bool", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))])
)
"""The dtypes that have machine types."""

COPY = Mapping("copy", "irregular", lambda x: x)
"""What moves numbers that have no machine type."""


class Lowering:
    """A program in the making: which access stands for which symbol, and the instructions so far."""

    def __init__(self, within: Callable[[Lowering, Graph, set[Array]], list[Access]]) -> None:
        self.within = within
        """Lowers a graph that an equation has inside into a lowering of its own, and returns where its results lie."""
        self.wanted: set[int] = set()
        """The symbols that somebody uses."""
        self.accesses: dict[int, Access] = {}
        self.instructions: list[Instruction] = []
        self.constants: list[Array] = []
        self.count = 0
        self.source: Equation | None = None
        self.chosen_from: dict[Array, tuple[Access, dict[str, Any]]] = {}
        """For an array of choices within windows: from what, and with which windows, they were made."""
        self.counted: set[tuple[Access, int]] = set()
        """Positions that have been checked to lie in 0, …, n − 1, with n."""

    def array(
        self, shape: Shape, dtype: Any, role: str = "temporary", data: Any = None, order: Sequence[int] = ()
    ) -> Array:
        """Return a new array, its axes in memory in `order`."""
        self.count += 1
        return Array(self.count - 1, tuple(shape), np.dtype(dtype), role, tuple(order), data)

    def operand(self, x: Any) -> Operand:
        """Return the operand for an input of an equation: its access, or a number."""
        if isinstance(x, Symbol):
            return self.accesses[x.index]
        if np.ndim(x) == 0:
            spec = spec_of(x)
            return Immediate(x.item() if isinstance(x, np.generic | np.ndarray) else x, spec.dtype)
        return self.constant(x).whole()

    def access(self, x: Any) -> Access:
        """Return the access to an input of an equation; a number becomes a constant array."""
        return self.accesses[x.index] if isinstance(x, Symbol) else self.constant(x).whole()

    def constant(self, x: Any) -> Array:
        """Return an array with fixed contents."""
        data = np.array(x, order="C", dtype=np.asarray(x).dtype.newbyteorder("="))
        found = self.array(data.shape, data.dtype, "constant", data)
        self.constants.append(found)
        return found

    def define(self, symbol: Symbol, access: Access) -> None:
        """Say where the value of a symbol lies."""
        assert access.shape == symbol.spec.shape, (symbol, access)
        self.accesses[symbol.index] = access

    def new(self, symbol: Symbol, order: Sequence[int] = ()) -> Access:
        """Return a new array for the value of a symbol."""
        access = self.array(symbol.spec.shape, symbol.spec.dtype, order=order).whole()
        self.define(symbol, access)
        return access

    def add(self, instruction: Instruction) -> None:
        """Add an instruction, unless it writes nothing."""
        if not isinstance(instruction, Point) or 0 not in instruction.shape:
            self.instructions.append(instruction)

    def point(
        self,
        name: str,
        shape: Shape,
        dtype: Any,
        *operands: Operand,
        common: Any = None,
        out: Access | None = None,
        **static: Any,
    ) -> Access:
        """Add a scalar operation, and return where its results lie."""
        out = self.array(shape, dtype).whole() if out is None else out
        spread = tuple(x.spread(shape) if isinstance(x, Access) else x for x in operands)
        common = np.result_type(*(x.dtype for x in operands)) if common is None else common
        self.add(Point(self.source, name, shape, spread, out, np.dtype(common), static))
        return out

    def fold(
        self, operation: str, x: Operand, shape: Shape, axes: tuple[int, ...], dtype: Any, out: Access | None = None
    ) -> Access:
        """Add a fold whose result keeps the folded axes with length 1, and return where it lies."""
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
        out = self.array(kept, dtype).whole() if out is None else out
        spread = x.spread(shape) if isinstance(x, Access) else x
        moving = tuple(0 if i in axes else s for i, s in enumerate(out.strides))
        self.add(Fold(self.source, operation, shape, spread, Access(out.array, out.offset, shape, moving), axes))
        return out

    def handed_back(self, symbol: Symbol, order: Sequence[int] | None = None) -> Access:
        """Return where a result lies: in an array of its own, which outlives the run.

        If an `order` of its axes in memory is asked for (empty for the usual one), they lie so.
        """
        access = self.accesses[symbol.index]
        array = access.array
        own = array.role == "temporary" and access == array.whole() and not array.pieces and not array.layered
        if not own or array.size == 1 or (order is not None and not access.lies_in(order)):
            array = self.array(symbol.shape, symbol.dtype, order=order or ())
            self.copy(access, array.whole())
        array.role = "output"
        return array.whole()

    def filled(self, x: Any) -> Access:
        """Return where a constant result lies: in an array of its own."""
        spec = spec_of(x)
        array = self.array(spec.shape, spec.dtype)
        self.copy(self.operand(x), array.whole())
        array.role = "output"
        return array.whole()

    def ordered(self, x: Access, order: Sequence[int]) -> Access:
        """Return the same numbers without gaps with their axes in memory in this order, copied if need be."""
        if x.lies_in(order):
            return x
        copy = self.array(x.shape, x.dtype, order=order).whole()
        self.copy(x, copy)
        return copy

    def copy(self, x: Operand, out: Access) -> None:
        """Add a copy into a part of an array; of numbers without a machine type, NumPy makes it."""
        if out.dtype not in NUMBERS:
            x = x.number if isinstance(x, Immediate) else x
            self.add(Call(self.source, COPY, (x,), (out,), {}, False))
            return
        self.point("copy", out.shape, out.dtype, x, common=out.dtype, out=out)


def followed_order(operands: Sequence[Operand], shape: Shape) -> tuple[int, ...]:
    """Return the order in memory of the operand that a result of this shape follows: a cell's, or an unusual one."""
    found: tuple[int, ...] = ()
    for x in operands:
        if isinstance(x, Access) and x.shape == shape:
            order = tuple(sorted(range(len(shape)), key=lambda a: -x.strides[a] if shape[a] != 1 else 1))
            if x.array.role == "cell":
                return x.array.order if x == x.array.whole() else ()
            dense = all(
                n == 1 or s == t for n, s, t in zip(shape, x.strides, natural_strides(shape, order), strict=True)
            )
            if dense and not found and not x.contiguous:
                found = order
    return found
