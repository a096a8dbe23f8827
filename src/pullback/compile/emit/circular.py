"""Trigonometric functions, their inverses, and the angle of a point; double precision asks the C library."""

from __future__ import annotations

import math

from .exponential import DOUBLE, format_of
from .function import Function
from .lanewise import each, with_exceptions
from .types import Operand

__all__ = ["acos", "asin", "atan", "atan2", "cos", "sin", "tan"]

# π in three parts, each a number of single precision; the products with a whole number are fused.
_PI = (3.1415927410125732, -8.742277657347586e-08, -3.430203347566374e-15)
# Up to here the three parts leave enough digits; beyond, the C library reduces the argument.
_LARGEST = 10000.0

# (sin(x)/x − 1)/x² in x², |x| ≤ π/2
_SIN = (
    -2.3909597857141307e-08, 2.7526639314601198e-06, -0.00019840894674416631, 0.008333330973982811,
    -0.1666666716337204,
)  # fmt: skip
# (tan(x)/x − 1)/x² in x², |x| ≤ π/4
_TAN = (
    0.004413783084601164, 9.733811566547956e-06, 0.01090217661112547, 0.021255051717162132, 0.0540655218064785,
    0.13332609832286835, 0.3333335220813751,
)  # fmt: skip
# (asin(x)/x − 1)/x² in x², |x| ≤ 1/2
_ASIN = (
    0.037565212696790695, 0.014402598142623901, 0.031817615032196045, 0.04451572149991989, 0.07500510662794113,
    0.16666659712791443,
)  # fmt: skip
# (atan(x)/x − 1)/x² in x², |x| ≤ 1
_ATAN = (
    -0.0018272115848958492, 0.011064435355365276, -0.031455691903829575, 0.05823454260826111, -0.08419458568096161,
    0.10957576334476471, -0.1426524519920349, 0.19998638331890106, -0.33333301544189453,
)  # fmt: skip


def _odd(f: Function, x: Operand, coefficients: tuple[float, ...]) -> Operand:
    """Return x + x³ · p(x²)."""
    square = f.mul(x, x)
    return f.fma(f.mul(f.polynomial(square, coefficients), square), x, x)


def _less_multiple(f: Function, x: Operand, n: Operand, unit: float) -> Operand:
    """Return x − n · unit · π."""
    for part in _PI:
        x = f.fma(n, f.constant(x, -part * unit), x)
    return x


def _signed_by_parity(f: Function, value: Operand, n: Operand) -> Operand:
    """Return −value where the whole number n is odd."""
    i = f.convert(n, "i32")
    flip = f.binary("shl", i, f.constant(i, 31))
    return f.bits_as(f.binary("xor", f.bits_as(value, "i32"), flip), "float")


def _far(f: Function, x: Operand) -> Operand:
    return f.compare("ugt", f.abs(x), f.constant(x, _LARGEST))


def sin(f: Function, x: Operand) -> Operand:
    """sin x, within 2.1 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "sin", x)
    n = f.round_even(f.mul(x, f.constant(x, 1 / math.pi)))
    value = _signed_by_parity(f, _odd(f, _less_multiple(f, x, n, 1.0), _SIN), n)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "sin", x))


def cos(f: Function, x: Operand) -> Operand:
    """cos x, within 2.1 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "cos", x)
    # cos x = −(−1)ⁿ sin(x − (n + ½)π)
    n = f.round_even(f.fma(x, f.constant(x, 1 / math.pi), f.constant(x, -0.5)))
    reduced = _less_multiple(f, x, f.add(n, f.constant(x, 0.5)), 1.0)
    value = f.neg(_signed_by_parity(f, _odd(f, reduced, _SIN), n))
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "cos", x))


def tan(f: Function, x: Operand) -> Operand:
    """tan x, within 3 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "tan", x)
    n = f.round_even(f.mul(x, f.constant(x, 2 / math.pi)))
    value = _odd(f, _less_multiple(f, x, n, 0.5), _TAN)
    i = f.convert(n, "i32")
    odd = f.compare("ne", f.binary("and", i, f.constant(i, 1)), f.constant(i, 0))
    value = f.select(odd, f.div(f.constant(x, -1.0), value), value)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "tan", x))


# ------------------------------------------------------------------------------------------------ inverses


def _towards_one(f: Function, size: Operand) -> tuple[Operand, Operand, Operand]:
    """Return whether size > ½, and asin of √((1 − size)/2) there, of size elsewhere, with that argument's square."""
    half = f.constant(size, 0.5)
    large = f.compare("ogt", size, half)
    square = f.select(large, f.fma(size, f.constant(size, -0.5), half), f.mul(size, size))
    root = f.select(large, f.sqrt(square), size)
    return large, f.fma(f.mul(f.polynomial(square, _ASIN), square), root, root), root


def asin(f: Function, x: Operand) -> Operand:
    """The angle whose sine is x, within 2 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "asin", x)
    large, angle, _ = _towards_one(f, f.abs(x))
    quarter = f.constant(x, math.pi / 2)
    # π/2 − 2 angle, with what π/2 lost by rounding
    rest = f.fma(angle, f.constant(x, -2.0), f.constant(x, -4.371139e-08))
    return f.copysign(f.select(large, f.add(quarter, rest), angle), x)


def acos(f: Function, x: Operand) -> Operand:
    """The angle whose cosine is x, within 2 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "acos", x)
    large, angle, _ = _towards_one(f, f.abs(x))
    negative = f.compare("olt", x, f.constant(x, 0.0))
    twice = f.add(angle, angle)
    low = f.constant(x, -8.742278e-08)
    beyond = f.select(negative, f.sub(f.constant(x, math.pi), f.sub(twice, low)), twice)
    signed = f.sub(f.copysign(angle, x), f.constant(x, -4.371139e-08))
    middle = f.sub(f.constant(x, math.pi / 2), signed)
    return f.select(large, beyond, middle)


def atan(f: Function, x: Operand) -> Operand:
    """The angle whose tangent is x, within 2 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "atan", x)
    size = f.abs(x)
    one = f.constant(x, 1.0)
    large = f.compare("ogt", size, one)
    angle = _odd(f, f.select(large, f.div(one, size), size), _ATAN)
    return f.copysign(f.select(large, _less_than_quarter(f, angle), angle), x)


def _less_than_quarter(f: Function, angle: Operand) -> Operand:
    """π/2 − angle."""
    rest = f.add(angle, f.constant(angle, 4.371139e-08))
    return f.sub(f.constant(angle, math.pi / 2), rest)


def atan2(f: Function, a: Operand, b: Operand) -> Operand:
    """The angle of the point with height a and width b, within 3 ulp, with all signs of zeros and infinities."""
    if format_of(a) is DOUBLE:
        return each(f, "atan2", a, b)
    zero, one = f.constant(a, 0.0), f.constant(a, 1.0)
    height, width = f.abs(a), f.abs(b)
    steep = f.compare("ogt", height, width)
    large = f.select(steep, height, width)
    small = f.select(steep, width, height)
    ratio = f.div(small, large)
    # Two infinities make half a right angle, two zeros none.
    ratio = f.select(f.compare("oeq", small, f.constant(a, math.inf)), one, ratio)
    ratio = f.select(f.compare("oeq", large, zero), zero, ratio)
    angle = _odd(f, ratio, _ATAN)
    angle = f.select(steep, _less_than_quarter(f, angle), angle)
    bits = f.bits_as(b, "i32")
    left = f.compare("slt", bits, f.constant(bits, 0))
    opposite = f.sub(f.constant(a, math.pi), f.add(angle, f.constant(a, 8.742278e-08)))
    angle = f.copysign(f.select(left, opposite, angle), a)
    return f.select(f.compare("uno", a, b), f.add(a, b), angle)
