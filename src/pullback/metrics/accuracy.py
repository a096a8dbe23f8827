"""Figures of classification that need no more than the right answers counted: accuracy, top-k, perplexity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from .metric import Metric

__all__ = ["Accuracy", "Perplexity", "TopKAccuracy"]


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


class TopKAccuracy(Metric):
    r"""The share of items whose right class is among the ``k`` with the largest outputs.

    Outputs of shape (n, classes, …), integer targets (n, …). Of equal outputs the first count as larger, so
    that ``k=1`` is `Accuracy`. Raises ValueError for k < 1 and a target out of range, ShapeError, TypeError.

    >>> top = TopKAccuracy(k=2)
    >>> top.update(np.array([[0.1, 0.5, 0.4], [0.8, 0.15, 0.05]]), np.array([2, 2]))
    >>> top.result()
    0.5
    """

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"TopKAccuracy: expected k to be a positive integer, got {k!r}")
        self.k = int(k)
        self.name = f"top{self.k}_accuracy"
        self.reset()

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        outputs, targets = scores_and_labels(self.name, outputs, targets)
        own = np.take_along_axis(outputs, targets[:, None], axis=1)
        before = np.arange(outputs.shape[1]) < targets[:, None]
        rank = ((outputs > own) | ((outputs == own) & before)).sum(axis=1)
        self.right += int(np.count_nonzero((rank < self.k) & ~np.isnan(own[:, 0])))
        self.count += len(targets)

    def result(self) -> float:
        return self.right / self.count if self.count else float("nan")


class Perplexity(Metric):
    r"""Among how many classes the model hesitates, $\exp(-\frac1n\sum_i \log \operatorname{softmax}(z_i)_{y_i})$.

    Outputs are logits (n, classes, …), targets integers (n, …); ``ignore_index`` is a target that does not
    count. Raises ValueError for a target out of range, ShapeError, TypeError.

    >>> perplexity = Perplexity()
    >>> perplexity.update(np.zeros((2, 4)), np.array([0, 3]))
    >>> round(perplexity.result(), 9)
    4.0
    """

    name = "perplexity"

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        logits, labels = scores_and_labels(self.name, outputs, targets, self.ignore_index)
        logits = logits.astype(np.float64)
        largest = logits.max(axis=1, initial=-np.inf)
        picked = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
        self.total += float((np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest - picked).sum())
        self.count += len(labels)

    def result(self) -> float:
        if not self.count:
            return float("nan")
        mean = self.total / self.count
        return math.exp(mean) if mean < 700 else float("inf")


def scores_and_labels(
    name: str, outputs: Any, targets: Any, ignore_index: int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Outputs (n, classes, …) and targets (n, …) as rows of scores (m, classes) and labels (m,), after checking."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.ndim != targets.ndim + 1 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise ShapeError(
            f"{name}: expected outputs (n, classes, …) with targets (n, …); got outputs {outputs.shape} and targets "
            f"{targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise TypeError(f"{name}: targets expected integers, one class per row of outputs; got dtype {targets.dtype}")
    classes = outputs.shape[1]
    rows, labels = np.moveaxis(outputs, 1, -1).reshape(-1, classes), targets.reshape(-1)
    if ignore_index is not None:
        rows, labels = rows[labels != ignore_index], labels[labels != ignore_index]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise ValueError(
            f"{name}: the target {labels[wrong][0]} is not one of the {classes} classes 0, …, {classes - 1}"
        )
    return rows, labels
