"""Whether a kernel may write one array over another one that it reads."""

from __future__ import annotations

from .access import Access, Array
from .group import Group
from .program import Convolve, Fold, Point, Product

__all__ = ["overwrites"]


def overwrites(group: Group, read: Array, written: Array) -> bool:
    """Whether each element of `read` is read where one of `written` is written in its place, and before that."""
    outs = [i for i in group.instructions if isinstance(i, Point) and i.out.array is written]
    if len(outs) != 1 or group.kind not in ("nest", "product"):
        return False
    (writer,) = outs
    if _moves(writer.out, group) and not _in_one_pass(group):
        return False  # it may be read in one pass and written in another
    place = _place(writer.out)
    readers = [i for i in group.instructions for x in i.reads if x.array is read]
    if any(isinstance(i, Product | Convolve) for i in readers):
        return False
    if any(x.array is read and _place(x) != place for i in readers for x in i.reads):
        return False
    # What the result is not computed from might be read only after it has been stored.
    return not readers or any(x.array is read for x in _ancestry(group, writer))


def _in_one_pass(group: Group) -> bool:
    """Whether nothing but what is known by row is made of what the group folds."""
    late: set[Array] = set()
    for instruction in group.instructions:
        after = any(x.array in late for x in instruction.reads)
        fold = isinstance(instruction, Fold)
        if after and (fold or any(_moves(out, group) for out in instruction.writes)):
            return False
        if after or fold:
            late.update(out.array for out in instruction.writes)
    return True


def _moves(out: Access, group: Group) -> bool:
    return any(out.strides[a] and group.shape[a] != 1 for a in group.folded)


def _ancestry(group: Group, point: Point) -> list[Access]:
    """Return what an instruction reads, and what is read for that within the group."""
    wanted = list(point.reads)
    for instruction in reversed(group.instructions):
        if any(out.array is x.array for out in instruction.writes for x in wanted):
            wanted += instruction.reads
    return wanted


def _place(x: Access) -> tuple[int, tuple[int, ...]]:
    return x.offset, tuple(s for n, s in zip(x.shape, x.strides, strict=True) if n != 1)
