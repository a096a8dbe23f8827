"""Windows that slide over the last axes of an array of any memory order: where they lie, and loops over them.

Registers run along an axis before the windows where that axis is the innermost in memory (channels last), else
along the last of the window axes if that is (channels first). Windows that reach over the border are walked by
themselves, with those of their elements that exist.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .function import Function, Module
from .places import offsets_at
from .types import I64, PTR, Operand, Type

__all__ = ["Segment", "Tap", "Walk", "Windows", "window_function"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """An array x with windows over its last axes, and an array y with one element a window. Strides in elements.

    `before` is the width of the border before each window axis; a negative one crops.
    """

    lead: Shape
    size: Shape
    counts: Shape
    kernel: Shape
    stride: Shape
    before: Shape
    dilation: Shape
    x_strides: Shape
    y_strides: Shape
    type: Type

    @property
    def channel(self) -> int | None:
        """The axis before the windows that registers run along, if there is one."""
        for axis, n in enumerate(self.lead):
            if n > 1 and self.x_strides[axis] == 1 == self.y_strides[axis]:
                return axis
        return None

    @property
    def units(self) -> int:
        """How many pieces of work there are: all but the axis that registers run along and the window axes."""
        return math.prod(n for axis, n in enumerate(self.lead) if axis != self.channel)

    @property
    def overlapping(self) -> bool:
        """Whether an element may lie in more than one window."""
        return any(d * (k - 1) >= s for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True))

    @property
    def covering(self) -> bool:
        """Whether every element lies in some window."""
        return all(
            len({p for o in range(count) for _, p in self.positions(axis, o)}) == n
            for axis, (n, count) in enumerate(zip(self.size, self.counts, strict=True))
        )

    def positions(self, axis: int, window: int) -> list[tuple[int, int]]:
        """Return the numbers of the elements of a window along an axis that exist, and where they lie."""
        start = window * self.stride[axis] - self.before[axis]
        places = ((i, start + i * self.dilation[axis]) for i in range(self.kernel[axis]))
        return [(i, place) for i, place in places if 0 <= place < self.size[axis]]

    def segments(self, axis: int, same: Callable[[int, int], object]) -> list[Segment]:
        """Return the windows along an axis in runs that have the same elements, and agree in `same(axis, window)`."""
        found: list[Segment] = []
        for window in range(self.counts[axis]):
            taps = tuple(i for i, _ in self.positions(axis, window))
            kind = same(axis, window)
            if found and (found[-1].taps, found[-1].kind) == (taps, kind):
                found[-1] = Segment(found[-1].start, found[-1].count + 1, taps, kind)
            else:
                found.append(Segment(window, 1, taps, kind))
        return found


@dataclass(frozen=True)
class Segment:
    """Consecutive windows along one axis that have the same elements."""

    start: int
    count: int
    taps: Shape
    kind: object


@dataclass(frozen=True)
class Tap:
    """An element of a window: its number in row order, its number along each axis, and how far from the origin."""

    number: int
    along: Shape
    offset: int


@dataclass
class Walk:
    """A window, or a register of them, that the body is to be written for."""

    windows: Windows
    x_offset: Operand | int
    y_offset: Operand | int
    taps: list[Tap]
    kinds: tuple[object, ...]
    lanes: int
    valid: int
    step: int
    """How far apart the lanes lie in x: 1, or the stride of the windows where registers run along them."""


def window_function(
    module: Module,
    name: str,
    windows: Windows,
    pointers: Sequence[str],
    body: Callable[[Function, Walk], None],
    *,
    same: Callable[[int, int], object] = lambda axis, window: None,
    clear: str | None = None,
    along_windows: bool = True,
) -> int:
    """Write `name(pointers…, i64 begin, i64 end)`, which runs the body for every window; returns the units of work.

    `clear` names an array that lies in memory as x does, and is set to 0 first.
    `along_windows` allows registers that hold several windows.
    """
    f = Function(module, name, [*((PTR, p) for p in pointers), (I64, "begin"), (I64, "end")])
    writer = _Writer(f, module, windows, body, same, along_windows)
    with f.loop(f.argument("begin"), f.argument("end")) as unit:
        x_offset, y_offset = writer.unit(unit.index)
        if clear is not None:
            writer.clear(f.at(f.argument(clear), x_offset, windows.type))
        writer.axis(0, x_offset, y_offset, [])
    return windows.units


class _Writer:
    def __init__(
        self,
        f: Function,
        module: Module,
        windows: Windows,
        body: Callable[[Function, Walk], None],
        same: Callable[[int, int], object],
        along_windows: bool,
    ) -> None:
        self.f = f
        self.windows = windows
        self.body = body
        self.same = same
        self.lanes = module.lanes(windows.type)
        # Where windows at the border are written out by themselves, a loop over the registers keeps the code short.
        self.uniform = all(len(windows.segments(axis, same)) == 1 for axis in range(len(windows.kernel)))
        last = len(windows.lead) + len(windows.kernel) - 1
        self.along_windows = (
            along_windows and windows.channel is None and windows.x_strides[last] == 1 == windows.y_strides[last]
        )

    def unit(self, index: Operand) -> tuple[Operand | int, Operand | int]:
        """Return the offsets in x and in y of a unit: its number is taken apart into the axes before the windows."""
        w, f = self.windows, self.f
        axes = [axis for axis in range(len(w.lead)) if axis != w.channel]
        strides = [[row[axis] for axis in axes] for row in (w.x_strides, w.y_strides)]
        x, y = offsets_at(f, index, [w.lead[axis] for axis in axes], strides)
        return x, y

    def axis(self, axis: int, x: Operand | int, y: Operand | int, chosen: list[Segment], lanes: int = 1) -> None:
        """Write the loops over the windows along `axis` and those behind it."""
        w, f = self.windows, self.f
        if axis == len(w.kernel):
            self.window(x, y, chosen, lanes)
            return
        for segment in w.segments(axis, self.same):
            for start, count, step in self.steps(axis, segment):
                if count == 1:
                    self.moved(axis, x, y, f.index(start), [*chosen, segment], step)
                    continue
                with f.loop(start, start + count * step, step) as loop:
                    self.moved(axis, x, y, loop.index, [*chosen, segment], step)

    def steps(self, axis: int, segment: Segment) -> Iterator[tuple[int, int, int]]:
        """Cut a segment into (start, how many, windows at a time)."""
        start, count = segment.start, segment.count
        if self.along_windows and axis == len(self.windows.kernel) - 1 and self.lanes > 1:
            lanes = self.lanes
            while lanes > 1:
                whole, count = divmod(count, lanes)
                if whole:
                    yield start, whole, lanes
                start += whole * lanes
                lanes //= 2
        if count:
            yield start, count, 1

    def moved(
        self, axis: int, x: Operand | int, y: Operand | int, o: Operand, chosen: list[Segment], lanes: int
    ) -> None:
        w, f = self.windows, self.f
        xs, ys = w.x_strides[len(w.lead) + axis], w.y_strides[len(w.lead) + axis]
        x = f.plus(x, f.times(o, w.stride[axis] * xs))
        self.axis(axis + 1, x, f.plus(y, f.times(o, ys)), chosen, lanes)

    def window(self, x: Operand | int, y: Operand | int, chosen: list[Segment], lanes: int) -> None:
        w, f = self.windows, self.f
        taps = []
        strides = w.x_strides[len(w.lead) :]
        for along in itertools.product(*(segment.taps for segment in chosen)):
            number = 0
            for i, k in zip(along, w.kernel, strict=True):
                number = number * k + i
            places = (i * d - b for i, d, b in zip(along, w.dilation, w.before, strict=True))
            taps.append(Tap(number, along, sum(p * s for p, s in zip(places, strides, strict=True))))
        kinds = tuple(segment.kind for segment in chosen)
        if w.channel is None:
            step = w.stride[-1] if lanes > 1 else 1
            self.body(f, Walk(w, x, y, taps, kinds, lanes, lanes, step))
            return
        for c, register, valid in self.pieces(w.lead[w.channel]):
            self.body(f, Walk(w, f.plus(x, c), f.plus(y, c), taps, kinds, register, valid, 1))

    def pieces(self, width: int) -> Iterator[tuple[Operand | int, int, int]]:
        """Go through consecutive elements: yields the first, the lanes of the register, and how many are valid."""
        many = width // self.lanes
        done = 0
        if many > (4 if self.uniform else 1):
            with self.f.loop(0, many * self.lanes, self.lanes) as loop:
                yield loop.index, self.lanes, self.lanes
            done = many * self.lanes
        for start in range(done, width, self.lanes):
            yield start, self.lanes, min(self.lanes, width - start)

    def clear(self, base: Operand) -> None:
        """Set all elements of a unit to zero."""
        w = self.windows
        axes = list(zip(w.size, w.x_strides[len(w.lead) :], strict=True))
        width = 1
        if w.channel is not None:
            width = w.lead[w.channel]
        while axes and axes[-1][1] == width:  # what lies behind one another is one run
            width *= axes.pop()[0]
        self._clear(base, axes, width)

    def _clear(self, base: Operand, axes: list[tuple[int, int]], width: int) -> None:
        if axes:
            (n, stride), *rest = axes
            with self.f.loop(0, n) as loop:
                self._clear(self.f.at(base, self.f.times(loop.index, stride), self.windows.type), rest, width)
            return
        type = self.windows.type
        for start, lanes, valid in self.pieces(width):
            zero = self.f.constant(type.of(lanes), 0)
            self.f.store(zero, self.f.at(base, start, type), valid)
