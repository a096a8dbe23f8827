"""Special functions: the error function and its relatives, evaluated here in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, OUTPUT, unsupported
from ..core.samples import real
from .arithmetic import multiply, negative, square
from .exponential import exp

__all__ = ["erf", "erfc", "erfinv"]

inf, nan = float("inf"), float("nan")

# ------------------------------------------------------------------------------- evaluation, in float64
# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
# Mathematics of Computation 23 (1969) 631-637, in the form of his program CALERF: highest power first.

_ERF = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
_ERFC_FAR = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)


def _rational(x: Any, pair: tuple[Sequence[float], Sequence[float]]) -> Any:
    """p(x) / q(x) by Horner's rule."""
    values = []
    for coefficients in pair:
        value = x * coefficients[0]
        for c in coefficients[1:-1]:
            value += c
            value *= x
        value += coefficients[-1]
        values.append(value)
    return values[0] / values[1]


def _erf_near(x: Any) -> Any:
    """erf for |x| ≤ 15/32."""
    return x * _rational(x * x, _ERF)


def _erfc_beyond(a: Any, short: bool) -> Any:
    """erfc for a > 15/32; `short` numbers have so few digits that their squares are exact."""
    a = np.minimum(a, 28.0)  # erfc(28) is below the smallest float64
    value = _rational(np.minimum(a, 4.0), _ERFC)
    beyond = a > 4.0
    if beyond.any():
        far = a[beyond]
        u = 1 / (far * far)
        value[beyond] = (1 / math.sqrt(math.pi) - u * _rational(u, _ERFC_FAR)) / far
    if short:
        return value * np.exp(-a * a)
    # e^(−a²) with a² split in an exact leading part and a small rest, so that no bit of a² is lost.
    lead = np.trunc(a * 16) / 16
    return value * (np.exp(-lead * lead) * np.exp(-(a - lead) * (a + lead)))


# Both formulas for all numbers, each held where it is good, and then a choice: that takes a third of the time that
# picking the numbers out for one of them takes.
_NEAR = 0.46875


def _erf_array(x: Any, short: bool) -> Any:
    size = np.abs(x)
    beyond = np.copysign(1 - _erfc_beyond(np.maximum(size, _NEAR), short), x)
    return np.where(size > _NEAR, beyond, _erf_near(np.clip(x, -_NEAR, _NEAR)))


def _erfc_array(x: Any, short: bool) -> Any:
    size = np.abs(x)
    beyond = _erfc_beyond(np.maximum(size, _NEAR), short)
    beyond = np.where(x < 0, 2 - beyond, beyond)
    return np.where(size > _NEAR, beyond, 1 - _erf_near(np.clip(x, -_NEAR, _NEAR)))


def _in_double(kernel: Callable[[Any, bool], Any], single: Callable[[float], float]) -> Callable[[Any], Any]:
    """Run a float64 kernel on arrays of any real dtype, `single` on one number; floating dtypes are kept."""

    def evaluate(x: Any) -> Any:
        if np.ndim(x) == 0:
            kind = getattr(x, "dtype", _DOUBLE)
            return (kind if kind.kind == "f" else _DOUBLE).type(single(float(x)))
        flat = x.reshape(-1)
        value = np.empty(flat.shape, x.dtype if x.dtype.kind == "f" else _DOUBLE)
        short = value.dtype.itemsize < 8
        for start in range(0, flat.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            value[block] = kernel(flat[block].astype(np.float64, copy=False), short)
        return value.reshape(x.shape)

    return evaluate


_DOUBLE = np.dtype(np.float64)
_BLOCK = 16384  # as many numbers as the intermediate arrays keep in the cache: twice as quick

erfc_value = _in_double(_erfc_array, math.erfc)

# ----------------------------------------------------------------------------------------- declarations

_SLOPE = 2 / math.sqrt(math.pi)


def _bell(x: Any) -> Any:
    """2/√π · e^(−x²)."""
    return multiply(exp(negative(square(x))), _SLOPE)


erf = elementwise(
    "erf",
    _in_double(_erf_array, math.erf),
    lambda x, y: _bell(x),
    uses=INPUTS,
    formula=r"\operatorname{{erf}}({x})",
    words="the error function of {x}",
    lower="erf",
    onnx="Erf",
    samples=real((-3, 3)),
    special={-0.0: -0.0, inf: 1.0, -inf: -1.0, 10.0: 1.0, 1e-300: 1e-300 * _SLOPE, nan: nan},
    special_slope={0.0: _SLOPE, 30.0: 0.0},
)

erfc = elementwise(
    "erfc",
    erfc_value,
    lambda x, y: negative(_bell(x)),
    uses=INPUTS,
    formula=r"1 - \operatorname{{erf}}({x})",
    words="1 minus the error function of {x}, accurate where that is nearly 1",
    lower="erfc",
    onnx=unsupported("ONNX has no operator for it; Sub(1, Erf(x)) loses its accuracy for large x"),
    samples=real((-3, 5)),
    special={0.0: 1.0, inf: 0.0, -inf: 2.0, 30.0: 0.0, nan: nan},
    special_slope={0.0: -_SLOPE, 30.0: -0.0},
)

# -------------------------------------------------------------------------------------- the inverse of erf
# M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37
# (1988) 477-484, routine PPND16: erfinv(x) = Φ⁻¹((1 + x)/2) / √2. Highest power first.

_CENTRE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_TAIL = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def _erfinv_array(x: Any) -> Any:
    size = np.abs(x)
    value = np.full_like(x, np.nan)
    centre = size <= 0.85
    q = 0.5 * x[centre]
    value[centre] = q * _rational(0.180625 - q * q, _CENTRE)
    beyond = (size > 0.85) & (size < 1)
    r = np.sqrt(-np.log(0.5 * (1 - size[beyond])))
    tail = np.where(r <= 5, _rational(r - 1.6, _TAIL), _rational(r - 5, _FAR_TAIL))
    value[beyond] = np.copysign(tail, x[beyond])
    value[size == 1] = np.copysign(np.inf, x[size == 1])
    return value * math.sqrt(0.5)


def _erfinv_number(x: float) -> float:
    return float(_erfinv_array(np.array([x]))[0])


erfinv = elementwise(
    "erfinv",
    _in_double(lambda x, short: _erfinv_array(x), _erfinv_number),
    lambda x, y: multiply(exp(square(y)), 1 / _SLOPE),
    uses=OUTPUT,
    formula=r"\operatorname{{erf}}^{{-1}}({x})",
    words="the number whose error function is {x}",
    lower=unsupported("it is not written natively; NumPy runs"),
    onnx=unsupported("ONNX has no operator for it"),
    samples=real((-0.9, 0.9)),
    special={-0.0: -0.0, 1.0: inf, -1.0: -inf, 1.5: nan, nan: nan},
    special_slope={0.0: 1 / _SLOPE, 1.0: inf},
)
