"""Log-densities: log p(x) of the common distributions, element by element, stable in the tails.

Each is a composition of mappings, so gradients of any order flow to the value and to the parameters, which
broadcast. Sums over events are the caller's: `pb.sum(normal_log_prob(x, mean, std))`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import mappings as m
from .core.errors import DtypeError
from .core.spec import default_dtype, dtype_of, operand
from .mappings.loss import binary_cross_entropy_with_logits, cross_entropy

__all__ = [
    "bernoulli_log_prob",
    "beta_log_prob",
    "categorical_log_prob",
    "gamma_log_prob",
    "laplace_log_prob",
    "normal_log_prob",
    "poisson_log_prob",
]

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def normal_log_prob(x: Any, mean: Any = 0.0, std: Any = 1.0) -> Any:
    r"""Return the log-density of the normal distribution.

    $-\frac{1}{2} \left(\frac{x - \mu}{\sigma}\right)^2 - \log \sigma - \frac{1}{2} \log 2 \pi$

    `x`, `mean` μ and `std` σ > 0 broadcast. Raises ValueError when the number `std` is not positive.

    >>> import pullback as pb
    >>> round(pb.distributions.normal_log_prob(pb.tensor(0.0)).item(), 5)
    -0.91894
    """
    _require_positive("normal_log_prob", std=std)
    x, mean, std = _real(x, mean, std)
    z = m.divide(m.subtract(x, mean), std)
    return m.subtract(m.multiply(m.square(z), -0.5), m.add(m.log(std), _HALF_LOG_TWO_PI))


def laplace_log_prob(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    r"""Return the log-density of the Laplace distribution.

    $-\frac{|x - \mu|}{b} - \log 2 b$

    `x`, `loc` μ and `scale` b > 0 broadcast. Raises ValueError when the number `scale` is not positive.

    >>> import pullback as pb
    >>> round(pb.distributions.laplace_log_prob(pb.tensor(3.0), 1.0, 2.0).item(), 5)
    -2.38629
    """
    _require_positive("laplace_log_prob", scale=scale)
    x, loc, scale = _real(x, loc, scale)
    distance = m.divide(m.abs(m.subtract(x, loc)), scale)
    return m.negative(m.add(distance, m.add(m.log(scale), math.log(2))))


def bernoulli_log_prob(x: Any, logits: Any) -> Any:
    r"""Return the log-probability of a truth value whose log-odds are `logits`.

    $x \log \sigma(z) + (1 - x) \log (1 - \sigma(z))$

    `x` is 0 or 1 (or a boolean); it broadcasts with `logits` z. The tails keep their digits: with z = 40 and
    x = 1 the value is −4·10⁻¹⁸.

    >>> import pullback as pb
    >>> round(pb.distributions.bernoulli_log_prob(1.0, pb.tensor(0.0)).item(), 5)
    -0.69315
    """
    x, logits = _real(x, logits)
    return m.negative(binary_cross_entropy_with_logits(logits, x))


def categorical_log_prob(x: Any, logits: Any) -> Any:
    r"""Return the log-probability of a class, given unnormalised log-probabilities.

    $z_x - \log \sum_k e^{z_k}$

    `x` holds integers in 0, …, K − 1, of the shape of `logits` without its last axis, which has length K.
    Raises DtypeError when `x` does not hold integers, IndexError for a class that does not exist.

    >>> import pullback as pb
    >>> round(pb.distributions.categorical_log_prob(1, pb.tensor([0.0, 0.0, 0.0, 0.0])).item(), 5)
    -1.38629
    """
    x = operand(x)
    if dtype_of(x).kind not in "iu":
        raise DtypeError(f"categorical_log_prob: x must hold the numbers of classes (integers), got {dtype_of(x)}")
    return m.negative(cross_entropy(logits, x, reduction="none"))


def poisson_log_prob(x: Any, rate: Any) -> Any:
    r"""Return the log-probability of a count.

    $x \log \lambda - \lambda - \log x!$

    `x` is 0, 1, 2, …; it broadcasts with `rate` λ ≥ 0. With λ = 0 the count 0 has probability 1. Raises
    ValueError when the number `rate` is negative.

    >>> import pullback as pb
    >>> round(pb.distributions.poisson_log_prob(pb.tensor(2.0), 3.0).item(), 5)
    -1.49592
    """
    if isinstance(rate, int | float) and not rate >= 0:
        raise ValueError(f"poisson_log_prob: expected rate >= 0, got {rate}")
    x, rate = _real(x, rate)
    return m.subtract(m.subtract(m.xlogy(x, rate), rate), m.lgamma(m.add(x, 1)))


def gamma_log_prob(x: Any, concentration: Any, rate: Any = 1.0) -> Any:
    r"""Return the log-density of the gamma distribution.

    $\alpha \log \beta - \log \Gamma(\alpha) + (\alpha - 1) \log x - \beta x$

    `x` ≥ 0, `concentration` α > 0 and `rate` β > 0 broadcast. Raises ValueError when a number among the
    parameters is not positive.

    >>> import pullback as pb
    >>> round(pb.distributions.gamma_log_prob(pb.tensor(2.0), 3.0, 1.5).item(), 4)
    -1.0905
    """
    _require_positive("gamma_log_prob", concentration=concentration, rate=rate)
    x, a, b = _real(x, concentration, rate)
    normaliser = m.subtract(m.xlogy(a, b), m.lgamma(a))
    return m.subtract(m.add(normaliser, m.xlogy(m.subtract(a, 1), x)), m.multiply(b, x))


def beta_log_prob(x: Any, a: Any, b: Any) -> Any:
    r"""Return the log-density of the beta distribution.

    $(a - 1) \log x + (b - 1) \log (1 - x) - \log \Gamma(a) - \log \Gamma(b) + \log \Gamma(a + b)$

    `x` in [0, 1], `a` > 0 and `b` > 0 broadcast. Raises ValueError when a number among the parameters is not
    positive.

    >>> import pullback as pb
    >>> round(pb.distributions.beta_log_prob(pb.tensor(0.25), 2.0, 3.0).item(), 5)
    0.52325
    """
    _require_positive("beta_log_prob", a=a, b=b)
    x, a, b = _real(x, a, b)
    log_beta = m.subtract(m.add(m.lgamma(a), m.lgamma(b)), m.lgamma(m.add(a, b)))
    density = m.add(m.xlogy(m.subtract(a, 1), x), m.xlog1py(m.subtract(b, 1), m.negative(x)))
    return m.subtract(density, log_beta)


def _require_positive(where: str, **parameters: Any) -> None:
    for name, x in parameters.items():
        if isinstance(x, int | float) and not x > 0:
            raise ValueError(f"{where}: expected {name} > 0, got {x}")


def _real(*xs: Any) -> list[Any]:
    """Return the arguments with numbers and integers in the floating dtype of the others."""
    arrays = [dtype_of(x) for x in xs if not isinstance(x, bool | int | float) or isinstance(x, np.generic)]
    floating = [dtype for dtype in arrays if dtype.kind == "f"]
    dtype = np.result_type(*floating) if floating else default_dtype()
    settled = []
    for x in xs:
        if isinstance(x, bool | int | float) and not isinstance(x, np.generic):
            settled.append(dtype.type(x))
        else:
            settled.append(x if dtype_of(x).kind == "f" else m.astype(x, dtype))
    return settled
