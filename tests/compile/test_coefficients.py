"""The polynomials of single precision are as good as a fresh minimax fit, and no coefficient has a slip of the pen."""

import math

import numpy as np
import pytest
import scipy.special

from pullback.compile.emit import bell, circular, exponential, hyperbolic

LN2 = math.log(2.0)


def minimax(values, points, degree, weights, rounds=150):
    """Fit a polynomial by least squares, weighting up where the error is largest, until it is the same everywhere."""
    low, high = points.min(), points.max()
    places = (2 * points - low - high) / (high - low)
    basis = np.polynomial.chebyshev.chebvander(places, degree)
    importance = np.ones_like(points)
    for _ in range(rounds):
        scale = np.sqrt(importance) * weights
        fitted = np.linalg.lstsq(basis * scale[:, None], values * scale, rcond=None)[0]
        error = np.abs((basis @ fitted - values) * weights)
        importance *= error / error.max() + 1e-3
        importance /= importance.max()
    return np.abs((basis @ fitted - values) * weights).max()


def squares(function):
    """(function(x)/x − 1)/x² in terms of x², weighted by its share in function(x)/x."""
    return lambda s: ((function(np.sqrt(s)) / np.sqrt(s) - 1) / s, s)


def exponential_tail(r):
    r = r.astype(np.longdouble)
    return (np.expm1(r) - r) / r**2, r**2


def logarithm_tail(t):
    t = t.astype(np.longdouble)
    return (np.log1p(t) - t + t * t / 2) / t**3, np.abs(t**3 / np.log1p(t))


def scaled_erfc(u):
    z = 3 * (1 + u) / (1 - u)
    value = scipy.special.erfcx(z) * (z + 3)
    return value, 1 / value


POLYNOMIALS = {
    "exp": (exponential.SINGLE.exp_tail, -LN2 / 2, LN2 / 2, exponential_tail),
    "expm1": (exponential._EXPM1_TAIL, -LN2 / 2, LN2 / 2, exponential_tail),
    "log": (exponential._LOG_TAIL, math.sqrt(0.5) - 1, math.sqrt(2) - 1, logarithm_tail),
    "tanh": (hyperbolic._TANH["float"], 1e-4, 0.625**2, squares(np.tanh)),
    "sinh": (hyperbolic._SINH["float"], 1e-4, 1.0, squares(np.sinh)),
    "sin": (circular.SINGLE.sin, 1e-4, (math.pi / 2) ** 2, squares(np.sin)),
    "tan": (circular.SINGLE.tan, 1e-4, (math.pi / 4) ** 2, squares(np.tan)),
    "asin": (circular.SINGLE.asin, 1e-4, 0.25, squares(np.arcsin)),
    "atan": (circular.SINGLE.atan, 1e-4, 1.0, squares(np.arctan)),
    "erf": (bell._ERF, 1e-4, 0.875**2, lambda s: (scipy.special.erf(np.sqrt(s)) / np.sqrt(s) - 1, np.ones_like(s))),
    "log erfc": (bell._LOG_ERFC, 0.875, 4.0, lambda a: (np.log(scipy.special.erfc(a)), scipy.special.erfc(a))),
    "scaled erfc": (bell._SCALED_ERFC, -1.0, (10.1 - 3) / (10.1 + 3), scaled_erfc),
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_coefficients_are_a_minimax_fit(name):
    coefficients, low, high, function = POLYNOMIALS[name]
    assert all(float(np.float32(c)) == c for c in coefficients), "each is a number of single precision"
    n = 500
    points = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    values, weights = (np.asarray(v, np.float64) for v in function(points))
    ours = np.abs((np.polyval(coefficients, points) - values) * weights).max()
    best = minimax(values, points, len(coefficients) - 1, weights)
    # Beside the fit itself there is the rounding of the coefficients: an ulp of 1 is 1.2e-7.
    assert ours <= 1.3 * best + 2.5e-8
    assert ours < 3e-8


DOUBLE = {
    "exp": (exponential.DOUBLE.exp_tail, 1e-3, LN2 / 2, lambda r: (r, *exponential_tail(r))),
    "log": (exponential._LOG_ODD_TAIL, 1e-3, 0.1716, lambda s: (s * s, (2 * np.arctanh(s) - 2 * s) / s**3, s * s / 2)),
    **{
        name: (table, 1e-3, high, lambda x, f=function: (x * x, (f(x) / x - 1) / (x * x), x * x))
        for name, table, high, function in (
            ("tanh", hyperbolic._TANH["double"], 0.625, np.tanh),
            ("sinh", hyperbolic._SINH["double"], 1.0, np.sinh),
            ("sin", circular.DOUBLE.sin, math.pi / 2, np.sin),
            ("tan", circular.DOUBLE.tan, math.pi / 4, np.tan),
            ("asin", circular.DOUBLE.asin, 0.5, np.arcsin),
            ("atan", circular.DOUBLE.atan, 1.0, np.arctan),
        )
    },
}


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no wider type to compare with on this machine")
@pytest.mark.parametrize("name", DOUBLE)
def test_coefficients_of_double_precision(name):
    coefficients, low, high, function = DOUBLE[name]
    place, value, weight = function(np.linspace(low, high, 1001).astype(np.longdouble))
    total = np.zeros_like(place)
    for c in coefficients:
        total = total * place + np.longdouble(c)
    assert np.abs((total - value) * weight).max() < 5e-17, "an ulp of 1 is 2.2e-16"
