"""Embedding as a function, with PyTorch's options: rows kept short, and gradients scaled by how often a row is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import PullbackError
from ..core.spec import dtype_of, operand, shape_of
from ..core.value import Value
from ..mappings.embedding import embedding as rows_of
from ..transforms.batch import Batch
from ..transforms.reverse import no_grad
from .losses.distance import length_of
from .parameter import Parameter

__all__ = ["embedding"]


def embedding(
    indices: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Return the rows of `weight` that `indices` choose.

    indices: integers (…); weight: (num_embeddings, width); result: (…, width). The row `padding_idx` (negative:
    counted from the end) gets no gradient. With `max_norm`, rows that are used and longer than it, in the norm
    with the exponent `norm_type`, are first made that short; a parameter keeps them so. With `scale_grad_by_freq`
    the gradient of a row is divided by how often `indices` has it. Raises IndexError for an index that is not a
    row, DtypeError unless the indices are integers, ShapeError unless the table has two axes, and ValueError for
    `sparse=True`: gradients are dense.

    >>> import pullback as pb
    >>> table = pb.nn.Parameter([[6.0, 8.0], [0.5, 0.0]])
    >>> pb.nn.functional.embedding(pb.tensor([0, 1]), table, max_norm=5.0).tolist()
    [[3.0, 4.0], [0.5, 0.0]]
    """
    check_dense("embedding", sparse)
    weight, indices = operand(weight), operand(indices)
    if max_norm is not None:
        check_norm("embedding", max_norm, norm_type)
        weight = _shortened(weight, indices, padding_idx, max_norm, norm_type)
    y = rows_of(indices, weight, padding_idx)
    if not scale_grad_by_freq:
        return y
    still, share = m.stop_gradient(y), m.divide(1, _frequencies(indices, shape_of(weight)[0], dtype_of(y)))
    return m.add(still, m.multiply(m.subtract(y, still), share))  # the value of y, and that share of its derivative


def check_dense(where: str, sparse: bool) -> None:
    """Raise ValueError when sparse gradients are asked for."""
    if sparse:
        raise ValueError(
            f"{where}: expected sparse=False, got sparse=True: gradients are dense arrays here.\n"
            f"  right:  leave `sparse` out; every optimiser takes the gradient, also those for sparse ones in PyTorch"
        )


def check_norm(where: str, max_norm: float, norm_type: float) -> None:
    """Raise ValueError unless a row can be that short in that norm."""
    if not max_norm > 0 or not norm_type > 0:
        raise ValueError(
            f"{where}: expected max_norm > 0 and norm_type > 0, got max_norm={max_norm} and norm_type={norm_type}"
        )


def _shortened(weight: Any, indices: Any, padding_idx: int | None, longest: float, p: float) -> Any:
    """Return the table with the rows in use made no longer than `longest`; a parameter becomes that table."""
    with no_grad():
        still = m.stop_gradient(weight)
        rows = rows_of(indices, still, padding_idx)  # checks shapes, dtypes and indices
        length = length_of(rows, p, -1, True)
        factor = m.where(m.greater(length, longest), m.divide(longest, m.add(length, 1e-7)), 1)
        shorter = m.index_set(still, indices, m.multiply(rows, factor))
    if not isinstance(weight, Parameter):
        # The table is the caller's, so it stays; derivatives are those of the shortened one.
        return m.add(shorter, m.subtract(weight, still))
    if isinstance(shorter, Value) and isinstance(shorter._owner, Batch):
        raise PullbackError(
            "embedding: inside vmap every example would leave its own rows shortened by max_norm, and there is one "
            "table for them.\n  right:  max_norm=None, or pass the table to the function that is batched"
        )
    weight.assign_(shorter)
    return weight


def _frequencies(indices: Any, count: int, dtype: Any) -> Any:
    """How often each element of `indices` is in it, with an axis behind for the width."""
    ones = np.ones(shape_of(indices), dtype)
    totals = m.index_add(np.zeros(count, dtype), indices, ones)
    often = m.take(totals, m.reshape(indices, -1), axis=0)
    return m.reshape(often, (*shape_of(indices), 1))
