"""Losses under Keras' names: called with (y_true, y_pred), they return the mean over the samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import dtype_of, ndim_of, shape_of
from ..nn import functional as F
from .names import named
from .recipe import Recorded

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "loss_of",
]

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as in Keras
REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss(Recorded):
    """What you subclass for a loss of your own: ``call(y_true, y_pred)`` gives a number for each sample, (n, …).

    Called with (y_true, y_pred, sample_weight=None) it gives what ``reduction`` makes of them: "sum_over_batch_size"
    (or "mean") the sum divided by their number, "mean_with_sample_weight" the sum divided by that of the weights,
    "sum", or None the numbers. Targets are brought to the dtype of the outputs, and (n,) goes with (n, 1).
    """

    name = "loss"

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size") -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"{type(self).__name__}: reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        self.name = name or type(self).name
        self.reduction = reduction

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return reduced(self.name, self.call(*self.fitted(y_true, y_pred)), sample_weight, self.reduction)

    def fitted(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """The targets in shape and dtype of the outputs."""
        shape, wanted = shape_of(y_true), shape_of(y_pred)
        if (*shape, 1) == wanted:
            y_true = m.reshape(y_true, wanted)
        if dtype_of(y_true) != dtype_of(y_pred):
            y_true = m.astype(y_true, dtype_of(y_pred))
        return y_true, y_pred


def reduced(name: str, values: Any, weight: Any, reduction: str | None) -> Any:
    """What the reduction makes of the losses of the samples, each times its weight."""
    if weight is not None:
        missing = ndim_of(values) - ndim_of(weight)
        if missing < 0 or shape_of(weight) != shape_of(values)[: ndim_of(weight)]:
            raise ShapeError(
                f"{name}: sample_weight: expected one weight per sample, {shape_of(values)[:1]}, or the shape "
                f"{shape_of(values)} of the losses; got {shape_of(weight)}"
            )
        weight = m.astype(m.reshape(weight, (*shape_of(weight), *(1,) * missing)), dtype_of(values))
        values = m.multiply(values, weight)
    if reduction in (None, "none"):
        return values
    total = m.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return m.divide(total, m.sum(m.broadcast_to(weight, shape_of(values))))
    return m.divide(total, math.prod(shape_of(values)))


class CategoricalCrossentropy(Loss):
    """−Σ_c t_c log p_c for targets t (n, …, classes), one-hot or probabilities.

    ``from_logits``: y_pred holds logits; else probabilities, which are divided by their sum and kept 1e-7 away
    from 0 and 1. ``label_smoothing``: the share of the uniform distribution in the target.
    """

    name = "categorical_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CategoricalCrossentropy: expected label_smoothing in [0, 1], got {label_smoothing}")
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        hint = "for labels 0, 1, 2, … use sparse_categorical_crossentropy"
        same_shape(self.name, y_true, y_pred, f"one row of classes per sample; {hint}")
        if self.label_smoothing:
            share = self.label_smoothing / shape_of(y_pred)[-1]
            y_true = m.add(m.multiply(y_true, 1 - self.label_smoothing), share)
        log_p = _log_probabilities(y_pred, self.from_logits)
        return m.negative(m.sum(m.multiply(y_true, log_p), axis=-1))


class SparseCategoricalCrossentropy(Loss):
    """−log p of the right class, for integer labels (n, …) or (n, …, 1); y_pred (n, …, classes).

    ``ignore_class``: a label that does not count.
    """

    name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.from_logits, self.ignore_class = from_logits, ignore_class

    def fitted(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return y_true, y_pred

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels, shape = shape_of(y_true), shape_of(y_pred)
        if labels not in (shape[:-1], (*shape[:-1], 1)):
            raise ShapeError(
                f"{self.name}: expected one label per sample, {shape[:-1]}, for y_pred of shape {shape}; got y_true "
                f"of shape {labels}. For one-hot rows use categorical_crossentropy"
            )
        log_p = m.reshape(_log_probabilities(y_pred, self.from_logits), (-1, shape[-1]))
        values = F.nll_loss(log_p, m.reshape(y_true, (-1,)), ignore_index=self.ignore_class, reduction="none")
        return m.reshape(values, shape[:-1])


class BinaryCrossentropy(Loss):
    """−t log p − (1 − t) log(1 − p), the mean over the last axis; p is kept 1e-7 away from 0 and 1."""

    name = "binary_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        same_shape(self.name, y_true, y_pred)
        if self.label_smoothing:
            y_true = m.add(m.multiply(y_true, 1 - self.label_smoothing), 0.5 * self.label_smoothing)
        if self.from_logits:
            return _row_mean(F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none"))
        p = m.clip(y_pred, EPSILON, 1 - EPSILON)
        return _row_mean(F.binary_cross_entropy(p, y_true, reduction="none"))


class _Elementwise(Loss):
    """The mean over the last axis of a number for each element."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        same_shape(self.name, y_true, y_pred)
        return _row_mean(self.each(y_true, y_pred))

    def each(self, t: Any, y: Any) -> Any:
        """The loss of each element."""
        raise NotImplementedError(f"{type(self).__name__} must define each(self, t, y)")


class MeanSquaredError(_Elementwise):
    """The mean of (y_pred − y_true)²."""

    name = "mean_squared_error"

    def each(self, t: Any, y: Any) -> Any:
        return F.mse_loss(y, t, reduction="none")


class MeanAbsoluteError(_Elementwise):
    """The mean of |y_pred − y_true|."""

    name = "mean_absolute_error"

    def each(self, t: Any, y: Any) -> Any:
        return F.l1_loss(y, t, reduction="none")


class MeanAbsolutePercentageError(_Elementwise):
    """100 times the mean of |y_true − y_pred| / max(|y_true|, 1e-7)."""

    name = "mean_absolute_percentage_error"

    def each(self, t: Any, y: Any) -> Any:
        return m.multiply(100.0, m.abs(m.divide(m.subtract(t, y), m.maximum(m.abs(t), EPSILON))))


class MeanSquaredLogarithmicError(_Elementwise):
    """The mean of (log(1 + y_true) − log(1 + y_pred))², both at least 1e-7."""

    name = "mean_squared_logarithmic_error"

    def each(self, t: Any, y: Any) -> Any:
        error = m.subtract(*(m.log(m.add(m.maximum(x, EPSILON), 1.0)) for x in (y, t)))
        return m.multiply(error, error)


class Huber(_Elementwise):
    """½ e² where |e| ≤ δ, else δ (|e| − ½ δ), for e = y_pred − y_true; the mean."""

    name = "huber"

    def __init__(self, delta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delta = delta

    def each(self, t: Any, y: Any) -> Any:
        return F.huber_loss(y, t, delta=self.delta, reduction="none")


class LogCosh(_Elementwise):
    """The mean of log cosh(y_pred − y_true), as e + softplus(−2 e) − log 2."""

    name = "log_cosh"

    def each(self, t: Any, y: Any) -> Any:
        e = m.subtract(y, t)
        return m.subtract(m.add(e, m.softplus(m.multiply(e, -2.0))), math.log(2))


class Poisson(_Elementwise):
    """The mean of y_pred − y_true log(y_pred + 1e-7)."""

    name = "poisson"

    def each(self, t: Any, y: Any) -> Any:
        return m.subtract(y, m.multiply(t, m.log(m.add(y, EPSILON))))


class Hinge(_Elementwise):
    """The mean of max(1 − t y, 0); targets 0 count as −1."""

    name = "hinge"

    def each(self, t: Any, y: Any) -> Any:
        signs = m.where(m.equal(t, 0), -1.0, t)
        return m.relu(m.subtract(1.0, m.multiply(signs, y)))


class CategoricalHinge(Loss):
    """max(0, 1 + the largest output of a wrong class − that of the right one)."""

    name = "categorical_hinge"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        same_shape(self.name, y_true, y_pred)
        right = m.sum(m.multiply(y_true, y_pred), axis=-1)
        wrong = m.max(m.multiply(m.subtract(1.0, y_true), y_pred), axis=-1)
        return m.relu(m.add(m.subtract(wrong, right), 1.0))


class KLDivergence(Loss):
    """Σ t log(t/p) along the last axis, both kept in [1e-7, 1]."""

    name = "kl_divergence"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        same_shape(self.name, y_true, y_pred)
        t, p = m.clip(y_true, EPSILON, 1.0), m.clip(y_pred, EPSILON, 1.0)
        return m.sum(m.multiply(t, m.log(m.divide(t, p))), axis=-1)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between y_true and y_pred along ``axis``."""

    name = "cosine_similarity"

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Any:
        same_shape(self.name, y_true, y_pred)

        def unit(x: Any) -> Any:
            square = m.sum(m.multiply(x, x), axis=self.axis, keepdims=True)
            return m.divide(x, m.sqrt(m.maximum(square, 1e-12)))

        return m.negative(m.sum(m.multiply(unit(y_true), unit(y_pred)), axis=self.axis))


class FunctionLoss(Loss):
    """A function of (y_true, y_pred) that gives a number, or one for each sample, as a loss."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(getattr(function, "__name__", "loss"))
        self.function = function

    def fitted(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        fits = shape_of(y_pred) in (shape_of(y_true), (*shape_of(y_true), 1))
        return super().fitted(y_true, y_pred) if fits else (y_true, y_pred)  # labels stay integers

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


_LOSSES: tuple[type[Any], ...] = (
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    BinaryCrossentropy,
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Huber,
    LogCosh,
    Poisson,
    Hinge,
    CategoricalHinge,
    KLDivergence,
    CosineSimilarity,
)
LOSSES: dict[str, Any] = {kind.name: kind for kind in _LOSSES} | {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "kld": KLDivergence,
}


def loss_of(loss: Any) -> Loss:
    """A loss by its name, or as given: a `Loss`, or a function of (y_true, y_pred)."""
    found = named("loss", loss, LOSSES)
    found = found() if isinstance(loss, str) else found
    if isinstance(found, Loss):
        return found
    if not callable(found) or isinstance(found, type):
        raise TypeError(
            f"loss: expected a name, an object such as losses.MeanSquaredError(), or a function; got {found!r}"
        )
    return FunctionLoss(found)


def same_shape(name: str, y_true: Any, y_pred: Any, hint: str = "") -> None:
    """Raise ShapeError unless targets and outputs have one shape."""
    if shape_of(y_true) != shape_of(y_pred):
        raise ShapeError(
            f"{name}: expected y_true of the shape {shape_of(y_pred)} of y_pred, got {shape_of(y_true)}"
            + (f": {hint}" if hint else "")
        )


def _log_probabilities(y_pred: Any, from_logits: bool) -> Any:
    if from_logits:
        return m.log_softmax(y_pred, axis=-1)
    p = m.divide(y_pred, m.sum(y_pred, axis=-1, keepdims=True))
    return m.log(m.clip(p, EPSILON, 1 - EPSILON))


def _row_mean(values: Any) -> Any:
    return m.mean(values, axis=-1) if ndim_of(values) else values
