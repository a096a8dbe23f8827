"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import math

from .exponential import DOUBLE, SINGLE, exp_of, format_of, log, log1p
from .function import Function
from .types import Operand

__all__ = ["acosh", "asinh", "atanh", "cosh", "sinh", "tanh"]

# (tanh(x)/x − 1)/x² in x², |x| ≤ 0.625
_TANH = {
    "float": (-0.005717044696211815, 0.020650586113333702, -0.05374349653720856, 0.13331490755081177,
              -0.3333328366279602),
    "double": (6.485163482793113e-06, -3.12011014257974e-05, 9.257116129556769e-05, -0.0002375906496055562,
               0.0005896606577757043, -0.0014557754120478055, 0.0035921217511549622, -0.008863235103240878,
               0.021869488519008305, -0.05396825396789699, 0.13333333333333042, -0.3333333333333333),
}  # fmt: skip
# (sinh(x)/x − 1)/x² in x², |x| ≤ 1
_SINH = {
    "float": (2.8174395083624404e-06, 0.0001983606634894386, 0.008333350531756878, 0.1666666716337204),
    "double": (2.8445264169895285e-15, 7.646625361656657e-13, 1.6059048396350562e-10, 2.505210836405804e-08,
               2.755731922404034e-06, 0.00019841269841269773, 0.008333333333333333, 0.16666666666666666),
}  # fmt: skip


def tanh(f: Function, x: Operand) -> Operand:
    """tanh x, within 1.5 ulp."""
    size, square = f.abs(x), f.mul(x, x)
    small = f.fma(f.mul(f.polynomial(square, _TANH[x.type.kind]), square), x, x)
    e = exp_of(f, f.add(size, size), None, 30.0 if format_of(x) is SINGLE else 60.0)
    one = f.constant(x, 1.0)
    large = f.sub(one, f.div(f.constant(x, 2.0), f.add(e, one)))
    return f.copysign(f.select(f.compare("olt", size, f.constant(x, 0.625)), small, large), x)


def _half_exp(f: Function, size: Operand) -> tuple[Operand, Operand]:
    """Return e^size / 2 and its counterpart e^(−size) / 2, for size ≥ 0."""
    half = exp_of(f, size, None, format_of(size).exp_range[1] + 1, halvings=1)
    return half, f.div(f.constant(size, 0.25), half)


def sinh(f: Function, x: Operand) -> Operand:
    """sinh x, within 2.5 ulp."""
    size, square = f.abs(x), f.mul(x, x)
    small = f.fma(f.mul(f.polynomial(square, _SINH[x.type.kind]), square), x, x)
    up, down = _half_exp(f, size)
    return f.copysign(f.select(f.compare("olt", size, f.constant(x, 1.0)), small, f.sub(up, down)), x)


def cosh(f: Function, x: Operand) -> Operand:
    """cosh x, within 2.5 ulp."""
    up, down = _half_exp(f, f.abs(x))
    return f.add(up, down)


# The inverses are logarithms of numbers near 1. Single precision takes them in double precision, which has digits
# enough; double precision by way of ln(1 + x), within 3 ulp.


def _asinh_double(f: Function, x: Operand) -> Operand:
    size, one = f.abs(x), f.constant(x, 1.0)
    square = f.mul(size, size)
    near = log1p(f, f.add(size, f.div(square, f.add(f.sqrt(f.add(square, one)), one))))
    huge = f.compare("ogt", size, f.constant(x, 2.0**30))
    return f.copysign(f.select(huge, f.add(log(f, size), f.constant(x, math.log(2))), near), x)


def _acosh_double(f: Function, x: Operand) -> Operand:
    above = f.sub(x, f.constant(x, 1.0))
    near = log1p(f, f.add(above, f.sqrt(f.fma(above, above, f.add(above, above)))))
    huge = f.compare("ogt", x, f.constant(x, 2.0**30))
    value = f.select(huge, f.add(log(f, x), f.constant(x, math.log(2))), near)
    return f.select(f.compare("olt", x, f.constant(x, 1.0)), f.constant(x, math.nan), value)


def _atanh_double(f: Function, x: Operand) -> Operand:
    size, one = f.abs(x), f.constant(x, 1.0)
    value = log1p(f, f.div(f.add(size, size), f.sub(one, size)))
    return f.copysign(f.mul(value, f.constant(x, 0.5)), x)


def asinh(f: Function, x: Operand) -> Operand:
    """The number whose hyperbolic sine is x, within 1 ulp."""
    if format_of(x) is DOUBLE:
        return _asinh_double(f, x)
    wide = f.convert(x, "double")
    size = f.abs(wide)
    value = log(f, f.add(size, f.sqrt(f.fma(size, size, f.constant(wide, 1.0)))))
    series = f.fma(f.mul(f.mul(wide, wide), f.constant(wide, -1 / 6)), wide, wide)
    return f.copysign(_small_or(f, wide, size, series, value), x)


def acosh(f: Function, x: Operand) -> Operand:
    """The number that is not negative and whose hyperbolic cosine is x, within 1 ulp."""
    if format_of(x) is DOUBLE:
        return _acosh_double(f, x)
    wide = f.convert(x, "double")
    root = f.sqrt(f.fma(wide, wide, f.constant(wide, -1.0)))
    value = f.convert(log(f, f.add(wide, root)), "float")
    return f.select(f.compare("olt", x, f.constant(x, 1.0)), f.constant(x, math.nan), value)


def atanh(f: Function, x: Operand) -> Operand:
    """The number whose hyperbolic tangent is x, within 1 ulp."""
    if format_of(x) is DOUBLE:
        return _atanh_double(f, x)
    wide = f.convert(x, "double")
    one = f.constant(wide, 1.0)
    value = f.mul(log(f, f.div(f.add(one, wide), f.sub(one, wide))), f.constant(wide, 0.5))
    series = f.fma(f.mul(f.mul(wide, wide), f.constant(wide, 1 / 3)), wide, wide)
    return f.copysign(_small_or(f, wide, f.abs(wide), series, value), x)


def _small_or(f: Function, wide: Operand, size: Operand, series: Operand, value: Operand) -> Operand:
    """Return the first two terms of the series for small numbers, else the value, in single precision."""
    return f.convert(f.select(f.compare("olt", size, f.constant(wide, 2.0**-10)), series, value), "float")
