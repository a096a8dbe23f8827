"""Reductions: mappings that fold axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import reduction
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import ndim_of, operand

__all__ = ["sum"]

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


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over `axis` (an int, several, or None for all axes); booleans and small integers are counted.

    >>> import pullback as pb
    >>> float(pb.sum(pb.tensor([[1.0, 2.0], [3.0, 4.0]])))
    10.0
    """
    x = operand(x)
    return _sum(x, axis=normal_axes("sum", axis, ndim_of(x)), keepdims=keepdims)
