"""Rows of an image copied into consecutive memory with zeros around them, so that windows never hang over an edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .function import Function, Module
from .types import BOOL, I64, PTR, Operand, Type, constant

__all__ = ["Slab", "emit_slab"]


@dataclass(frozen=True)
class Slab:
    """What is copied of an image of shape (*size, channels).

    `first` is the place in the image, along each axis, that the copy begins at: before 0 there are zeros, as there
    are beyond the image's end. `lengths` is the copy's shape; of its first axis as many rows are made as are told.
    """

    type: Type
    size: tuple[int, ...]
    channels: int
    first: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart neighbours along each axis are in the copy, in elements."""
        return tuple(math.prod(self.lengths[at + 1 :]) * self.channels for at in range(len(self.lengths)))

    @property
    def needed(self) -> bool:
        """Whether the copy differs from the image where it lies."""
        pairs = zip(self.first, self.lengths, self.size, strict=True)
        return any(first < 0 or first + length > size for first, length, size in pairs)


def emit_slab(module: Module, slab: Slab) -> str:
    """Write `slab(to, image, row, rows)`, once a module for the same slab, and return its name.

    `row` is added to `first` of the first axis.
    """
    if slab in module.names:
        return module.names[slab]
    name = f"slab.{len(module.names)}"
    module.names[slab] = name
    f = Function(module, name, [(PTR, "to"), (PTR, "image"), (I64, "row"), (I64, "rows")])
    outer = len(slab.size) - 1
    strides = tuple(math.prod(slab.size[at + 1 :]) * slab.channels for at in range(outer))

    def axis(at: int, to: Operand, source: Operand, inside: Operand | None) -> None:
        if at == outer:
            assert inside is not None
            _copy_line(f, slab, to, source, inside)
            return
        start = f.plus(f.argument("row"), slab.first[0]) if at == 0 else f.index(slab.first[at])
        with f.loop(0, slab.lengths[at] if at else f.argument("rows")) as loop:
            place = f.plus(start, loop.index)
            here = f.compare("ult", place, f.index(slab.size[at]))
            both = here if inside is None else f.value(BOOL, f"and i1 {here}, {inside}")
            axis(
                at + 1,
                f.at(to, f.times(loop.index, slab.strides[at]), slab.type),
                f.value(PTR, f"getelementptr {slab.type}, ptr {source}, i64 {f.times(place, strides[at])}"),
                both,
            )

    axis(0, f.argument("to"), f.argument("image"), None)
    return name


def _copy_line(f: Function, slab: Slab, to: Operand, source: Operand, inside: Operand) -> None:
    """Copy one line of the last axis, or write zeros where it lies outside the image."""
    first, length, size = slab.first[-1], slab.lengths[-1], slab.size[-1]
    before = min(max(0, -first), length)
    from_line = max(0, first)
    inner = max(0, min(size, first + length) - from_line) if before < length else 0
    after = length - before - inner

    def run(start: int, count: int, origin: Operand | None) -> None:
        total = count * slab.channels
        lanes = f.module.lanes(slab.type)
        target = f.at(to, start * slab.channels, slab.type)

        def piece(at: Operand | int, n: int) -> None:
            vector = slab.type.of(lanes)
            value = constant(vector, 0.0) if origin is None else f.load(vector, f.at(origin, at, slab.type), n)
            f.store(value, f.at(target, at, slab.type), n)

        whole, rest = total // lanes * lanes, total % lanes
        if whole:
            with f.loop(0, whole, lanes) as loop:
                piece(loop.index, lanes)
        if rest:
            piece(whole, rest)

    if inner:
        with f.when(inside):
            run(0, before, None)
            run(before, inner, f.at(source, from_line * slab.channels, slab.type))
            run(before + inner, after, None)
        with f.when(f.value(BOOL, f"xor i1 {inside}, true")):
            run(0, length, None)
    else:
        run(0, length, None)
