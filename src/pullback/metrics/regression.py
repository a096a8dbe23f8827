"""Figures of regression: mean errors, and the share of the variance that is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from .metric import Metric

__all__ = ["MAE", "MSE", "R2"]


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
        raise NotImplementedError(f"{type(self).__name__} must define _of(self, errors): their sum")


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


def _differences(name: str, outputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: expected outputs and targets of one shape, got {outputs.shape} and {targets.shape}; "
            f"a model with one output per row wants targets of shape (n, 1)"
        )
    return outputs.astype(np.float64) - targets
