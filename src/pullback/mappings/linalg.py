"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import align, bilinear
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, ndim_of, operand, result_dtype, shape_of
from .arithmetic import multiply
from .einsum import contract, dot
from .reduce import _sum
from .shape import _permute_dims, _reshape, several_axes, swapped

__all__ = ["inner", "matmul", "outer", "tensordot", "vecdot"]


def _matmul_kernel(a: Any, b: Any) -> Any:
    if b.ndim == 2:
        if a.ndim == 2:
            return dot(a, b)
        # Many matrices times one: one large product instead of many small ones.
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return dot(rows, b).reshape(*a.shape[:-1], b.shape[-1])
    return np.matmul(a, b)


def _matmul_spec(a: Spec, b: Spec) -> Spec:
    return Spec(matmul_shape(a.shape, b.shape), result_dtype(a, b))


def matmul_shape(a: Shape, b: Shape) -> Shape:
    """Return the shape of a product of (stacks of) matrices. Raises ShapeError when they do not fit."""
    if a[-1] != b[-2]:
        raise ShapeError(f"matmul: a has {a[-1]} columns but b has {b[-2]} rows (a: {a}, b: {b})")
    try:
        lead = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise ShapeError(f"matmul: the axes before the last two do not broadcast (a: {a}, b: {b})") from None
    return (*lead, a[-2], b[-1])


def _transposed(x: Any) -> Any:
    return _permute_dims(x, axes=swapped(ndim_of(x)))


def _to_b(g: Any, a: Any, b: Spec) -> Any:
    if b.ndim == 2 and ndim_of(a) > 2:
        rows = math.prod(shape_of(a)[:-1])
        a = _reshape(a, shape=(rows, shape_of(a)[-1]))
        g = _reshape(g, shape=(rows, shape_of(g)[-1]))
    return _matmul(_transposed(a), g)


def _matmul_batch(batched: Sequence[bool], xs: Sequence[Any]) -> Any:
    a, b = xs
    if not batched[0] and ndim_of(a) == 2 and ndim_of(b) == 3 and shape_of(b)[2] == 1:
        # One matrix times a vector per example: one product with the vectors as rows.
        size, columns, _ = shape_of(b)
        y = _matmul(_reshape(b, shape=(size, columns)), _transposed(a))
        return _reshape(y, shape=(size, shape_of(a)[0], 1))
    return _matmul(*align(batched, xs))


_matmul = bilinear(
    "matmul",
    _matmul_kernel,
    _matmul_spec,
    (lambda g, a, b: _matmul(g, _transposed(b)), _to_b),
    _matmul_batch,
    formula="{a} {b}",
    words="the matrix product of {a} and {b}",
    flops=lambda a, b: 2 * math.prod(matmul_shape(a.shape, b.shape)) * a.shape[-1],
    lower="matmul",
    onnx="MatMul",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))),
            Sample((rng.normal(size=(2, 2, 3)), rng.normal(size=(3, 2)))),
            Sample((rng.normal(size=(2, 3)), rng.normal(size=(4, 3, 1)))),
            Sample((rng.normal(size=(2, 1, 2, 3)), rng.normal(size=(3, 3, 2)))),
            Sample((rng.normal(size=(0, 3)), rng.normal(size=(3, 2)))),
            Sample((rng.normal(size=(2, 0)), rng.normal(size=(0, 2)))),
        ]
    ),
)


def matmul(a: Any, b: Any) -> Any:
    """Return the matrix product a·b of the last two axes; the axes before them broadcast.

    A vector (one axis) counts as a row on the left and as a column on the right, and that axis is left
    out of the result. Raises ShapeError when the shapes do not fit, and for a number.

    >>> import pullback as pb
    >>> pb.matmul(pb.tensor([[1.0, 2.0], [3.0, 4.0]]), pb.tensor([1.0, 1.0])).tolist()
    [3.0, 7.0]
    """
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    m, n = len(left), len(right)
    if m >= 2 and n >= 2:
        if left[-1] != right[-2] or (m > 2 and n > 2):
            matmul_shape(left, right)
        return _matmul(a, b)
    if not m or not n:
        raise ShapeError(f"matmul: a number is no matrix; use multiply (a: {left}, b: {right})")
    rows = right[max(n - 2, 0)]
    if left[-1] != rows:
        raise ShapeError(f"matmul: a has {left[-1]} columns but b has {rows} rows (a: {left}, b: {right})")
    if m == 1:
        a = _reshape(a, shape=(1, *left))
    if n == 1:
        b = _reshape(b, shape=(*right, 1))
    y = _matmul(a, b)
    shape = shape_of(y)
    if m == 1:
        shape = (*shape[:-2], shape[-1])
    return _reshape(y, shape=shape[:-1] if n == 1 else shape)


def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    """Return Σ a·b over one axis; the other axes broadcast.

    Raises ShapeError when the axis does not exist in both or differs in length.

    >>> import pullback as pb
    >>> float(pb.vecdot(pb.tensor([1.0, 2.0]), pb.tensor([3.0, 4.0])))
    11.0
    """
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    ndim = max(len(left), len(right))
    from_end = several_axes("vecdot", axis, ndim)[0] - ndim
    if -from_end > min(len(left), len(right)) or left[from_end] != right[from_end]:
        raise ShapeError(f"vecdot: the arrays must have the same length along axis {axis} (a: {left}, b: {right})")
    return _sum(multiply(a, b), axis=(from_end + ndim,), keepdims=False)


def outer(a: Any, b: Any) -> Any:
    """Return the products of each element of the vector `a` with each of the vector `b`: yᵢⱼ = aᵢ bⱼ.

    Raises ShapeError unless both have one axis.

    >>> import pullback as pb
    >>> pb.outer(pb.tensor([1.0, 2.0]), pb.tensor([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    if len(left) != 1 or len(right) != 1:
        raise ShapeError(f"outer: expected two vectors (a: {left}, b: {right})")
    return multiply(_reshape(a, shape=(*left, 1)), b)


def inner(a: Any, b: Any) -> Any:
    """Return the sums of products over the last axes: yᵢⱼ = Σₖ aᵢₖ bⱼₖ; for two vectors their scalar product.

    Raises ShapeError when the last axes differ in length.

    >>> import pullback as pb
    >>> float(pb.inner(pb.tensor([1.0, 2.0]), pb.tensor([3.0, 4.0])))
    11.0
    """
    a, b = operand(a), operand(b)
    if not shape_of(a) or not shape_of(b):
        return multiply(a, b)
    return tensordot(a, b, ([-1], [-1]))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sums of products over several axes of `a` and as many of `b`.

    `axes` is how many (the last ones of `a`, the first ones of `b`), or a pair of the axes of each.
    Raises ShapeError when their numbers or lengths differ.

    >>> import pullback as pb
    >>> pb.tensordot(pb.ones((2, 3, 4)), pb.ones((3, 4, 5)), 2).shape
    (2, 5)
    """
    a, b = operand(a), operand(b)
    left, right = shape_of(a), shape_of(b)
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(left), len(right)):
            raise ShapeError(f"tensordot: {axes} axes cannot be summed (a: {left}, b: {right})")
        of_a, of_b = tuple(range(len(left) - axes, len(left))), tuple(range(axes))
    else:
        of_a, of_b = several_axes("tensordot", axes[0], len(left)), several_axes("tensordot", axes[1], len(right))
    if [left[i] for i in of_a] != [right[i] for i in of_b]:
        raise ShapeError(f"tensordot: the axes {of_a} of a and {of_b} of b differ in length (a: {left}, b: {right})")
    names = list(range(len(left) + len(right)))
    in_a, in_b = names[: len(left)], names[len(left) :]
    for i, j in zip(of_a, of_b, strict=True):
        in_b[j] = in_a[i]
    kept = [n for n in in_a + in_b if in_a.count(n) + in_b.count(n) == 1]
    return contract(a, b, tuple(in_a), tuple(in_b), tuple(kept))
