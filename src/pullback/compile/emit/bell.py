"""The error function, what is left of 1 beside it, and the activation made of the normal distribution."""

from __future__ import annotations

import math

from .exponential import DOUBLE, exp_of, format_of
from .function import Function
from .lanewise import each
from .types import Operand

__all__ = ["erf", "erfc", "gelu", "gelu_tanh", "normal_bell", "normal_below"]

# erf(x)/x − 1 in x², |x| ≤ 7/8
_ERF = (
    -0.000622242281679064, 0.005035872105509043, -0.026793954893946648, 0.11282524466514587, -0.3761255741119385,
    0.12837915122509003,
)  # fmt: skip
# ln erfc(x) on [7/8, 4]
_LOG_ERFC = (
    0.00019990130385849625, -0.0030819952953606844, 0.022381028160452843, -0.10425019264221191, -0.6368206739425659,
    -1.1278893947601318, -0.00014421180821955204,
)  # fmt: skip
# (x + 3) e^(x²) erfc(x) in (x − 3)/(x + 3), 0 ≤ x ≤ 10.1
_SCALED_ERFC = (
    -0.00032595230732113123, -0.0004843719652853906, 0.003080065594986081, -0.001225819461978972,
    -0.026839587837457657, 0.11952896416187286, -0.31046605110168457, 0.5902283191680908, -0.8833944797515869,
    1.0740069150924683,
)  # fmt: skip


def erf(f: Function, x: Operand) -> Operand:
    """erf x, within 1.5 ulp."""
    if format_of(x) is DOUBLE:
        return each(f, "erf", x)
    size = f.abs(x)
    exponent = f.polynomial(f.smaller(f.constant(x, 4.0), size), _LOG_ERFC)
    large = f.sub(f.constant(x, 1.0), exp_of(f, exponent, None, None))
    return f.select(f.compare("ogt", size, f.constant(x, 0.875)), f.copysign(large, x), _near(f, x))


def _near(f: Function, x: Operand) -> Operand:
    """erf x for |x| ≤ 7/8."""
    return f.fma(f.polynomial(f.mul(x, x), _ERF), x, x)


def _tail(f: Function, size: Operand, bell: Operand, factor: float) -> Operand:
    """Return factor · erfc(size) for size ≥ 0, relatively accurate; `bell` is e^(−size²)."""
    inverse = f.div(f.constant(size, 1.0), f.add(size, f.constant(size, 3.0)))
    place = f.mul(f.sub(size, f.constant(size, 3.0)), inverse)
    scaled = f.mul(f.polynomial(place, tuple(factor * c for c in _SCALED_ERFC)), inverse)
    return f.mul(scaled, bell)


def _bell(f: Function, x: Operand, factor: float) -> Operand:
    """e^(−factor · x²) for a power of two as the factor, with the digits of x² that its rounding loses."""
    weighted = f.mul(x, f.constant(x, -factor))
    exponent = f.mul(x, weighted)
    lost = f.fma(x, weighted, f.neg(exponent))
    bell = exp_of(f, exponent, -104.0, None)
    return f.fma(lost, bell, bell)


def erfc(f: Function, x: Operand) -> Operand:
    """1 − erf x, within 5 ulp wherever it is a normal number."""
    if format_of(x) is DOUBLE:
        return each(f, "erfc", x)
    size = f.smaller(f.constant(x, 12.0), f.abs(x))
    tail = _tail(f, size, _bell(f, size, 1.0), 1.0)
    mirrored = f.sub(f.constant(x, 2.0), tail)
    large = f.select(f.compare("olt", x, f.constant(x, 0.0)), mirrored, tail)
    return f.select(f.compare("olt", size, f.constant(x, 0.75)), f.sub(f.constant(x, 1.0), _near(f, x)), large)


def gelu(f: Function, x: Operand) -> Operand:
    """x · Φ(x), within 6.5 ulp."""
    if format_of(x) is DOUBLE:
        below = each(f, "erfc", f.mul(x, f.constant(x, -math.sqrt(0.5))))
        return f.mul(x, f.mul(below, f.constant(x, 0.5)))
    return f.mul(x, normal_below(f, x, normal_bell(f, x)))


def normal_bell(f: Function, x: Operand) -> Operand:
    """e^(−x²/2) in single precision, within 2 ulp."""
    return _bell(f, _limited(f, x), 0.5)


def normal_below(f: Function, x: Operand, bell: Operand) -> Operand:
    """Φ(x) in single precision, within 6 ulp wherever it is a normal number; `bell` is e^(−x²/2)."""
    tail = _tail(f, f.mul(_limited(f, x), f.constant(x, math.sqrt(0.5))), bell, 0.5)
    above = f.sub(f.constant(x, 1.0), tail)
    return f.select(f.compare("olt", x, f.constant(x, 0.0)), tail, above)


def _limited(f: Function, x: Operand) -> Operand:
    return f.smaller(f.constant(x, 17.0), f.abs(x))


_INNER, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def gelu_tanh(f: Function, x: Operand) -> Operand:
    """x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))) as a sigmoid of twice that argument.

    Within 4 ulp, times 1 + |x|³/8: far to the left the value is e^u, in which the rounding of u counts |u| times.
    """
    inner = f.fma(f.mul(x, x), f.constant(x, -2 * _INNER * _CUBIC), f.constant(x, -2 * _INNER))
    e = exp_of(f, f.mul(x, inner), *format_of(x).exp_range)
    return f.div(x, f.add(e, f.constant(x, 1.0)))
