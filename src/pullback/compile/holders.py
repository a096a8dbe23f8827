"""Arrays from outside a plan: made to fit what the code expects, and known to be held by nobody else.

A run writes over the memory of a cell only while nobody but the cell and the plan looks at it. Python's count
of references tells; whoever holds the array keeps it as it is, and the cell gets another one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.cell import Cell
from .access import LINE, Array, natural_strides
from .pages import Room

__all__ = ["HELD_BY_CELL", "HELD_BY_PLAN", "aligned_empty", "fits", "fitting", "maker", "owned"]

SMALL = 4096
"""Bytes up to which an array may begin anywhere."""


def aligned_empty(array: Array, room: Room | None = None) -> Any:
    """Return new memory for an array, at the start of a line of the cache, in the array's own order.

    It is taken from `room`, if there is any for it.
    """
    itemsize = array.dtype.itemsize
    memory = room.bytes(array.nbytes) if room is not None else None
    if memory is None:
        memory = np.empty(array.nbytes + LINE, np.uint8)
        start = -memory.ctypes.data % LINE
        memory = memory[start : start + array.nbytes]
    flat = memory.view(array.dtype)
    # as_strided puts an object of its own between: views that others take then count as references to this array.
    return np.lib.stride_tricks.as_strided(flat, array.shape, [s * itemsize for s in array.strides])


def maker(array: Array) -> Callable[[], Any]:
    """Return what makes memory for an array again and again; only large arrays need to start at a line."""
    if array.nbytes > SMALL or array.strides != natural_strides(array.shape):
        return lambda: aligned_empty(array)
    shape, dtype, empty = array.shape, array.dtype, np.empty
    return lambda: empty(shape, dtype)


def fits(x: Any, array: Array) -> bool:
    """Whether code that expects `array` can read `x` as it is."""
    if x.__class__ is not np.ndarray or x.dtype != array.dtype or not x.dtype.isnative or not x.flags.aligned:
        return False
    itemsize = array.dtype.itemsize
    return all(
        n == 1 or s == t * itemsize for n, s, t in zip(x.shape, x.strides, array.strides, strict=True)
    )


def fitting(value: Any, array: Array) -> Any:
    """Return `value` as an array that code can read as it expects `array`: itself, or a copy."""
    if fits(value, array):
        return value
    copy = aligned_empty(array)
    copy[...] = value
    return copy


def owned(value: Any, array: Array, room: Room) -> Any:
    """Return `value` in memory that may be written over: itself, if nobody can see it from elsewhere, or a copy.

    A copy is also made to put it where the processor finds it sooner.
    """
    alone = fits(value, array) and value.flags.writeable and not isinstance(value.base, np.ndarray)
    if alone and not room.improves(value):
        return value
    copy = aligned_empty(array, room)
    copy[...] = value
    return copy


def _counts() -> tuple[int, int]:
    """Measure what the count says of an array in a list of tuples that is gone through, held by a cell or not."""
    cell = Cell(np.empty(3))
    entries = [(cell, cell.value, None)]
    held = alone = 0
    for one, array, _ in entries:
        held = sys.getrefcount(array)
        one.value = None
        alone = sys.getrefcount(array)
    return held, alone


HELD_BY_CELL, HELD_BY_PLAN = _counts()
"""The count for an array that the cell and the plan hold, and for one that the plan alone holds."""
