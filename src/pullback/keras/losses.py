"""Losses under Keras' names: called with (y_true, y_pred), they return the mean over the samples."""

from __future__ import annotations

from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import shape_of
from ..nn import functional as F
from .names import named

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "loss_of",
]

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as in Keras


class CategoricalCrossentropy:
    """−Σ_c t_c log p_c for targets t (n, …, classes), one-hot or probabilities.

    ``from_logits``: y_pred holds logits; else probabilities, which are divided by their sum and kept 1e-7 away
    from 0 and 1. ``label_smoothing``: the share of the uniform distribution in the target.
    """

    name = "categorical_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CategoricalCrossentropy: expected label_smoothing in [0, 1], got {label_smoothing}")
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        hint = "for labels 0, 1, 2, … use sparse_categorical_crossentropy"
        _same_shape(self.name, y_true, y_pred, f"one row of classes per sample; {hint}")
        if self.label_smoothing:
            share = self.label_smoothing / shape_of(y_pred)[-1]
            y_true = m.add(m.multiply(y_true, 1 - self.label_smoothing), share)
        log_p = _log_probabilities(y_pred, self.from_logits)
        return m.negative(m.mean(m.sum(m.multiply(y_true, log_p), axis=-1)))


class SparseCategoricalCrossentropy:
    """−log p of the right class, for integer labels (n, …) or (n, …, 1); y_pred (n, …, classes)."""

    name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        labels, shape = shape_of(y_true), shape_of(y_pred)
        if labels not in (shape[:-1], (*shape[:-1], 1)):
            raise ShapeError(
                f"{self.name}: expected one label per sample, {shape[:-1]}, for y_pred of shape {shape}; got y_true "
                f"of shape {labels}. For one-hot rows use categorical_crossentropy"
            )
        log_p = m.reshape(_log_probabilities(y_pred, self.from_logits), (-1, shape[-1]))
        return F.nll_loss(log_p, m.reshape(y_true, (-1,)))


class BinaryCrossentropy:
    """−t log p − (1 − t) log(1 − p), mean over all elements; p is kept 1e-7 away from 0 and 1."""

    name = "binary_crossentropy"

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        _same_shape(self.name, y_true, y_pred)
        if self.from_logits:
            return F.binary_cross_entropy_with_logits(y_pred, y_true)
        return F.binary_cross_entropy(m.clip(y_pred, EPSILON, 1 - EPSILON), y_true)


class MeanSquaredError:
    """The mean of (y_pred − y_true)²."""

    name = "mean_squared_error"

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        _same_shape(self.name, y_true, y_pred)
        return F.mse_loss(y_pred, y_true)


class MeanAbsoluteError:
    """The mean of |y_pred − y_true|."""

    name = "mean_absolute_error"

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        _same_shape(self.name, y_true, y_pred)
        return F.l1_loss(y_pred, y_true)


class Huber:
    """½ e² where |e| ≤ δ, else δ (|e| − ½ δ), for e = y_pred − y_true; the mean."""

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        _same_shape(self.name, y_true, y_pred)
        return F.huber_loss(y_pred, y_true, delta=self.delta)


_LOSSES: tuple[type[Any], ...] = (
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    BinaryCrossentropy,
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
)
_NAMES: dict[str, Any] = {kind.name: kind for kind in _LOSSES} | {"mse": MeanSquaredError, "mae": MeanAbsoluteError}


def loss_of(loss: Any) -> Any:
    """A loss by its name, or as given: any function of (y_true, y_pred) that returns a scalar."""
    found = named("loss", loss, _NAMES)
    found = found() if isinstance(loss, str) else found
    if not callable(found) or isinstance(found, type):
        raise TypeError(
            f"loss: expected a name, an object such as losses.MeanSquaredError(), or a function; got {found!r}"
        )
    return found


def _log_probabilities(y_pred: Any, from_logits: bool) -> Any:
    if from_logits:
        return m.log_softmax(y_pred, axis=-1)
    p = m.divide(y_pred, m.sum(y_pred, axis=-1, keepdims=True))
    return m.log(m.clip(p, EPSILON, 1 - EPSILON))


def _same_shape(name: str, y_true: Any, y_pred: Any, hint: str = "") -> None:
    if shape_of(y_true) != shape_of(y_pred):
        raise ShapeError(
            f"{name}: expected y_true of the shape {shape_of(y_pred)} of y_pred, got {shape_of(y_true)}"
            + (f": {hint}" if hint else "")
        )
