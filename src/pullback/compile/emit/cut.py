"""How a matrix product is cut into tiles, panels and parts of the depth, and when copies pay: all as measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .dot import NARROW, WIDE, shape_of_dots
from .function import Module
from .pieces import runs
from .tile import equal_rows, rows_of_tile
from .types import FLOAT, Type

__all__ = ["Cut", "Product"]

DEPTH = 256
"""How deep a panel of B is at most: with 64 columns it then takes a quarter of a small second cache."""

DEPTH_OF_COPY = 128
"""How deep it is where B is turned over for a few rows of A only: the copy then stays in the first cache."""

BLOCK = 1 << 17
"""How many bytes of A stay in the second cache while all panels of B pass."""

NEAR = 1 << 18
"""How many bits of B stay in the first cache beside what else passes through it."""

FOLDING = 45
"""How many operations bring a row's sums of vectors of the depth together in one vector."""

FOLDED = 1 << 18
"""How many bytes of B may be gone through again and again where vectors run along the depth: the second cache has room
for them."""


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


class Cut:
    """The pieces of one product, and which of its matrices are copied on the way.

    `product` is what is computed in fact: it may be the transpose of what was asked for (`turned`).
    """

    def __init__(self, module: Module, product: Product) -> None:
        self.module = module
        self.product = product = _plain(product)
        self.lanes = lanes = module.lanes(product.type)
        self.dots = _pays_to_fold(module, product, lanes)
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
        self.blocked = 0 if self.dots else self._tiles_of_block()
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

    def _tiles_of_block(self) -> int:
        """Return how many tiles of A's rows are to stay near while all panels of B pass; 0 for all of them."""
        size = self.part * self.product.type.bits // 8
        panels = sum(run.count for run in self.panels)
        if panels < 3 or self.product.rows * size <= 2 * BLOCK:
            return 0
        return max(1, BLOCK // (size * self.tiles[0].size))

    def _pages(self, stride: int) -> bool:
        """Return whether elements so far apart are on pages of their own, in the same place of each.

        They drive each other out of the first cache; tiles as wide as those for 512 bits want them seldom enough.
        """
        return self.module.vector_bits < 512 and stride * self.product.type.bits // 8 % 4096 == 0

    def gathered_at(self) -> int:
        """Return where in the workspace A's copy begins, behind B's; in elements."""
        panels = sum(run.count for run in self.panels) if self.blocked else 1
        return self.part * self.padded * panels if self.packed else 0

    def scratch_at(self) -> int:
        """Return where in the workspace tiles lie on their way through the epilogue, behind the copies."""
        rows = -(-self.product.rows // self.lanes) * self.lanes if self.gathered else 0
        return self.gathered_at() + rows * self.part


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


def _pays_to_fold(module: Module, product: Product, lanes: int) -> bool:
    """Return whether to sum along vectors of the depth: where B is turned over, and too few rows would share a copy."""
    if product.a_depth != 1 or product.b_depth != 1 or product.depth < 2 * lanes or lanes == 1:
        return False
    few = product.rows <= 8 or _narrow(module, product, lanes)
    return product.columns <= 2 or (product.b_column != 1 and few)


def _narrow(module: Module, product: Product, lanes: int) -> bool:
    """Return whether columns fill vectors so badly that vectors of the depth need fewer operations, sums included."""
    by_columns = -(-product.columns // lanes) * product.depth
    by_depth = -(-product.depth // lanes) * product.columns + FOLDING
    if shape_of_dots(module, product.rows, product.columns)[0] == 1:
        by_depth = by_depth * 4 // 3  # then every vector of B is loaded for one use
    size = product.columns * product.depth * product.type.bits // 8
    return NARROW <= product.columns <= WIDE and by_depth < by_columns and size <= FOLDED


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
