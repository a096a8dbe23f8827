"""The area under the ROC curve: how well scores put the classes in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from .metric import Metric

__all__ = ["ROCAUC"]


class ROCAUC(Metric):
    r"""The probability that an item of the class has a larger score than one that is not of it; ties count half.

    For two classes: scores in the shape of the targets (n, …), which are 0 and 1, or outputs (n, 2) with targets
    (n,), of which the difference is the score. For more: outputs (n, classes) with integer targets (n,), each class
    against all others; ``average`` is "macro", the mean, or "weighted", by how many targets each class has.

    It is exact, and keeps all scores until `reset`: 8 to 16 bytes for each. NaN when a class has no items or all.
    Raises ValueError for a score that is NaN or a target out of range, ShapeError, TypeError.

    >>> auc = ROCAUC()
    >>> auc.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    >>> auc.result()
    0.75
    """

    name = "auc"

    def __init__(self, average: str = "macro") -> None:
        if average not in ("macro", "weighted"):
            raise ValueError(f"ROCAUC: expected average to be 'macro' or 'weighted', got {average!r}")
        self.average = average
        self.reset()

    def reset(self) -> None:
        self.scores: list[NDArray[Any]] = []
        self.labels: list[NDArray[Any]] = []

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        outputs, targets = np.asarray(outputs), np.asarray(targets)
        if outputs.shape == targets.shape:
            scores, labels, classes = outputs.reshape(-1, 1), targets.reshape(-1), 2
        elif outputs.ndim == 2 and targets.shape == outputs.shape[:1]:
            classes = outputs.shape[1]
            scores = outputs[:, 1:] - outputs[:, :1] if classes == 2 else outputs
            labels = targets
        else:
            raise ShapeError(
                f"auc: expected outputs (n, classes) with targets (n,), or two equal shapes; got outputs "
                f"{outputs.shape} and targets {targets.shape}"
            )
        if np.isnan(scores).any():
            raise ValueError("auc: a score is NaN, so it has no place in the order")
        wrong = ~np.isin(labels, np.arange(classes))
        if wrong.any():
            raise ValueError(f"auc: the target {labels[wrong][0]} is not one of the {classes} classes")
        if self.scores and self.scores[0].shape[1] != scores.shape[1]:
            raise ShapeError(f"auc: expected {self.scores[0].shape[1]} scores an item as before, got {scores.shape[1]}")
        self.scores.append(np.array(scores))
        self.labels.append(labels.astype(np.int64))

    def result(self) -> float:
        if not self.scores:
            return float("nan")
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        if scores.shape[1] == 1:
            return _area(scores[:, 0], labels == 1)
        areas = [_area(scores[:, c], labels == c) for c in range(scores.shape[1])]
        if self.average == "macro":
            return float(np.mean(areas))
        return float(np.average(areas, weights=np.bincount(labels, minlength=len(areas))))


def _area(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Mann and Whitney's statistic: the sum of the ranks of the positives, ties sharing the mean of theirs."""
    count, positives = len(scores), int(np.count_nonzero(positive))
    negatives = count - positives
    if not positives or not negatives:
        return float("nan")
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(ties)
    twice_mean_rank = 2 * ends - ties + 1
    twice_sum = int(twice_mean_rank[place.reshape(-1)][positive].sum())
    return (twice_sum - positives * (positives + 1)) / (2 * positives * negatives)
