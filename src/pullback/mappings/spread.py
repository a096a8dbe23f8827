"""Spread and length: variance, standard deviation and norms, safe where a derivative would divide by zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise, reduction
from ..core.mapping import BOTH, INPUTS, OUTPUT
from ..core.samples import Sample, fixed, real
from ..core.spec import ndim_of, operand
from .arithmetic import divide, multiply, negative, square, subtract
from .reduce import Axis, _mean, _sum, count_of, folds, max, min, normal_axes, sum
from .rounding import abs
from .slicing import NO_OPERATOR, STEPWISE

__all__ = ["norm", "std", "var"]

inf, nan = float("inf"), float("nan")


def _inverse_or_zero(x: Any) -> Any:
    return np.divide(1, x, out=np.zeros(np.shape(x), np.result_type(x, np.float16)), where=np.not_equal(x, 0))[()]


_safe_reciprocal = elementwise(
    "safe_reciprocal",
    _inverse_or_zero,
    lambda x, y: negative(square(y)),
    uses=OUTPUT,
    formula=r"\frac{{1}}{{{x}}}",
    words="the reciprocal of {x}, and 0 of 0",
    lower="safe_reciprocal",
    onnx=NO_OPERATOR,
    samples=real((0.5, 3)),
    special={0.0: 0.0, inf: 0.0, nan: nan},
    special_slope={0.0: 0.0},
    kink="at 0 we choose 0",
)

# ------------------------------------------------------------------------------------------ var and std


def _freedom(x: Any, axis: tuple[int, ...], correction: float) -> float:
    freedom = count_of(x, axis) - correction
    return freedom if freedom > 0 else 0.0


def _var_kernel(x: Any, *, axis: tuple[int, ...], keepdims: Any, correction: float) -> Any:
    total = np.add.reduce(np.square(_centred(x, axis)), axis=axis, keepdims=keepdims)
    return np.divide(total, total.dtype.type(_freedom(x, axis, correction)))


def _std_kernel(x: Any, *, axis: tuple[int, ...], keepdims: Any, correction: float) -> Any:
    length = _norm_kernel(_centred(x, axis), axis=axis, keepdims=keepdims)
    return np.divide(length, length.dtype.type(_freedom(x, axis, correction) ** 0.5))


def _centred(x: Any, axis: tuple[int, ...]) -> Any:
    return x - np.mean(x, axis=axis, keepdims=True) if count_of(x, axis) else np.true_divide(x, 1)


def _apart(x: Any, axis: tuple[int, ...]) -> Any:
    return subtract(x, _mean(x, axis=axis, keepdims=True))


def _per_freedom(x: Any, axis: tuple[int, ...], correction: float) -> float:
    freedom = _freedom(x, axis, correction)
    return 1 / freedom if freedom else nan


def _spreads(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 3)),), {"axis": (1,), "keepdims": False, "correction": 0.0}),
        Sample((rng.normal(size=(2, 3, 2)),), {"axis": (0, 2), "keepdims": True, "correction": 1.0}),
        Sample((rng.normal(size=(4,)),), {"axis": (0,), "keepdims": False, "correction": 0.5}),
        Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False, "correction": 0.0}),
    ]


def _var_body(x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float) -> Any:
    total = _sum(square(_apart(x, axis)), axis=axis, keepdims=keepdims)
    return divide(total, _freedom(x, axis, correction))


_var = reduction(
    "var",
    _var_kernel,
    lambda x, y, *, axis, correction: multiply(_apart(x, axis), 2 * _per_freedom(x, axis, correction)),
    uses=INPUTS,
    body=_var_body,
    formula=r"\operatorname{{var}}({x})",
    words="the variance of {x}",
    flops=lambda x, **static: 3 * x.size,  # a difference, a square and a sum
    lower=STEPWISE,
    onnx=NO_OPERATOR,
    samples=fixed(_spreads),
)

def _std_body(x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float) -> Any:
    # As a length, since the variance of large numbers overflows, and that of small ones vanishes.
    length = _norm(_apart(x, axis), axis=axis, keepdims=keepdims)
    return divide(length, _freedom(x, axis, correction) ** 0.5)


_std = reduction(
    "std",
    _std_kernel,
    lambda x, y, *, axis, correction: multiply(
        multiply(_apart(x, axis), _per_freedom(x, axis, correction)), _safe_reciprocal(y)
    ),
    uses=BOTH,
    body=_std_body,
    formula=r"\sqrt{{\operatorname{{var}}({x})}}",
    words="the standard deviation of {x}",
    kink="where all elements are equal we choose 0",
    flops=lambda x, **static: 3 * x.size,
    lower=STEPWISE,
    onnx=NO_OPERATOR,
    samples=fixed(_spreads),
)


def var(x: Any, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the variance over `axis`: Σ (x − mean)² / (n − correction).

    `correction=1` gives the unbiased estimate from a sample. Where n ≤ correction it is NaN or infinite.

    >>> import pullback as pb
    >>> float(pb.var(pb.tensor([1.0, 3.0])))
    1.0
    """
    x = operand(x)
    axes = normal_axes("var", axis, ndim_of(x))
    return _var(x, axis=axes, keepdims=keepdims, correction=float(correction))


def std(x: Any, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis`: √(Σ (x − mean)² / (n − correction)).

    Where all elements are equal the gradient is 0.

    >>> import pullback as pb
    >>> float(pb.std(pb.tensor([1.0, 5.0])))
    2.0
    """
    x = operand(x)
    axes = normal_axes("std", axis, ndim_of(x))
    return _std(x, axis=axes, keepdims=keepdims, correction=float(correction))


# ------------------------------------------------------------------------------------------------- norm


def _norm_kernel(x: Any, *, axis: tuple[int, ...], keepdims: Any) -> Any:
    y = np.sqrt(np.add.reduce(np.square(x), axis=axis, keepdims=keepdims))
    limits = np.finfo(y.dtype)
    if np.all((y > limits.tiny**0.5) & (y < limits.max**0.5)):
        return y
    # Some squares overflow or vanish: take the size out before squaring.
    size = np.maximum.reduce(np.abs(x), axis=axis, keepdims=True, initial=0)
    size = np.where((size > 0) & (size < inf), size, size.dtype.type(1))
    y = np.sqrt(np.add.reduce(np.square(x / size), axis=axis, keepdims=keepdims))
    return y * (size if keepdims else size.reshape(np.shape(y)))


_norm = reduction(
    "norm",
    _norm_kernel,
    lambda x, y, *, axis: multiply(x, _safe_reciprocal(y)),
    uses=BOTH,
    formula=r"\left\lVert {x} \right\rVert_2",
    words="the Euclidean length of {x}",
    kink="at 0 we choose 0, as PyTorch does",
    flops=lambda x, **static: 2 * x.size,
    lower="norm",
    onnx="ReduceL2",
    samples=fixed(lambda rng: [*folds(rng), Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False})]),
)


def norm(x: Any, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    """Return the length of the vectors along `axis`.

    √(Σ x²) for `ord` 2, Σ |x| for 1, max |x| for inf, min |x| for −inf. The gradient at 0 is 0. Numbers
    whose squares overflow are no trouble. Raises ValueError for another `ord`.

    >>> import pullback as pb
    >>> float(pb.norm(pb.tensor([3.0, 4.0])))
    5.0
    """
    x = operand(x)
    if ord == 2:
        return _norm(x, axis=normal_axes("norm", axis, ndim_of(x)), keepdims=keepdims)
    if ord == 1:
        return sum(abs(x), axis, keepdims)
    if ord in (inf, -inf):
        return max(abs(x), axis, keepdims) if ord > 0 else min(abs(x), axis, keepdims)
    raise ValueError(f"norm: ord must be 1, 2, inf or -inf, got {ord!r}")
