"""The logistic family: the sigmoid, its logarithm, its integral, and the sum of exponentials behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, OUTPUT, unsupported
from ..core.samples import real
from ..core.spec import dtype_of
from .arithmetic import multiply, negative, subtract
from .compare import equal, isinf, logical_and
from .select import where

__all__ = ["log_sigmoid", "logaddexp", "sigmoid", "softplus"]

inf, nan = float("inf"), float("nan")


def floating(x: Any) -> Any:
    """Return the array `x` itself if its dtype is floating, else in float64 (−x of unsigned integers wraps)."""
    return x if dtype_of(x).kind in "fc" else np.true_divide(x, 1)


_NUMPY_SCALARS: frozenset[Any] = frozenset({np.float32, np.float64})


def sigmoid_value(x: Any) -> Any:
    """1 / (1 + e^(−x)) on plain arrays; the exponential may overflow to inf, and the value is 0 then."""
    if x.__class__ in _NUMPY_SCALARS and x > -80:
        return 1 / (1 + np.exp(-x))  # no overflow, no need to be told about it: a third of the time
    y = -floating(x)
    with np.errstate(over="ignore"):
        if not np.ndim(y):
            return 1 / (1 + np.exp(y))
        np.exp(y, y)
    y += 1
    return np.divide(1, y, y)


def softplus_value(x: Any) -> Any:
    """ln(1 + e^x) on plain arrays, without overflow: max(x, 0) + ln(1 + e^(−|x|))."""
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


sigmoid = elementwise(
    "sigmoid",
    sigmoid_value,
    lambda x, y: multiply(y, subtract(1, y)),
    uses=OUTPUT,
    formula=r"\frac{{1}}{{1 + e^{{-{x}}}}}",
    words="the logistic sigmoid of {x}",
    lower="sigmoid",
    onnx="Sigmoid",
    samples=real((-5, 5)),
    special={0.0: 0.5, inf: 1.0, -inf: 0.0, 1000.0: 1.0, -1000.0: 0.0, nan: nan},
    special_slope={0.0: 0.25, 1000.0: 0.0, -1000.0: 0.0},
)

log_sigmoid = elementwise(
    "log_sigmoid",
    lambda x: -softplus_value(-floating(x)),
    lambda x, y: sigmoid(negative(x)),
    uses=INPUTS,
    formula=r"\ln \frac{{1}}{{1 + e^{{-{x}}}}}",
    words="the logarithm of the logistic sigmoid of {x}",
    lower="log_sigmoid",
    onnx=unsupported("ONNX has no operator for it; it is Neg(Softplus(Neg(x)))"),
    samples=real((-5, 5)),
    special={inf: -0.0, -inf: -inf, 1000.0: -0.0, -1000.0: -1000.0, nan: nan},
    special_slope={0.0: 0.5, 1000.0: 0.0, -1000.0: 1.0},
)

softplus = elementwise(
    "softplus",
    softplus_value,
    lambda x, y: sigmoid(x),
    uses=INPUTS,
    formula=r"\ln(1 + e^{{{x}}})",
    words="the softplus of {x}: a smooth max({x}, 0)",
    lower="softplus",
    onnx="Softplus",
    samples=real((-5, 5)),
    special={inf: inf, -inf: 0.0, 1000.0: 1000.0, -1000.0: 0.0, nan: nan},
    special_slope={0.0: 0.5, 1000.0: 1.0, -1000.0: 0.0},
)


def _share(a: Any, b: Any) -> Any:
    """e^a / (e^a + e^b): the sigmoid of a − b; two equal infinities share equally instead of giving NaN."""
    same_infinity = logical_and(isinf(a), equal(a, b))
    return sigmoid(subtract(where(same_infinity, 0, a), where(same_infinity, 0, b)))


logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    (lambda a, b, y: _share(a, b), lambda a, b, y: _share(b, a)),
    uses=INPUTS,
    formula=r"\ln(e^{{{a}}} + e^{{{b}}})",
    words="the logarithm of the sum of the exponentials of {a} and {b}",
    lower="logaddexp",
    onnx=unsupported("ONNX has no operator for it; it is ReduceLogSumExp of the two stacked"),
    samples=real((-5, 5), (-5, 5)),
    special={(-inf, -inf): -inf, (inf, 1.0): inf, (1000.0, 0.0): 1000.0, (-inf, 2.0): 2.0},
    special_slope={(-inf, -inf): (0.5, 0.5), (inf, 1.0): (1.0, 0.0), (-inf, 2.0): (0.0, 1.0), (1.0, 1.0): (0.5, 0.5)},
)
