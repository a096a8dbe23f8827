"""Softmax and its logarithm: scores as probabilities, computed without overflow in one kernel each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import composite
from ..core.mapping import OUTPUT, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, shape_of
from .arithmetic import add, multiply, subtract
from .exponential import exp, log
from .reduce import _max, _sum

__all__ = ["log_softmax", "softmax"]


def softmax_kernel(x: Any, *, axis: int) -> Any:
    if not x.size:
        return x.astype(_floating(x))
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    e /= np.add.reduce(e, axis=axis, keepdims=True)
    return e


def _log_softmax_kernel(x: Any, *, axis: int) -> Any:
    if not x.size:
        return x.astype(_floating(x))
    shifted = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    total = np.add.reduce(np.exp(shifted), axis=axis, keepdims=True)
    if shifted.dtype.kind != "f":
        return shifted - np.log(total)
    shifted -= np.log(total)
    return shifted


def _floating(x: Any) -> np.dtype[Any]:
    """The dtype of the exponential: that of `x` for floating numbers, NumPy's choice for integers."""
    return x.dtype if x.dtype.kind == "f" else np.exp(np.ones((0,), x.dtype)).dtype


def _spec(x: Spec, *, axis: int) -> Spec:
    return Spec(x.shape, _floating(x))


def _over(x: Any, axis: int) -> Any:
    """The sum over one axis, kept with length 1."""
    return _sum(x, axis=(axis + ndim_of(x),), keepdims=True)


def _lse(x: Any, axis: int) -> Any:
    """The logarithm of the sum of exponentials, NaN for a row that has no softmax, as the kernels' quotient is."""
    largest = _max(x, axis=(axis + ndim_of(x),), keepdims=True)
    return add(log(_over(exp(subtract(x, largest)), axis)), largest)


_samples = fixed(
    lambda rng: [
        Sample((rng.normal(size=(4, 3)),), {"axis": -1}),
        Sample((rng.normal(size=(2, 3, 2)),), {"axis": -2}),
        Sample((rng.normal(size=(3,)),), {"axis": -1}),
        Sample((rng.normal(size=(2, 1)),), {"axis": -1}),
        Sample((rng.normal(size=(0, 3)),), {"axis": -1}),
    ]
)


def _times_jacobian(v: Any, y: Any, axis: int) -> Any:
    """y · (v − Σ v·y): the Jacobian of softmax is symmetric, so this is its pullback and its pushforward."""
    return multiply(y, subtract(v, _over(multiply(v, y), axis)))


_softmax = composite(
    "softmax",
    lambda x, *, axis: exp(subtract(x, _lse(x, axis))),
    _spec,
    kernel=softmax_kernel,
    uses=OUTPUT,
    pullback=lambda g, y, x, *, needs, axis: (_times_jacobian(g, y, axis),),
    pushforward=lambda ts, y, x, *, axis: _times_jacobian(ts[0], y, axis),
    # The axis is counted from the end, so a batch axis in front does not move it.
    batch=lambda batched, xs, *, axis: _softmax(xs[0], axis=axis),
    formula=r"\frac{{e^{{{x}}}}}{{\sum e^{{{x}}}}}",
    words="the softmax of {x}",
    flops=lambda x, *, axis: 4 * x.size,  # a difference, an exponential, a sum, a quotient
    lower=unsupported("softmax: lowered through its body"),
    onnx="Softmax",
    samples=_samples,
)


def _log_softmax_pushforward(ts: Sequence[Any], y: Any, x: Any, *, axis: int) -> Any:
    return subtract(ts[0], _over(multiply(exp(y), ts[0]), axis))


_log_softmax = composite(
    "log_softmax",
    lambda x, *, axis: subtract(x, _lse(x, axis)),
    _spec,
    kernel=_log_softmax_kernel,
    uses=OUTPUT,
    pullback=lambda g, y, x, *, needs, axis: (subtract(g, multiply(exp(y), _over(g, axis))),),
    pushforward=_log_softmax_pushforward,
    batch=lambda batched, xs, *, axis: _log_softmax(xs[0], axis=axis),
    formula=r"{x} - \ln \sum e^{{{x}}}",
    words="the logarithm of the softmax of {x}",
    flops=lambda x, *, axis: 4 * x.size,  # two differences, an exponential, a sum
    lower=unsupported("log_softmax: lowered through its body"),
    onnx="LogSoftmax",
    samples=_samples,
)


def softmax(x: Any, axis: int = -1) -> Any:
    """Return yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along `axis`: positive numbers that add up to 1.

    Large numbers do not overflow. A row of −inf alone has no softmax: it gives NaN. Raises ShapeError
    when the axis does not exist.

    >>> import pullback as pb
    >>> pb.softmax(pb.tensor([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    x = operand(x)
    return _softmax(x, axis=_from_the_end("softmax", axis, x))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return yᵢ = xᵢ − ln Σⱼ exp(xⱼ) along `axis`: the logarithm of softmax, accurate where that is tiny.

    Raises ShapeError when the axis does not exist.

    >>> import pullback as pb
    >>> pb.log_softmax(pb.tensor([0.0, -1000.0])).tolist()
    [0.0, -1000.0]
    """
    x = operand(x)
    return _log_softmax(x, axis=_from_the_end("log_softmax", axis, x))


def _from_the_end(name: str, axis: int, x: Any) -> int:
    ndim = ndim_of(x)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} does not exist in an array of shape {shape_of(x)}")
    return axis if axis < 0 else axis - ndim
