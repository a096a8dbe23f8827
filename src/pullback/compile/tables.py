"""Rows of a table, many times each, times a matrix: the table is multiplied instead, which has fewer rows.

With G the rows of a table T at N positions, S the sums of the rows of an array D at the same positions (the adjoint of
gathering), and both T and S of R rows, R well below N:

- G·W = rows of (T·W); what is done to every row alike, such as adding a bias, is done to T·W as well;
- Gᵀ·D = Tᵀ·S, and Dᵀ·G = Sᵀ·T;
- the sums of the rows of D·W = S·W, and the sum of all rows of D is that of all rows of S.

So the gradients of an embedding and of the layer behind it cost as much as the table has rows, and one sum over D.
A row that no position names counts as zero, also where it, or W, is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .access import Access, Array, Immediate, Operand, natural_strides
from .builder import Lowering
from .program import Fold, Instruction, Point, Product, RowMove

__all__ = ["multiplied_as_tables"]

FEWER = 2
"""So many times more rows than the table has must be wanted."""

WIDE = 16
"""How long the rows must be that are multiplied: sums of products of fewer are no dearer than what replaces them."""


@dataclass(frozen=True)
class _Rows:
    """What lies in an array without gaps: its row i is row `positions[i]` of the table."""

    table: Access
    positions: Access
    source: Any

    @property
    def count(self) -> int:
        return math.prod(self.positions.shape)


def multiplied_as_tables(
    lowering: Lowering, instructions: Sequence[Instruction], results: Container[Array]
) -> list[Instruction]:
    """Return the instructions with products of gathered rows, and of rows that are added up, made of the tables.

    What is among the `results` is wanted as it is. Some of the instructions may not be needed any more.
    """
    if not any(isinstance(i, RowMove) for i in instructions):
        return list(instructions)
    rewriter = _Rewriter(lowering, instructions, results)
    for instruction in instructions:
        rewriter.take(instruction)
    return rewriter.done


class _Rewriter:
    def __init__(self, lowering: Lowering, instructions: Sequence[Instruction], results: Container[Array]) -> None:
        self.lowering = lowering
        self.results = results
        self.done: list[Instruction] = []
        self.gathered: dict[Array, _Rows] = {}
        """Arrays that are known to be rows of a table."""
        self.sums: dict[tuple[Array, int], tuple[Access, Access]] = {}
        """Of an array's rows, from an element on: the sums that were made of them, and by which positions."""
        self.named: dict[Access, Access] = {}
        """Which rows of a table positions name: a truth value for each row."""
        self.lists: dict[Any, Access] = {}
        """Positions in another order."""
        self.writers: dict[Array, list[Instruction]] = {}
        self.readers: dict[Array, list[Instruction]] = {}
        for instruction in instructions:
            for touching, accesses in ((self.writers, instruction.writes), (self.readers, instruction.reads)):
                for array in dict.fromkeys(x.array for x in accesses):
                    touching.setdefault(array, []).append(instruction)

    def take(self, instruction: Instruction) -> None:
        """Add an instruction, or what replaces it."""
        match instruction:
            case RowMove(scatter=False):
                self._note(instruction)
                replaced = False
            case RowMove():
                replaced = self._sums_of_products(instruction)
            case Point(name="copy"):
                replaced = self._copied(instruction)
            case Point():
                replaced = self._alike(instruction)
            case Product():
                replaced = self._of_rows(instruction) or self._with_rows(instruction)
            case Fold():
                replaced = self._total(instruction)
            case _:
                replaced = False
        if not replaced:
            self.done.append(instruction)

    # ---------------------------------------------------------------------------------------- what is gathered

    def _note(self, move: RowMove) -> None:
        if self._pays(move, move.table) and self._own(move.rows):
            self.gathered[move.rows.array] = _Rows(move.table, _flat(move.positions), move.source)

    def _pays(self, move: RowMove, table: Access) -> bool:
        """Whether a table is a matrix of numbers, with few enough rows."""
        fewer = table.shape[0] * FEWER <= math.prod(move.positions.shape)
        return fewer and len(table.shape) == 2 and table.dtype.kind == "f" and move.positions.contiguous

    def _own(self, x: Access) -> bool:
        """Whether this is all of an array without gaps, which one instruction writes, and which is no result."""
        array = x.array
        plain = array.role == "temporary" and not array.layered and array not in self.results
        return plain and _is_whole(x) and len(self.writers.get(array, ())) == 1

    def _gather(self, rows: _Rows, out: Access) -> None:
        self.done.append(RowMove(rows.source, rows.table, rows.positions, out, scatter=False))
        self.gathered[out.array] = rows

    def _ordered(self, positions: Access, order: Sequence[tuple[int, int]], source: Any) -> Access:
        """Return positions in another order: that of loops of these lengths, in steps of so many positions."""
        shape, strides = tuple(n for n, _ in order), tuple(s for _, s in order)
        found = Access(positions.array, positions.offset, shape, strides)
        if found.contiguous:
            return _flat(found)
        key = found.array, found.offset, shape, strides
        if key not in self.lists:
            copy = self.lowering.array((math.prod(shape),), positions.dtype).whole()
            self.done.append(Point(source, "copy", shape, (found,), _split(copy, shape), positions.dtype))
            self.lists[key] = copy
        return self.lists[key]

    def _copied(self, copy: Point) -> bool:
        """Of gathered rows that are copied in another order: gather them in that order."""
        (x, *others) = copy.operands
        if others or not isinstance(x, Access) or x.array not in self.gathered or not self._own(copy.out):
            return False
        rows = self.gathered[x.array]
        order = _order(x, rows.table.shape[1], rows.count)
        if order is None or copy.out.dtype != x.dtype:
            return False
        positions = self._ordered(rows.positions, order, copy.source)
        self._gather(replace(rows, positions=positions, source=copy.source), copy.out)
        return True

    def _alike(self, point: Point) -> bool:
        """What is done to every gathered row alike is done to the table."""
        found = {x.array for x in point.reads if x.array in self.gathered and len(self.readers[x.array]) == 1}
        if len(found) != 1 or not self._own(point.out):
            return False
        (array,) = found
        rows = self.gathered[array]
        width = rows.table.shape[1]
        if point.out.dtype != rows.table.dtype or point.shape[-1:] != (width,):
            return False
        shape = rows.table.shape
        operands: list[Operand] = []
        for x in point.operands:
            if isinstance(x, Immediate):
                operands.append(x)
            elif not isinstance(x, Access):
                return False
            elif x.array is array and _is_whole(x):
                operands.append(rows.table)
            elif x.array is not array and not any(x.strides[:-1]):
                operands.append(Access(x.array, x.offset, shape, (0, x.strides[-1])))
            else:
                return False
        table = self.lowering.array(shape, point.out.dtype).whole()
        self.done.append(replace(point, shape=shape, operands=tuple(operands), out=table))
        self._gather(replace(rows, table=table), point.out)
        return True

    def _of_rows(self, product: Product) -> bool:
        """G·W: rows of T·W."""
        a, b, out = product.a, product.b, product.out
        rows = self.gathered.get(a.array)
        if rows is None or not self._own(out) or any(b.strides[:-2]) or a.shape[-1] < WIDE:
            return False
        order = _order(a, rows.table.shape[1], rows.count)
        if order is None:
            return False
        table = self.lowering.array((rows.table.shape[0], b.shape[-1]), out.dtype).whole()
        matrix = Access(b.array, b.offset, b.shape[-2:], b.strides[-2:])
        self.done.append(replace(product, a=rows.table, b=matrix, out=table))
        self._gather(_Rows(table, self._ordered(rows.positions, order, product.source), product.source), out)
        return True

    # ---------------------------------------------------------------------------------------- what is added up

    def _sum(self, rows: Access, positions: Access, count: int, source: Any) -> Access:
        """Return the sums of an array's rows by positions, as many as the table has rows."""
        key = rows.array, rows.offset
        known = self.sums.get(key)
        if known is not None and known[1] == positions and known[0].shape == (count, rows.shape[1]):
            return known[0]
        total = self.lowering.array((count, rows.shape[1]), rows.dtype).whole()
        self.done.append(RowMove(source, total, positions, rows, scatter=True))
        self.sums[key] = total, positions
        return total

    def _where_named(self, x: Access, positions: Access, out: Access, source: Any) -> None:
        """Add what keeps the rows that positions name, and makes the others zero."""
        count = x.shape[0]
        if positions not in self.named:
            dtype = np.dtype(np.float32)
            ones = self.lowering.constant(np.ones((math.prod(positions.shape), 1), dtype)).whole()
            often = self.lowering.array((count, 1), dtype).whole()
            named = self.lowering.array((count, 1), np.bool_).whole()
            self.done.append(RowMove(source, often, positions, ones, scatter=True))
            self.done.append(Point(source, "greater", (count, 1), (often, Immediate(0, dtype)), named, dtype))
            self.named[positions] = named
        operands = (self.named[positions].spread(x.shape), x, Immediate(0, x.dtype))
        self.done.append(Point(source, "where", x.shape, operands, out, x.dtype))

    def _with_rows(self, product: Product) -> bool:
        """Gᵀ·D or Dᵀ·G: the same of T and the sums of D's rows."""
        turned = _transposed(product.a)
        for gathered, other in ((turned, product.b), (product.b, turned)):
            rows = self.gathered.get(gathered.array)
            if rows is None or len(gathered.shape) != 2 or gathered.shape[1] < WIDE or not other.contiguous:
                continue
            order = _order(gathered, rows.table.shape[1], rows.count)
            if order is None:
                continue
            positions = self._ordered(rows.positions, order, product.source)
            total = self._sum(other, positions, rows.table.shape[0], product.source)
            table = self.lowering.array(rows.table.shape, rows.table.dtype).whole()
            self._where_named(rows.table, positions, table, product.source)
            a, b = (_transposed(table), total) if gathered is turned else (_transposed(total), table)
            self.done.append(replace(product, a=a, b=b))
            return True
        return False

    def _sums_of_products(self, move: RowMove) -> bool:
        """The sums of the rows of D·W: S·W, S being those of the rows of D."""
        table, x = move.table, move.rows
        if not self._pays(move, table) or not _is_whole(x) or not table.contiguous:
            return False
        order = [(n, s) for n, s in zip(move.positions.shape, natural_strides(move.positions.shape), strict=True)]
        (writer,) = self.writers[x.array] if self._own(x) and len(self.readers[x.array]) == 1 else (None,)
        if isinstance(writer, Point) and writer.name == "copy" and len(writer.reads) == 1:
            (x,) = writer.reads
            found = _order(x, table.shape[1], math.prod(move.positions.shape))
            if found is None or not self._read_once(x.array):
                return False
            # Row j of the copy was row Σ i·s of what was copied: back in that order, the longest steps come first.
            lengths = [n for n, _ in found]
            steps = [*zip(lengths, natural_strides(tuple(lengths)), (s for _, s in found), strict=True)]
            order = [(n, t) for n, t, _ in sorted(steps, key=lambda step: -step[2])]
            (writer,) = self.writers[x.array]
        if not isinstance(writer, Product) or any(writer.b.strides[:-2]) or table.shape[1] < WIDE:
            return False
        a, b = writer.a, writer.b
        if not a.contiguous or not _is_whole(writer.out):
            return False
        rows = Access(a.array, a.offset, (math.prod(a.shape[:-1]), a.shape[-1]), (a.shape[-1], 1))
        positions = self._ordered(move.positions, order, move.source)
        total = self._sum(rows, positions, table.shape[0], move.source)
        product = self.lowering.array(table.shape, table.dtype).whole()
        matrix = Access(b.array, b.offset, b.shape[-2:], b.strides[-2:])
        self.done.append(Product(writer.source, total, matrix, product))
        self._where_named(product, positions, table, move.source)
        return True

    def _read_once(self, array: Array) -> bool:
        return self._own(array.whole()) and len(self.readers[array]) == 1

    def _total(self, fold: Fold) -> bool:
        """The sum of all rows of D: that of all rows of S."""
        x, last = fold.operand, len(fold.shape) - 1
        if not isinstance(x, Access) or fold.operation != "add" or not x.contiguous:
            return False
        total, _ = self.sums.get((x.array, x.offset), (None, None))
        if total is None or fold.axes != tuple(range(last)) or fold.shape[-1] != total.shape[1]:
            return False
        out = Access(fold.out.array, fold.out.offset, total.shape, (0, fold.out.strides[-1]))
        self.done.append(replace(fold, shape=total.shape, operand=total, out=out, axes=(0,)))
        return True


def _is_whole(x: Access) -> bool:
    """Whether an access goes through all of an array in the order of its axes."""
    return x.offset == 0 and x.contiguous and math.prod(x.shape) == x.array.size


def _flat(x: Access) -> Access:
    return Access(x.array, x.offset, (math.prod(x.shape),), (1,))


def _split(x: Access, shape: tuple[int, ...]) -> Access:
    """Return an access without gaps as one of several axes."""
    return Access(x.array, x.offset, shape, natural_strides(shape))


def _transposed(x: Access) -> Access:
    return Access(x.array, x.offset, x.shape[::-1], x.strides[::-1])


def _order(x: Access, width: int, count: int) -> list[tuple[int, int]] | None:
    """Return the loops in which rows of an array are gone through, each once: lengths, and steps in rows.

    None if these are not whole rows, or not each of them once.
    """
    if x.offset or not x.shape or (x.shape[-1], x.strides[-1]) != (width, 1):
        return None
    loops = [(n, s // width) for n, s in zip(x.shape[:-1], x.strides[:-1], strict=True) if n != 1]
    if any(s % width for n, s in zip(x.shape[:-1], x.strides[:-1], strict=True) if n != 1):
        return None
    expected = 1
    for n, s in sorted(loops, key=lambda loop: loop[1]):
        if s != expected:
            return None
        expected *= n
    return loops if expected == count else None
