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
    "sinh": (hyperbolic._SINH, 1e-4, 1.0, squares(np.sinh)),
    "sin": (circular._SIN, 1e-4, (math.pi / 2) ** 2, squares(np.sin)),
    "tan": (circular._TAN, 1e-4, (math.pi / 4) ** 2, squares(np.tan)),
    "asin": (circular._ASIN, 1e-4, 0.25, squares(np.arcsin)),
    "atan": (circular._ATAN, 1e-4, 1.0, squares(np.arctan)),
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


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_coefficients_of_double_precision(name):
    if name == "exp":
        x = np.linspace(-LN2 / 2, LN2 / 2, 1001).astype(np.longdouble)
        x = x[np.abs(x) > 1e-3]
        value, weight = exponential_tail(x)
        coefficients = exponential.DOUBLE.exp_tail
    elif name == "log":
        s = np.linspace(1e-3, (math.sqrt(2) - 1) / (math.sqrt(2) + 1), 1001).astype(np.longdouble)
        value, weight = (np.log((1 + s) / (1 - s)) - 2 * s) / s**3, s * s / 2
        x, coefficients = s * s, exponential._LOG_ODD_TAIL
    else:
        s = np.linspace(1e-3, 0.625, 1001).astype(np.longdouble)
        value, weight = (np.tanh(s) / s - 1) / (s * s), s * s
        x, coefficients = s * s, hyperbolic._TANH["double"]
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("no wider type to compare with on this machine")
    total = np.zeros_like(x)
    for c in coefficients:
        total = total * x + np.longdouble(c)
    assert np.abs((total - value) * weight).max() < 5e-17
