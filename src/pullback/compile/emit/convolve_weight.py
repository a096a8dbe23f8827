"""The gradient of a convolution with respect to its weights: a matrix product whose depth is the positions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from .convolve import Convolution
from .correlate import NEAR
from .function import Function, Module
from .pieces import Run, runs
from .product import Product, ProductKernel, emit_product, kernel_parameters
from .slab import Slab, emit_slab
from .tile import Level, Tile, emit_tile, equal_rows, rows_of_tile
from .types import BOOL, I64, PTR, Operand

__all__ = ["emit_convolution_weight"]


def emit_convolution_weight(
    module: Module, name: str, convolution: Convolution, accumulate: bool = False
) -> ProductKernel:
    """Write the kernel `name(w, x, y, begin, end, workspace, table)` of the gradient with respect to the weights.

    Its pieces are tiles of w, so that the result is the same however many threads share them. Each thread goes
    through all images. With `accumulate` it is added to what stands in w.
    """
    if convolution.pointwise:
        shape = (convolution.channels, convolution.outputs, convolution.positions)
        strides = (1, convolution.channels, convolution.outputs, 1, convolution.outputs)
        return emit_product(module, name, Product(*shape, *strides, accumulate, convolution.type))
    plan = _Plan(module, convolution, accumulate)
    plan.write_block(f"{name}.block")
    f = Function(module, name, kernel_parameters)
    begin, end = f.argument("begin"), f.argument("end")
    with f.when(f.compare("ult", begin, end)), f.loop(0, convolution.images) as item, f.loop(0, plan.blocks) as block:
        f.call(f"{name}.block", *(f.argument(key) for _, key in kernel_parameters[:6]), item.index, block.index)
    size = convolution.type.bits // 8
    return ProductKernel(name, plan.units, plan.slab_elements * size, convolution.flops, True)


@dataclass(frozen=True)
class _Rows:
    """Tiles of w's rows with one pattern: `count` tiles of rows that follow each other, in each of some `places`.

    `a_rows` is where in x each row of the first tile begins, `a_step` how much further the next tile's do; `places`
    are (w's first row, x's offset) for each repetition.
    """

    a_rows: tuple[int, ...]
    a_step: int
    count: int
    places: tuple[tuple[int, int], ...]


class _Plan:
    """How the weights are cut into tiles and the positions into blocks, and the code that goes over them."""

    def __init__(self, module: Module, convolution: Convolution, accumulate: bool) -> None:
        self.module, self.convolution, self.accumulate = module, convolution, accumulate
        line = len(convolution.size) == 1
        # A line is a plane of one row.
        self.size, self.counts, self.kernel, self.stride, self.dilation = (
            ((1,) if line else ()) + values
            for values in (
                convolution.size,
                convolution.counts,
                convolution.kernel,
                convolution.stride,
                convolution.dilation,
            )
        )
        first = ((0,) if line else ()) + tuple(-before for before, _ in convolution.padding)
        self.depth = convolution.channels // convolution.groups
        self.groups = 1 if convolution.lanewise else convolution.groups
        self.columns = convolution.outputs // self.groups
        spans = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in self._axes()]
        row = math.prod(spans[1:]) * convolution.channels * self.stride[0]
        row = (row + math.prod(self.counts[1:]) * convolution.outputs) * convolution.type.bits // 8
        blocks = min(self.counts[0], -(-self.counts[0] * row // (3 * NEAR)))
        self.block = -(-self.counts[0] // blocks)
        self.blocks = -(-self.counts[0] // self.block)
        span = (self.block - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        self.slab = Slab(convolution.type, self.size, convolution.channels, first, (span, *spans[1:]))
        beyond = first[0] + spans[0] > self.size[0]
        self.copied = self.slab.needed or beyond
        self.strides = self.slab.strides
        if not self.copied:
            self.strides = Slab(convolution.type, self.size, convolution.channels, (), self.size).strides
        lanes = module.lanes(convolution.type)
        vectors = {512: 4, 256: 2, 128: 4, 0: 3}[module.vector_bits]
        self.panels = runs(self.columns, lanes * vectors, lanes)
        self.vectors = -(-max(run.size for run in self.panels) // lanes)
        self.most = rows_of_tile(module, self.vectors)
        self.rows = self._cut_rows()
        tiles = sum(rows.count * len(rows.places) for rows in self.rows)
        self.units = tiles * sum(run.count for run in self.panels) * self.groups

    def _axes(self) -> list[tuple[int, int, int, int]]:
        return list(zip(self.counts, self.stride, self.kernel, self.dilation, strict=True))

    @property
    def slab_elements(self) -> int:
        """How many elements of workspace the copy of a block takes."""
        return math.prod(self.slab.lengths) * self.convolution.channels if self.copied else 0

    def _cut_rows(self) -> list[_Rows]:
        """Cut w's rows, which are (taps, channels), into tiles.

        Where x's elements of consecutive rows follow each other the tiles are equal pieces of such a run; runs that
        are much shorter than a tile are put together, each tile with a pattern of its own.
        """
        taps = [
            sum(k * d * s for k, d, s in zip(tap, self.dilation, self.strides, strict=True))
            for tap in itertools.product(*(range(k) for k in self.kernel))
        ]
        joined = self.kernel[-1] if self.dilation[-1] * self.strides[-1] == self.depth else 1
        length = joined * self.depth
        starts = taps[::joined]
        if 2 * length < self.most and len(starts) > 1:
            offsets = [start + at for start in starts for at in range(length)]
            found = []
            for run in runs(len(offsets), self.most):
                for number in range(run.count):
                    at = run.start + number * run.size
                    part = offsets[at : at + run.size]
                    found.append(_Rows(tuple(x - part[0] for x in part), 0, 1, ((at, part[0]),)))
            return found
        rows = equal_rows(self.most, self.most * 2 // 3, self.vectors, length)
        return [
            _Rows(
                tuple(range(run.size)),
                run.size,
                run.count,
                tuple((number * length + run.start, start + run.start) for number, start in enumerate(starts)),
            )
            for run in runs(length, rows)
        ]

    def write_block(self, name: str) -> None:
        """Write `name(…, item, block)`, which adds what one block of positions of one image gives."""
        convolution, type = self.convolution, self.convolution.type
        f = Function(self.module, name, [*kernel_parameters[:6], (I64, "item"), (I64, "block")])
        item, block = f.argument("item"), f.argument("block")
        start = f.times(block, self.block)
        count = f.intrinsic("smin", I64, f.index(self.block), f.value(I64, f"sub nsw i64 {self.counts[0]}, {start}"))
        x = f.at(f.argument("a"), f.times(item, math.prod(self.size) * convolution.channels), type)
        origin = f.times(start, self.stride[0])
        if self.copied:
            above = f.times(f.plus(count, -1), self.stride[0])
            rows = f.plus(above, (self.kernel[0] - 1) * self.dilation[0] + 1)
            f.call(emit_slab(self.module, self.slab), f.argument("workspace"), x, origin, rows)
            x = f.argument("workspace")
        else:
            before = sum(a * stride for a, stride in zip(self.slab.first, self.strides, strict=True))
            x = f.at(x, f.plus(f.times(origin, self.strides[0]), before), type)
        line = math.prod(self.counts[1:]) * convolution.outputs
        y = f.at(f.argument("b"), f.plus(f.times(item, self.counts[0] * line), f.times(start, line)), type)
        more = f.value(BOOL, f"icmp ne i64 {f.plus(item, block)}, 0")
        unit = 0
        for panel in self.panels:
            for pattern in self.rows:
                unit = self._write_tiles(f, unit, panel, pattern, x, y, count, more)

    def _write_tiles(
        self, f: Function, unit: int, panel: Run, rows: _Rows, x: Operand, y: Operand, count: Operand, more: Operand
    ) -> int:
        """Write the loop over tiles of one pattern and one width, and return the number of the first one after them.

        A tile's number counts groups, in them panels, in them places, in them tiles.
        """
        convolution, type = self.convolution, self.convolution.type
        counts = (rows.count, len(rows.places), panel.count, self.groups)
        after = unit + math.prod(counts)
        low = f.intrinsic("smax", I64, f.argument("begin"), f.index(unit))
        high = f.intrinsic("smin", I64, f.argument("end"), f.index(after))
        with f.when(f.compare("slt", low, high)), f.loop(low, high) as loop:
            remaining = f.plus(loop.index, -unit)
            digits = []
            for size in counts[:-1]:
                digits.append(f.value(I64, f"urem i64 {remaining}, {size}"))
                remaining = f.value(I64, f"udiv i64 {remaining}, {size}")
            tile, place, column = digits
            column = f.plus(f.times(remaining, self.columns), f.plus(f.times(column, panel.size), panel.start))
            first_row, row_step = rows.places[0][0], rows.places[-1][0] - rows.places[0][0]
            row_step //= max(1, len(rows.places) - 1)
            row = f.plus(f.plus(f.times(place, row_step), first_row), f.times(tile, len(rows.a_rows)))
            offset = f.load(I64, f.at(self._table([x for _, x in rows.places]), place, I64))
            offset = f.plus(f.plus(offset, f.times(tile, rows.a_step)), f.times(remaining, self.depth))
            offset = f.plus(offset, column) if convolution.lanewise else offset
            kernel = Tile(
                type,
                panel.size,
                rows.a_rows,
                self._levels(),
                convolution.outputs,
                parts=not self.accumulate,
                accumulate=self.accumulate,
                lanewise=convolution.lanewise,
            )
            c = f.at(f.argument("c"), f.plus(f.times(row, convolution.outputs), column), type)
            ends = () if self.accumulate else (more, Operand("false", BOOL))
            f.call(emit_tile(self.module, kernel), c, f.at(x, offset, type), f.at(y, column, type), count, *ends)
        return after

    def _levels(self) -> tuple[Level, ...]:
        """Return the loops over the positions of a block."""
        levels = [
            Level(n, step * stride, math.prod(self.counts[at + 1 :]) * self.convolution.outputs)
            for at, (n, step, stride) in enumerate(zip(self.counts, self.stride, self.strides, strict=True))
        ]
        return (levels[0], *(level for level in levels[1:] if level.count > 1))

    def _table(self, offsets: list[int]) -> Operand:
        """Return the address of a constant table of offsets."""
        key = ("offsets", *offsets)
        if key not in self.module.names:
            name = f"@offsets.{len(self.module.names)}"
            self.module.names[key] = name
            values = ", ".join(f"i64 {offset}" for offset in offsets)
            self.module.table(f"{name} = internal constant [{len(offsets)} x i64] [{values}]")
        return Operand(self.module.names[key], PTR)
