"""Matrix products of static shape: how the matrices are cut into tiles, panels and pieces for threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .dot import DotTile, emit_dot, shape_of_dots
from .finish import Epilogue
from .function import Function, Module
from .pack import Panel, emit_pack
from .pieces import each, runs
from .tile import Level, Tile, emit_tile, equal_rows, rows_of_tile
from .types import FLOAT, I64, PTR, Operand, Type

__all__ = ["Batch", "Epilogue", "Product", "ProductKernel", "emit_batched_product", "emit_product"]

DEPTH = 256
"""How deep a panel of B is at most: with 64 columns it then takes a quarter of a small second cache."""

DEPTH_OF_COPY = 128
"""How deep it is where B is turned over for a few rows of A only: the copy then stays in the first cache."""

NEAR = 1 << 18
"""How many bits of B stay in the first cache beside what else passes through it."""


@dataclass(frozen=True)
class Product:
    """C = A·B, or C += A·B: (rows × depth)·(depth × columns), all strides in elements.

    Of B one stride is 1. A may lie in memory as it likes; C has its columns consecutive.
    """

    rows: int
    columns: int
    depth: int
    a_row: int
    a_depth: int
    b_depth: int
    b_column: int
    c_row: int
    accumulate: bool = False
    type: Type = FLOAT

    def __post_init__(self) -> None:
        if min(self.rows, self.columns, self.depth) < 1:
            raise ValueError(f"a product needs at least one row, column and depth, got {self}")
        if 1 not in (self.b_depth, self.b_column) and min(self.columns, self.depth) > 1:
            raise ValueError(f"one stride of B must be 1, got {self.b_depth} and {self.b_column}")


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
    plan = _Plan(module, product, epilogue)
    parameters = [(PTR, "c"), (PTR, "a"), (PTR, "b"), (I64, "begin"), (I64, "end"), (PTR, "workspace"), (PTR, "table")]
    f = Function(module, name, parameters)
    plan.write(f, f.argument("begin"), f.argument("end"), f.index(0))
    return plan.kernel(name)


def emit_batched_product(
    module: Module, name: str, product: Product, batch: Batch, epilogue: Epilogue | None = None
) -> ProductKernel:
    """Write the kernel of a batch of matrix products.

    The epilogue's row counts through the whole batch: row r of item n is n · rows + r.
    """
    plan = _Plan(module, product, epilogue)
    shared = [(PTR, "c"), (PTR, "a"), (PTR, "b"), (I64, "begin"), (I64, "end"), (PTR, "workspace"), (PTR, "table")]
    one = Function(module, f"{name}.one", [*shared, (I64, "first")])
    plan.write(one, one.argument("begin"), one.argument("end"), one.argument("first"))
    f = Function(module, name, shared)
    begin, end = f.argument("begin"), f.argument("end")
    units = plan.kernel(name).units
    count = 1
    for size in batch.shape:
        count *= size
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
    whole = plan.kernel(name)
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


def _plain(product: Product) -> Product:
    """Return the product with strides that nobody steps along replaced by those that are simplest."""
    if product.columns == 1 and product.b_depth != 1:
        return replace(product, b_column=1)
    if product.depth == 1 and product.b_column != 1:
        return replace(product, b_depth=1)
    return product


def _turned(product: Product) -> Product:
    """Return Cᵀ = Bᵀ·Aᵀ for a C that is one column, and so one row when it is turned."""
    return replace(
        product,
        rows=1,
        columns=product.rows,
        a_row=0,
        a_depth=product.b_depth,
        b_depth=product.a_depth,
        b_column=product.a_row,
    )


class _Plan:
    """How one product is cut up, and the code that goes over the pieces."""

    def __init__(self, module: Module, product: Product, epilogue: Epilogue | None) -> None:
        self.module, self.epilogue = module, epilogue
        self.product = product = _plain(product)
        self.lanes = lanes = module.lanes(product.type)
        self.dots = _pays_to_fold(product, lanes)
        column = product.columns == 1 and product.a_row == 1 and product.c_row == 1 < product.rows
        self.turned = column and not self.dots
        if self.turned:
            self.product = product = _turned(product)
        if self.dots:
            high, wide = shape_of_dots(module, product.rows, product.columns)
            self.panels, self.tiles = runs(product.columns, wide), runs(product.rows, high)
            self.parts, self.part = 1, product.depth
        else:
            self.panels = runs(product.columns, lanes * _vectors_of_tile(module, product.rows), lanes)
            copy = product.b_column != 1 and product.rows <= DEPTH_OF_COPY
            self.parts, self.part = _cut_depth(product.depth, DEPTH_OF_COPY if copy else DEPTH)
        self.width = max(run.size for run in self.panels)
        self.padded = -(-self.width // lanes) * lanes
        self.packed = not self.dots and (product.b_column != 1 or self._pays_to_pack_b())
        if not self.dots:
            self.tiles = runs(product.rows, self._rows_of_tile())
        self.gathered = not self.dots and self._pays_to_gather_a()
        rows, columns = (sum(run.count for run in cut) for cut in (self.tiles, self.panels))
        # By columns each thread turns its own part of B over, by rows each does all of it: dear for a few rows.
        dear = self.packed and product.rows <= DEPTH_OF_COPY and (columns % 2 == 0 or columns > 6)
        self.by_rows = rows >= columns and not dear and not (self.packed and columns >= 8)
        self.units = rows if self.by_rows else columns

    def _rows_of_tile(self) -> int:
        """Return how many rows a tile has: equal tiles, which need one kernel, where a few rows less cost nothing."""
        most = rows_of_tile(self.module, self.padded // self.lanes)
        near = self.part * self.padded * self.product.type.bits <= NEAR or (self.packed and self.product.a_depth == 1)
        return equal_rows(most, most * 2 // 3, self.padded // self.lanes, self.product.rows) if near else most

    def _pays_to_pack_b(self) -> bool:
        """Return whether B's panels are copied though they could be read where they are.

        Measured: it gains a tenth where many tiles share a deep panel, and loses as much where few do, unless each of
        a narrow panel's rows is on a page of its own.
        """
        product = self.product
        many = product.rows >= 128 and self.part >= 128
        return product.columns > self.width and (many or (product.rows >= 24 and self._pages(product.b_depth)))

    def _pays_to_gather_a(self) -> bool:
        """Return whether A is copied tile by tile: where a tile wants a few elements of each of many pages."""
        product = self.product
        panels = -(-product.columns // self.width)
        return product.a_row == 1 < product.rows and panels >= 3 and self._pages(product.a_depth)

    def _pages(self, stride: int) -> bool:
        """Return whether elements so far apart are on pages of their own, in the same place of each.

        They drive each other out of the first cache; tiles as wide as those for 512 bits want them seldom enough.
        """
        return self.module.vector_bits < 512 and stride * self.product.type.bits // 8 % 4096 == 0

    def kernel(self, name: str) -> ProductKernel:
        product = self.product
        size = product.type.bits // 8
        workspace = self._scratch_at() * size
        if self.epilogue is not None:
            workspace += max(run.size for run in self.tiles) * self.padded * size
        flops = 2 * product.rows * product.columns * product.depth
        return ProductKernel(name, self.units, workspace, flops, self.parts > 1 or product.accumulate)

    def _gathered_at(self) -> int:
        return self.part * self.padded if self.packed else 0

    def _scratch_at(self) -> int:
        rows = -(-self.product.rows // self.lanes) * self.lanes if self.gathered else 0
        return self._gathered_at() + rows * self.part

    def write(self, f: Function, begin: Operand, end: Operand, first: Operand) -> None:
        """Write the whole kernel: parts of the depth, within them panels of columns, within them tiles of rows."""
        if self.parts == 1:
            self._write_part(f, begin, end, first, f.index(0), f.index(self.part), ())
            return
        with f.loop(0, self.parts) as loop:
            start = f.times(loop.index, self.part)
            left = f.value(I64, f"sub nsw i64 {self.product.depth}, {start}")
            depth = f.intrinsic("smin", I64, left, f.index(self.part))
            more = f.compare("ne", loop.index, f.index(0))
            last = f.compare("eq", loop.index, f.index(self.parts - 1))
            self._write_part(f, begin, end, first, start, depth, (more, last))

    def _write_part(
        self,
        f: Function,
        begin: Operand,
        end: Operand,
        first: Operand,
        start: Operand,
        depth: Operand,
        ends: Sequence[Operand],
    ) -> None:
        product, type = self.product, self.product.type
        left, right = ("b", "a") if self.turned else ("a", "b")
        a = f.at(f.argument(left), f.times(start, product.a_depth), type)
        b = f.at(f.argument(right), f.times(start, product.b_depth), type)
        share = (begin, end)
        if self.gathered:
            copy = f.at(f.argument("workspace"), self._gathered_at(), type)
            for run in self.tiles:
                with each(f, run, share if self.by_rows else None) as row:
                    pack = emit_pack(self.module, Panel(type, run.size, self.part, product.a_depth, 1, run.size))
                    f.call(pack, f.at(copy, f.times(row, self.part), type), f.at(a, row, type), depth)
            a = copy
        for panel in self.panels:
            with each(f, panel, None if self.by_rows else share) as column:
                source = f.at(b, f.times(column, product.b_column), type)
                step = product.b_depth
                if self.packed:
                    step = -(-panel.size // self.lanes) * self.lanes
                    copied = f.argument("workspace")
                    shape = Panel(type, panel.size, self.part, product.b_depth, product.b_column)
                    pack = emit_pack(self.module, shape)
                    f.call(pack, copied, source, depth)
                    source = copied
                for run in self.tiles:
                    with each(f, run, share if self.by_rows else None) as row:
                        place = f.plus(f.times(row, product.c_row), column)
                        arguments = [
                            f.at(f.argument("c"), place, type),
                            f.at(a, f.times(row, self.part if self.gathered else product.a_row), type),
                            source,
                        ]
                        if not self.dots:
                            arguments.append(depth)
                        arguments += ends
                        if self.epilogue is not None:
                            scratch = f.at(f.argument("workspace"), self._scratch_at(), type)
                            arguments += [f.plus(first, row), column, f.argument("table"), scratch]
                        f.call(self._tile(run.size, panel.size, step), *arguments)

    def _tile(self, rows: int, columns: int, b_depth: int) -> str:
        """Write the kernel of a tile and return its name."""
        product = self.product
        c_row = product.c_row if rows > 1 else 0
        if self.dots:
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
            return emit_dot(self.module, dot)
        tile = Tile(
            product.type,
            columns,
            tuple(i * product.a_row for i in range(rows)),
            (Level(0, rows if self.gathered else product.a_depth, b_depth),),
            c_row,
            parts=self.parts > 1,
            accumulate=product.accumulate,
            epilogue=self.epilogue,
            turned=self.turned,
        )
        return emit_tile(self.module, tile)


def _pays_to_fold(product: Product, lanes: int) -> bool:
    """Return whether to sum along vectors of the depth: where B is turned over, and too few rows would share a copy."""
    if product.a_depth != 1 or product.b_depth != 1 or product.depth < 2 * lanes or lanes == 1:
        return False
    return product.columns <= 2 or (product.b_column != 1 and product.rows <= 8)


def _vectors_of_tile(module: Module, rows: int) -> int:
    """Return how many vectors wide a tile may be: wider where there are too few rows to keep the units busy."""
    usual, free = {512: (4, 30), 256: (2, 14), 128: (4, 30), 0: (3, 13)}[module.vector_bits]
    return max(usual, min(12, free // (rows + 1)))


def _cut_depth(depth: int, most: int) -> tuple[int, int]:
    """Return in how many parts the depth comes, and how deep each is but the last, which is never very short."""
    parts = -(-depth // most)
    part = -(-depth // parts)
    while depth - (parts - 1) * part < most // 4 < part:
        part -= 1
        parts = -(-depth // part)
    return parts, part
