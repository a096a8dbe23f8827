"""Metrics under Keras' names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from ..metrics import MAE, MSE, R2, Metric
from .names import named

__all__ = ["Accuracy", "metric_of"]


class Accuracy(Metric):
    """The share of right answers, whichever way the question was put.

    One output per sample: above 0.5 is yes. Several: the largest wins, for targets that are one-hot rows as well as
    for integer labels. Raises ShapeError for targets that fit neither.
    """

    def __init__(self, name: str = "accuracy") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        if outputs.shape == targets.shape:
            if outputs.shape[-1] == 1:
                right = (outputs > 0.5) == (targets > 0.5)
            else:
                right = outputs.argmax(-1) == targets.argmax(-1)
        elif targets.shape in (outputs.shape[:-1], (*outputs.shape[:-1], 1)):
            right = outputs.argmax(-1) == targets.reshape(outputs.shape[:-1])
        else:
            raise ShapeError(f"accuracy: y_true of shape {targets.shape} does not fit y_pred of shape {outputs.shape}")
        self.right += int(np.count_nonzero(right))
        self.count += right.size

    def result(self) -> float:
        return self.right / self.count if self.count else float("nan")


_NAMES: dict[str, type[Metric]] = {"accuracy": Accuracy, "acc": Accuracy, "mae": MAE, "mse": MSE, "r2": R2}


def metric_of(metric: Any) -> Metric:
    """A metric by its name, or as given (a `pullback.metrics.Metric`)."""
    found = named("metrics", metric, _NAMES)
    if isinstance(metric, str):
        found = found()
        found.name = metric
    if not isinstance(found, Metric):
        raise TypeError(f"metrics: expected names or Metric objects, got {found!r}")
    return found
