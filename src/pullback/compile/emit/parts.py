"""Parts of a number and choices among numbers, of every dtype: size, sign, rounding, comparison, larger and smaller."""

from __future__ import annotations

from typing import Any

import numpy as np

from .function import Function
from .types import BOOL, Operand, number_of

__all__ = [
    "COMPARISONS", "absolute", "compare", "finite", "infinite", "larger", "negative", "rounded", "sign", "sign_bit",
    "smaller", "undefined",
]  # fmt: skip

Dtype = np.dtype[Any]

# By kind of dtype: floating point, signed, unsigned and truth value. A comparison with NaN fails, but ≠ holds.
COMPARISONS = {
    "equal": ("oeq", "eq", "eq"),
    "not_equal": ("une", "ne", "ne"),
    "less": ("olt", "slt", "ult"),
    "less_equal": ("ole", "sle", "ule"),
    "greater": ("ogt", "sgt", "ugt"),
    "greater_equal": ("oge", "sge", "uge"),
}


def compare(f: Function, name: str, dtype: Dtype, a: Operand, b: Operand) -> Operand:
    """Compare two numbers of one dtype."""
    return f.compare(COMPARISONS[name]["fi".find(dtype.kind)], a, b)


def larger(f: Function, dtype: Dtype, a: Operand, b: Operand) -> Operand:
    """The larger; NaN where either is NaN."""
    return _choose(f, "greater", dtype, a, b)


def smaller(f: Function, dtype: Dtype, a: Operand, b: Operand) -> Operand:
    """The smaller; NaN where either is NaN."""
    return _choose(f, "less", dtype, a, b)


def _choose(f: Function, name: str, dtype: Dtype, a: Operand, b: Operand) -> Operand:
    """Of equal numbers, which 0 and −0 are, NumPy takes the second."""
    first, second = number_of(a), number_of(b)
    # Where the number compared first is known not to be NaN, the other comes through if it is, without asking.
    if second is not None and second == second:
        return f.select(compare(f, name if second else name + "_equal", dtype, b, a), b, a)
    chosen = f.select(compare(f, name, dtype, a, b), a, b)
    if dtype.kind != "f" or (first is not None and first == first):
        return chosen
    return f.select(f.compare("uno", a, a), a, chosen)


def negative(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """−x; an integer wraps."""
    return f.neg(x) if dtype.kind == "f" else f.sub(f.constant(x, 0), x)


def absolute(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """|x|; the smallest integer stays itself."""
    if dtype.kind == "f":
        return f.abs(x)
    if dtype.kind in "ub":
        return x
    zero = f.constant(x, 0)
    return f.select(f.compare("slt", x, zero), f.sub(zero, x), x)


def sign(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """−1, 0 or 1; NaN of NaN."""
    zero, one = f.constant(x, 0), f.constant(x, 1)
    above = f.select(compare(f, "greater", dtype, x, zero), one, zero)
    if dtype.kind == "u":
        return above
    value = f.select(compare(f, "less", dtype, x, zero), f.constant(x, -1), above)
    return f.select(f.compare("uno", x, x), x, value) if dtype.kind == "f" else value


def sign_bit(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """Whether the sign bit is set, also of −0 and NaN."""
    if dtype.kind == "f":
        x = f.bits_as(x, "i32" if x.type.kind == "float" else "i64")
    return f.compare("ult" if dtype.kind in "ub" else "slt", x, f.constant(x, 0))


def rounded(f: Function, intrinsic: str, dtype: Dtype, x: Operand) -> Operand:
    """Round by `floor`, `ceil`, `trunc` or `rint` (halves to even); an integer is its own."""
    return f.intrinsic(intrinsic, x.type, x) if dtype.kind == "f" else x


def undefined(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """Whether it is NaN."""
    return f.compare("uno", x, x) if dtype.kind == "f" else _never(f, x)


def infinite(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """Whether it is ∞ or −∞."""
    return f.compare("oeq", f.abs(x), f.constant(x, np.inf)) if dtype.kind == "f" else _never(f, x)


def finite(f: Function, dtype: Dtype, x: Operand) -> Operand:
    """Whether it is a number that is not infinite."""
    if dtype.kind == "f":
        return f.compare("one", f.abs(x), f.constant(x, np.inf))
    return f.constant(BOOL.of(x.type.lanes), 1)


def _never(f: Function, x: Operand) -> Operand:
    return f.constant(BOOL.of(x.type.lanes), 0)
