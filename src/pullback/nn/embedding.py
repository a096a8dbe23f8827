"""Embedding: a table of vectors, one per symbol."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import default_dtype
from ..tensor import Tensor
from ..transforms.backward import numbers_of
from . import init
from .lookup import check_dense, check_norm, embedding
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """The rows of a table that integers choose: (…) → (…, embedding_dim).

    `weight` has shape (num_embeddings, embedding_dim) and starts as N(0, 1). The row `padding_idx` starts as
    zeros and gets no gradient. `max_norm` shortens the rows that are used to that length, in the norm with the
    exponent `norm_type`; `scale_grad_by_freq` divides the gradient of a row by how often it was used. Raises
    IndexError for an index outside 0, …, num_embeddings − 1, ValueError for `sparse=True`: gradients are dense.

    >>> import pullback as pb
    >>> pb.nn.Embedding(10, 4)(pb.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_dense("Embedding", sparse)
        if max_norm is not None:
            check_norm("Embedding", max_norm, norm_type)
        for name, n in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
                raise ValueError(f"Embedding: expected {name} to be a positive integer, got {n!r}")
        self.num_embeddings = int(num_embeddings)
        self.embedding_dim = int(embedding_dim)
        self.padding_idx = self._row(padding_idx)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.empty((self.num_embeddings, self.embedding_dim), dtype))
        self.reset_parameters()

    def _row(self, index: int | None) -> int | None:
        if index is None:
            return None
        if not -self.num_embeddings <= index < self.num_embeddings:
            raise ValueError(f"Embedding: padding_idx {index} is out of range: num_embeddings is {self.num_embeddings}")
        return int(index) % self.num_embeddings

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Return a layer with the table `embeddings` (num_embeddings, embedding_dim), which `freeze` keeps as it is.

        >>> import pullback as pb
        >>> pb.nn.Embedding.from_pretrained(pb.tensor([[1.0, 2.0], [3.0, 4.0]]))(pb.tensor([1])).tolist()
        [[3.0, 4.0]]
        """
        table = np.array(numbers_of(embeddings) if isinstance(embeddings, Tensor) else embeddings)
        if table.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: expected a table with two axes, got shape {table.shape}")
        rows, width = table.shape
        layer = cls(rows, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, table.dtype)
        layer.weight.assign_(table)
        layer.weight.requires_grad_(not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draw new starting values; the row `padding_idx` becomes zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            table = np.array(numbers_of(self.weight))
            table[self.padding_idx] = 0
            self.weight.assign_(table)

    def forward(self, indices: Any) -> Any:
        """Return the rows that `indices` choose."""
        return embedding(indices, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """The size of the table, and the settings that differ from the defaults."""
        shown = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, default in (
            ("padding_idx", None),
            ("max_norm", None),
            ("norm_type", 2),
            ("scale_grad_by_freq", False),
        ):
            value = getattr(self, name)
            shown += f", {name}={value}" if value != default else ""
        return shown
