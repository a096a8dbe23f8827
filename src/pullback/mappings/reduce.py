"""Reductions: mappings that fold axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import ShapeError
from ..core.families import irregular, reduced_shape, reduction
from ..core.mapping import BOTH, NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, ndim_of, operand, shape_of
from .dtype import astype
from .slicing import NO_OPERATOR

__all__ = ["max", "mean", "min", "sum"]

Axis = int | Sequence[int] | None


def normal_axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return `axis` as a sorted tuple of axes, none negative; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ShapeError(f"{name}: axis {a} does not exist in an array with {ndim} axes")
    normal = tuple(sorted(a % ndim for a in axes))
    if len(set(normal)) != len(normal):
        raise ShapeError(f"{name}: axis names an axis twice: {axis}")
    return normal


def folds(rng: np.random.Generator) -> list[Sample]:
    """Samples that any reduction over the reals accepts."""
    return [
        Sample((rng.normal(size=(2, 3)),), {"axis": (1,), "keepdims": False}),
        Sample((rng.normal(size=(2, 3, 2)),), {"axis": (0, 2), "keepdims": True}),
        Sample((rng.normal(size=()),), {"axis": (), "keepdims": False}),
        Sample((rng.normal(size=(4,)),), {"axis": (0,), "keepdims": False}),
    ]


_sum = reduction(
    "sum",
    lambda x, *, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda x, y, *, axis: 1,
    uses=NOTHING,
    formula=r"\sum {x}",
    words="the sum of {x}",
    lower="sum",
    onnx="ReduceSum",
    samples=fixed(lambda rng: [*folds(rng), Sample((rng.normal(size=(0, 3)),), {"axis": (0,), "keepdims": False})]),
)


def sum(x: Any, axis: Axis = None, keepdims: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum over `axis` (an int, several, or None for all axes); booleans and small integers are counted.

    `dtype` is the dtype in which the elements are added up. Raises ShapeError when an axis does not exist.

    >>> import pullback as pb
    >>> float(pb.sum(pb.tensor([[1.0, 2.0], [3.0, 4.0]])))
    10.0
    """
    x = operand(x) if dtype is None else astype(x, dtype)
    return _sum(x, axis=normal_axes("sum", axis, ndim_of(x)), keepdims=keepdims)


# ------------------------------------------------------------------------------------------------- mean


def count_of(x: Any, axis: tuple[int, ...]) -> int:
    """Return how many elements are folded into one."""
    shape = shape_of(x)
    return math.prod([shape[a] for a in axis])


def _mean_kernel(x: Any, *, axis: tuple[int, ...], keepdims: Any) -> Any:
    if dtype_of(x) == np.float16:  # whose sums overflow early; np.mean adds up in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / count_of(x, axis)


_mean = reduction(
    "mean",
    _mean_kernel,
    lambda x, y, *, axis: 1 / (count_of(x, axis) or 1),
    uses=NOTHING,
    formula=r"\frac{{1}}{{n}} \sum {x}",
    words="the mean of {x}",
    lower="mean",
    onnx="ReduceMean",
    samples=fixed(folds),
)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean over `axis` (an int, several, or None for all axes); the mean of nothing is NaN.

    Raises ShapeError when an axis does not exist.

    >>> import pullback as pb
    >>> pb.mean(pb.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).tolist()
    [2.0, 3.0]
    """
    x = operand(x)
    return _mean(x, axis=normal_axes("mean", axis, ndim_of(x)), keepdims=keepdims)


# ------------------------------------------------------------------------------------------- max and min


def _shares(x: Any, y: Any, *, axis: tuple[int, ...]) -> Any:
    chosen = np.equal(x, y)
    return np.divide(chosen, np.add.reduce(chosen, axis=axis, keepdims=True), dtype=np.result_type(x))


_tie_shares = irregular(
    "tie_shares",
    _shares,
    spec=lambda x, y, *, axis: Spec(x.shape, x.dtype),
    batch=lambda batched, xs, *, axis: _tie_shares(*_both(batched, xs), axis=tuple(a + 1 for a in axis)),
    differentiable=False,
    uses=NOTHING,
    arguments=("x", "y"),
    formula=r"\frac{{[{x} = {y}]}}{{\sum [{x} = {y}]}}",
    words="the share that each element of {x} has in {y}, which it equals or not",
    lower="tie_shares",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((x := rng.integers(0, 3, (2, 4)) * 1.0, x.max(axis=1, keepdims=True)), {"axis": (1,)}),
            Sample((x := rng.integers(0, 3, (2, 2, 3)) * 1.0, x.min(axis=(0, 2), keepdims=True)), {"axis": (0, 2)}),
            Sample((rng.normal(size=(0, 3)), rng.normal(size=(0, 1))), {"axis": (1,)}),
        ]
    ),
)


def _both(batched: Sequence[bool], xs: Sequence[Any]) -> list[Any]:
    """Bring the one of x and y that has no batch axis to the same number of axes."""
    return [x if b else space.reshape(x, (1, *shape_of(x))) for x, b in zip(xs, batched, strict=True)]


_max = reduction(
    "max",
    lambda x, *, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    lambda x, y, *, axis: _tie_shares(x, y, axis=axis),
    uses=BOTH,
    formula=r"\max {x}",
    words="the largest element of {x}",
    kink="elements that tie share the gradient evenly, as in PyTorch (amax) and JAX",
    lower="max",
    onnx="ReduceMax",
    samples=fixed(lambda rng: [*folds(rng), Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False})]),
)

_min = reduction(
    "min",
    lambda x, *, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    lambda x, y, *, axis: _tie_shares(x, y, axis=axis),
    uses=BOTH,
    formula=r"\min {x}",
    words="the smallest element of {x}",
    kink="elements that tie share the gradient evenly, as in PyTorch (amin) and JAX",
    lower="min",
    onnx="ReduceMin",
    samples=fixed(lambda rng: [*folds(rng), Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False})]),
)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest element along `axis`; elements that tie share the gradient evenly, NaN wins.

    Raises ShapeError when an axis does not exist, or when there is no element.

    >>> import pullback as pb
    >>> pb.max(pb.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1).tolist()
    [5.0, 4.0]
    """
    x = operand(x)
    return _max(x, axis=occupied_axes("max", axis, x), keepdims=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the smallest element along `axis`; elements that tie share the gradient evenly, NaN wins.

    Raises ShapeError when an axis does not exist, or when there is no element.

    >>> import pullback as pb
    >>> pb.min(pb.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1).tolist()
    [1.0, 3.0]
    """
    x = operand(x)
    return _min(x, axis=occupied_axes("min", axis, x), keepdims=keepdims)


def occupied_axes(name: str, axis: Axis, x: Any) -> tuple[int, ...]:
    """Return `axis` as `normal_axes` does; raises ShapeError when one value is to be chosen out of none."""
    shape = shape_of(x)
    axes = normal_axes(name, axis, len(shape))
    if 0 in shape and any(shape[a] == 0 for a in axes) and 0 not in reduced_shape(shape, axes, False):
        raise ShapeError(f"{name}: an array of shape {shape} has no element to choose along axis {axis}")
    return axes
