"""Loops over the indices of a space: units that threads share, axes within them, and a run along the innermost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .function import Function
from .places import offsets_at
from .types import I64, Operand, Type

__all__ = ["Space", "Step", "sweep"]

Offsets = list[Operand | int]
Step = Callable[[Operand | int, int, int], None]
"""Writes what happens at one place of a run: its index there, the lanes of a register, and how many are valid."""

ENOUGH = 64
"""As many units are made as keep all threads busy to the end; more of them only cost divisions."""

PIECE = 1 << 11
"""How many places of a long run make a unit of work."""


@dataclass(frozen=True)
class Space:
    """Lengths of axes, and for each array its strides along them, in elements.

    Along a run the first `moving` arrays have the stride 1 and the others 0; where no axis is such a run, the run
    goes one index at a time along the last axis. `shared` says of each axis whether threads may divide it; the
    others are gone through in their order.
    """

    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    moving: int
    shared: tuple[bool, ...]


@dataclass(frozen=True)
class _Axis:
    length: int
    strides: tuple[int, ...]
    shared: bool


def sweep(f: Function, space: Space, type: Type, at: Callable[[Offsets], Step]) -> int:
    """Write the loops between `begin` and `end`, the function's arguments, and return the units of work.

    `at(offsets)` is called where a run begins, with the offset of each array, and returns what is written for each
    register of the run.
    """
    axes = _axes(space)
    run = next((axis for axis in reversed(axes) if _straight(axis, space.moving)), None)
    lanes = f.module.lanes(type) if run is not None else 1
    inner = run or (axes[-1] if axes else _Axis(1, (0,) * len(space.strides), True))
    rest = [axis for axis in axes if axis is not inner]
    units = [axis for axis in rest if axis.shared]
    while units and math.prod(axis.length for axis in units[:-1]) >= ENOUGH:
        units.pop()
    within = [axis for axis in rest if axis not in units]
    few = math.prod(axis.length for axis in units) < ENOUGH
    pieces = -(-inner.length // PIECE) if inner.shared and few else 1
    writer = _Writer(f, inner, lanes, run is not None, at)

    def loops(axes: Sequence[_Axis], offsets: Offsets, piece: Operand | int) -> None:
        if not axes:
            writer.run(offsets, piece, pieces)
            return
        with f.loop(0, axes[0].length) as loop:
            loops(axes[1:], _moved(f, offsets, axes[0], loop.index), piece)

    with f.loop(f.argument("begin"), f.argument("end")) as unit:
        lengths = [*(axis.length for axis in units), pieces]
        strides = [[*(axis.strides[i] for axis in units), 0] for i in range(len(space.strides))]
        *offsets, piece = offsets_at(f, unit.index, lengths, [*strides, [*(0 for _ in units), 1]])
        loops(within, offsets, piece)
    return math.prod(lengths)


def _straight(axis: _Axis, moving: int) -> bool:
    return set(axis.strides[:moving]) == {1} and not any(axis.strides[moving:])


def _axes(space: Space) -> list[_Axis]:
    """Return the axes with more than one index, those merged that every array goes through as if they were one."""
    found: list[_Axis] = []
    for axis, n in enumerate(space.shape):
        if n == 1:
            continue
        here = _Axis(n, tuple(row[axis] for row in space.strides), space.shared[axis])
        if found and found[-1].shared == here.shared and found[-1].strides == tuple(n * s for s in here.strides):
            found[-1] = _Axis(found[-1].length * n, here.strides, here.shared)
        else:
            found.append(here)
    return found


def _moved(f: Function, offsets: Offsets, axis: _Axis, index: Operand | int) -> Offsets:
    return [f.plus(offset, f.times(index, s)) for offset, s in zip(offsets, axis.strides, strict=True)]


@dataclass
class _Writer:
    f: Function
    inner: _Axis
    lanes: int
    straight: bool
    at: Callable[[Offsets], Step]

    def run(self, offsets: Offsets, piece: Operand | int, pieces: int) -> None:
        """Write a run, or the piece of it with this number."""
        f, n = self.f, self.inner.length
        if not self.straight:
            start = f.times(piece, PIECE) if pieces > 1 else f.index(0)
            stop = f.intrinsic("smin", I64, f.plus(start, PIECE), f.index(n)) if pieces > 1 else f.index(n)
            with f.loop(start, stop) as loop:
                self.at(_moved(f, offsets, self.inner, loop.index))(0, 1, 1)
            return
        if pieces == 1:
            self.registers(offsets, n)
            return
        offsets = _moved(f, offsets, self.inner, f.times(piece, PIECE))
        last = f.compare("eq", f.plus(piece, 0), f.index(pieces - 1))
        with f.when(f.binary("xor", last, f.constant(last, 1))):
            self.registers(offsets, PIECE)
        with f.when(last):
            self.registers(offsets, n - (pieces - 1) * PIECE)

    def registers(self, offsets: Offsets, length: int) -> None:
        """Write a run of known length, a register at a time."""
        f, lanes = self.f, self.lanes
        step = self.at(offsets)
        whole = length - length % lanes
        if whole > 4 * lanes:
            with f.loop(0, whole, lanes) as loop:
                step(loop.index, lanes, lanes)
        else:
            for start in range(0, whole, lanes):
                step(start, lanes, lanes)
        if length > whole:
            step(whole, lanes, length - whole)
