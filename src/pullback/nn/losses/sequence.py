"""Losses of sequences: connectionist temporal classification."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import DtypeError, ShapeError
from ...core.spec import dtype_of, ndim_of, operand, shape_of
from ...mappings.ctc import _ctc, _ctc_alignment
from .reduction import Loss, check_reduction, reduced

__all__ = ["CTCLoss", "ctc_loss"]


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return −log of the probability of all paths that spell the target (Graves et al., ICML 2006).

    A path names a class at each time; it spells what is left when repetitions are merged and then blanks are
    left out.

    `log_probs`: logarithms of probabilities (T, N, C), or (T, C) without a batch, as `log_softmax` gives them.
    `targets`: integer labels without the blank, (N, S) of which each row's first `target_lengths` count, or all
    one behind the other (Σ target_lengths,); without a batch (S,). `input_lengths`, `target_lengths`: (N,), or
    () without a batch. `reduction`: "mean" divides each loss by its target's length first.

    A target that its input is too short for raises ValueError; with `zero_infinity` it counts for nothing, as
    does one whose probability is 0. The gradient is that in `log_probs` themselves; PyTorch's has that of the
    log_softmax before them included, which makes no difference after it.

    Raises ValueError for a length out of range, IndexError for a label out of range, ShapeError, DtypeError.

    >>> import pullback as pb
    >>> even = pb.log(pb.ones((2, 1, 2)) / 2)
    >>> round(pb.exp(-pb.nn.functional.ctc_loss(even, pb.tensor([[1]]), [2], [1])).item(), 4)
    0.75
    """
    check_reduction("ctc_loss", reduction)
    log_probs, targets = operand(log_probs), operand(targets)
    input_lengths, target_lengths = operand(input_lengths), operand(target_lengths)
    shape = shape_of(log_probs)
    if len(shape) not in (2, 3) or 0 in shape:
        raise ShapeError(f"ctc_loss: expected log_probs (T, N, C) or (T, C), none of them 0, got {shape}")
    if dtype_of(log_probs).kind != "f":
        raise DtypeError(f"ctc_loss: expected floating log_probs, got {dtype_of(log_probs)}")
    for name, x in (("targets", targets), ("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if dtype_of(x).kind not in "iu" and 0 not in shape_of(x):
            raise DtypeError(f"ctc_loss: expected integer {name}, got {dtype_of(x)}")
    if not 0 <= blank < shape[-1]:
        raise ValueError(f"ctc_loss: expected blank in 0, …, {shape[-1] - 1}, got {blank}")
    batch = shape[1:-1]
    if not batch:
        input_lengths, target_lengths = (
            m.reshape(x, ()) if shape_of(x) == (1,) else x for x in (input_lengths, target_lengths)
        )
    for name, x in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if shape_of(x) != batch:
            raise ShapeError(f"ctc_loss: expected {name} of shape {batch} for log_probs {shape}, got {shape_of(x)}")
    if batch and ndim_of(targets) == 1:
        targets = _in_rows(targets, np.asarray(target_lengths))
    if shape_of(targets)[:-1] != batch or ndim_of(targets) != len(batch) + 1:
        raise ShapeError(
            f"ctc_loss: expected targets of shape {(*batch, 'S')} for log_probs {shape}, got {shape_of(targets)}"
        )
    labels = _ctc_alignment(
        m.astype(targets, np.int64),
        m.astype(input_lengths, np.int64),
        m.astype(target_lengths, np.int64),
        blank=blank,
        classes=shape[-1],
        steps=shape[0],
        zero_infinity=zero_infinity,
    )
    scores = m.permute_dims(log_probs, (1, 0, 2)) if batch else log_probs
    losses = _ctc(scores, labels, input_lengths, target_lengths)
    if zero_infinity:
        losses = m.where(m.isinf(losses), 0, losses)
    if reduction == "mean":
        losses = m.divide(losses, m.astype(m.maximum(target_lengths, 1), dtype_of(log_probs)))
    return reduced("ctc_loss", losses, reduction)


def _in_rows(targets: Any, lengths: Any) -> Any:
    """Targets that stand one behind the other, as the rows of an array."""
    if (lengths < 0).any() or lengths.sum() != shape_of(targets)[0]:
        raise ShapeError(
            f"ctc_loss: expected targets (N, S), or (Σ target_lengths,) = ({lengths.sum()},), got {shape_of(targets)}"
        )
    width = int(lengths.max(initial=0))
    if not shape_of(targets)[0]:
        return np.zeros((len(lengths), width), np.int64)
    starts = np.cumsum(lengths) - lengths
    places = np.minimum(starts[:, None] + np.arange(width), shape_of(targets)[0] - 1)
    return m.take(targets, places, axis=0)


class CTCLoss(Loss):
    """The loss of connectionist temporal classification; see `functional.ctc_loss`.

    >>> import pullback as pb
    >>> log_probs = pb.log_softmax(pb.zeros((5, 2, 4)), axis=-1)
    >>> loss = pb.nn.CTCLoss()(log_probs, pb.tensor([[1, 2], [3, 3]]), pb.tensor([5, 4]), pb.tensor([2, 2]))
    >>> round(loss.item(), 4)
    1.828
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        """Return the loss."""
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
