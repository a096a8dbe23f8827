"""The confusion matrix, and what follows from it: precision, recall, F1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from .metric import Metric

__all__ = ["F1", "ConfusionMatrix", "Precision", "Recall"]

AVERAGES = ("binary", "micro", "macro", "weighted")


class ConfusionMatrix:
    r"""How often which class was taken for which: $C_{ij}$ items of class $i$ were answered $j$.

    ``update`` takes outputs (n, classes, …) with integer targets (n, …), where the answer is the class with the
    largest output; or integer answers in the shape of the targets; or, for a yes-or-no question, outputs in
    the shape of the targets, which say yes above ``threshold``. The matrix has as many rows as ``num_classes``,
    or as the highest class so far (None). It is an array, and not a number for a history.

    Raises ShapeError and TypeError for what fits neither way, ValueError for a class out of range.

    >>> matrix = ConfusionMatrix()
    >>> matrix.update(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    >>> matrix.result().tolist()
    [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """

    name = "confusion_matrix"

    def __init__(self, num_classes: int | None = None, threshold: float = 0.5) -> None:
        self.num_classes = num_classes
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forget everything that was added up."""
        size = self.num_classes or 0
        self.matrix = np.zeros((size, size), np.int64)

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Add one batch."""
        answers, labels, classes = answers_and_labels(self.name, outputs, targets, self.threshold)
        highest = max(classes, int(answers.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1)
        lowest = min(int(answers.min(initial=0)), int(labels.min(initial=0)))
        if lowest < 0 or (self.num_classes is not None and highest > self.num_classes):
            wrong = lowest if lowest < 0 else highest - 1
            known = "0, 1, …" if self.num_classes is None else f"0, …, {self.num_classes - 1}"
            raise ValueError(f"{self.name}: the class {wrong} is not one of {known}")
        size = max(highest, len(self.matrix))
        if size > len(self.matrix):
            self.matrix = np.pad(self.matrix, (0, size - len(self.matrix)))
        self.matrix += np.bincount(labels * size + answers, minlength=size * size).reshape(size, size)

    def result(self) -> NDArray[np.int64]:
        """The matrix so far; rows are the targets, columns the answers."""
        return self.matrix.copy()


def answers_and_labels(
    name: str, outputs: Any, targets: Any, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The answers and the targets as flat arrays of integers, and how many classes the outputs know."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    classes = 0
    if outputs.shape == targets.shape:
        if outputs.dtype.kind == "f":
            answers, classes = outputs > threshold, 2
            targets = targets > 0.5
        else:
            answers = outputs
    elif outputs.ndim == targets.ndim + 1 and outputs.shape[:1] + outputs.shape[2:] == targets.shape:
        classes = outputs.shape[1]
        answers = outputs.argmax(axis=1)
    else:
        raise ShapeError(
            f"{name}: expected outputs (n, classes, …) with targets (n, …), or two equal shapes; got outputs "
            f"{outputs.shape} and targets {targets.shape}"
        )
    for what, x in (("outputs", answers), ("targets", targets)):
        if x.dtype.kind not in "iub":
            raise TypeError(f"{name}: {what} expected integers, one class per item; got dtype {x.dtype}")
    return answers.astype(np.int64).ravel(), targets.astype(np.int64).ravel(), classes


class _FromCounts(Metric):
    """A figure of each class that follows from true positives, false positives and false negatives; their average.

    ``average``: "binary", the figure of class 1 among two; "macro", the mean over the classes; "weighted", the
    mean weighted by how many targets a class has; "micro", the figure of the counts of all classes together.
    A class counts if it occurs among targets or answers. ``zero_division``: the value where there is nothing
    to divide by. ``threshold``: for yes-or-no questions, see `ConfusionMatrix`.
    """

    def __init__(self, average: str = "binary", *, threshold: float = 0.5, zero_division: float = 0.0) -> None:
        if average not in AVERAGES:
            raise ValueError(f"{type(self).__name__}: expected average to be one of {AVERAGES}, got {average!r}")
        self.average, self.zero_division = average, zero_division
        self.name = self.name if average == "binary" else f"{self.name}_{average}"
        self.confusion = ConfusionMatrix(threshold=threshold)
        self.confusion.name = self.name

    def reset(self) -> None:
        self.confusion.reset()

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        if self.average == "binary":
            answers, labels, classes = answers_and_labels(self.name, outputs, targets, self.confusion.threshold)
            if max(classes, answers.max(initial=0) + 1, labels.max(initial=0) + 1) > 2:
                raise ValueError(
                    f"{self.name}: average='binary' is for two classes; choose 'macro', 'weighted' or 'micro'"
                )
        self.confusion.update(outputs, targets)

    def per_class(self) -> NDArray[np.float64]:
        """The figure of each class."""
        return self._of(*self._counts())

    def result(self) -> float:
        right, answered, wanted = self._counts()
        if not wanted.sum():
            return float("nan")
        if self.average == "binary":
            right, answered, wanted = (x[1:2] if len(x) > 1 else np.zeros(1) for x in (right, answered, wanted))
            return float(self._of(right, answered, wanted)[0])
        if self.average == "micro":
            return float(self._of(*(np.array([x.sum()]) for x in (right, answered, wanted)))[0])
        occurs = answered + wanted > 0
        figures = self._of(right, answered, wanted)[occurs]
        if self.average == "macro":
            return float(figures.mean())
        return float((figures * wanted[occurs]).sum() / wanted.sum())

    def _counts(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        matrix = self.confusion.matrix
        return np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)

    def _of(self, right: Any, answered: Any, wanted: Any) -> NDArray[np.float64]:
        raise NotImplementedError(
            f"{type(self).__name__} must define _of(self, right, answered, wanted): the figure of each class"
        )

    def _divided(self, a: Any, b: Any) -> NDArray[np.float64]:
        return np.where(b > 0, a / np.where(b > 0, b, 1), self.zero_division)


class Precision(_FromCounts):
    r"""The share of the answers "this class" that are right, $\frac{tp}{tp + fp}$.

    ``average``: "binary", "macro", "weighted" or "micro"; ``zero_division``: the value of a class that was never
    answered; ``threshold``: for yes-or-no questions, see `ConfusionMatrix`. As in scikit-learn, a class
    counts if it occurs among targets or answers. Raises ValueError, ShapeError, TypeError.

    >>> precision = Precision()
    >>> precision.update(np.array([1, 1, 1, 0]), np.array([1, 0, 1, 1]))
    >>> round(precision.result(), 4)
    0.6667
    """

    name = "precision"

    def _of(self, right: Any, answered: Any, wanted: Any) -> NDArray[np.float64]:
        return self._divided(right, answered)


class Recall(_FromCounts):
    r"""The share of the items of a class that were found, $\frac{tp}{tp + fn}$. The arguments are those of `Precision`.

    >>> recall = Recall("macro")
    >>> recall.update(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    >>> round(recall.result(), 4)
    0.8333
    """

    name = "recall"

    def _of(self, right: Any, answered: Any, wanted: Any) -> NDArray[np.float64]:
        return self._divided(right, wanted)


class F1(_FromCounts):
    r"""The harmonic mean of precision and recall, $\frac{2\,tp}{2\,tp + fp + fn}$; the arguments are `Precision`'s.

    >>> f1 = F1()
    >>> f1.update(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    >>> f1.result()
    0.5
    """

    name = "f1"

    def _of(self, right: Any, answered: Any, wanted: Any) -> NDArray[np.float64]:
        return self._divided(2 * right, answered + wanted)
