"""Trigonometric functions, their inverses, and the angle of a point.

Coefficients of single precision are minimax fits (tests/compile/test_coefficients.py fits them again), those of
double precision interpolate in the Chebyshev nodes, far below the rounding of a double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .function import Function
from .lanewise import each, with_exceptions
from .types import Operand

__all__ = ["acos", "asin", "atan", "atan2", "cos", "sin", "tan"]


@dataclass(frozen=True)
class Circle:
    """What the methods need to know of a floating-point format.

    Polynomials p with f(x) = x + x³ p(x²): of sin for |x| ≤ π/2, tan for ≤ π/4, asin for ≤ ½, atan for ≤ 1.
    """

    integer: str
    pi: tuple[float, float, float]
    """π as a sum of three numbers of the format. Products with whole numbers are fused, so none needs to be short."""
    largest: float
    """Up to here the three parts leave enough digits; beyond, the C library reduces the argument."""
    sin: tuple[float, ...]
    tan: tuple[float, ...]
    asin: tuple[float, ...]
    atan: tuple[float, ...]


SINGLE = Circle(
    "i32",
    (3.1415927410125732, -8.742277657347586e-08, -3.430203347566374e-15),
    1e4,
    sin=(
        -2.3909597857141307e-08, 2.7526639314601198e-06, -0.00019840894674416631, 0.008333330973982811,
        -0.1666666716337204,
    ),
    tan=(
        0.004413783084601164, 9.733811566547956e-06, 0.01090217661112547, 0.021255051717162132, 0.0540655218064785,
        0.13332609832286835, 0.3333335220813751,
    ),
    asin=(
        0.037565212696790695, 0.014402598142623901, 0.031817615032196045, 0.04451572149991989, 0.07500510662794113,
        0.16666659712791443,
    ),
    atan=(
        -0.0018272115848958492, 0.011064435355365276, -0.031455691903829575, 0.05823454260826111,
        -0.08419458568096161, 0.10957576334476471, -0.1426524519920349, 0.19998638331890106, -0.33333301544189453,
    ),
)  # fmt: skip

DOUBLE = Circle(
    "i64",
    (math.pi, 1.2246467991473532e-16, -2.994769810131746e-33),
    1e6,
    sin=(
        -8.006069886350886e-18, 2.8104687777073216e-15, -7.647139121983424e-13, 1.605904347941901e-10,
        -2.5052108382391406e-08, 2.7557319223971264e-06, -0.00019841269841269806, 0.008333333333333333,
        -0.16666666666666666,
    ),
    tan=(
        8.483347252674733e-06, -1.8315342802086715e-05, 3.651618193613345e-05, -1.1013613221811372e-05,
        5.5587847105701504e-05, 8.998520298342288e-05, 0.000241226353512688, 0.0005895756061544555,
        0.0014559027390503058, 0.0035921209805615966, 0.008863236003485818, 0.02186948851707438,
        0.05396825396865546, 0.13333333333333, 0.3333333333333333,
    ),
    asin=(
        0.028757851367421584, -0.014851887071247231, 0.017400879442694042, 0.00545750671864035,
        0.010322814350185781, 0.011479177415184906, 0.013971212973552933, 0.017352392720869973,
        0.02237217294214989, 0.030381944138531247, 0.04464285714635543, 0.07499999999998433, 0.16666666666666669,
    ),
    atan=(
        -1.1832505417555684e-05, 0.0001368724853148121, -0.0007518472526973817, 0.0026229778919060875,
        -0.0065756833441516956, 0.012756172907694293, -0.02023870698639351, 0.02756794229734467,
        -0.033750132001619734, 0.03872640214042632, -0.04308119655330471, 0.04752086773576656,
        -0.05261265735709454, 0.05882074956371294, -0.06666636435777692, 0.07692305354678655,
        -0.09090908969557403, 0.11111111107234799, -0.14285714285648404, 0.19999999999999554, -0.3333333333333333,
    ),
)  # fmt: skip


def _circle(x: Operand) -> Circle:
    return SINGLE if x.type.kind == "float" else DOUBLE


def _odd(f: Function, x: Operand, coefficients: tuple[float, ...]) -> Operand:
    """Return x + x³ p(x²)."""
    square = f.mul(x, x)
    return f.fma(f.mul(f.polynomial(square, coefficients), square), x, x)


def _less_multiple(f: Function, x: Operand, n: Operand, unit: float) -> Operand:
    """Return x − n · unit · π."""
    for part in _circle(x).pi:
        x = f.fma(n, f.constant(x, -part * unit), x)
    return x


def _signed_by_parity(f: Function, value: Operand, n: Operand) -> Operand:
    """Return −value where the whole number n is odd."""
    kind = _circle(value).integer
    i = f.convert(f.convert(n, "i32"), kind)
    flip = f.binary("shl", i, f.constant(i, i.type.bits - 1))
    return f.bits_as(f.binary("xor", f.bits_as(value, kind), flip), value.type.kind)


def _far(f: Function, x: Operand) -> Operand:
    return f.compare("ugt", f.abs(x), f.constant(x, _circle(x).largest))


def sin(f: Function, x: Operand) -> Operand:
    """sin x, within 2.2 ulp."""
    n = f.round_even(f.mul(x, f.constant(x, 1 / math.pi)))
    value = _signed_by_parity(f, _odd(f, _less_multiple(f, x, n, 1.0), _circle(x).sin), n)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "sin", x))


def cos(f: Function, x: Operand) -> Operand:
    """cos x, within 2.2 ulp."""
    # cos x = −(−1)ⁿ sin(x − (n + ½)π)
    n = f.round_even(f.fma(x, f.constant(x, 1 / math.pi), f.constant(x, -0.5)))
    reduced = _less_multiple(f, x, f.add(n, f.constant(x, 0.5)), 1.0)
    value = f.neg(_signed_by_parity(f, _odd(f, reduced, _circle(x).sin), n))
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "cos", x))


def tan(f: Function, x: Operand) -> Operand:
    """tan x, within 3 ulp."""
    n = f.round_even(f.mul(x, f.constant(x, 2 / math.pi)))
    value = _odd(f, _less_multiple(f, x, n, 0.5), _circle(x).tan)
    i = f.convert(n, "i32")
    odd = f.compare("ne", f.binary("and", i, f.constant(i, 1)), f.constant(i, 0))
    value = f.select(odd, f.div(f.constant(x, -1.0), value), value)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)
    return with_exceptions(f, value, _far(f, x), lambda: each(f, "tan", x))


# ------------------------------------------------------------------------------------------------ inverses


def _from_pi(f: Function, angle: Operand, part: float) -> Operand:
    """Return part · π − angle, with the digits of π that the format has no room for."""
    high, low, _ = _circle(angle).pi
    return f.sub(f.constant(angle, high * part), f.sub(angle, f.constant(angle, low * part)))


def _towards_one(f: Function, size: Operand) -> tuple[Operand, Operand]:
    """Return whether size > ½, and there asin of √((1 − size)/2), elsewhere asin of size."""
    half = f.constant(size, 0.5)
    large = f.compare("ogt", size, half)
    square = f.select(large, f.fma(size, f.constant(size, -0.5), half), f.mul(size, size))
    root = f.select(large, f.sqrt(square), size)
    return large, f.fma(f.mul(f.polynomial(square, _circle(size).asin), square), root, root)


def asin(f: Function, x: Operand) -> Operand:
    """The angle whose sine is x, within 2.5 ulp."""
    large, angle = _towards_one(f, f.abs(x))
    return f.copysign(f.select(large, _from_pi(f, f.add(angle, angle), 0.5), angle), x)


def acos(f: Function, x: Operand) -> Operand:
    """The angle whose cosine is x, within 2 ulp."""
    large, angle = _towards_one(f, f.abs(x))
    twice = f.add(angle, angle)
    negative = f.compare("olt", x, f.constant(x, 0.0))
    beyond = f.select(negative, _from_pi(f, twice, 1.0), twice)
    return f.select(large, beyond, _from_pi(f, f.copysign(angle, x), 0.5))


def atan(f: Function, x: Operand) -> Operand:
    """The angle whose tangent is x, within 2 ulp."""
    size = f.abs(x)
    one = f.constant(x, 1.0)
    large = f.compare("ogt", size, one)
    angle = _odd(f, f.select(large, f.div(one, size), size), _circle(x).atan)
    return f.copysign(f.select(large, _from_pi(f, angle, 0.5), angle), x)


def atan2(f: Function, a: Operand, b: Operand) -> Operand:
    """The angle of the point with height a and width b, within 3 ulp, with all signs of zeros and infinities."""
    zero, one = f.constant(a, 0.0), f.constant(a, 1.0)
    height, width = f.abs(a), f.abs(b)
    steep = f.compare("ogt", height, width)
    large = f.select(steep, height, width)
    small = f.select(steep, width, height)
    ratio = f.div(small, large)
    # Two infinities make half a right angle, two zeros none.
    ratio = f.select(f.compare("oeq", small, f.constant(a, math.inf)), one, ratio)
    ratio = f.select(f.compare("oeq", large, zero), zero, ratio)
    angle = _odd(f, ratio, _circle(a).atan)
    angle = f.select(steep, _from_pi(f, angle, 0.5), angle)
    bits = f.bits_as(b, _circle(b).integer)
    left = f.compare("slt", bits, f.constant(bits, 0))
    angle = f.copysign(f.select(left, _from_pi(f, angle, 1.0), angle), a)
    return f.select(f.compare("uno", a, b), f.add(a, b), angle)
