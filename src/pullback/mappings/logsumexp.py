"""logsumexp: the logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise, reduced_shape, reduction
from ..core.mapping import BOTH, OUTPUT
from ..core.samples import Sample, fixed, real
from ..core.spec import dtype_of, ndim_of, operand, shape_of
from .arithmetic import add, negative, subtract
from .compare import isfinite
from .dtype import astype
from .exponential import exp, log
from .reduce import Axis, _max, _sum, folds, normal_axes
from .select import where
from .shape import _reshape
from .slicing import NO_OPERATOR, STEPWISE

__all__ = ["logsumexp"]

inf = float("inf")


def _exp_of_difference(a: Any, b: Any) -> Any:
    # exp(−inf − (−inf)) would be NaN; nothing of nothing is counted as nothing.
    return np.exp(a - np.where(np.equal(b, -inf), 0, b))


_share = elementwise(
    "exp_of_difference",
    _exp_of_difference,
    (lambda a, b, y: y, lambda a, b, y: negative(y)),
    uses=OUTPUT,
    formula="e^{{{a} - {b}}}",
    words="the exponential of {a} minus {b}",
    lower="exp_of_difference",
    onnx=NO_OPERATOR,
    samples=real((-3, 3), (-3, 3)),
    special={(-inf, -inf): 0.0, (-inf, 1.0): 0.0, (0.0, inf): 0.0},
)


def _logsumexp_kernel(x: Any, *, axis: tuple[int, ...], keepdims: Any) -> Any:
    x = np.asarray(x) if np.result_type(x).kind == "f" else np.asarray(x, np.float64)
    largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-inf)
    largest = np.where(np.isfinite(largest), largest, x.dtype.type(0))
    with np.errstate(divide="ignore"):
        y = np.log(np.add.reduce(np.exp(x - largest), axis=axis, keepdims=keepdims))
    return y + (largest if keepdims else largest.reshape(np.shape(y)))


def _logsumexp_body(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if dtype_of(x).kind != "f":
        x = astype(x, np.float64)
    largest = _max(x, axis=axis, keepdims=True)
    largest = where(isfinite(largest), largest, 0)
    y = add(log(_sum(exp(subtract(x, largest)), axis=axis, keepdims=True)), largest)
    return y if keepdims else _reshape(y, shape=reduced_shape(shape_of(x), axis, False))


_logsumexp = reduction(
    "logsumexp",
    _logsumexp_kernel,
    lambda x, y, *, axis: _share(x, y),
    uses=BOTH,
    body=_logsumexp_body,
    formula=r"\ln \sum e^{{{x}}}",
    words="the logarithm of the sum of the exponentials of {x}",
    kink="where all elements are -inf we choose 0, so that an empty row stays silent",
    flops=lambda x, **static: 2 * x.size,  # an exponential and a sum
    lower=STEPWISE,
    onnx="ReduceLogSumExp",
    samples=fixed(lambda rng: [*folds(rng), Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False})]),
)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return ln Σ exp(x) over `axis`, without overflow; of −inf alone, and of nothing, it is −inf.

    >>> import pullback as pb
    >>> float(pb.logsumexp(pb.tensor([-float("inf"), 1000.0])))
    1000.0
    """
    x = operand(x)
    return _logsumexp(x, axis=normal_axes("logsumexp", axis, ndim_of(x)), keepdims=keepdims)
