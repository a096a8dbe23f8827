"""Embedding: the rows of a table that indices choose; on the way back each row gathers from wherever it was used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.families import composite, irregular
from ..core.mapping import INPUTS, NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, ndim_of, operand, shape_of
from .compare import equal
from .gather import _gather, _scatter_add
from .positions import positions
from .select import stop_gradient, where
from .shape import _reshape
from .slicing import STEPWISE

__all__ = ["embedding"]


def check_indices(indices: Any, count: int) -> Any:
    """Return integer `indices` after checking that each lies in 0, …, count − 1. Raises IndexError."""
    indices = np.asarray(indices)
    if indices.size and (np.minimum.reduce(indices, axis=None) < 0 or np.maximum.reduce(indices, axis=None) >= count):
        at = tuple(np.argwhere((indices < 0) | (indices >= count))[0].tolist())
        place = f" at {at}" if at else ""
        raise IndexError(
            f"embedding: index {int(indices[at])}{place} is out of range: with num_embeddings = {count} the indices "
            f"are 0, …, {count - 1}"
        )
    return indices[()]


_embedding_indices = irregular(
    "embedding_indices",
    lambda indices, *, count: check_indices(indices, count),
    spec=lambda indices, *, count: Spec(indices.shape, indices.dtype),
    batch=lambda batched, xs, *, count: _embedding_indices(xs[0], count=count),
    arguments=("indices",),
    uses=NOTHING,
    differentiable=False,
    formula="{indices}",
    words="{indices}, checked to be rows of the table",
    refuses=True,
    lower="row_check",
    onnx="Identity",
    samples=fixed(lambda rng: [Sample((rng.integers(0, 4, shape),), {"count": 4}) for shape in ((5,), (2, 3), ())]),
)


def _embedding_pullback(g: Any, y: Any, weight: Any, indices: Any, *, needs: Sequence[bool]) -> tuple[Any, None]:
    return _scatter_add(g, indices, axes=(0,), shape=shape_of(weight)), None


_embedding = composite(
    "embedding",
    lambda weight, indices: _gather(weight, _embedding_indices(indices, count=shape_of(weight)[0]), axes=(0,)),
    lambda weight, indices: Spec((*indices.shape, *weight.shape[1:]), weight.dtype),
    kernel=lambda weight, indices: weight.take(check_indices(indices, weight.shape[0]), axis=0),
    pullback=_embedding_pullback,
    arguments=("weight", "indices"),
    uses=INPUTS,
    formula="{weight}_{{{indices}}}",
    words="the rows of {weight} that {indices} choose",
    refuses=True,
    lower=STEPWISE,
    onnx="Gather",
    samples=fixed(
        lambda rng: [Sample((rng.normal(size=(4, 3)), rng.integers(0, 4, shape))) for shape in ((5,), (2, 3), (), (0,))]
    ),
)


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """Return the rows of `weight` that `indices` choose.

    indices: integers (…); weight: (num_embeddings, width); result: (…, width). The row `padding_idx` (negative:
    counted from the end) gets no gradient. Raises IndexError for an index that is not a row, DtypeError unless
    the indices are integers, ShapeError unless the table has two axes.

    >>> import pullback as pb
    >>> pb.embedding(pb.tensor([2, 0]), pb.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).tolist()
    [[5.0, 6.0], [1.0, 2.0]]
    """
    weight, indices = operand(weight), operand(indices)
    if ndim_of(weight) != 2:
        raise ShapeError(f"embedding: expected weight of shape (num_embeddings, width), got {shape_of(weight)}")
    if dtype_of(indices).kind not in "iu":
        raise DtypeError(f"embedding: expected integer indices, got an array of dtype {dtype_of(indices)}")
    indices = positions(indices, "embedding")
    rows = shape_of(weight)[0]
    y = _embedding(weight, indices)
    if padding_idx is None:
        return y
    if not -rows <= padding_idx < rows:
        raise IndexError(f"embedding: padding_idx {padding_idx} is out of range: num_embeddings is {rows}")
    padding = equal(indices, padding_idx % rows)
    return where(_reshape(padding, shape=(*shape_of(padding), 1)), stop_gradient(y), y)
