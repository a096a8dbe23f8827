"""From one dtype to another, with NumPy's rules; in registers a truth value is one bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .function import Function
from .types import BOOL, Operand, type_of

__all__ = ["emit_conversion", "register_kind"]


def register_kind(dtype: np.dtype[Any]) -> str:
    """Return the kind that a value of `dtype` has in a register: i1 for a truth value."""
    return BOOL.kind if dtype.kind == "b" else type_of(dtype).kind


def emit_conversion(f: Function, x: Operand, old: np.dtype[Any], new: np.dtype[Any]) -> Operand:
    """Write the conversion of `x` from dtype `old` to `new`, as NumPy's `astype` converts.

    A fraction is cut off; an integer too large for its new dtype wraps. A number that no integer of the new
    dtype holds (NaN too) becomes what the processor makes of it, as in NumPy: on an x86 the smallest integer of 32
    or 64 bits, of which narrower dtypes keep the low bits.
    """
    assert x.type.kind == register_kind(old), (x.type, old)
    if old == new:
        return x
    kind = register_kind(new)
    if new.kind == "b":
        return f.compare("une" if old.kind == "f" else "ne", x, f.constant(x, 0))
    if old.kind == "f" and new.kind in "iu":
        return _to_integer(f, x, new)
    return f.convert(x, kind, signed=old.kind == "i")


def _to_integer(f: Function, x: Operand, new: np.dtype[Any]) -> Operand:
    if new.kind == "u" and new.itemsize >= 4:
        return _to_unsigned(f, x, register_kind(new))
    # What does not fit must not be left to the backend, which may saturate: through a wider integer it wraps.
    return f.convert(f.convert(x, "i64" if new.itemsize == 8 else "i32"), register_kind(new))


def _to_unsigned(f: Function, x: Operand, kind: str) -> Operand:
    """Numbers of 2ⁿ⁻¹ and more are converted less 2ⁿ⁻¹, which is put back as the highest bit."""
    bits = x.type.like(kind).bits
    half = f.constant(x, 2.0 ** (bits - 1))
    large = f.compare("oge", x, half)
    low = f.convert(f.select(large, f.sub(x, half), x), kind)
    high = f.binary("xor", low, f.constant(low, -(2 ** (bits - 1))))
    return f.select(large, high, low)
