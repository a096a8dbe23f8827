"""A number taken apart into indices along axes, and where they lead in arrays; positions counted from the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .function import Function
from .types import I64, Operand

__all__ = ["counted", "offsets_at"]


def offsets_at(
    f: Function, index: Operand, lengths: Sequence[int], strides: Sequence[Sequence[int]]
) -> list[Operand | int]:
    """Return the offsets, one for each row of `strides`, at which the element with the number `index` lies.

    Elements are numbered in the order of the axes; `strides[i][axis]` is in elements.
    """
    offsets: list[Operand | int] = [0] * len(strides)
    axes = [axis for axis, n in enumerate(lengths) if n > 1]
    for place, axis in enumerate(reversed(axes)):
        here = index
        if place < len(axes) - 1:
            here = f.value(I64, f"urem i64 {index}, {lengths[axis]}")
            index = f.value(I64, f"udiv i64 {index}, {lengths[axis]}")
        offsets = [f.plus(offset, f.times(here, row[axis])) for offset, row in zip(offsets, strides, strict=True)]
    return offsets


def counted(f: Function, position: Operand, dtype: np.dtype[Any], length: int) -> Operand:
    """Return a position of this dtype as an index, a negative one counted from the end."""
    if dtype.kind != "i":
        return f.convert(position, "i64", signed=False)
    position = f.convert(position, "i64")
    return f.select(f.compare("slt", position, f.index(0)), f.plus(position, length), position)
