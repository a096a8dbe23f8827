"""The logarithm of the gamma function and its derivatives: lgamma, digamma, and polygamma of every order.

Formulas by number: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", chapter 6. For
x > 0 lgamma and digamma are within 8 ulp and polygamma within 16 (tested against 40 digits), the zeros of
lgamma at 1 and 2 and of digamma at 1.46 included; below 0, near the zeros between the poles, the error is
small beside the two terms of the reflection.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, fixed, real
from .special import _in_double

__all__ = ["digamma", "lgamma", "polygamma"]

inf, nan = float("inf"), float("nan")

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
"""B₂, B₄, …, B₂₀: what asymptotic series are made of."""


def _series(coefficients: Sequence[float], x: Any) -> Any:
    """Σₖ cₖ xᵏ, from the highest power down."""
    total = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def _is_pole(x: Any) -> Any:
    return (x <= 0) & (x == np.floor(x)) & (x > -np.inf)


def _hurwitz(s: int, q: Any) -> Any:
    """ζ(s, q) = Σᵢ (q + i)⁻ˢ for s ≥ 2 and q > 0: the first terms, then Euler and Maclaurin's formula (23.2)."""
    total = np.zeros_like(q)
    for _ in range(s + 10):
        early = q < s + 10
        if not early.any():
            break
        total = np.where(early, total + np.where(early, q, 1.0) ** -float(s), total)
        q = np.where(early, q + 1, q)
    rising = float(s)
    inverse_square = 1 / (q * q)
    tail = np.zeros_like(q)
    power = np.ones_like(q)
    for k, b in enumerate(_BERNOULLI, start=1):
        tail += b * rising / math.factorial(2 * k) * power
        rising *= (s + 2 * k - 1) * (s + 2 * k)
        power = power * inverse_square
    return total + q ** (1.0 - s) / (s - 1) + q ** -float(s) * (0.5 + tail / q)


# ----------------------------------------------------------------------------------------------- lgamma

_EULER = 0.5772156649015329
_ZETA_LESS_ONE = [float(_hurwitz(k, np.array([2.0]))[0]) for k in range(2, 34)]
"""ζ(k) − 1 for k = 2, 3, …"""
_LGAMMA_AT_TWO = [1 - _EULER, *((-1) ** k * z / k for k, z in enumerate(_ZETA_LESS_ONE, start=2))]
"""lgamma(2 + z) = z · Σₖ cₖ zᵏ (6.1.33, with the two first terms of each zeta function summed)."""
_STIRLING = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, start=1)]
_HALF_LOG_TWO_PI = 0.9189385332046727


def _lgamma_array(x: Any) -> Any:
    value = np.full_like(x, np.nan)
    value[_is_pole(x) | np.isinf(x)] = np.inf
    near, far, below = (x > 0) & (x < 8), (x >= 8) & (x < np.inf), (x < 0) & (x != np.floor(x))
    value[near] = _lgamma_near(x[near])
    value[far] = _lgamma_far(x[far])
    if below.any():  # 6.1.17
        size = -x[below]
        sine = np.sin(np.pi * (size - np.rint(size)))
        value[below] = math.log(math.pi) - np.log(np.abs(sine) * size) - _lgamma_array(size)
    return value


def _lgamma_near(x: Any) -> Any:
    """From 0 to 8: the Taylor series at 2, after as many steps of lgamma(x + 1) = lgamma(x) + log x as needed."""
    x, product = _reduced(x, np.ones_like(x), operator.mul)
    z = np.where(x < 0.5, x, np.where(x < 1.5, x - 1, x - 2))
    at_two_and_z = z * _series(_LGAMMA_AT_TWO, z)
    up = np.where(x < 0.5, np.log(x), 0.0) + np.where(x < 1.5, np.log1p(z), 0.0)
    return at_two_and_z - up + np.log(product)


def _reduced(x: Any, total: Any, gather: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Take 1 from what is above 2.5 until it is not, and gather what was left on the way."""
    for _ in range(6):
        above = x > 2.5
        x = np.where(above, x - 1, x)
        total = np.where(above, gather(total, x), total)
    return x, total


def _lgamma_far(x: Any) -> Any:
    """Stirling's series (6.1.41)."""
    log = np.log(x)
    return x * (log - 1) - 0.5 * log + _HALF_LOG_TWO_PI + _series(_STIRLING, 1 / (x * x)) / x


def _lgamma_number(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a pole, or beyond the largest number
        return inf


# ---------------------------------------------------------------------------------------------- digamma

_DIGAMMA_AT_TWO = [1 - _EULER, *((-1) ** k * z for k, z in enumerate(_ZETA_LESS_ONE, start=2))]
_DIGAMMA_TAIL = [-b / (2 * k) for k, b in enumerate(_BERNOULLI, start=1)]
_ROOT, _ROOT_REST = 1.4616321449683622, 9.549995429965697e-17
"""The positive zero of digamma, as the sum of two numbers."""
_DIGAMMA_AT_ROOT = [(-1) ** (k + 1) * float(_hurwitz(k + 1, np.array([_ROOT]))[0]) for k in range(1, 31)]


def _digamma_array(x: Any) -> Any:
    value = np.full_like(x, np.nan)
    value[x == np.inf] = np.inf
    value[x == 0] = -np.copysign(np.inf, x[x == 0])
    near, far, below = (x > 0) & (x < 8), (x >= 8) & (x < np.inf), (x < 0) & (x != np.floor(x))
    value[near] = _digamma_near(x[near])
    value[far] = _digamma_far(x[far])
    if below.any():  # 6.3.7
        negative = x[below]
        value[below] = _digamma_array(1 - negative) - np.pi * _cotangent(negative)
    return value


def _digamma_near(x: Any) -> Any:
    """From 0 to 8: the Taylor series at 2, after steps of ψ(x + 1) = ψ(x) + 1/x; about the zero the one there."""
    from_root = (x - _ROOT) - _ROOT_REST
    at_root = np.abs(from_root) < 0.4
    d = np.where(at_root, from_root, 0.0)
    x, up = _reduced(x, np.zeros_like(x), lambda total, x: total + 1 / x)
    z = np.where(x < 0.5, x, np.where(x < 1.5, x - 1, x - 2))
    down = np.where(x < 0.5, 1 / x, 0.0) + np.where(x < 1.5, 1 / (1 + z), 0.0)
    return np.where(at_root, d * _series(_DIGAMMA_AT_ROOT, d), _series(_DIGAMMA_AT_TWO, z) - down + up)


def _digamma_far(x: Any) -> Any:
    """The asymptotic series (6.3.18)."""
    inverse_square = 1 / (x * x)
    return np.log(x) - 0.5 / x + inverse_square * _series(_DIGAMMA_TAIL, inverse_square)


def _cotangent(x: Any) -> Any:
    """cot πx, with the whole part taken from x first."""
    return 1 / np.tan(np.pi * (x - np.rint(x)))


# -------------------------------------------------------------------------------------------- polygamma


def _polygamma_array(n: int, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! ζ(n + 1, x) (6.4.10); below 0 the derivatives of the reflection (6.4.7)."""
    sign = -1.0 if n % 2 == 0 else 1.0
    value = np.full_like(x, np.nan)
    value[_is_pole(x)] = sign * np.inf
    above, below = x > 0, (x < 0) & (x != np.floor(x))
    value[above] = sign * math.factorial(n) * _hurwitz(n + 1, x[above])
    if below.any():
        negative = x[below]
        reflected = np.pi ** (n + 1) * _series(_cotangent_slopes(n), _cotangent(negative))
        value[below] = -sign * _polygamma_array(n, 1 - negative) - reflected
    return value


@cache
def _cotangent_slopes(n: int) -> list[float]:
    """The coefficients of P where cot⁽ⁿ⁾ u = P(cot u): P' · (−1 − cot²) from each to the next."""
    p = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    return p


def _polygamma_value(x: Any, *, n: int) -> Any:
    return _of_order(n)(x)


@cache
def _of_order(n: int) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        with np.errstate(over="ignore", divide="ignore", under="ignore"):
            return _polygamma_array(n, x)

    return _in_double(lambda x, short: kernel(x), _single(kernel))


def _single(kernel: Callable[[Any], Any]) -> Callable[[float], float]:
    return lambda x: float(kernel(np.array([x]))[0])


# ------------------------------------------------------------------------------------------ declarations


def _about(*ranges: tuple[float, float], **static: Any) -> Any:
    """Samples for x > 0, and some between the poles below 0."""
    above = real(*ranges, **static)

    def draw(rng: np.random.Generator) -> list[Sample]:
        between = -rng.integers(0, 5, 6) - rng.uniform(0.2, 0.8, 6)
        return [*above(rng), Sample((between,), static)]

    return fixed(draw)


lgamma = elementwise(
    "lgamma",
    _in_double(lambda x, short: _lgamma_array(x), _lgamma_number),
    lambda x, y: digamma(x),
    uses=INPUTS,
    doc=r"""Return log |Γ(x)|, the logarithm of the absolute value of the gamma function.

    $\log |\Gamma(x)|$, with $\Gamma(n) = (n - 1)!$. It is infinite at 0, −1, −2, …

    >>> import pullback as pb
    >>> round(pb.lgamma(pb.tensor(5.0)).item(), 5)  # log 24
    3.17805
    """,
    formula=r"\log \left| \Gamma({x}) \right|",
    words="the logarithm of the gamma function of {x}",
    lower=unsupported("it is not written natively; NumPy runs"),
    onnx=unsupported("ONNX has no operator for it"),
    samples=_about((0.1, 20)),
    special={1.0: 0.0, 2.0: 0.0, 0.0: inf, -1.0: inf, -3.0: inf, inf: inf, -inf: inf, nan: nan},
    special_slope={1.0: -_EULER, 0.0: -inf, inf: inf},
)

digamma = elementwise(
    "digamma",
    _in_double(lambda x, short: _digamma_array(x), _single(_digamma_array)),
    lambda x, y: _polygamma(x, n=1),
    uses=INPUTS,
    doc=r"""Return ψ(x), the derivative of `lgamma`: Γ′(x) / Γ(x).

    $\psi(x) = \frac{d}{dx} \log \Gamma(x)$. At 0 it is −∞ (coming from above), at −1, −2, … NaN.

    >>> import pullback as pb
    >>> round(pb.digamma(pb.tensor(1.0)).item(), 6)  # Euler's constant, negative
    -0.577216
    """,
    formula=r"\psi({x})",
    words="the slope of the logarithm of the gamma function at {x}",
    lower=unsupported("it is not written natively; NumPy runs"),
    onnx=unsupported("ONNX has no operator for it"),
    samples=_about((0.1, 20)),
    special={1.0: -_EULER, 0.0: -inf, "-0.0": inf, -1.0: nan, inf: inf, -inf: nan, nan: nan},
    special_slope={1.0: math.pi**2 / 6, 0.0: inf, inf: 0.0},
)

_polygamma = elementwise(
    "polygamma",
    _polygamma_value,
    lambda x, y, *, n: _polygamma(x, n=n + 1),
    uses=INPUTS,
    formula=r"\psi^{{(n)}}({x})",
    words="the n-th derivative of digamma at {x}",
    lower=unsupported("it is not written natively; NumPy runs"),
    onnx=unsupported("ONNX has no operator for it"),
    samples=fixed(lambda rng: [s for n in (1, 2, 5) for s in _about((0.3, 15), n=n)(rng)]),
    special={1.0: math.pi**2 / 6, 0.0: inf, -2.0: inf, inf: 0.0, -inf: nan, nan: nan},
)


def polygamma(n: int, x: Any) -> Any:
    r"""Return the derivative number `n` of `digamma`; `n` = 0 is `digamma` itself.

    $\psi^{(n)}(x) = (-1)^{n+1} \, n! \sum_{i \ge 0} (x + i)^{-n-1}$ for $n \ge 1$. At the poles 0, −1, … it is
    +∞ for odd and −∞ for even `n`, as in SciPy. Raises ValueError for a negative `n`.

    >>> import pullback as pb
    >>> round(pb.polygamma(1, pb.tensor(1.0)).item(), 5)  # π²/6
    1.64493
    """
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"polygamma: expected n >= 0, got {n}")
    return digamma(x) if n == 0 else _polygamma(x, n=n)
