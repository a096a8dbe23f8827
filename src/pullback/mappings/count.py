"""Counting and finding: reductions to truth values and positions, which have no derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.families import reduction
from ..core.samples import Sample, fixed
from ..core.spec import ndim_of, operand, shape_of
from .reduce import Axis, normal_axes, occupied_axes
from .shape import _reshape
from .slicing import NO_OPERATOR

__all__ = ["all", "any", "argmax", "argmin", "count_nonzero"]


def _flags(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.random((2, 3)) < 0.5,), {"axis": (1,), "keepdims": False}),
        Sample((rng.integers(0, 2, (2, 3, 2)),), {"axis": (0, 2), "keepdims": True}),
        Sample((np.asarray(True),), {"axis": (), "keepdims": False}),
        Sample((np.zeros((0, 3), np.bool_),), {"axis": (0,), "keepdims": False}),
    ]


def _numbers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 3)),), {"axis": (1,), "keepdims": False}),
        Sample((rng.integers(0, 3, (2, 5, 2)),), {"axis": (1,), "keepdims": True}),
        Sample((rng.normal(size=(4,)),), {"axis": (0,), "keepdims": False}),
        Sample((rng.normal(size=(0, 3)),), {"axis": (1,), "keepdims": False}),
    ]


_any = reduction(
    "any",
    lambda x, *, axis, keepdims: np.logical_or.reduce(x, axis=axis, keepdims=keepdims),
    None,
    formula=r"\bigvee {x}",
    words="whether any element of {x} is true",
    lower="any",
    onnx=NO_OPERATOR,
    samples=fixed(_flags),
)

_all = reduction(
    "all",
    lambda x, *, axis, keepdims: np.logical_and.reduce(x, axis=axis, keepdims=keepdims),
    None,
    formula=r"\bigwedge {x}",
    words="whether all elements of {x} are true",
    lower="all",
    onnx=NO_OPERATOR,
    samples=fixed(_flags),
)

_count_nonzero = reduction(
    "count_nonzero",
    lambda x, *, axis, keepdims: np.add.reduce(np.not_equal(x, 0), axis=axis, keepdims=keepdims, dtype=np.int64),
    None,
    formula=r"\sum [{x} \ne 0]",
    words="how many elements of {x} are not zero",
    lower="count_nonzero",
    onnx=NO_OPERATOR,
    samples=fixed(_flags),
)

_argmax = reduction(
    "argmax",
    lambda x, *, axis, keepdims: np.argmax(x, axis=axis[0], keepdims=keepdims),
    None,
    formula=r"\operatorname{{argmax}} {x}",
    words="where {x} is largest",
    lower="argmax",
    onnx="ArgMax",
    samples=fixed(_numbers),
)

_argmin = reduction(
    "argmin",
    lambda x, *, axis, keepdims: np.argmin(x, axis=axis[0], keepdims=keepdims),
    None,
    formula=r"\operatorname{{argmin}} {x}",
    words="where {x} is smallest",
    lower="argmin",
    onnx="ArgMin",
    samples=fixed(_numbers),
)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether any element along `axis` is true (not zero); of nothing, False.

    >>> import pullback as pb
    >>> pb.any(pb.tensor([[False, True], [False, False]]), axis=1).tolist()
    [True, False]
    """
    x = operand(x)
    return _any(x, axis=normal_axes("any", axis, ndim_of(x)), keepdims=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether all elements along `axis` are true (not zero); of nothing, True.

    >>> import pullback as pb
    >>> pb.all(pb.tensor([[True, True], [False, True]]), axis=1).tolist()
    [True, False]
    """
    x = operand(x)
    return _all(x, axis=normal_axes("all", axis, ndim_of(x)), keepdims=keepdims)


def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return how many elements along `axis` are not zero (or are true), as int64.

    >>> import pullback as pb
    >>> int(pb.count_nonzero(pb.tensor([0.0, 2.0, 3.0])))
    2
    """
    x = operand(x)
    return _count_nonzero(x, axis=normal_axes("count_nonzero", axis, ndim_of(x)), keepdims=keepdims)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the position of the largest element along `axis` (None: in the flattened array), the first of several.

    Raises ShapeError when the axis does not exist, or when there is no element.

    >>> import pullback as pb
    >>> pb.argmax(pb.tensor([[1.0, 5.0], [4.0, 3.0]]), axis=1).tolist()
    [1, 0]
    """
    return _position(_argmax, x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the position of the smallest element along `axis` (None: in the flattened array), the first of several.

    Raises ShapeError when the axis does not exist, or when there is no element.

    >>> import pullback as pb
    >>> pb.argmin(pb.tensor([[1.0, 5.0], [4.0, 3.0]]), axis=1).tolist()
    [0, 1]
    """
    return _position(_argmin, x, axis, keepdims)


def _position(mapping: Any, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = operand(x)
    shape = shape_of(x)
    if axis is None:
        flat = _reshape(x, shape=(math.prod(shape),))
        y = mapping(flat, axis=occupied_axes(mapping.name, 0, flat), keepdims=False)
        return _reshape(y, shape=(1,) * len(shape)) if keepdims else y
    return mapping(x, axis=occupied_axes(mapping.name, axis, x), keepdims=keepdims)
