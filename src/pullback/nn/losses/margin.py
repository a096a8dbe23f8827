"""Losses with a margin, and others that weigh easy answers less: hinge, soft margin, ranking, focal, divergence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import DtypeError, ShapeError
from ...core.spec import dtype_of, ndim_of, operand, shape_of
from ...mappings.loss import _class_labels
from ...mappings.loss import binary_cross_entropy_with_logits as bce_with_logits
from .classification import check_labels_shape, classes_last, one_per_class, pick, weighted
from .reduction import Loss, broadcast, check_reduction, paired, reduced

__all__ = [
    "FocalLoss",
    "HingeEmbeddingLoss",
    "KLDivLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "focal_loss",
    "hinge_embedding_loss",
    "kl_div",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "sigmoid_focal_loss",
    "soft_margin_loss",
]


def hinge_embedding_loss(input: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """Return the distance itself where the target is 1, max(0, margin − distance) where it is −1.

    `input`: distances, such as of two embeddings. `target`: 1 for alike, −1 for different. The shapes must
    broadcast together (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.hinge_embedding_loss(pb.tensor([0.2, 0.2]), pb.tensor([1.0, -1.0]), reduction="sum").item()
    1.0
    """
    input, target = broadcast("hinge_embedding_loss", input=input, target=target)
    apart = m.where(m.not_equal(target, 1), m.clip(m.subtract(margin, input), min=0), 0)
    alike = m.where(m.not_equal(target, -1), input, 0)
    return reduced("hinge_embedding_loss", m.add(apart, alike), reduction)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean") -> Any:
    """Return max(0, −t (x₁ − x₂) + margin): t = 1 wants x₁ above x₂, t = −1 below.

    The shapes must broadcast together (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.margin_ranking_loss(pb.tensor([1.0]), pb.tensor([3.0]), pb.tensor([1.0])).item()
    2.0
    """
    input1, input2, target = broadcast("margin_ranking_loss", input1=input1, input2=input2, target=target)
    behind = m.add(m.multiply(m.negative(target), m.subtract(input1, input2)), margin)
    return reduced("margin_ranking_loss", m.clip(behind, min=0), reduction)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    """Return the multi-class hinge loss Σ_{c ≠ t} max(0, margin − x_t + x_c)^p / C (Crammer & Singer, 2001).

    `input`: scores (N, C) or (C,). `target`: integer labels (N,) or (). `p`: 1 or 2. `weight`: one factor per
    class (C,). Raises IndexError for a label out of range, ShapeError, DtypeError, ValueError.

    >>> import pullback as pb
    >>> pb.nn.functional.multi_margin_loss(pb.tensor([[1.0, 0.5, 3.0]]), pb.tensor([0])).item()
    1.1666...
    """
    input, target = operand(input), operand(target)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p to be 1 or 2, got {p!r}")
    if ndim_of(input) not in (1, 2):
        raise ShapeError(f"multi_margin_loss: expected input of shape (N, C) or (C,), got {shape_of(input)}")
    if dtype_of(target).kind not in "iu":
        raise DtypeError(f"multi_margin_loss: expected integer labels, got {dtype_of(target)}")
    check_labels_shape("multi_margin_loss", input, target)
    classes = shape_of(input)[-1]
    labels = _class_labels(target, classes=classes)
    right = m.take_along_axis(input, m.reshape(labels, (*shape_of(labels), 1)), axis=-1)
    short = m.relu(m.add(m.subtract(margin, right), input))
    losses = short if p == 1 else m.square(short)
    if weight is not None:
        losses = m.multiply(
            losses, m.reshape(m.take(one_per_class(weight, classes), labels, axis=0), (*shape_of(labels), 1))
        )
    others = m.subtract(1, m.one_hot(labels, classes, dtype=dtype_of(input)))
    return reduced("multi_margin_loss", m.divide(m.sum(m.multiply(losses, others), axis=-1), classes), reduction)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Return the hinge loss of several labels, Σ_j Σ_i max(0, 1 − x[t_j] + x_i) / C, i not being among the labels.

    `input`: scores (N, C) or (C,). `target`: integer labels in the same shape, of which those before the first −1
    count. Raises ShapeError, DtypeError, IndexError for a label out of range.

    >>> import pullback as pb
    >>> x, y = pb.tensor([[0.1, 0.2, 0.4, 0.8]]), pb.tensor([[3, 0, -1, 1]])
    >>> round(pb.nn.functional.multilabel_margin_loss(x, y).item(), 4)
    0.85
    """
    input, target = paired("multilabel_margin_loss", input, target)
    if ndim_of(input) not in (1, 2):
        raise ShapeError(f"multilabel_margin_loss: expected input of shape (N, C) or (C,), got {shape_of(input)}")
    if dtype_of(target).kind not in "iu":
        raise DtypeError(f"multilabel_margin_loss: expected integer labels, got {dtype_of(target)}")
    classes = shape_of(input)[-1]
    counts = m.equal(m.cumulative_sum(m.astype(m.less(target, 0), np.int64), axis=-1), 0)
    labels = _class_labels(m.where(counts, target, 0), classes=classes)
    chosen = m.multiply(
        m.one_hot(labels, classes, dtype=dtype_of(input)), m.expand_dims(m.astype(counts, dtype_of(input)), axis=-1)
    )  # (…, j, i): label j is class i
    right = m.expand_dims(m.take_along_axis(input, labels, axis=-1), axis=-1)
    short = m.relu(m.add(m.subtract(1, right), m.expand_dims(input, axis=-2)))
    others = m.subtract(1, m.max(chosen, axis=-2, keepdims=True))
    each = m.multiply(m.multiply(short, others), m.expand_dims(m.astype(counts, dtype_of(input)), axis=-1))
    return reduced("multilabel_margin_loss", m.divide(m.sum(each, axis=(-2, -1)), classes), reduction)


def soft_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Return log(1 + exp(−t x)) for targets t of 1 and −1, computed without overflow.

    The shapes must be equal (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.soft_margin_loss(pb.tensor([-1000.0]), pb.tensor([1.0])).item()
    1000.0
    """
    input, target = paired("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", m.softplus(m.multiply(m.negative(target), input)), reduction)


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    """Return the binary cross entropy of σ(input) with targets of 0 and 1, its mean over the classes.

    `input`, `target`: (N, C) or (C,), of one shape (ShapeError). `weight`: one factor per class (C,).

    >>> import pullback as pb
    >>> pb.nn.functional.multilabel_soft_margin_loss(pb.tensor([[0.0, 800.0]]), pb.tensor([[1.0, 1.0]])).item()
    0.3465...
    """
    input, target = paired("multilabel_soft_margin_loss", input, target)
    losses = bce_with_logits(input, target)
    if weight is not None:
        losses = m.multiply(losses, one_per_class(weight, shape_of(input)[-1]))
    return reduced("multilabel_soft_margin_loss", m.mean(losses, axis=-1), reduction)


def focal_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    gamma: float = 2.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """Return −(1 − p_t)^γ log p_t, p = softmax(input): the cross entropy with easy answers weighed less.

    `gamma`: γ ≥ 0; 0 is the cross entropy. The other arguments are those of `cross_entropy` with integer
    labels. Lin et al., ICCV 2017.

    >>> import pullback as pb
    >>> round(pb.nn.functional.focal_loss(pb.tensor([[0.0, 0.0]]), pb.tensor([0])).item(), 4)
    0.1733
    """
    check_reduction("focal_loss", reduction)
    if not gamma >= 0:
        raise ValueError(f"focal_loss: expected gamma >= 0, got {gamma}")
    input, target = operand(input), operand(target)
    logits = classes_last("focal_loss", input)
    if dtype_of(target).kind not in "iu":
        raise DtypeError(f"focal_loss: expected integer labels, got {dtype_of(target)}")
    check_labels_shape("focal_loss", logits, target)
    picked, share = pick(m.log_softmax(logits, axis=-1), target, weight, ignore_index)
    losses = m.multiply(m.multiply(_unsure(picked, gamma), m.negative(picked)), share)
    return weighted(losses, share, reduction)


def _unsure(log_p: Any, gamma: float) -> Any:
    """(1 − p)^γ, whose slope is a number also where p rounds to 1."""
    if gamma == 0:
        return 1.0
    least = np.finfo(dtype_of(log_p)).tiny if gamma < 1 else 0
    return m.pow(m.maximum(m.negative(m.expm1(log_p)), least), float(gamma))


def sigmoid_focal_loss(
    inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Any:
    """Return α_t (1 − p_t)^γ times the binary cross entropy of p = σ(inputs), as torchvision does.

    `targets`: 0 or 1, in the shape of `inputs` (ShapeError). α_t is `alpha` for 1 and 1 − `alpha` for 0; a
    negative `alpha` leaves it out. Lin et al., ICCV 2017.

    >>> import pullback as pb
    >>> round(pb.nn.functional.sigmoid_focal_loss(pb.tensor([0.0]), pb.tensor([1.0])).item(), 4)
    0.0433
    """
    inputs, targets = paired("sigmoid_focal_loss", inputs, targets)
    p = m.sigmoid(inputs)
    wrong = m.add(m.multiply(p, m.subtract(1, targets)), m.multiply(m.subtract(1, p), targets))  # 1 − p_t
    losses = m.multiply(bce_with_logits(inputs, targets), m.pow(wrong, float(gamma)))
    if alpha >= 0:
        share = m.add(m.multiply(alpha, targets), m.multiply(1 - alpha, m.subtract(1, targets)))
        losses = m.multiply(share, losses)
    return reduced("sigmoid_focal_loss", losses, reduction)


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return the divergence of Kullback and Leibler, t (log t − input), of log probabilities from the target's.

    `input`: log probabilities. `target`: probabilities, or their logarithms with `log_target`. `reduction`:
    also "batchmean", the sum divided by the first axis' length, which is the divergence itself; "mean"
    divides by the number of elements. 0 log 0 is 0. The shapes must broadcast together (ShapeError).

    >>> import pullback as pb
    >>> p, q = pb.tensor([[0.5, 0.5]]), pb.tensor([[0.25, 0.75]])
    >>> round(pb.nn.functional.kl_div(pb.log(q), p, reduction="batchmean").item(), 4)
    0.1438
    """
    input, target = broadcast("kl_div", input=input, target=target)
    if log_target:
        losses = m.multiply(m.exp(target), m.subtract(target, input))
    else:
        logarithm = m.log(m.where(m.equal(target, 0), 1, target))
        losses = m.subtract(m.multiply(target, logarithm), m.multiply(target, input))
    if reduction == "batchmean":
        if not shape_of(input):
            raise ShapeError("kl_div: reduction='batchmean' needs a first axis to divide by, got input of shape ()")
        return m.divide(m.sum(losses), float(shape_of(input)[0]))
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"kl_div: expected reduction 'mean', 'batchmean', 'sum' or 'none', got {reduction!r}")
    return reduced("kl_div", losses, reduction)


# ------------------------------------------------------------------------------------------- modules


class HingeEmbeddingLoss(Loss):
    """The hinge loss of distances; see `functional.hinge_embedding_loss`."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """The hinge loss of an order; see `functional.margin_ranking_loss`."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """Return the loss."""
        return margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MultiMarginLoss(Loss):
    """The multi-class hinge loss; see `functional.multi_margin_loss`."""

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p to be 1 or 2, got {p!r}")
        self.p, self.margin = p, margin
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """The logistic loss of targets 1 and −1; see `functional.soft_margin_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    """The hinge loss of several labels; see `functional.multilabel_margin_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """The binary cross entropy of several labels; see `functional.multilabel_soft_margin_loss`."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class FocalLoss(Loss):
    """The cross entropy with easy answers weighed less; see `functional.focal_loss`."""

    def __init__(
        self,
        weight: Any = None,
        *,
        gamma: float = 2.0,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not gamma >= 0:
            raise ValueError(f"FocalLoss: expected gamma >= 0, got {gamma}")
        self.register_buffer("weight", weight)
        self.gamma, self.ignore_index = gamma, ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return focal_loss(
            input,
            target,
            self.weight,
            gamma=self.gamma,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class KLDivLoss(Loss):
    """The divergence of Kullback and Leibler; see `functional.kl_div`."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("mean" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
