"""Diagonals and triangles of the matrices in the last two axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import linear
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, shape_of
from .shape import moveaxis
from .slicing import NO_OPERATOR

__all__ = ["diag", "diagonal", "tril", "triu"]


def _length(rows: int, columns: int, offset: int) -> int:
    return max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))


def _on_diagonal(g: Any, *, offset: int, rows: int, columns: int) -> Any:
    matrix = np.zeros((*g.shape[:-1], rows, columns), g.dtype)
    i = np.arange(g.shape[-1])
    matrix[..., i - min(offset, 0), i + max(offset, 0)] = g
    return matrix


_diagonal = linear(
    "diagonal",
    lambda x, *, offset: np.diagonal(x, offset, -2, -1),
    lambda x, *, offset: Spec((*x.shape[:-2], _length(x.shape[-2], x.shape[-1], offset)), x.dtype),
    lambda g, x, *, offset: _diagonal_embed(g, offset=offset, rows=x.shape[-2], columns=x.shape[-1]),
    lambda batched, xs, *, offset: _diagonal(xs[0], offset=offset),
    formula=r"\operatorname{{diag}}({x})",
    words="the diagonal of {x}",
    lower="view",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3, 4)),), {"offset": 0}),
            Sample((rng.normal(size=(2, 3, 3)),), {"offset": 1}),
            Sample((rng.normal(size=(4, 3)),), {"offset": -2}),
            Sample((rng.normal(size=(2, 3)),), {"offset": 3}),
        ]
    ),
)

_diagonal_embed = linear(
    "diagonal_embed",
    _on_diagonal,
    lambda g, *, offset, rows, columns: Spec((*g.shape[:-1], rows, columns), g.dtype),
    lambda t, g, *, offset, rows, columns: _diagonal(t, offset=offset),
    lambda batched, xs, *, offset, rows, columns: _diagonal_embed(xs[0], offset=offset, rows=rows, columns=columns),
    arguments=("g",),
    formula=r"\operatorname{{diag}}({g})",
    words="{g} on the diagonal of a matrix of zeros",
    lower="diagonal_embed",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3,)),), {"offset": 0, "rows": 3, "columns": 4}),
            Sample((rng.normal(size=(2, 2)),), {"offset": 1, "rows": 3, "columns": 3}),
            Sample((rng.normal(size=(2,)),), {"offset": -2, "rows": 4, "columns": 3}),
            Sample((rng.normal(size=(0,)),), {"offset": 3, "rows": 2, "columns": 3}),
        ]
    ),
)

_triangles = fixed(
    lambda rng: [
        Sample((rng.normal(size=(3, 4)),), {"k": 0}),
        Sample((rng.normal(size=(2, 3, 3)),), {"k": 1}),
        Sample((rng.normal(size=(4, 3)),), {"k": -2}),
        Sample((rng.normal(size=(0, 3)),), {"k": 0}),
    ]
)

_tril = linear(
    "tril",
    lambda x, *, k: np.tril(x, k),
    lambda x, *, k: Spec(x.shape, x.dtype),
    lambda g, x, *, k: _tril(g, k=k),
    lambda batched, xs, *, k: _tril(xs[0], k=k),
    formula=r"\operatorname{{tril}}({x})",
    words="the lower triangle of {x}",
    lower="tril",
    onnx="Trilu",
    samples=_triangles,
)

_triu = linear(
    "triu",
    lambda x, *, k: np.triu(x, k),
    lambda x, *, k: Spec(x.shape, x.dtype),
    lambda g, x, *, k: _triu(g, k=k),
    lambda batched, xs, *, k: _triu(xs[0], k=k),
    formula=r"\operatorname{{triu}}({x})",
    words="the upper triangle of {x}",
    lower="triu",
    onnx="Trilu",
    samples=_triangles,
)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal of the matrices in the axes `axis1` and `axis2`, as the last axis: yᵢ = xᵢ,ᵢ₊offset.

    Raises ShapeError for an array with fewer than two axes.

    >>> import pullback as pb
    >>> pb.diagonal(pb.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 4.0]
    """
    x = _matrix(x, "diagonal")
    return _diagonal(moveaxis(x, (axis1, axis2), (-2, -1)), offset=offset)


def diag(x: Any, k: int = 0) -> Any:
    """Return the matrix with the vector `x` on diagonal `k`, or diagonal `k` of the matrix `x`.

    >>> import pullback as pb
    >>> pb.diag(pb.tensor([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    x = operand(x)
    if ndim_of(x) == 1:
        n = shape_of(x)[0] + abs(k)
        return _diagonal_embed(x, offset=k, rows=n, columns=n)
    if ndim_of(x) == 2:
        return _diagonal(x, offset=k)
    raise ShapeError(f"diag: expected a vector or a matrix, got an array of shape {shape_of(x)}")


def tril(x: Any, k: int = 0) -> Any:
    """Return `x` with zeros above diagonal `k` of the matrices in its last two axes.

    >>> import pullback as pb
    >>> pb.tril(pb.ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _tril(_matrix(x, "tril"), k=k)


def triu(x: Any, k: int = 0) -> Any:
    """Return `x` with zeros below diagonal `k` of the matrices in its last two axes.

    >>> import pullback as pb
    >>> pb.triu(pb.ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return _triu(_matrix(x, "triu"), k=k)


def _matrix(x: Any, name: str) -> Any:
    x = operand(x)
    if ndim_of(x) < 2:
        raise ShapeError(f"{name}: expected at least two axes, got an array of shape {shape_of(x)}")
    return x
