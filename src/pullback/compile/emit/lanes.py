"""One register from memory and back: consecutive elements, one element for all lanes, or lane by lane."""

from __future__ import annotations

from typing import Any

import numpy as np

from .function import Function
from .types import Operand, constant, type_of

__all__ = ["from_memory", "load_lanes", "store_lanes"]

Dtype = np.dtype[Any]


def from_memory(f: Function, x: Operand, dtype: Dtype) -> Operand:
    """Return what has been loaded as it is in registers: a truth value is a bit there, and a byte in memory."""
    return f.compare("ne", x, constant(x.type, 0)) if dtype == np.bool_ else x


def load_lanes(f: Function, pointer: Operand, dtype: Dtype, stride: int, lanes: int, valid: int) -> Operand:
    """Load `valid` elements, `stride` apart, into a register of so many lanes."""
    scalar = type_of(dtype)
    if stride == 0:
        x = f.spread(f.load(scalar, pointer), lanes)
    elif stride == 1:
        x = f.load(scalar.of(lanes), pointer, valid)
    else:
        x = constant(scalar.of(lanes), 0)
        for lane in range(valid):
            one = f.load(scalar, f.at(pointer, lane * stride, scalar))
            x = f.value(x.type, f"insertelement {x.typed}, {one.typed}, i64 {lane}") if lanes > 1 else one
    return from_memory(f, x, dtype)


def store_lanes(f: Function, x: Operand, pointer: Operand, dtype: Dtype, stride: int, valid: int) -> None:
    """Store `valid` lanes of a register `stride` elements apart; where they are 0 apart, it is one number."""
    if dtype == np.bool_:
        x = f.convert(x, "i8", signed=False)
    scalar = type_of(dtype)
    if stride == 0:
        f.store(f.lane(x, 0), pointer)
    elif stride == 1:
        f.store(x, pointer, valid)
    else:
        for lane in range(valid):
            f.store(f.lane(x, lane), f.at(pointer, lane * stride, scalar))
