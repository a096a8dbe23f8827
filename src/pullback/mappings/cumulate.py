"""Products and running totals: prod, cumulative_sum, cumulative_prod."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import composite, linear, reduced_shape
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, shape_of, stand_in
from .arithmetic import multiply
from .dtype import astype
from .join import _concat, pad
from .reduce import Axis, folds, normal_axes
from .shape import _permute_dims, _reshape
from .slicing import FULL, NO_OPERATOR, _slice

__all__ = ["cumulative_prod", "cumulative_sum", "prod"]

# ------------------------------------------------------------------------------------------------- prod


def _product_tree(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Multiply halves with halves: no division by an element, so zeros are right to every order."""
    shape = shape_of(x)
    kept = tuple(a for a in range(len(shape)) if a not in axis)
    n = math.prod(shape[a] for a in axis)
    x = _permute_dims(x, axes=(*axis, *kept))
    x = _reshape(x, shape=(n, *(shape[a] for a in kept)))
    if n == 0:
        x, n = np.ones((1, *shape_of(x)[1:]), x.dtype), 1
    while n > 1:
        half = n // 2
        front = multiply(_slice(x, index=((0, half, None),)), _slice(x, index=((half, 2 * half, None),)))
        x = _concat(front, _slice(x, index=((2 * half, None, None),)), axis=0) if n % 2 else front
        n -= half
    return _reshape(x, shape=reduced_shape(shape, axis, keepdims))


def _prod_spec(x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
    dtype = np.multiply.reduce(stand_in(Spec((), x.dtype), (1,)), axis=0).dtype
    return Spec(reduced_shape(x.shape, axis, keepdims), dtype)


_prod = composite(
    "prod",
    _product_tree,
    _prod_spec,
    kernel=lambda x, *, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims),
    batch=lambda batched, xs, *, axis, keepdims: _prod(xs[0], axis=tuple(a + 1 for a in axis), keepdims=keepdims),
    formula=r"\prod {x}",
    words="the product of {x}",
    lower="prod",
    onnx="ReduceProd",
    samples=fixed(
        lambda rng: [
            *folds(rng),
            Sample((rng.normal(size=(4, 2)) * [[0], [1], [1], [0]],), {"axis": (0,), "keepdims": False}),
            Sample((rng.normal(size=(3, 2)) * [[1], [0], [1]],), {"axis": (0,), "keepdims": False}),
            Sample((rng.normal(size=(0, 3)),), {"axis": (0,), "keepdims": True}),
        ]
    ),
)


def prod(x: Any, axis: Axis = None, keepdims: bool = False, *, dtype: Any = None) -> Any:
    """Return the product over `axis` (an int, several, or None for all axes); of nothing, 1.

    Derivatives of every order are right where elements are zero. `dtype` is the dtype in which the
    elements are multiplied. Raises ShapeError when an axis does not exist.

    >>> import pullback as pb
    >>> pb.grad(pb.prod)(pb.tensor([0.0, 2.0, 3.0])).tolist()
    [6.0, 0.0, 0.0]
    """
    x = operand(x) if dtype is None else astype(x, dtype)
    return _prod(x, axis=normal_axes("prod", axis, ndim_of(x)), keepdims=keepdims)


# --------------------------------------------------------------------------------------- running totals


def _running_sum(x: Any, *, axis: int, reverse: bool) -> Any:
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


_cumulative_sum = linear(
    "cumulative_sum",
    _running_sum,
    lambda x, *, axis, reverse: Spec(x.shape, np.cumsum(stand_in(Spec((), x.dtype))).dtype),
    lambda g, x, *, axis, reverse: _cumulative_sum(g, axis=axis, reverse=not reverse),
    lambda batched, xs, *, axis, reverse: _cumulative_sum(xs[0], axis=axis + 1, reverse=reverse),
    formula=r"\sum_{{j \le i}} {x}_j",
    words="the running sum of {x}",
    flops=lambda x, **static: x.size,
    lower="cumulative_sum",
    onnx="CumSum",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4,)),), {"axis": 0, "reverse": False}),
            Sample((rng.normal(size=(2, 3)),), {"axis": 1, "reverse": True}),
            Sample((rng.normal(size=(3, 2)),), {"axis": 0, "reverse": False}),
            Sample((rng.normal(size=(0, 3)),), {"axis": 0, "reverse": False}),
        ]
    ),
)


def _running_product(x: Any, *, axis: int) -> Any:
    """Multiply by what stands 1, 2, 4, … places before: no division by an element."""
    n = shape_of(x)[axis]
    lead = (FULL,) * axis
    step = 1
    while step < n:
        front = _slice(x, index=(*lead, (0, step, None)))
        later, earlier = _slice(x, index=(*lead, (step, n, None))), _slice(x, index=(*lead, (0, n - step, None)))
        x = _concat(front, multiply(later, earlier), axis=axis)
        step *= 2
    return x


_cumulative_prod = composite(
    "cumulative_prod",
    _running_product,
    lambda x, *, axis: Spec(x.shape, np.cumprod(stand_in(Spec((), x.dtype))).dtype),
    kernel=lambda x, *, axis: np.cumprod(x, axis),
    batch=lambda batched, xs, *, axis: _cumulative_prod(xs[0], axis=axis + 1),
    formula=r"\prod_{{j \le i}} {x}_j",
    words="the running product of {x}",
    lower="cumulative_prod",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(5,)),), {"axis": 0}),
            Sample((rng.normal(size=(2, 3)),), {"axis": 1}),
            Sample((rng.normal(size=(5, 2)) * [[1], [0], [1], [0], [1]],), {"axis": 0}),
            Sample((rng.normal(size=(0, 3)),), {"axis": 0}),
        ]
    ),
)


def cumulative_sum(x: Any, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the sums of the elements up to and with each place along `axis`: yᵢ = x₀ + … + xᵢ.

    `axis` may be left out for an array with one axis. `include_initial` puts the sum of nothing, 0, before
    the others. Raises ShapeError when the axis does not exist.

    >>> import pullback as pb
    >>> pb.cumulative_sum(pb.tensor([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    x = operand(x) if dtype is None else astype(x, dtype)
    at = _one_axis("cumulative_sum", axis, x)
    y = _cumulative_sum(x, axis=at, reverse=False)
    return _with_initial(y, at, 0) if include_initial else y


def cumulative_prod(x: Any, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the products of the elements up to and with each place along `axis`: yᵢ = x₀ · … · xᵢ.

    `axis` may be left out for an array with one axis. `include_initial` puts the product of nothing, 1,
    before the others. Raises ShapeError when the axis does not exist.

    >>> import pullback as pb
    >>> pb.cumulative_prod(pb.tensor([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 6.0]
    """
    x = operand(x) if dtype is None else astype(x, dtype)
    at = _one_axis("cumulative_prod", axis, x)
    y = _cumulative_prod(x, axis=at)
    return _with_initial(y, at, 1) if include_initial else y


def _one_axis(name: str, axis: int | None, x: Any) -> int:
    if axis is None:
        if ndim_of(x) != 1:
            raise ShapeError(f"{name}: axis is needed for an array of shape {shape_of(x)}")
        return 0
    return normal_axes(name, axis, ndim_of(x))[0]


def _with_initial(y: Any, axis: int, initial: float) -> Any:
    return pad(y, [(int(a == axis), 0) for a in range(ndim_of(y))], initial)
