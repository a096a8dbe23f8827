"""Metrics under Keras' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import ShapeError
from ..metrics import F1, MAE, MSE, R2, ROCAUC, Metric, Precision, Recall
from .losses import LOSSES, Loss
from .names import named
from .recipe import Recorded

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "metric_of",
]


class Accuracy(Recorded, Metric):
    """The share of right answers, whichever way the question was put.

    One output per sample: above 0.5 is yes. Several: the largest wins, for targets that are one-hot rows as well as
    for integer labels. Raises ShapeError for targets that fit neither.
    """

    name = "accuracy"

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).name
        self.reset()

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        if (*targets.shape, 1) == outputs.shape:
            targets = targets[..., None]
        if outputs.shape == targets.shape:
            if outputs.shape[-1] == 1:
                right = (outputs > 0.5) == (targets > 0.5)
            else:
                right = outputs.argmax(-1) == targets.argmax(-1)
        elif targets.shape in (outputs.shape[:-1], (*outputs.shape[:-1], 1)):
            right = outputs.argmax(-1) == targets.reshape(outputs.shape[:-1])
        else:
            raise ShapeError(f"accuracy: y_true of shape {targets.shape} does not fit y_pred of shape {outputs.shape}")
        self._count(right)

    def _count(self, right: NDArray[Any]) -> None:
        self.right += int(np.count_nonzero(right))
        self.count += right.size

    def result(self) -> float:
        return self.right / self.count if self.count else float("nan")


class CategoricalAccuracy(Accuracy):
    """The share of rows whose largest output is where the one-hot row has its 1."""

    name = "categorical_accuracy"


class SparseCategoricalAccuracy(Accuracy):
    """The share of rows whose largest output is the label."""

    name = "sparse_categorical_accuracy"


class BinaryAccuracy(Accuracy):
    """The share of elements that are on the right side of ``threshold``."""

    name = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = threshold

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        targets = targets.reshape(outputs.shape) if (*targets.shape, 1) == outputs.shape else targets
        if targets.shape != outputs.shape:
            raise ShapeError(f"{self.name}: y_true of shape {targets.shape} does not fit y_pred {outputs.shape}")
        self._count((outputs > self.threshold) == (targets > 0.5))


class TopKCategoricalAccuracy(Accuracy):
    """The share of rows whose label (or whose one-hot row's 1) is among the ``k`` largest outputs."""

    name = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = k

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        labels = targets.argmax(-1) if targets.shape == outputs.shape else targets.reshape(outputs.shape[:-1])
        own = np.take_along_axis(outputs, labels[..., None].astype(np.int64), -1)
        self._count((outputs > own).sum(-1) < self.k)


class AUC(Recorded, ROCAUC):
    """The area under the ROC curve; see `pullback.metrics.ROCAUC`, which does not approximate."""

    name = "auc"


class MeanSquaredError(Recorded, MSE):
    """The mean of (y_pred − y_true)²."""

    name = "mean_squared_error"


class MeanAbsoluteError(Recorded, MAE):
    """The mean of |y_pred − y_true|."""

    name = "mean_absolute_error"


class RootMeanSquaredError(Recorded, MSE):
    """The root of the mean of (y_pred − y_true)²."""

    name = "root_mean_squared_error"

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class Mean(Recorded, Metric):
    """The mean over the samples of a loss, or of a function of (y_true, y_pred) that gives one number per sample."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        self.function = function
        self.name = name or str(getattr(function, "name", getattr(function, "__name__", "metric")))
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        if isinstance(self.function, Loss):
            values = np.asarray(self.function.call(*self.function.fitted(targets, outputs)))
        else:
            values = np.asarray(self.function(targets, outputs))
        weight = len(outputs) if values.ndim == 0 else 1
        self.total += float(values.sum(dtype=np.float64)) * weight
        self.count += len(outputs) if values.ndim == 0 else values.size

    def result(self) -> float:
        return self.total / self.count if self.count else float("nan")

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "count": self.count}


class OfOutput(Metric):
    """A metric of one of the outputs; targets come as a list of them and a list of their samples' weights."""

    def __init__(self, metric: Metric, place: int, name: str) -> None:
        self.metric, self.place, self.name = metric, place, name

    def reset(self) -> None:
        self.metric.reset()

    def update(self, outputs: Any, targets: Any) -> None:
        given, weights = targets
        found: Any = tree.leaves(outputs)[self.place]
        wanted: Any = given[self.place]
        if (*wanted.shape, 1) == found.shape:
            wanted = wanted[..., None]
        if isinstance(self.metric, LossOfOutput):
            wanted = (wanted, weights[self.place])
        self.metric.update(found, wanted)

    def result(self) -> float:
        return self.metric.result()

    def state_dict(self) -> dict[str, Any]:
        return self.metric.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.metric.load_state_dict(state_dict)


class LossOfOutput(Mean):
    """The mean loss of one output, measured beside the sum that is minimised; targets come with their weights."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss, loss.name)
        self.loss = loss

    def update(self, outputs: NDArray[Any], targets: Any) -> None:
        wanted, weight = targets
        value = self.loss(wanted, outputs) if weight is None else self.loss(wanted, outputs, weight)
        self.total += float(np.asarray(value)) * len(outputs)
        self.count += len(outputs)


METRICS: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "mae": MAE,
    "mse": MSE,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "root_mean_squared_error": RootMeanSquaredError,
    "r2": R2,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "auc": AUC,
}


def metric_of(metric: Any) -> Metric:
    """A metric by its name, or as given: a `pullback.metrics.Metric`, a loss or a function of (y_true, y_pred)."""
    if isinstance(metric, str) and metric.lower() in LOSSES and metric.lower() not in METRICS:
        return Mean(LOSSES[metric.lower()](), metric)
    found = named("metrics", metric, METRICS)
    if isinstance(metric, str):
        found = found()
        found.name = metric
    if isinstance(found, Metric):
        return found
    if isinstance(found, type) or not callable(found):
        raise TypeError(f"metrics: expected names, Metric objects or functions of (y_true, y_pred); got {found!r}")
    return Mean(found)
