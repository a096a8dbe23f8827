"""The metrics of a training: the mean of the loss, and others by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..metrics import F1, MAE, MSE, R2, ROCAUC, Accuracy, Metric, Perplexity, Precision, Recall

__all__ = ["MAE", "MSE", "R2", "Accuracy", "MeanLoss", "Metric", "named_metric", "results"]


class MeanLoss(Metric):
    """The mean of the loss over all items; batches count by their number of items.

    ``summed``: whether the loss of a batch is a sum over its items rather than their mean.
    """

    name = "loss"

    def __init__(self, summed: bool = False) -> None:
        self.summed = summed
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, loss: float, count: int) -> None:
        """Add the loss of a batch of ``count`` items."""
        self.total += loss if self.summed else loss * count
        self.count += count

    def result(self) -> float:
        return self.total / self.count if self.count else float("nan")


_NAMES: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "mae": MAE,
    "mse": MSE,
    "r2": R2,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "auc": ROCAUC,
    "perplexity": Perplexity,
}
_WITH_THRESHOLD = ("accuracy", "precision", "recall", "f1")


def named_metric(metric: str | Metric, *, threshold: float = 0.5) -> Metric:
    """The metric called ``metric`` ("accuracy", "mae", "mse", "r2", "precision", "recall", "f1", "auc",
    "perplexity"); a `Metric` is returned as it is.

    ``threshold``: for yes-or-no questions, see `Accuracy`. Raises ValueError for a name that does not exist.
    """
    if isinstance(metric, Metric):
        return metric
    if not isinstance(metric, str) or metric not in _NAMES:
        names = ", ".join(map(repr, _NAMES))
        raise ValueError(f"metrics: expected some of {names} or Metric objects, got {metric!r}")
    kind: Any = _NAMES[metric]
    return kind(threshold=threshold) if metric in _WITH_THRESHOLD else kind()


def results(metrics: Sequence[Metric]) -> dict[str, float]:
    """The figures of several metrics by name."""
    return {metric.name: metric.result() for metric in metrics}
