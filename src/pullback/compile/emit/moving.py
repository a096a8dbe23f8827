"""Copies between arrays of the same shape and any strides: runs, transpositions by squares of registers, elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .function import Function, Module
from .pack import transposed
from .places import offsets_at
from .types import I64, PTR, Operand, Type

__all__ = ["Move", "emit_move", "turns"]

# Bits are moved, whatever they mean; the shuffles are written for floating-point registers.
_TYPES = {1: Type("i8"), 2: Type("i16"), 4: Type("float"), 8: Type("double")}

PIECE = 1 << 12
"""How many elements of a run that has no axes around it make a unit of work."""

SIDE_BY_SIDE = 4
"""How many squares are turned over in a row before those below them."""


@dataclass(frozen=True)
class Move:
    """A copy: the common shape, the strides of both arrays in elements, and the bytes of an element.

    A stride of the source may be 0 (it is repeated there) or negative; no element of the target is written twice.
    """

    shape: tuple[int, ...]
    target: tuple[int, ...]
    source: tuple[int, ...]
    itemsize: int


@dataclass(frozen=True)
class _Axis:
    length: int
    target: int
    source: int


def _axes(move: Move) -> list[_Axis]:
    """Return the axes from the outermost to the innermost in the target, those merged that lie on one line."""
    found: list[_Axis] = []
    axes = (_Axis(*axis) for axis in zip(move.shape, move.target, move.source, strict=True) if axis[0] > 1)
    for axis in sorted(axes, key=lambda axis: -abs(axis.target)):
        if found:
            outer = found[-1]
            if (outer.target, outer.source) == (axis.target * axis.length, axis.source * axis.length):
                found[-1] = _Axis(outer.length * axis.length, axis.target, axis.source)
                continue
        found.append(axis)
    return found


def turns(move: Move) -> bool:
    """Whether the copy is a transposition: the axes that are innermost in the two arrays are different ones."""
    axes = _axes(move)
    inner = {axis for axis in axes if 1 in (axis.target, axis.source)}
    return len(inner) == 2 and not any(axis.target == axis.source == 1 for axis in inner)


def emit_move(module: Module, name: str, move: Move) -> int:
    """Write `name(ptr target, ptr source, i64 begin, i64 end)` and return the units of work."""
    f = Function(module, name, [(PTR, "target"), (PTR, "source"), (I64, "begin"), (I64, "end")])
    type = _TYPES[move.itemsize]
    axes = _axes(move) or [_Axis(1, 1, 1)]
    if turns(move) and module.lanes(type) > 1 and type.floating:
        return _emit_squares(f, type, axes)
    inner = next((axis for axis in axes if axis.target == 1 and axis.source in (0, 1)), axes[-1])
    return _emit_runs(f, type, axes, inner)


def _each_unit(
    f: Function, axes: list[_Axis], pieces: int, body: Callable[[Operand, Operand, Operand], None], type: Type
) -> int:
    """Write the loop over the units: each is an index of the outer axes and one of the pieces of what is inside."""
    lengths = [*(axis.length for axis in axes), pieces]
    targets, sources = [*(axis.target for axis in axes), 0], [*(axis.source for axis in axes), 0]
    numbers = [*([0] * len(axes)), 1]
    with f.loop(f.argument("begin"), f.argument("end")) as unit:
        target, source, piece = offsets_at(f, unit.index, lengths, (targets, sources, numbers))
        number = piece if isinstance(piece, Operand) else f.index(piece)
        body(f.at(f.argument("target"), target, type), f.at(f.argument("source"), source, type), number)
    return math.prod(lengths)


# ---------------------------------------------------------------------------------------------------- runs


def _emit_runs(f: Function, type: Type, axes: list[_Axis], inner: _Axis) -> int:
    """Copy along one axis: in registers where it is the innermost of both arrays, else element by element."""
    outer = [axis for axis in axes if axis is not inner]
    lanes = f.module.lanes(type) if inner.target == 1 and inner.source in (0, 1) else 1
    pieces = 1 if outer else -(-inner.length // PIECE)
    length = inner.length if pieces == 1 else PIECE

    def body(target: Operand, source: Operand, piece: Operand) -> None:
        if pieces == 1:
            _run(f, type, inner, lanes, target, source, length)
            return
        target = f.at(target, f.times(piece, PIECE * inner.target), type)
        source = f.at(source, f.times(piece, PIECE * inner.source), type)
        rest = inner.length - (pieces - 1) * PIECE
        last = f.compare("eq", piece, f.index(pieces - 1))
        with f.when(f.binary("xor", last, f.constant(last, 1))):
            _run(f, type, inner, lanes, target, source, PIECE)
        with f.when(last):
            _run(f, type, inner, lanes, target, source, rest)

    return _each_unit(f, outer, pieces, body, type)


def _run(f: Function, type: Type, axis: _Axis, lanes: int, target: Operand, source: Operand, length: int) -> None:
    repeated = f.spread(f.load(type, source), lanes) if axis.source == 0 else None

    def move(index: Operand | int, valid: int) -> None:
        value = repeated
        if value is None:
            value = f.load(type.of(lanes), f.at(source, f.times(index, axis.source), type), valid)
        f.store(value, f.at(target, f.times(index, axis.target), type), valid)

    whole = length - length % lanes
    if whole > 8 * lanes:
        with f.loop(0, whole, lanes) as loop:
            move(loop.index, lanes)
    else:
        for start in range(0, whole, lanes):
            move(start, lanes)
    if length > whole:
        move(whole, length - whole)


# --------------------------------------------------------------------------------------------- transposition


def _emit_squares(f: Function, type: Type, axes: list[_Axis]) -> int:
    """Turn over the two axes that are innermost in one array each; a unit is a strip of some squares' width.

    A line of the source reaches into the next square wherever the array does not begin with a line: squares side
    by side find it in the cache.
    """
    down = next(axis for axis in axes if axis.target == 1)
    along = next(axis for axis in axes if axis.source == 1)
    outer = [axis for axis in axes if axis is not down and axis is not along]
    lanes = f.module.lanes(type)
    rows, columns = min(lanes, down.length), min(lanes, along.length)
    width = SIDE_BY_SIDE * lanes if along.length >= 2 * SIDE_BY_SIDE * lanes else lanes
    strips = -(-along.length // width)

    def start(index: Operand, length: int, size: int) -> Operand:
        # The last square reaches back over the one before it, so that none is cut off.
        return f.intrinsic("smin", I64, index, f.index(max(0, length - size)))

    def square(target: Operand, source: Operand) -> None:
        loaded = [f.load(type.of(lanes), f.at(source, i * down.source, type), columns) for i in range(rows)]
        loaded += [f.constant(type.of(lanes), 0)] * (lanes - rows)
        for i, column in enumerate(transposed(f, loaded)[:columns]):
            f.store(column, f.at(target, i * along.target, type), rows)

    def across(target: Operand, source: Operand) -> None:
        if width == lanes:
            square(target, source)
            return
        with f.loop(0, width, lanes) as loop:
            square(f.at(target, f.times(loop.index, along.target), type), f.at(source, loop.index, type))

    def body(target: Operand, source: Operand, strip: Operand) -> None:
        if strips > 1:
            column = start(f.times(strip, width), along.length, width)
            target, source = f.at(target, f.times(column, along.target), type), f.at(source, column, type)
        if down.length <= lanes:
            across(target, source)
            return
        with f.loop(0, down.length, lanes) as loop:
            row = start(loop.index, down.length, lanes)
            across(f.at(target, row, type), f.at(source, f.times(row, down.source), type))

    return _each_unit(f, outer, strips, body, type)
