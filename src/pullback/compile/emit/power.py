"""Powers and distances; in single precision through double precision, where nothing overflows or is lost."""

from __future__ import annotations

import math

from .exponential import DOUBLE, exp_of, format_of, log
from .function import Function
from .lanewise import each
from .types import Operand, number_of

__all__ = ["hypot", "power"]


def power(f: Function, a: Operand, b: Operand) -> Operand:
    """a to the power b, within 1 ulp; a literal exponent −2, −1, 0, ½, 1, 2, 3 or 4 takes a few products (2 ulp)."""
    exponent = number_of(b)
    if exponent is not None:
        short = _short(f, a, exponent)
        if short is not None:
            return short
    return each(f, "pow", a, b) if format_of(a) is DOUBLE else _general(f, a, b)


def _short(f: Function, a: Operand, exponent: float) -> Operand | None:
    one = f.constant(a, 1.0)
    if exponent == 0:
        return one
    if exponent == 0.5:
        return f.sqrt(a)
    if exponent not in (-2, -1, 1, 2, 3, 4):
        return None
    value = a
    if exponent in (2, 3, 4, -2):
        value = f.mul(a, a)
    if exponent == 3:
        value = f.mul(value, a)
    elif exponent == 4:
        value = f.mul(value, value)
    return f.div(one, value) if exponent < 0 else value


def _general(f: Function, a: Operand, b: Operand) -> Operand:
    """|a|ᵇ is e^(b ln |a|); the sign, and what C says of 0, 1, infinities and NaN, are put in after that."""
    zero, one = f.constant(a, 0.0), f.constant(a, 1.0)
    size, wide = f.abs(a), f.convert(b, "double")
    exponent = f.mul(wide, log(f, f.convert(size, "double")))
    value = f.convert(exp_of(f, exponent, -200.0, 200.0), "float")
    whole = f.compare("oeq", b, f.intrinsic("trunc", b.type, b))
    half = f.mul(b, f.constant(b, 0.5))
    odd = f.binary("and", whole, f.compare("une", half, f.intrinsic("trunc", b.type, half)))
    value = f.select(odd, f.copysign(value, a), value)
    # A negative number has real powers only for whole exponents; −∞ has them all, as C has it.
    finite = f.compare("one", size, f.constant(a, math.inf))
    broken = f.compare("une", b, f.intrinsic("trunc", b.type, b))
    undefined = f.binary("and", f.compare("olt", a, zero), f.binary("and", finite, broken))
    value = f.select(undefined, f.constant(a, math.nan), value)
    # 1 to any power, and anything to the power 0, is 1, NaN included; so is −1 to an infinite power.
    endless = f.binary("and", f.compare("oeq", size, one), f.compare("oeq", f.abs(b), f.constant(b, math.inf)))
    unit = f.binary("or", f.compare("oeq", a, one), f.compare("oeq", b, zero))
    return f.select(f.binary("or", unit, endless), one, value)


def hypot(f: Function, a: Operand, b: Operand) -> Operand:
    """√(a² + b²), within 1 ulp; infinite where either is, even beside NaN."""
    if format_of(a) is DOUBLE:
        return each(f, "hypot", a, b)
    x, y = f.convert(a, "double"), f.convert(b, "double")
    value = f.convert(f.sqrt(f.fma(x, x, f.mul(y, y))), "float")
    infinity = f.constant(a, math.inf)
    infinite = f.binary("or", f.compare("oeq", f.abs(a), infinity), f.compare("oeq", f.abs(b), infinity))
    return f.select(infinite, infinity, value)
