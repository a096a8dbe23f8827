"""Losses of classification: the cross entropies and their likes.

A loss needs the numbers of its target to check them (labels in range, probabilities in [0, 1]). While a
step is traced, or inside vmap, there are no numbers yet: the check is recorded with the step, and runs
when the numbers do.
"""

from __future__ import annotations

from typing import Any

from ... import mappings as m
from ...core.errors import DtypeError, ShapeError
from ...core.spec import dtype_of, ndim_of, operand, shape_of
from ...mappings.loss import _class_labels
from ...mappings.loss import binary_cross_entropy as bce
from ...mappings.loss import binary_cross_entropy_with_logits as bce_with_logits
from ...mappings.loss import cross_entropy as labelled_cross_entropy
from .reduction import Loss, check_reduction, paired, reduced

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "NLLLoss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "nll_loss",
]


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the cross entropy −Σ_c t_c log softmax(input)_c.

    `input`: logits (N, C), (C,) or (N, C, d₁, …). `target`: integer labels (N,), (), (N, d₁, …), or
    probabilities in the shape of `input`. `weight`: one factor per class (C,); the mean is then weighted.
    `ignore_index`: a label that counts for nothing (none by default). `reduction`: "mean", "sum" or "none".
    `label_smoothing`: the share in [0, 1] of the uniform distribution in the target.

    Raises IndexError for a label out of range, ShapeError and DtypeError.

    >>> import pullback as pb
    >>> logits = pb.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> round(pb.nn.functional.cross_entropy(logits, pb.tensor([0, 1])).item(), 4)
    0.1269
    """
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: expected label_smoothing in [0, 1], got {label_smoothing}")
    input, target = operand(input), operand(target)
    kind = target.dtype.kind
    logits = input if 0 < input.ndim <= 2 else classes_last("cross_entropy", input)
    if kind in "iu" and weight is None and ignore_index is None and not label_smoothing:
        return labelled_cross_entropy(logits, target, reduction=reduction)
    if kind == "f" and shape_of(target) == shape_of(input):
        return _soft(logits, classes_last("cross_entropy", target), weight, reduction, label_smoothing)
    if kind not in "iu":
        raise DtypeError(
            f"cross_entropy: expected integer labels, or probabilities of the shape {shape_of(input)} of the logits, "
            f"got {dtype_of(target)} of shape {shape_of(target)}.\n"
            f"  wrong:  loss(logits, y)\n"
            f'  right:  loss(logits, y.astype("int64"))'
        )
    check_labels_shape("cross_entropy", logits, target)
    log_p = m.log_softmax(logits, axis=-1)
    picked, share = pick(log_p, target, weight, ignore_index)
    losses = m.multiply(m.negative(picked), share)
    if label_smoothing:
        spread = m.negative(m.mean(log_p if weight is None else m.multiply(log_p, weight), axis=-1))
        kept = 1 if ignore_index is None else m.astype(m.not_equal(target, ignore_index), dtype_of(logits))
        losses = m.add(m.multiply(1 - label_smoothing, losses), m.multiply(label_smoothing, m.multiply(kept, spread)))
    return weighted(losses, share, reduction)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    """Return −input at the label: the negative log likelihood of log probabilities, as log_softmax gives them.

    The arguments are those of `cross_entropy`, with log probabilities for logits.

    >>> import pullback as pb
    >>> pb.nn.functional.nll_loss(pb.tensor([[-1.0, -2.0]]), pb.tensor([1])).item()
    2.0
    """
    check_reduction("nll_loss", reduction)
    input, target = operand(input), operand(target)
    log_p = classes_last("nll_loss", input)
    if dtype_of(target).kind not in "iu":
        raise DtypeError(f"nll_loss: expected integer labels, got {dtype_of(target)}")
    check_labels_shape("nll_loss", log_p, target)
    picked, share = pick(log_p, target, weight, ignore_index)
    return weighted(m.multiply(m.negative(picked), share), share, reduction)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    """Return −t log p − (1 − t) log(1 − p) for probabilities p; each log is at least −100.

    `weight` broadcasts with the losses. Raises ValueError for p outside [0, 1], ShapeError unless the
    shapes are equal.

    >>> import pullback as pb
    >>> round(pb.nn.functional.binary_cross_entropy(pb.tensor([0.5]), pb.tensor([1.0])).item(), 4)
    0.6931
    """
    input, target = paired("binary_cross_entropy", input, target)
    losses = bce(input, target)
    return reduced("binary_cross_entropy", losses if weight is None else m.multiply(losses, weight), reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """Return the binary cross entropy of σ(input), computed without overflow.

    `weight` broadcasts with the losses; `pos_weight` multiplies the term of the positive answers. Raises
    ShapeError unless the shapes are equal.

    >>> import pullback as pb
    >>> pb.nn.functional.binary_cross_entropy_with_logits(pb.tensor([800.0]), pb.tensor([0.0])).item()
    800.0
    """
    name = "binary_cross_entropy_with_logits"
    input, target = paired(name, input, target)
    if pos_weight is None:
        losses = bce_with_logits(input, target)
    else:
        positive = m.multiply(m.multiply(pos_weight, target), m.softplus(m.negative(input)))
        losses = m.add(positive, m.multiply(m.subtract(1, target), m.softplus(input)))
    return reduced(name, losses if weight is None else m.multiply(losses, weight), reduction)


# ------------------------------------------------------------------------------------------- modules


class CrossEntropyLoss(Loss):
    """The cross entropy of logits with integer labels or probabilities; see `functional.cross_entropy`.

    >>> import pullback as pb
    >>> round(pb.nn.CrossEntropyLoss()(pb.zeros((3, 10)), pb.tensor([0, 4, 9])).item(), 4)
    2.3026
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(Loss):
    """The negative log likelihood of log probabilities; see `functional.nll_loss`."""

    def __init__(self, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(Loss):
    """The binary cross entropy of probabilities; see `functional.binary_cross_entropy`."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Loss):
    """The binary cross entropy of logits; see `functional.binary_cross_entropy_with_logits`."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


# -------------------------------------------------------------------------------------------- pieces


def _soft(logits: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    classes = shape_of(logits)[-1]
    if smoothing:
        target = m.add(m.multiply(target, 1 - smoothing), smoothing / classes)
    log_p = m.log_softmax(logits, axis=-1)
    if weight is not None:
        log_p = m.multiply(log_p, one_per_class(weight, classes))
    losses = m.negative(m.sum(m.multiply(target, log_p), axis=-1))
    return reduced("cross_entropy", losses, reduction)


def pick(log_p: Any, labels: Any, weight: Any, ignore_index: int | None) -> tuple[Any, Any]:
    """Return log_p at the labels, and the share of each label in the sum (1 unless weighted or ignored)."""
    kept: Any = 1.0
    if ignore_index is not None:
        heeded = m.not_equal(labels, ignore_index)
        kept = m.astype(heeded, dtype_of(log_p))
        labels = m.where(heeded, labels, 0)
    classes = shape_of(log_p)[-1]
    labels = _class_labels(labels, classes=classes)
    picked = m.take_along_axis(log_p, m.reshape(labels, (*shape_of(labels), 1)), axis=-1)
    if weight is not None:
        kept = m.multiply(kept, m.take(one_per_class(weight, classes), labels, axis=0))
    return m.reshape(picked, shape_of(labels)), kept


def one_per_class(weight: Any, classes: int) -> Any:
    """Return `weight` after checking that it has one factor for each class. Raises ShapeError."""
    if shape_of(weight) != (classes,):
        raise ShapeError(f"expected weight of shape ({classes},), one factor per class, got {shape_of(weight)}")
    return weight


def weighted(losses: Any, share: Any, reduction: str) -> Any:
    """Return the sum of the losses over that of their shares, or what another reduction makes of them."""
    if reduction != "mean" or share.__class__ is float:
        return reduced("cross_entropy", losses, reduction)
    return m.divide(m.sum(losses), m.sum(share))


def classes_last(name: str, logits: Any) -> Any:
    """Move the classes, which are on axis 1 (axis 0 without a batch), to the last axis."""
    ndim = ndim_of(logits)
    if not ndim:
        raise ShapeError(f"{name}: expected input of shape (N, C), (C,) or (N, C, d1, …), got ()")
    return logits if ndim <= 2 else m.permute_dims(logits, (0, *range(2, ndim), 1))


def check_labels_shape(name: str, logits: Any, labels: Any) -> None:
    """Raise ShapeError unless there is one label for each row of logits."""
    shape, have = shape_of(logits), shape_of(labels)
    if have != shape[:-1]:
        raise ShapeError(f"{name}: expected labels of shape {shape[:-1]} for {shape[-1]} classes, got {have}")
