"""EmbeddingBag: sums, means or maxima of the rows of a table, bag by bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import DtypeError, ShapeError
from ..core.spec import default_dtype, dtype_of, operand, shape_of
from ..transforms.backward import numbers_of
from . import init
from .cells import positive
from .lookup import check_dense, check_norm, embedding
from .module import Module
from .parameter import Parameter

__all__ = ["EmbeddingBag"]

MODES = ("sum", "mean", "max")


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return the sum, mean or maximum (`mode`) of the rows of `weight` that each bag of indices chooses.

    input: (B, n), bags of one size, or (Σ n,) with `offsets` (B,), where each bag begins (with
    `include_last_offset` (B + 1,), the end behind it). weight: (num_embeddings, D); result: (B, D). Rows
    `padding_idx` do not count; an empty bag gives 0. `per_sample_weights`, in the shape of input, are factors of
    the rows of a sum. The others are those of `nn.functional.embedding`. Raises ShapeError, IndexError and
    ValueError for what does not fit.

    >>> import pullback as pb
    >>> table = pb.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    >>> pb.nn.functional.embedding_bag(pb.tensor([0, 1, 2]), table, pb.tensor([0, 2]), mode="sum").tolist()
    [[4.0, 6.0], [5.0, 7.0]]
    """
    if mode not in MODES:
        raise ValueError(f"embedding_bag: expected mode to be one of {MODES}, got {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights belong to mode='sum', got mode={mode!r}")
    if scale_grad_by_freq and mode == "max":
        raise ValueError("embedding_bag: scale_grad_by_freq belongs to mode='sum' or 'mean', got mode='max'")
    indices, factors = operand(input), per_sample_weights
    if factors is not None and shape_of(factors) != shape_of(indices):
        raise ShapeError(
            f"embedding_bag: expected per_sample_weights of the shape of input, {shape_of(indices)}, got "
            f"{shape_of(factors)}"
        )
    rows = embedding(indices, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    counted = None if padding_idx is None else m.not_equal(indices, padding_idx % shape_of(weight)[0])
    if len(shape_of(indices)) == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: offsets belong to an input with one axis; bags (B, n) need none")
    else:
        places, there = _bags(indices, offsets, include_last_offset)
        rows = m.take(rows, places, axis=0) if shape_of(indices)[0] else m.broadcast_to(0.0, (*places.shape, 1))
        factors = None if factors is None else m.take(factors, places, axis=0)
        counted = there if counted is None else m.logical_and(m.take(counted, places, axis=0), there)
    if factors is not None:
        rows = m.multiply(rows, m.expand_dims(factors, axis=-1))
    return _folded(rows, counted, mode, shape_of(weight)[1], dtype_of(weight))


def _bags(indices: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """Where the indices of each bag lie, (B, n) with n the largest size, and which of them there are."""
    if len(shape_of(indices)) != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag: expected input of shape (B, n), or (Σ n,) with offsets, got {shape_of(indices)} "
            f"{'without' if offsets is None else 'with'} offsets"
        )
    starts, total = np.asarray(numbers_of(offsets)), shape_of(indices)[0]
    if starts.dtype.kind not in "iu":
        raise DtypeError(f"embedding_bag: expected integer offsets, got {starts.dtype}")
    bounds = starts if include_last_offset else np.append(starts, total)
    if starts.ndim != 1 or not len(starts) or bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > total:
        raise ShapeError(
            f"embedding_bag: expected offsets that begin with 0 and rise to at most {total}, the number of indices, "
            f"got {starts.tolist()}"
        )
    sizes = np.diff(bounds)
    within = np.arange(sizes.max(initial=0))
    there = within < sizes[:, None]
    return np.where(there, bounds[:-1, None] + within, 0), there


def _folded(rows: Any, counted: Any, mode: str, width: int, dtype: Any) -> Any:
    """(B, n, D) → (B, D), of those that count."""
    size, most = shape_of(rows)[:2]
    if not most:
        return np.zeros((size, width), dtype)
    if counted is None:
        return {"sum": m.sum, "mean": m.mean, "max": m.max}[mode](rows, axis=1)
    counted = m.expand_dims(counted, axis=-1)
    if mode == "max":
        best = m.max(m.where(counted, rows, -np.inf), axis=1)
        return m.where(m.any(counted, axis=1), best, 0)
    total = m.sum(m.where(counted, rows, 0), axis=1)
    if mode == "sum":
        return total
    return m.divide(total, m.maximum(m.sum(m.astype(counted, dtype), axis=1), 1))


class EmbeddingBag(Module):
    """The sum, mean or maximum of the rows that each bag of indices chooses: (B, n) → (B, embedding_dim).

    `weight` has shape (num_embeddings, embedding_dim) and starts as N(0, 1), with zeros in the row `padding_idx`.
    The settings and the bags of different sizes are those of `nn.functional.embedding_bag`.

    >>> import pullback as pb
    >>> pb.nn.EmbeddingBag(10, 4)(pb.tensor([[1, 2, 3], [4, 5, 9]])).shape
    (2, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        positive("EmbeddingBag", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        check_dense("EmbeddingBag", sparse)
        if max_norm is not None:
            check_norm("EmbeddingBag", max_norm, norm_type)
        if mode not in MODES:
            raise ValueError(f"EmbeddingBag: expected mode to be one of {MODES}, got {mode!r}")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"EmbeddingBag: padding_idx {padding_idx} is out of range: num_embeddings is {num_embeddings}"
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.mode = scale_grad_by_freq, mode
        self.include_last_offset = include_last_offset
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values; the row `padding_idx` becomes zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            table = np.array(numbers_of(self.weight))
            table[self.padding_idx] = 0
            self.weight.assign_(table)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Return what becomes of each bag."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            False,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The size of the table and the mode."""
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}"
