"""Distances and likenesses of vectors, and the losses that draw some together and push others apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import ndim_of, operand, shape_of
from ...mappings.loss import cross_entropy as labelled_cross_entropy
from ..module import Module
from .reduction import Loss, broadcast, check_reduction, reduced

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "InfoNCELoss",
    "NTXentLoss",
    "PairwiseDistance",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "cosine_embedding_loss",
    "cosine_similarity",
    "info_nce_loss",
    "normalize",
    "nt_xent_loss",
    "pairwise_distance",
    "pdist",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return x₁·x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along the axis `dim`.

    Where a length is below ε the gradient is that of the length itself, as in PyTorch. The shapes must
    broadcast together (ShapeError).

    >>> import pullback as pb
    >>> round(pb.nn.functional.cosine_similarity(pb.tensor([1.0, 0.0]), pb.tensor([1.0, 1.0]), dim=0).item(), 4)
    0.7071
    """
    x1, x2 = broadcast("cosine_similarity", x1=x1, x2=x2)
    return m.sum(m.multiply(_unit(x1, dim, eps), _unit(x2, dim, eps)), axis=dim)


def _unit(x: Any, dim: int, eps: float) -> Any:
    length = m.norm(x, axis=dim, keepdims=True)
    return m.divide(x, m.add(length, m.stop_gradient(m.subtract(m.maximum(length, eps), length))))


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Return (Σ |x₁ − x₂ + ε|^p)^(1/p) along the last axis; p = inf is the largest element.

    The shapes must broadcast together (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.pairwise_distance(pb.tensor([[0.0, 0.0]]), pb.tensor([[3.0, 4.0]]), eps=0.0).tolist()
    [5.0]
    """
    x1, x2 = broadcast("pairwise_distance", x1=x1, x2=x2)
    if not p > 0:
        raise ValueError(f"pairwise_distance: expected p > 0, got {p}")
    return length_of(m.add(m.subtract(x1, x2), eps), p, -1, keepdim)


def length_of(x: Any, p: float, dim: int, keepdim: bool) -> Any:
    """Return (Σ |x|^p)^(1/p) along the axis `dim`; p = inf is the largest element."""
    if p in (1, 2, np.inf):
        return m.norm(x, axis=dim, keepdims=keepdim, ord=p)
    return m.pow(m.sum(m.pow(m.abs(x), float(p)), axis=dim, keepdims=keepdim), 1 / p)


def normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Return x / max(‖x‖ₚ, ε) along the axis `dim`: vectors of length 1. Raises ValueError unless p > 0.

    >>> import pullback as pb
    >>> pb.nn.functional.normalize(pb.tensor([3.0, -1.0]), p=1, dim=0).tolist()
    [0.75, -0.25]
    """
    if not p > 0:
        raise ValueError(f"normalize: expected p > 0, got {p}")
    x = operand(x)
    return m.divide(x, m.maximum(length_of(x, p, dim, True), eps))


def pdist(x: Any, p: float = 2.0) -> Any:
    """Return the distances ‖xᵢ − xⱼ‖ₚ of all pairs i < j of rows: (N, D) → (N (N − 1)/2,).

    The gradient at a distance of 0 is 0. Raises ShapeError for another x, ValueError unless p > 0.

    >>> import pullback as pb
    >>> pb.nn.functional.pdist(pb.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).tolist()
    [5.0, 1.0, 4.2426...]
    """
    x = operand(x)
    if ndim_of(x) != 2:
        raise ShapeError(f"pdist: expected x of shape (N, D), got {shape_of(x)}")
    if not p > 0:
        raise ValueError(f"pdist: expected p > 0, got {p}")
    first, second = np.triu_indices(shape_of(x)[0], 1)
    return length_of(m.subtract(m.take(x, first, axis=0), m.take(x, second, axis=0)), p, -1, False)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return 1 − cos(x₁, x₂) where the target is 1, max(0, cos(x₁, x₂) − margin) where it is −1.

    `input1`, `input2`: (N, D) or (D,). `target`: (N,) or (). 1e-12 is added to the squared lengths. Raises
    ShapeError.

    >>> import pullback as pb
    >>> x, y = pb.tensor([[1.0, 0.0]]), pb.tensor([[0.0, 1.0]])
    >>> pb.nn.functional.cosine_embedding_loss(x, y, pb.tensor([1.0])).item()
    1.0
    """
    name = "cosine_embedding_loss"
    input1, input2 = broadcast(name, input1=input1, input2=input2)
    target = operand(target)
    shape, have = np.broadcast_shapes(shape_of(input1), shape_of(input2)), shape_of(target)
    if len(shape) not in (1, 2) or have != shape[:-1]:
        raise ShapeError(f"{name}: expected inputs (N, D) and target (N,), or (D,) and (), got {shape} and {have}")
    squares = (m.add(m.sum(m.square(x), axis=-1), 1e-12) for x in (input1, input2))
    likeness = m.divide(m.sum(m.multiply(input1, input2), axis=-1), m.sqrt(m.multiply(*squares)))
    alike = m.where(m.equal(target, 1), m.subtract(1, likeness), 0)
    apart = m.where(m.equal(target, -1), m.clip(m.subtract(likeness, margin), min=0), 0)
    return reduced(name, m.add(alike, apart), reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return max(0, d(a, p) − d(a, n) + margin): the positive is to be nearer than the negative.

    d is `pairwise_distance` with `p` and `eps`. `swap` takes the smaller of d(a, n) and d(p, n) (Balntas et
    al., BMVC 2016). `anchor`, `positive`, `negative`: (N, D) or (D,). Raises ShapeError, ValueError.

    >>> import pullback as pb
    >>> a, near, far = pb.tensor([0.0]), pb.tensor([1.0]), pb.tensor([1.5])
    >>> round(pb.nn.functional.triplet_margin_loss(a, near, far).item(), 3)
    0.5
    """
    return _nearer("triplet_margin_loss", anchor, positive, negative, (p, eps), margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return max(0, d(a, p) − d(a, n) + margin) with a distance d of one's own: `triplet_margin_loss` otherwise.

    `distance_function(x, y)`: differentiable, (N, D) → (N,); None: `pairwise_distance`.

    >>> import pullback as pb
    >>> a, near, far = pb.tensor([[0.0]]), pb.tensor([[1.0]]), pb.tensor([[1.5]])
    >>> squared = lambda x, y: ((x - y) ** 2).sum(-1)
    >>> pb.nn.functional.triplet_margin_with_distance_loss(a, near, far, distance_function=squared, margin=2.0).item()
    0.75
    """
    measure = (2.0, 1e-6) if distance_function is None else distance_function
    name = "triplet_margin_with_distance_loss"
    return _nearer(name, anchor, positive, negative, measure, margin, swap, reduction)


def _nearer(
    name: str,
    anchor: Any,
    positive: Any,
    negative: Any,
    measure: tuple[float, float] | Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    if not margin > 0:
        raise ValueError(f"{name}: expected margin > 0, got {margin}")
    anchor, positive, negative = broadcast(name, anchor=anchor, positive=positive, negative=negative)
    distance = measure if callable(measure) else lambda x, y: pairwise_distance(x, y, *measure)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = m.minimum(far, distance(positive, negative))
    return reduced(name, m.clip(m.add(m.subtract(near, far), margin), min=0), reduction)


def info_nce_loss(
    query: Any,
    positive_key: Any,
    negative_keys: Any = None,
    *,
    temperature: float = 0.1,
    reduction: str = "mean",
) -> Any:
    """Return the cross entropy of finding each query's key among others, by cosine (van den Oord et al., 2018).

    `query`, `positive_key`: (N, D). The others are the keys of the other queries, or `negative_keys`: (M, D) for
    all, or (N, M, D) for each. The scores are cosines divided by `temperature`. Raises ShapeError, ValueError.

    >>> import pullback as pb
    >>> q = pb.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(pb.nn.functional.info_nce_loss(q, q, temperature=1.0).item(), 4)
    0.3133
    """
    query, positive_key = _rows("info_nce_loss", query, positive_key, temperature)
    check_reduction("info_nce_loss", reduction)
    q, k = (_unit(x, -1, 1e-8) for x in (query, positive_key))
    count, width = shape_of(query)
    if negative_keys is None:
        scores, labels = m.matmul(q, m.matrix_transpose(k)), np.arange(count)
    else:
        negative_keys = operand(negative_keys)
        have = shape_of(negative_keys)
        if len(have) not in (2, 3) or have[-1] != width or (len(have) == 3 and have[0] != count):
            raise ShapeError(
                f"info_nce_loss: expected negative_keys (M, {width}) or ({count}, M, {width}) for query "
                f"{(count, width)}, got {have}"
            )
        others = m.matrix_transpose(_unit(negative_keys, -1, 1e-8))
        if len(have) == 2:
            far = m.matmul(q, others)
        else:
            far = m.reshape(m.matmul(m.reshape(q, (count, 1, width)), others), (count, have[1]))
        near = m.sum(m.multiply(q, k), axis=-1, keepdims=True)
        scores, labels = m.concat([near, far], axis=1), np.zeros(count, np.int64)
    return labelled_cross_entropy(m.divide(scores, temperature), labels, reduction=reduction)


def nt_xent_loss(z1: Any, z2: Any, *, temperature: float = 0.5, reduction: str = "mean") -> Any:
    """Return SimCLR's loss of two views of the same N things (Chen et al., ICML 2020).

    Each of the 2N vectors is to be found by cosine, divided by `temperature`, among all others by its other
    view. `z1`, `z2`: (N, D). With `reduction="none"` the losses of z1 come first. Raises ShapeError, ValueError.

    >>> import pullback as pb
    >>> z = pb.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(pb.nn.functional.nt_xent_loss(z, z, temperature=1.0).item(), 4)
    0.5514
    """
    z1, z2 = _rows("nt_xent_loss", z1, z2, temperature)
    check_reduction("nt_xent_loss", reduction)
    count = shape_of(z1)[0]
    z = _unit(m.concat([z1, z2], axis=0), -1, 1e-8)
    itself = np.eye(2 * count, dtype=bool)
    scores = m.divide(m.matmul(z, m.matrix_transpose(z)), temperature)
    labels = (np.arange(2 * count) + count) % (2 * count) if count else np.zeros(0, np.int64)
    return labelled_cross_entropy(m.where(itself, -np.inf, scores), labels, reduction=reduction)


def _rows(name: str, a: Any, b: Any, temperature: float) -> tuple[Any, Any]:
    if not temperature > 0:
        raise ValueError(f"{name}: expected temperature > 0, got {temperature}")
    a, b = operand(a), operand(b)
    if ndim_of(a) != 2 or shape_of(a) != shape_of(b):
        raise ShapeError(f"{name}: expected two arrays (N, D) of one shape, got {shape_of(a)} and {shape_of(b)}")
    return a, b


# ------------------------------------------------------------------------------------------- modules


class CosineSimilarity(Module):
    """The cosine of the angle of two vectors; see `functional.cosine_similarity`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the cosines."""
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The distance of each row of x₁ from that of x₂; see `functional.pairwise_distance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the distances."""
        return pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)


class CosineEmbeddingLoss(Loss):
    """The loss of two embeddings' angle; see `functional.cosine_embedding_loss`."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """Return the loss."""
        return cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """The loss that wants the positive nearer than the negative; see `functional.triplet_margin_loss`."""

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: expected margin > 0, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """Return the loss."""
        return triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` with a distance of one's own; see `functional.triplet_margin_with_distance_loss`."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin > 0, got {margin}")
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """Return the loss."""
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class InfoNCELoss(Loss):
    """The loss of finding a query's key among others; see `functional.info_nce_loss`."""

    def __init__(self, temperature: float = 0.1, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = temperature

    def forward(self, query: Any, positive_key: Any, negative_keys: Any = None) -> Any:
        """Return the loss."""
        return info_nce_loss(query, positive_key, negative_keys, temperature=self.temperature, reduction=self.reduction)


class NTXentLoss(Loss):
    """SimCLR's loss of two views; see `functional.nt_xent_loss`."""

    def __init__(self, temperature: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = temperature

    def forward(self, z1: Any, z2: Any) -> Any:
        """Return the loss."""
        return nt_xent_loss(z1, z2, temperature=self.temperature, reduction=self.reduction)
