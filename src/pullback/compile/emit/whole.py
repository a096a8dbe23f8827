"""Division with a whole quotient, remainders, and what only integers have: shifts and powers by squaring."""

from __future__ import annotations

from typing import Any

import numpy as np

from .function import Function
from .types import Operand

__all__ = ["floor_divide", "integer_power", "remainder", "shift_left", "shift_right"]


def floor_divide(f: Function, dtype: np.dtype[Any], a: Operand, b: Operand) -> Operand:
    """⌊a / b⌋. An integer by 0 is 0, and the smallest by −1 wraps; of floating-point numbers as Python's `divmod`."""
    if dtype.kind == "f":
        return _floor_divide_floating(f, a, b)
    zero, one = f.constant(a, 0), f.constant(a, 1)
    undefined = f.compare("eq", b, zero)
    if dtype.kind == "u":
        return f.select(undefined, zero, f.binary("udiv", a, f.select(undefined, one, b)))
    quotient, rest, opposite = _divided(f, a, b)
    down = f.sub(quotient, f.convert(f.binary("and", opposite, f.compare("ne", rest, zero)), a.type.kind))
    negated = f.compare("eq", b, f.constant(b, -1))
    return f.select(undefined, zero, f.select(negated, f.sub(zero, a), down))


def remainder(f: Function, dtype: np.dtype[Any], a: Operand, b: Operand) -> Operand:
    """a − b ⌊a / b⌋, with the sign of b. Of an integer by 0 it is 0, of a floating-point number NaN."""
    zero = f.constant(a, 0)
    if dtype.kind == "f":
        rest = f.binary("frem", a, b, flags="")
        opposite = f.binary("xor", f.compare("olt", b, zero), f.compare("olt", rest, zero))
        return f.select(f.compare("oeq", rest, zero), f.copysign(zero, b), f.select(opposite, f.add(rest, b), rest))
    undefined = f.compare("eq", b, zero)
    if dtype.kind == "u":
        return f.select(undefined, zero, f.binary("urem", a, f.select(undefined, f.constant(b, 1), b)))
    _, rest, opposite = _divided(f, a, b)
    mixed = f.binary("and", opposite, f.compare("ne", rest, zero))
    return f.select(mixed, f.add(rest, b), rest)


def _divided(f: Function, a: Operand, b: Operand) -> tuple[Operand, Operand, Operand]:
    """Return the quotient cut off, the remainder, and whether it has another sign than b; 1 for b in −1 and 0.

    The processor traps at a zero divisor, and at the smallest number by −1.
    """
    zero, one = f.constant(b, 0), f.constant(b, 1)
    trapping = f.compare("ule", f.add(b, one), one)
    divisor = f.select(trapping, one, b)
    quotient = f.binary("sdiv", a, divisor)
    rest = f.sub(a, f.mul(quotient, divisor))
    opposite = f.binary("xor", f.compare("slt", rest, zero), f.compare("slt", b, zero))
    return quotient, rest, opposite


def _floor_divide_floating(f: Function, a: Operand, b: Operand) -> Operand:
    zero, one = f.constant(a, 0.0), f.constant(a, 1.0)
    plain = f.binary("fdiv", a, b, flags="")
    rest = f.binary("frem", a, b, flags="")
    quotient = f.binary("fdiv", f.binary("fsub", a, rest, flags=""), b, flags="")
    opposite = f.binary("xor", f.compare("olt", b, zero), f.compare("olt", rest, zero))
    mixed = f.binary("and", f.compare("une", rest, zero), opposite)
    quotient = f.select(mixed, f.sub(quotient, one), quotient)
    down = f.intrinsic("floor", a.type, quotient)
    # The division was rounded: what is more than a half above its floor is the next whole number.
    off = f.compare("ogt", f.sub(quotient, down), f.constant(a, 0.5))
    down = f.select(off, f.add(down, one), down)
    down = f.select(f.compare("oeq", quotient, zero), f.copysign(zero, plain), down)
    return f.select(f.compare("oeq", b, zero), plain, down)


def shift_left(f: Function, dtype: np.dtype[Any], a: Operand, b: Operand) -> Operand:
    """a · 2ᵇ; 0 where b is negative or at least the number of bits."""
    return f.select(_inside(f, b), f.binary("shl", a, b), f.constant(a, 0))


def shift_right(f: Function, dtype: np.dtype[Any], a: Operand, b: Operand) -> Operand:
    """⌊a / 2ᵇ⌋; where b is negative or at least the number of bits, only the sign is left."""
    if dtype.kind == "u":
        return f.select(_inside(f, b), f.binary("lshr", a, b), f.constant(a, 0))
    last = f.constant(b, b.type.bits - 1)
    return f.binary("ashr", a, f.select(_inside(f, b), b, last))


def _inside(f: Function, b: Operand) -> Operand:
    return f.compare("ult", b, f.constant(b, b.type.bits))


def integer_power(f: Function, dtype: np.dtype[Any], a: Operand, b: Operand) -> Operand:
    """a to the power b, which is not negative, by squaring; it wraps."""
    one, zero = f.constant(a, 1), f.constant(a, 0)
    with f.loop(0, b.type.bits, carried=[one, a, b]) as loop:
        value, base, rest = loop.carried
        odd = f.compare("ne", f.binary("and", rest, one), zero)
        loop.next = [f.select(odd, f.mul(value, base), value), f.mul(base, base), f.binary("lshr", rest, one)]
    return loop.results[0]
