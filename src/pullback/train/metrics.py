"""Metrics: figures about a whole data set, added up batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError

__all__ = ["MAE", "MSE", "R2", "Accuracy", "MeanLoss", "Metric", "named_metric"]


class Metric:
    """What you subclass for a figure of your own: `reset`, then `update` per batch, then `result`.

    ``name``: under which the figure stands in the history.
    The sums are kept in float64 whatever the dtype of the batch, and no batch is kept.
    """

    name: str = "metric"

    def reset(self) -> None:
        """Forget everything that was added up."""
        raise NotImplementedError(f"{type(self).__name__} must define reset(self)")

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Add one batch: the model's outputs, shape (n, …), and what they should have been."""
        raise NotImplementedError(f"{type(self).__name__} must define update(self, outputs, targets)")

    def result(self) -> float:
        """The figure so far; NaN before the first batch."""
        raise NotImplementedError(f"{type(self).__name__} must define result(self)")

    def state_dict(self) -> dict[str, Any]:
        """What was added up, for a checkpoint in the middle of an epoch: by default all attributes.

        They must be what `pullback.save` takes: numbers, strings, arrays, lists and dictionaries of them.
        """
        return dict(vars(self))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        vars(self).update(state_dict)


class Accuracy(Metric):
    r"""The share of right answers, $\frac1n\sum_i [\hat y_i = y_i]$.

    With outputs of shape (n, classes, …) and integer targets of shape (n, …) the answer is the class with
    the largest output, the first of equals. With outputs and targets of one shape (yes-or-no questions) it is
    whether the output is above ``threshold``: 0.5 for probabilities, 0.0 for logits.

    Raises ShapeError for shapes that fit neither way, TypeError for classes that are not integers.

    >>> accuracy = Accuracy()
    >>> accuracy.update(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), np.array([1, 0, 0]))
    >>> round(accuracy.result(), 3)
    0.667
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        if outputs.shape == targets.shape:
            right = (outputs > self.threshold) == (targets > 0.5)
        elif outputs.ndim == targets.ndim + 1 and outputs.shape[:1] + outputs.shape[2:] == targets.shape:
            if targets.dtype.kind not in "iub":
                raise TypeError(
                    f"accuracy: targets expected integers, one class per row of outputs {outputs.shape}; got "
                    f"dtype {targets.dtype}. A regression has no accuracy: metrics=('mae', 'r2')"
                )
            right = outputs.argmax(axis=1) == targets
        else:
            raise ShapeError(
                f"accuracy: expected outputs (n, classes, …) with targets (n, …), or two equal shapes; got "
                f"outputs {outputs.shape} and targets {targets.shape}"
            )
        self.right += int(np.count_nonzero(right))
        self.count += right.size

    def result(self) -> float:
        return self.right / self.count if self.count else float("nan")


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


class _Errors(Metric):
    """The mean of something about the errors; outputs and targets must have one shape."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        errors = _differences(self.name, outputs, targets)
        self.total += self._of(errors)
        self.count += errors.size

    def result(self) -> float:
        return self.total / self.count if self.count else float("nan")

    def _of(self, errors: NDArray[np.float64]) -> float:
        raise NotImplementedError


class MAE(_Errors):
    r"""The mean absolute error, $\frac1n\sum_i |\hat y_i - y_i|$.

    >>> mae = MAE()
    >>> mae.update(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    >>> mae.result()
    1.5
    """

    name = "mae"

    def _of(self, errors: NDArray[np.float64]) -> float:
        return float(np.abs(errors).sum())


class MSE(_Errors):
    r"""The mean squared error, $\frac1n\sum_i (\hat y_i - y_i)^2$.

    >>> mse = MSE()
    >>> mse.update(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    >>> mse.result()
    2.5
    """

    name = "mse"

    def _of(self, errors: NDArray[np.float64]) -> float:
        return float(np.square(errors).sum())


class R2(Metric):
    r"""The share of the targets' variance that is explained,
    $1 - \sum_i (\hat y_i - y_i)^2 / \sum_i (y_i - \bar y)^2$; with several outputs, the mean over them.

    1 is perfect, 0 is what the mean of the targets would reach, and NaN where an output's targets do not
    vary. The batches' means and squared deviations are merged as in Chan, Golub, LeVeque (1979), which does
    not cancel when the targets are far from 0.

    >>> r2 = R2()
    >>> r2.update(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    >>> round(r2.result(), 4)
    0.7857
    """

    name = "r2"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.deviations: Any = 0.0
        self.residuals: Any = 0.0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        errors = _differences(self.name, outputs, targets)
        values = targets.astype(np.float64)
        count = len(values)
        if not count:
            return
        mean = values.mean(axis=0)
        together = self.count + count
        apart = mean - self.mean
        self.deviations = (
            self.deviations + np.square(values - mean).sum(axis=0) + np.square(apart) * (self.count * count / together)
        )
        self.mean = self.mean + apart * (count / together)
        self.residuals = self.residuals + np.square(errors).sum(axis=0)
        self.count = together

    def result(self) -> float:
        if not self.count:
            return float("nan")
        deviations = np.where(self.deviations == 0, np.nan, self.deviations)
        return float(np.mean(1 - self.residuals / deviations))


_NAMES: dict[str, type[Metric]] = {"accuracy": Accuracy, "mae": MAE, "mse": MSE, "r2": R2}


def named_metric(metric: str | Metric, *, threshold: float = 0.5) -> Metric:
    """The metric called ``metric`` ("accuracy", "mae", "mse", "r2"); a `Metric` is returned as it is.

    ``threshold``: for "accuracy", see `Accuracy`. Raises ValueError for a name that does not exist.
    """
    if isinstance(metric, Metric):
        return metric
    if metric == "accuracy":
        return Accuracy(threshold)
    if not isinstance(metric, str) or metric not in _NAMES:
        names = ", ".join(map(repr, _NAMES))
        raise ValueError(f"metrics: expected some of {names} or Metric objects, got {metric!r}")
    return _NAMES[metric]()


def results(metrics: Sequence[Metric]) -> dict[str, float]:
    """The figures of several metrics by name."""
    return {metric.name: metric.result() for metric in metrics}


def _differences(name: str, outputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: expected outputs and targets of one shape, got {outputs.shape} and {targets.shape}; "
            f"a model with one output per row wants targets of shape (n, 1)"
        )
    return outputs.astype(np.float64) - targets
