"""The engine of convolutions: at each position, a sum over taps and channels of what lies there times a weight."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .finish import Epilogue
from .function import Function, Module
from .pieces import Run, each, runs
from .slab import Slab, emit_slab
from .tile import UNROLLED, Level, Tile, emit_tile, equal_rows, registers, rows_of_tile
from .types import I64, PTR, Operand, Type

__all__ = ["Axis", "Correlation", "Correlator", "levels_over_taps"]

NEAR = 1 << 17
"""Bytes of an image's rows that are worked on at a time: they are to stay in the second cache."""

FAR = 1 << 19
"""Bytes of weights beyond which the taps of the first axis are gone through one by one."""


@dataclass(frozen=True)
class Axis:
    """One axis of positions and taps.

    Position t and tap j meet at place `first` + t · `step` + j · `apart` of an input of length `size`. The result of
    position t stands at place `out` + t · `out_step` of the output's axis of length `out_size`.
    """

    size: int
    count: int
    step: int
    first: int
    taps: int
    apart: int
    out: int
    out_step: int
    out_size: int

    @property
    def reach(self) -> int:
        """How many places the taps of one position span."""
        return max(0, self.taps - 1) * self.apart + 1

    def span(self, positions: int) -> int:
        """Return how many places neighbouring positions reach over."""
        return (positions - 1) * self.step + self.reach


@dataclass(frozen=True)
class Correlation:
    """Images (*sizes, groups · depth) and weights (groups, *taps, depth, columns) give (*out_sizes, groups · columns).

    The weights' last axis has the stride `b_row`, in elements, their groups lie `b_group` apart. With `lanewise` each
    column comes from the one channel of the same number.
    """

    type: Type
    axes: tuple[Axis, ...]
    groups: int
    depth: int
    columns: int
    b_row: int
    b_group: int
    lanewise: bool = False

    @property
    def channels(self) -> int:
        """How many channels the images have."""
        return self.columns if self.lanewise else self.groups * self.depth

    @property
    def beyond(self) -> bool:
        """Whether taps of some position lie beyond the edges of the image."""
        met = min(axis.taps for axis in self.axes) > 0
        return met and any(axis.first < 0 or axis.first + axis.span(axis.count) > axis.size for axis in self.axes)

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks the positions of the first axis fall into, and how many each but the last has."""
        first = self.axes[0]
        line = math.prod(axis.span(axis.count) for axis in self.axes[1:]) * self.channels * self.type.bits // 8
        rows = max(1, (max(0, NEAR // line - first.reach)) // first.step + 1)
        count = -(-first.count // rows)
        each = -(-first.count // count)
        return -(-first.count // each), each


class Correlator:
    """Writes the code of one correlation for one block of positions of one image."""

    def __init__(self, module: Module, work: Correlation, blocks: int, epilogue: Epilogue | None) -> None:
        self.module, self.work, self.epilogue = module, work, epilogue
        self.lanes = lanes = module.lanes(work.type)
        self.block = -(-work.axes[0].count // blocks)
        lengths = (work.axes[0].span(self.block), *(axis.span(axis.count) for axis in work.axes[1:]))
        self.slab = Slab(
            work.type, tuple(a.size for a in work.axes), work.channels, tuple(a.first for a in work.axes), lengths
        )
        self.copied = min(axis.taps for axis in work.axes) > 0 and (
            self.slab.needed or work.axes[0].first + work.axes[0].span(work.axes[0].count) > work.axes[0].size
        )
        self.panels, self.tiles = _shape(module, work)
        width = max(run.size for run in self.panels)
        self.padded = -(-width // lanes) * lanes
        weights = math.prod(axis.taps for axis in work.axes) * work.depth * width * work.type.bits // 8
        self.parts = work.axes[0].taps if weights > FAR else 1

    @property
    def slab_elements(self) -> int:
        """How many elements of workspace the copy of a block takes."""
        return math.prod(self.slab.lengths) * self.work.channels if self.copied else 0

    @property
    def scratch_elements(self) -> int:
        """How many elements of workspace a tile takes on its way through the epilogue."""
        return max(run.size for run in self.tiles) * self.padded if self.epilogue is not None else 0

    def emit(self, name: str) -> None:
        """Write `name(c, a, b, item, block, slab, scratch, table)`, for one block of one image."""
        work, first = self.work, self.work.axes[0]
        names = ((PTR, "c"), (PTR, "a"), (PTR, "b"), (I64, "item"), (I64, "block"))
        f = Function(self.module, name, [*names, (PTR, "slab"), (PTR, "scratch"), (PTR, "table")])
        start = f.times(f.argument("block"), self.block)
        count = f.intrinsic("smin", I64, f.index(self.block), f.value(I64, f"sub nsw i64 {first.count}, {start}"))
        with f.when(f.compare("sgt", count, f.index(0))):
            image = math.prod(self.slab.size) * work.channels
            a = f.at(f.argument("a"), f.times(f.argument("item"), image), work.type)
            origin = f.times(start, first.step)
            if self.copied:
                strides = self.slab.strides
                above = f.times(f.plus(count, -1), first.step)
                f.call(emit_slab(self.module, self.slab), f.argument("slab"), a, origin, f.plus(above, first.reach))
                a = f.argument("slab")
            else:
                strides = Slab(work.type, self.slab.size, work.channels, (), self.slab.size).strides
                a = f.at(a, f.times(origin, strides[0]), work.type)
                before = sum(axis.first * stride for axis, stride in zip(work.axes, strides, strict=True))
                a = f.at(a, before if min(axis.taps for axis in work.axes) else 0, work.type)
            self._write_groups(f, a, strides, start, count)

    def _write_groups(self, f: Function, a: Operand, strides: tuple[int, ...], start: Operand, count: Operand) -> None:
        work = self.work
        with each(f, Run(0, 0, 1, work.groups), None) as group:
            b = f.at(f.argument("b"), f.times(group, work.b_group), work.type)
            a = f.at(a, f.times(group, work.depth), work.type)
            shift = f.times(group, work.columns)
            for panel in self.panels:
                with each(f, panel, None) as column:
                    source = f.at(b, column, work.type)
                    where = f.plus(shift, column)
                    above = f.at(a, column, work.type) if work.lanewise else a
                    if self.parts == 1:
                        depth = f.index(work.axes[0].taps)
                        self._write_positions(f, panel, above, source, where, strides, start, count, depth, ())
                        continue
                    with f.loop(0, self.parts) as part:
                        further = f.times(part.index, work.axes[0].apart * strides[0])
                        weights = math.prod(axis.taps for axis in work.axes[1:]) * work.depth * work.b_row
                        more = f.compare("ne", part.index, f.index(0))
                        last = f.compare("eq", part.index, f.index(self.parts - 1))
                        at_tap = f.at(source, f.times(part.index, weights), work.type)
                        from_a = f.at(above, further, work.type)
                        ends = (more, last)
                        self._write_positions(f, panel, from_a, at_tap, where, strides, start, count, f.index(1), ends)

    def _write_positions(
        self,
        f: Function,
        panel: Run,
        a: Operand,
        b: Operand,
        column: Operand,
        strides: tuple[int, ...],
        start: Operand,
        count: Operand,
        depth: Operand,
        ends: tuple[Operand, ...],
    ) -> None:
        """Write the loops over the positions: rows of the block, then further axes, then tiles along the last."""
        work = self.work
        final = len(work.axes) - 1
        numbers = [math.prod(axis.out_size for axis in work.axes[at + 1 :]) for at in range(final + 1)]
        outputs = work.groups * work.columns
        whole = math.prod(axis.out_size for axis in work.axes)
        levels = levels_over_taps(work, strides)

        def tiles(at: int, a: Operand, number: Operand) -> None:
            axis = work.axes[at]
            number = f.plus(number, axis.out * numbers[at])
            if at < final:
                with f.loop(0, axis.count if at else count) as loop:
                    further = f.at(a, f.times(loop.index, axis.step * strides[at]), work.type)
                    place = loop.index if at else f.plus(start, loop.index)
                    tiles(at + 1, further, f.plus(number, f.times(place, axis.out_step * numbers[at])))
                return
            for run in self.tiles:
                with each(f, run, None) as position:
                    row = f.plus(number, f.times(position, axis.out_step))
                    tile = Tile(
                        work.type,
                        panel.size,
                        tuple(i * axis.step * strides[at] for i in range(run.size)),
                        levels,
                        axis.out_step * outputs,
                        parts=self.parts > 1,
                        accumulate=False,
                        epilogue=self.epilogue,
                        row_step=axis.out_step,
                        lanewise=work.lanewise,
                    )
                    c = f.at(f.argument("c"), f.plus(f.times(row, outputs), column), work.type)
                    from_a = f.at(a, f.times(position, axis.step * strides[at]), work.type)
                    more = () if self.epilogue is None else (row, column, f.argument("table"), f.argument("scratch"))
                    f.call(emit_tile(self.module, tile), c, from_a, b, depth, *ends, *more)

        tiles(0, a, f.times(f.argument("item"), whole))


def levels_over_taps(work: Correlation, strides: tuple[int, ...]) -> tuple[Level, ...]:
    """Return the loops over taps and channels: the taps of the last axis and its channels are one run if they can."""
    if min(axis.taps for axis in work.axes) == 0:
        return ()
    weights = work.depth * work.b_row
    levels = [Level(work.depth, 1, work.b_row)]
    for at in range(len(work.axes) - 1, -1, -1):
        axis = work.axes[at]
        if at == len(work.axes) - 1 and at > 0 and not work.lanewise and axis.apart * strides[at] == work.depth:
            levels = [Level(axis.taps * work.depth, 1, work.b_row)]
        else:
            levels.insert(0, Level(axis.taps, axis.apart * strides[at], weights))
        weights *= axis.taps
    first, *others = levels
    return (first, *(level for level in others if level.count > 1))


def _shape(module: Module, work: Correlation) -> tuple[list[Run], list[Run]]:
    """Return how the columns and the positions of a line are cut into tiles.

    Where the registers are many, tall and narrow tiles are best, since the weights come from the second cache; but
    they must divide the line, or two kernels are needed. What is written out needs registers to spare.
    """
    lanes = module.lanes(work.type)
    count = work.axes[-1].count
    vectors = -(-work.columns // lanes)
    written_out = work.axes[-1].taps * work.depth <= UNROLLED
    widths = (min(vectors, 2),) if registers(module) < 32 else (vectors,) if vectors <= 3 else (2, 4)
    for wide in widths:
        most = rows_of_tile(module, wide)
        if written_out:
            most = most * 3 // 4
        rows = equal_rows(most, most // 2, wide, count)
        if count % rows == 0:
            break
    return runs(work.columns, lanes * wide, lanes), runs(count, rows)
