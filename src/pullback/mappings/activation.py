"""Activation functions: what a layer puts behind a linear mapping. Each acts on the elements one by one."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, OUTPUT, unsupported
from ..core.samples import Samples, fixed, real
from .arithmetic import add, divide, multiply, reciprocal, square, subtract
from .compare import greater, greater_equal, less, less_equal, logical_and
from .exponential import exp
from .logistic import sigmoid, sigmoid_value, softplus, softplus_value
from .rounding import abs
from .select import clip, number_like, where
from .special import erfc, erfc_value
from .trigonometric import tanh

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "relu",
    "relu6",
    "selu",
    "silu",
    "softsign",
    "swish",
]

inf, nan = float("inf"), float("nan")


def _with(*ranges: tuple[float, float], avoid: tuple[float, ...] = (), **choices: tuple[Any, ...]) -> Samples:
    """Samples for each of several values of the static parameters."""
    settings = [dict(zip(choices, values, strict=True)) for values in zip(*choices.values(), strict=True)]
    return fixed(lambda rng: [s for static in settings for s in real(*ranges, avoid=avoid, **static)(rng)])


# ------------------------------------------------------------------------------------- rectifiers: kinked


def _relu_value(x: Any) -> Any:
    kind = x.__class__
    if kind is np.float32 or kind is np.float64:  # one number: a comparison is quicker than a ufunc
        return kind(0) if x <= 0 else x
    return np.maximum(x, 0)


relu = elementwise(
    "relu",
    _relu_value,
    lambda x, y: greater(y, 0),
    uses=OUTPUT,
    formula=r"\max({x}, 0)",
    words="{x} where it is positive, else 0",
    lower="relu",
    onnx="Relu",
    samples=real((-5, 5), avoid=(0.0,)),
    special={-inf: 0.0, inf: inf, nan: nan, -1.0: 0.0},
    special_slope={-0.0: 0.0, 1e-300: 1.0, -1.0: 0.0},
    kink="at 0 we choose 0, as PyTorch and JAX do",
)


def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """Return `x` where it is positive and `negative_slope * x` elsewhere; at 0 its slope is `negative_slope`.

    >>> import pullback as pb
    >>> pb.leaky_relu(pb.tensor([-2.0, 3.0]), negative_slope=0.5).tolist()
    [-1.0, 3.0]
    """
    return _leaky_relu(x, negative_slope=float(negative_slope))


_leaky_relu = elementwise(
    "leaky_relu",
    lambda x, *, negative_slope: np.maximum(x, 0) + negative_slope * np.minimum(x, 0),
    lambda x, y, *, negative_slope: where(greater(x, 0), 1, number_like(negative_slope, y)),
    uses=INPUTS,
    formula=r"\operatorname{{leaky\_relu}}({x})",
    words="{x} where it is positive, else a small multiple of {x}",
    lower="leaky_relu",
    onnx="LeakyRelu",
    samples=_with((-5, 5), avoid=(0.0,), negative_slope=(0.01, 0.3, 0.0, -0.5)),
    kink="at 0 we choose the slope of the negative side, as PyTorch does",
)


def hardtanh(x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return `x` limited to the interval from `min_val` to `max_val`; at its ends the slope is 0.

    Raises ValueError unless `min_val < max_val`.

    >>> import pullback as pb
    >>> pb.hardtanh(pb.tensor([-2.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    if not min_val < max_val:
        raise ValueError(f"hardtanh: min_val must be less than max_val, got {min_val} and {max_val}")
    return _hardtanh(x, min_val=min_val, max_val=max_val)


_hardtanh = elementwise(
    "hardtanh",
    lambda x, *, min_val, max_val: np.minimum(np.maximum(x, min_val), max_val),
    lambda x, y, *, min_val, max_val: _between(y, min_val, max_val),
    uses=OUTPUT,
    formula=r"\operatorname{{hardtanh}}({x})",
    words="{x} limited to an interval",
    lower="hardtanh",
    onnx="Clip",
    samples=_with((-5, 5), avoid=(-1.0, 1.0, 0.5, 3.0), min_val=(-1.0, 0.5), max_val=(1.0, 3.0)),
    kink="at the ends of the interval we choose 0, as PyTorch does",
)


def _between(x: Any, low: float, high: float) -> Any:
    return logical_and(greater(x, low), less(x, high))


relu6 = elementwise(
    "relu6",
    lambda x: np.minimum(np.maximum(x, 0), 6),
    lambda x, y: _between(y, 0, 6),
    uses=OUTPUT,
    formula=r"\min(\max({x}, 0), 6)",
    words="{x} limited to the interval from 0 to 6",
    lower="relu6",
    onnx="Clip",
    samples=real((-3, 9), avoid=(0.0, 6.0)),
    special={-inf: 0.0, inf: 6.0, nan: nan},
    special_slope={0.0: 0.0, 6.0: 0.0, 3.0: 1.0},
    kink="at 0 and at 6 we choose 0, as PyTorch and JAX do",
)

hard_sigmoid = elementwise(
    "hard_sigmoid",
    lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    lambda x, y: where(_between(x, -3, 3), number_like(1 / 6, y), 0),
    uses=INPUTS,
    formula=r"\frac{{\min(\max({x} + 3, 0), 6)}}{{6}}",
    words="a sigmoid of {x} made of straight lines",
    lower="hard_sigmoid",
    onnx="HardSigmoid",
    samples=real((-5, 5), avoid=(-3.0, 3.0)),
    special={-inf: 0.0, inf: 1.0, 0.0: 0.5, nan: nan},
    special_slope={-3.0: 0.0, 3.0: 0.0, 0.0: 1 / 6},
    kink="at −3 and at 3 we choose 0, as PyTorch and JAX do",
)

hard_swish = elementwise(
    "hard_swish",
    lambda x: x * (np.minimum(np.maximum(x + 3, 0), 6) / 6),
    lambda x, y: where(less_equal(x, -3), 0, where(greater_equal(x, 3), 1, add(divide(x, 3), 0.5))),
    uses=INPUTS,
    formula=r"{x} \cdot \frac{{\min(\max({x} + 3, 0), 6)}}{{6}}",
    words="{x} times a sigmoid of {x} made of straight lines",
    lower="hard_swish",
    onnx="HardSwish",
    samples=real((-5, 5), avoid=(-3.0, 3.0)),
    special={-5.0: -0.0, 5.0: 5.0, inf: inf, nan: nan},
    special_slope={-3.0: 0.0, 3.0: 1.0, 0.0: 0.5},
    kink="at −3 and at 3 we choose the slopes of the outer sides, 0 and 1, as PyTorch does",
)

# ------------------------------------------------------------------------------ exponential linear units


def elu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return `x` where it is positive and `alpha * (exp(x) - 1)` elsewhere; at 0 its slope is `alpha`.

    Raises ValueError for a negative `alpha`. Source: Clevert, Unterthiner, Hochreiter, arXiv:1511.07289.

    >>> import pullback as pb
    >>> pb.elu(pb.tensor([-1000.0, 2.0])).tolist()
    [-1.0, 2.0]
    """
    if alpha < 0:
        raise ValueError(f"elu: alpha must not be negative, got {alpha}")
    return _elu(x, alpha=float(alpha))


def _elu_value(x: Any, alpha: float = 1.0) -> Any:
    # One of the two terms is always 0, and the exponential, being one of min(x, 0), cannot overflow.
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


_elu = elementwise(
    "elu",
    lambda x, *, alpha: _elu_value(x, alpha),
    lambda x, y, *, alpha: where(greater(y, 0), 1, add(y, alpha)),
    uses=OUTPUT,
    formula=r"\operatorname{{elu}}({x})",
    words="{x} where it is positive, else a multiple of its exponential minus 1",
    lower="elu",
    onnx="Elu",
    samples=_with((-5, 5), avoid=(0.0,), alpha=(1.0, 0.3)),
    kink="at 0 we choose the slope of the negative side, alpha, as PyTorch does",
)


def celu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return `x` where it is positive and `alpha * (exp(x / alpha) - 1)` elsewhere, which is smooth at 0.

    Raises ValueError unless `alpha` is positive. Source: Barron, arXiv:1704.07483.

    >>> import pullback as pb
    >>> pb.celu(pb.tensor([-1000.0, 2.0]), alpha=2.0).tolist()
    [-2.0, 2.0]
    """
    if not alpha > 0:
        raise ValueError(f"celu: alpha must be positive, got {alpha}")
    return _celu(x, alpha=float(alpha))


_celu = elementwise(
    "celu",
    lambda x, *, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
    lambda x, y, *, alpha: where(greater(y, 0), 1, add(divide(y, alpha), 1)),
    uses=OUTPUT,
    formula=r"\operatorname{{celu}}({x})",
    words="{x} where it is positive, else a smoothly joined exponential minus a constant",
    lower="celu",
    onnx="Celu",
    samples=_with((-5, 5), avoid=(0.0,), alpha=(1.0, 2.0)),
)

# α and λ keep mean 0 and variance 1: Klambauer, Unterthiner, Mayr, Hochreiter, arXiv:1706.02515.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

selu = elementwise(
    "selu",
    lambda x: _SELU_SCALE * _elu_value(x, _SELU_ALPHA),
    lambda x, y: where(greater(y, 0), number_like(_SELU_SCALE, y), add(y, _SELU_SCALE * _SELU_ALPHA)),
    uses=OUTPUT,
    formula=r"\operatorname{{selu}}({x})",
    words="the self-normalising exponential linear unit of {x}",
    lower="selu",
    onnx="Selu",
    samples=real((-5, 5), avoid=(0.0,)),
    special={-inf: -_SELU_SCALE * _SELU_ALPHA, 0.0: 0.0, 1.0: _SELU_SCALE, inf: inf, nan: nan},
    special_slope={0.0: _SELU_SCALE * _SELU_ALPHA, 1000.0: _SELU_SCALE, -1000.0: 0.0},
    kink="at 0 we choose the slope of the negative side, as PyTorch does",
)

# ------------------------------------------------------------------------------------------- smooth ones

softsign = elementwise(
    "softsign",
    lambda x: x / (1 + np.abs(x)),
    lambda x, y: square(reciprocal(add(abs(x), 1))),
    uses=INPUTS,
    formula=r"\frac{{{x}}}{{1 + |{x}|}}",
    words="{x} divided by 1 plus its size",
    lower="softsign",
    onnx="Softsign",
    samples=real((-5, 5), avoid=(0.0,)),
    special={-0.0: -0.0, 1.0: 0.5, -3.0: -0.75},
    special_slope={0.0: 1.0, 1.0: 0.25},
)


def _silu_value(x: Any) -> Any:
    return x * sigmoid_value(x)


def _silu_slope(x: Any, y: Any) -> Any:
    s = sigmoid(x)
    return multiply(s, add(multiply(x, subtract(1, s)), 1))


silu = swish = elementwise(
    "silu",
    _silu_value,
    _silu_slope,
    uses=INPUTS,
    formula=r"\frac{{{x}}}{{1 + e^{{-{x}}}}}",
    words="{x} times its sigmoid (also called swish)",
    lower="silu",
    onnx=unsupported("ONNX has no operator for it before opset 24; it is Mul(x, Sigmoid(x))"),
    samples=real((-5, 5)),
    special={0.0: 0.0, 1000.0: 1000.0, -1000.0: -0.0, inf: inf, nan: nan},
    special_slope={0.0: 0.5, 1000.0: 1.0, -1000.0: -0.0},
)


def _mish_slope(x: Any, y: Any) -> Any:
    t = tanh(softplus(x))
    return add(t, multiply(multiply(x, sigmoid(x)), subtract(1, square(t))))


mish = elementwise(
    "mish",
    lambda x: x * np.tanh(softplus_value(x)),
    _mish_slope,
    uses=INPUTS,
    formula=r"{x} \tanh(\ln(1 + e^{{{x}}}))",
    words="{x} times the hyperbolic tangent of its softplus",
    lower="mish",
    onnx="Mish",
    samples=real((-5, 5)),
    special={0.0: 0.0, 1000.0: 1000.0, -1000.0: -0.0, inf: inf, nan: nan},
    special_slope={0.0: 0.6, 1000.0: 1.0, -1000.0: 0.0},
)


def gelu(x: Any, *, approximate: Literal["none", "tanh"] = "none") -> Any:
    r"""Return the Gaussian error linear unit: `x` times the probability that a normal variable is below `x`.

    `approximate="none"` evaluates x·Φ(x) with erfc, `approximate="tanh"` the usual approximation
    x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))). Raises ValueError for another word.
    Source: Hendrycks, Gimpel, arXiv:1606.08415.

    >>> import pullback as pb
    >>> [round(v, 4) for v in pb.gelu(pb.tensor([-1.0, 0.0, 1.0])).tolist()]
    [-0.1587, 0.0, 0.8413]
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return _gelu(x) if approximate == "none" else _gelu_tanh(x)


_ROOT_HALF = math.sqrt(0.5)


def _gelu_slope(x: Any, y: Any) -> Any:
    below = multiply(erfc(multiply(x, -_ROOT_HALF)), 0.5)
    density = multiply(exp(multiply(square(x), -0.5)), 1 / math.sqrt(2 * math.pi))
    return add(below, multiply(x, density))


_gelu = elementwise(
    "gelu",
    lambda x: x * (0.5 * erfc_value(x * -_ROOT_HALF)),
    _gelu_slope,
    uses=INPUTS,
    formula=r"{x} \cdot \Phi({x})",
    words="{x} times the probability that a standard normal variable is below {x}",
    lower="gelu",
    onnx="Gelu",
    samples=real((-5, 5)),
    special={0.0: 0.0, 100.0: 100.0, -100.0: -0.0, inf: inf, nan: nan},
    special_slope={0.0: 0.5, 100.0: 1.0, -100.0: 0.0},
)

_GELU_INNER = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu_tanh_slope(x: Any, y: Any) -> Any:
    # At ±12 the slope has long become 0 and 1; beyond, x² may overflow.
    x = clip(x, -12, 12)
    x2 = square(x)
    t = tanh(multiply(multiply(x, _GELU_INNER), add(multiply(x2, _GELU_CUBIC), 1)))
    inner_slope = multiply(add(multiply(x2, 3 * _GELU_CUBIC), 1), _GELU_INNER)
    return multiply(add(add(t, 1), multiply(multiply(x, subtract(1, square(t))), inner_slope)), 0.5)


_gelu_tanh = elementwise(
    "gelu_tanh",
    lambda x: x * (0.5 * (1 + np.tanh(x * _GELU_INNER * (1 + _GELU_CUBIC * (x * x))))),
    _gelu_tanh_slope,
    uses=INPUTS,
    formula=r"\frac{{{x}}}{{2}} \left(1 + \tanh\left(\sqrt{{2/\pi}}\,({x} + 0.044715\,{x}^3)\right)\right)",
    words="{x} times the probability that a standard normal variable is below {x}, approximated with a tanh",
    lower="gelu_tanh",
    onnx="Gelu",
    samples=real((-5, 5)),
    special={0.0: 0.0, 100.0: 100.0, -100.0: -0.0, inf: inf, nan: nan},
    special_slope={0.0: 0.5, 100.0: 1.0, -100.0: 0.0},
)
