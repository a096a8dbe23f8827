"""How an instruction goes through the space of a group: its axes placed, joined and parted, its values at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

from ..core.spec import Shape
from .access import Access, Iota, Operand
from .group import LARGEST, Group, rows_and_column
from .program import Fold, Point

__all__ = ["fitted"]


def fitted(instruction: Point | Fold, group: Group, reader: bool) -> Point | Fold | None:
    """Return the instruction as it goes through the group's space, or None where it does not fit there.

    Behind a product stands what reads its result (`reader`), and what that needs.
    """
    if group.kind not in ("nest", "product") or len(group.instructions) >= LARGEST:
        return None
    if group.kind == "product" and (
        rows_and_column(group) is None
        or isinstance(instruction, Fold)
        or math.prod(instruction.shape) != math.prod(group.shape)
        or any(isinstance(x, Iota) for x in instruction.operands)
    ):
        return None
    if isinstance(instruction, Fold) and group.folded and instruction.shape != group.shape:
        return None
    for candidate in _embedded(instruction, group):
        if _meets(candidate, group, reader) and (group.kind != "product" or _by_rows(candidate, group)):
            return candidate
    return None


def _embedded(instruction: Point | Fold, group: Group) -> list[Point | Fold]:
    """Return the ways in which the space of an instruction lies within that of a group."""
    mine, whole = instruction.shape, group.shape
    if mine == whole:
        return [instruction]
    if math.prod(mine) == math.prod(whole):
        other = _reshaped(instruction, whole)
        return [] if other is None else [other]
    if isinstance(instruction, Fold) or any(isinstance(x, Iota) for x in instruction.operands):
        return []
    found: list[Point | Fold] = []
    rows = [i for i in range(len(whole)) if i not in group.folded]
    for axes in _placements(mine, whole, rows):
        operands = tuple(_placed(x, axes, whole) for x in instruction.operands)
        out = _placed(instruction.out, axes, whole)
        assert isinstance(out, Access)
        found.append(replace(instruction, shape=whole, operands=operands, out=out))
    return found


def _placements(mine: Shape, whole: Shape, rows: Sequence[int]) -> list[tuple[int | None, ...]]:
    """Return where each axis of `mine` may stand among the axes of `whole` that are not folded.

    An axis of length 1 needs no place (None). All the axes in `rows` have to be filled, else an element
    would be computed more than once.
    """
    moving = [i for i, n in enumerate(mine) if n != 1]
    needed = [i for i in rows if whole[i] != 1]
    if len(moving) != len(needed):
        return []
    found = []
    for chosen in combinations(needed, len(moving)):
        if all(mine[i] == whole[j] for i, j in zip(moving, chosen, strict=True)):
            places: list[int | None] = [None] * len(mine)
            for i, j in zip(moving, chosen, strict=True):
                places[i] = j
            found.append(tuple(places))
    return found


def _reshaped(instruction: Point | Fold, whole: Shape) -> Point | Fold | None:
    """Return the instruction with its axes joined and parted as those of `whole`, where its strides allow it."""
    blocks = _blocks(instruction.shape, whole)
    out = _joined(instruction.out, blocks, whole)
    if out is None:
        return None
    if isinstance(instruction, Fold):
        operand = _joined(instruction.operand, blocks, whole)
        axes: list[int] = []
        for mine, theirs in blocks:
            folded = {i in instruction.axes for i in mine if instruction.shape[i] != 1}
            if len(folded) > 1:
                return None
            if folded == {True}:
                axes += theirs
        if operand is None:
            return None
        return replace(instruction, shape=whole, operand=operand, out=out, axes=tuple(axes))
    operands = [_joined(x, blocks, whole) for x in instruction.operands]
    if any(x is None for x in operands):
        return None
    return replace(instruction, shape=whole, operands=tuple(operands), out=out)


def _blocks(mine: Shape, whole: Shape) -> list[tuple[list[int], list[int]]]:
    """Return the axes of two shapes of one size in groups whose lengths have the same product."""
    found = []
    i = j = 0
    while i < len(mine) or j < len(whole):
        ours: list[int] = []
        theirs: list[int] = []
        p = q = 1
        while (not ours and not theirs) or p != q:
            if (p <= q or j == len(whole)) and i < len(mine):
                ours.append(i)
                p *= mine[i]
                i += 1
            else:
                theirs.append(j)
                q *= whole[j]
                j += 1
        found.append((ours, theirs))
    return found


def _joined(x: Operand, blocks: Sequence[tuple[list[int], list[int]]], whole: Shape) -> Any:
    if isinstance(x, Iota):
        return None
    if not isinstance(x, Access):
        return x
    strides = [0] * len(whole)
    for ours, theirs in blocks:
        moving = [i for i in ours if x.shape[i] != 1]
        if not moving:
            continue
        step = x.strides[moving[-1]]
        inner = 1
        for i in reversed(moving):
            if x.strides[i] != step * inner:
                return None
            inner *= x.shape[i]
        for j in reversed(theirs):
            strides[j] = step
            step *= whole[j]
    return Access(x.array, x.offset, whole, tuple(strides))


def _placed(x: Operand, axes: Sequence[int | None], whole: Shape) -> Operand:
    if not isinstance(x, Access):
        return x
    strides = [0] * len(whole)
    for stride, axis in zip(x.strides, axes, strict=True):
        if axis is not None:
            strides[axis] = stride
    return Access(x.array, x.offset, whole, tuple(strides))


def _meets(instruction: Point | Fold, group: Group, reader: bool) -> bool:
    """Whether each value that the instruction takes from the group is at hand where it is wanted."""
    if isinstance(instruction, Fold) and group.folded and instruction.axes != group.folded:
        return False
    if isinstance(instruction, Fold) and not group.folded and not _rows_only(group, instruction.axes):
        return False
    written, read = group.touched()
    read_here = False
    for access in instruction.reads:
        for other in written.get(access.array, ()):
            if not _in_space(other, group).same_elements(access):
                return False
            read_here = True
    for access in instruction.writes:
        if access.array in written and not access.array.pieces:
            return False
        if any(access.overlaps(other) for other in read.get(access.array, ())):
            return False
    return read_here or not reader or group.kind != "product"


def _in_space(written: Access, group: Group) -> Access:
    return written if written.shape == group.shape else written.spread(group.shape)


def _rows_only(group: Group, axes: tuple[int, ...]) -> bool:
    """Whether every value of the group moves along the axes, as a fold over them needs it of what came before."""
    return all(
        isinstance(i, Point) and all(i.out.strides[a] or group.shape[a] == 1 for a in axes) for i in group.instructions
    )


def _by_rows_and_columns(x: Access, axes: tuple[tuple[int, ...], int]) -> tuple[int, int] | None:
    """Return the strides of an access along the rows, taken as one axis, and along the columns."""
    rows = [a for a in axes[0] if x.shape[a] != 1]
    step = x.strides[rows[-1]] if rows else 0
    for outer, inner in pairwise(rows):
        if x.strides[outer] != x.strides[inner] * x.shape[inner]:
            return None
    return step, x.strides[axes[1]]


def _by_rows(instruction: Point | Fold, group: Group) -> bool:
    """Whether every access goes by the product's rows and columns."""
    axes = rows_and_column(group)
    assert isinstance(instruction, Point)
    return axes is not None and all(
        _by_rows_and_columns(x, axes) is not None
        for x in (*instruction.operands, instruction.out)
        if isinstance(x, Access)
    )
