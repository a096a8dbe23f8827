"""Matrix products of static shape, alone and in batches: the code that goes over their pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .cut import Cut, Product
from .dot import DotTile, emit_dot
from .finish import Epilogue
from .function import Function, Module
from .pack import Panel, emit_pack
from .pieces import Run, each
from .tile import Level, Tile, emit_tile
from .types import I64, PTR, Operand

__all__ = [
    "Batch",
    "Epilogue",
    "Product",
    "ProductKernel",
    "emit_batched_product",
    "emit_product",
    "kernel_parameters",
]


kernel_parameters = (
    (PTR, "c"),
    (PTR, "a"),
    (PTR, "b"),
    (I64, "begin"),
    (I64, "end"),
    (PTR, "workspace"),
    (PTR, "table"),
)
"""The parameters of every kernel of a product or a convolution."""


@dataclass(frozen=True)
class Batch:
    """A batch of products: its shape, and each operand's strides along it in elements, 0 where it is broadcast."""

    shape: tuple[int, ...]
    a: tuple[int, ...]
    b: tuple[int, ...]
    c: tuple[int, ...]


@dataclass(frozen=True)
class ProductKernel:
    """What was emitted: `name(c, a, b, begin, end, workspace, table)`.

    `begin` and `end` count pieces of the work, `units` in all; `workspace` is what each thread needs of it, in bytes,
    aligned to 64. However the pieces are shared out, C is the same to the last bit. `needs_c` tells whether C must be
    there even if the epilogue stores nothing in it.
    """

    name: str
    units: int
    workspace: int
    flops: int
    needs_c: bool


def emit_product(module: Module, name: str, product: Product, epilogue: Epilogue | None = None) -> ProductKernel:
    """Write the kernel of one matrix product."""
    writer = _Writer(Cut(module, product), epilogue)
    f = Function(module, name, kernel_parameters)
    writer.write(f, f.argument("begin"), f.argument("end"), f.index(0))
    return writer.kernel(name)


def emit_batched_product(
    module: Module, name: str, product: Product, batch: Batch, epilogue: Epilogue | None = None
) -> ProductKernel:
    """Write the kernel of a batch of matrix products.

    The epilogue's row counts through the whole batch: row r of item n is n · rows + r.
    """
    writer = _Writer(Cut(module, product), epilogue)
    one = Function(module, f"{name}.one", [*kernel_parameters, (I64, "first")])
    writer.write(one, one.argument("begin"), one.argument("end"), one.argument("first"))
    f = Function(module, name, kernel_parameters)
    begin, end = f.argument("begin"), f.argument("end")
    whole = writer.kernel(name)
    units, count = whole.units, math.prod(batch.shape)
    final = f.value(I64, f"add nsw i64 {end}, {units - 1}")
    with (
        f.when(f.compare("ult", begin, end)),
        f.loop(f.value(I64, f"udiv i64 {begin}, {units}"), f.value(I64, f"udiv i64 {final}, {units}")) as item,
    ):
        c, a, b = (
            f.at(f.argument(letter), _offset(f, item.index, batch.shape, strides), product.type)
            for letter, strides in (("c", batch.c), ("a", batch.a), ("b", batch.b))
        )
        before = f.times(item.index, units)
        low = f.intrinsic("smax", I64, f.value(I64, f"sub nsw i64 {begin}, {before}"), f.index(0))
        high = f.intrinsic("smin", I64, f.value(I64, f"sub nsw i64 {end}, {before}"), f.index(units))
        first = f.times(item.index, product.rows)
        f.call(one.name, c, a, b, low, high, f.argument("workspace"), f.argument("table"), first)
    return replace(whole, units=units * count, flops=whole.flops * count)


def _offset(f: Function, item: Operand, shape: Sequence[int], strides: Sequence[int]) -> Operand:
    """Return where an item of a batch begins."""
    total: Operand = f.index(0)
    remaining: Operand = item
    for at in range(len(shape) - 1, -1, -1):
        if at == 0:
            digit = remaining
        else:
            digit = f.value(I64, f"urem i64 {remaining}, {shape[at]}")
            remaining = f.value(I64, f"udiv i64 {remaining}, {shape[at]}")
        total = f.plus(total, f.times(digit, strides[at]))
    return total


@dataclass(frozen=True)
class _Part:
    """A part of the depth on its way through the loops.

    `share` is which pieces this thread does, `first` the number of C's first row, `a` and `b` where the part's factors
    begin, `depth` how deep it is; `ends` says, where there are several parts, whether it is not the first, and whether
    it is the last.
    """

    share: tuple[Operand, Operand]
    first: Operand
    a: Operand
    b: Operand
    depth: Operand
    ends: tuple[Operand, ...] = ()


class _Writer:
    """Writes the code that goes over the pieces of one product."""

    def __init__(self, cut: Cut, epilogue: Epilogue | None) -> None:
        self.cut, self.epilogue = cut, epilogue

    def kernel(self, name: str) -> ProductKernel:
        """Return what its users must know."""
        cut, product = self.cut, self.cut.product
        elements = cut.scratch_at()
        if self.epilogue is not None:
            elements += max(run.size for run in cut.tiles) * cut.padded
        flops = 2 * product.rows * product.columns * product.depth
        needs_c = cut.parts > 1 or product.accumulate
        return ProductKernel(name, cut.units, elements * product.type.bits // 8, flops, needs_c)

    def write(self, f: Function, begin: Operand, end: Operand, first: Operand) -> None:
        """Write the whole kernel: parts of the depth, within them panels of columns, within them tiles of rows."""
        cut, product = self.cut, self.cut.product
        a, b = (f.argument(letter) for letter in (("b", "a") if cut.turned else ("a", "b")))
        if cut.parts == 1:
            self._write_part(f, _Part((begin, end), first, a, b, f.index(cut.part)))
            return
        with f.loop(0, cut.parts) as loop:
            start = f.times(loop.index, cut.part)
            left = f.value(I64, f"sub nsw i64 {product.depth}, {start}")
            a = f.at(a, f.times(start, product.a_depth), product.type)
            b = f.at(b, f.times(start, product.b_depth), product.type)
            depth = f.intrinsic("smin", I64, left, f.index(cut.part))
            more = f.compare("ne", loop.index, f.index(0))
            last = f.compare("eq", loop.index, f.index(cut.parts - 1))
            self._write_part(f, _Part((begin, end), first, a, b, depth, (more, last)))

    def _write_part(self, f: Function, part: _Part) -> None:
        cut, product, type = self.cut, self.cut.product, self.cut.product.type
        rows, columns = (part.share, None) if cut.by_rows else (None, part.share)
        if cut.gathered:
            copy = f.at(f.argument("workspace"), cut.gathered_at(), type)
            for run in cut.tiles:
                with each(f, run, rows) as row:
                    pack = emit_pack(cut.module, Panel(type, run.size, cut.part, product.a_depth, 1, run.size))
                    f.call(pack, f.at(copy, f.times(row, cut.part), type), f.at(part.a, row, type), part.depth)
            part = replace(part, a=copy)
        if cut.blocked:
            self._write_blocks(f, part)
            return
        for panel in cut.panels:
            with each(f, panel, columns) as column:
                source = f.at(part.b, f.times(column, product.b_column), type)
                if cut.packed:
                    self._write_pack(f, panel, column, part, f.argument("workspace"))
                    source = f.argument("workspace")
                self._write_tiles(f, panel, column, rows, replace(part, b=source))

    def _write_blocks(self, f: Function, part: _Part) -> None:
        """Write the loops where A is long: every panel of B passes a block of A's rows while that is near."""
        cut, type = self.cut, self.cut.product.type
        low, high = part.share if cut.by_rows else (f.index(0), f.index(sum(run.count for run in cut.tiles)))
        columns = None if cut.by_rows else part.share

        def copied(column: Operand) -> Operand:
            return f.at(f.argument("workspace"), f.times(column, cut.part), type)

        if cut.packed:
            for panel in cut.panels:
                with each(f, panel, columns) as column:
                    self._write_pack(f, panel, column, part, copied(column))
        with f.when(f.compare("ult", low, high)), f.loop(low, high, cut.blocked) as block:
            rows = (block.index, f.intrinsic("smin", I64, f.plus(block.index, cut.blocked), high))
            for panel in cut.panels:
                with each(f, panel, columns) as column:
                    source = copied(column) if cut.packed else f.at(part.b, column, type)
                    self._write_tiles(f, panel, column, rows, replace(part, b=source))

    def _write_pack(self, f: Function, panel: Run, column: Operand, part: _Part, to: Operand) -> None:
        """Write the copy of a panel of B."""
        product, type = self.cut.product, self.cut.product.type
        pack = emit_pack(self.cut.module, Panel(type, panel.size, self.cut.part, product.b_depth, product.b_column))
        f.call(pack, to, f.at(part.b, f.times(column, product.b_column), type), part.depth)

    def _write_tiles(
        self, f: Function, panel: Run, column: Operand, rows: tuple[Operand, Operand] | None, part: _Part
    ) -> None:
        """Write the loops over the tiles of a panel."""
        cut, product, type = self.cut, self.cut.product, self.cut.product.type
        step = -(-panel.size // cut.lanes) * cut.lanes if cut.packed else product.b_depth
        for run in cut.tiles:
            with each(f, run, rows) as row:
                place = f.plus(f.times(row, product.c_row), column)
                further = f.times(row, cut.part if cut.gathered else product.a_row)
                arguments = [f.at(f.argument("c"), place, type), f.at(part.a, further, type), part.b]
                if not cut.dots:
                    arguments.append(part.depth)
                arguments += part.ends
                if self.epilogue is not None:
                    scratch = f.at(f.argument("workspace"), cut.scratch_at(), type)
                    arguments += [f.plus(part.first, row), column, f.argument("table"), scratch]
                f.call(self._tile(run.size, panel.size, step), *arguments)

    def _tile(self, rows: int, columns: int, b_depth: int) -> str:
        """Write the kernel of a tile and return its name."""
        product = self.cut.product
        c_row = product.c_row if rows > 1 else 0
        if self.cut.dots:
            b_column = product.b_column if columns > 1 else 0
            dot = DotTile(
                product.type,
                rows,
                columns,
                product.depth,
                product.a_row if rows > 1 else 0,
                b_column,
                c_row,
                product.accumulate,
                self.epilogue,
            )
            return emit_dot(self.cut.module, dot)
        tile = Tile(
            product.type,
            columns,
            tuple(i * product.a_row for i in range(rows)),
            (Level(0, rows if self.cut.gathered else product.a_depth, b_depth),),
            c_row,
            parts=self.cut.parts > 1,
            accumulate=product.accumulate,
            epilogue=self.epilogue,
            turned=self.cut.turned,
        )
        return emit_tile(self.cut.module, tile)
