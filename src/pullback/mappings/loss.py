"""Losses: how far a prediction is from what was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.families import composite, elementwise, fused, irregular
from ..core.mapping import INPUTS, NOTHING, unsupported
from ..core.samples import Sample, fixed, real
from ..core.spec import Spec, dtype_of, ndim_of, shape_of
from .along import _take_along
from .arithmetic import divide, multiply, negative, subtract
from .exponential import log, log1p
from .logistic import sigmoid
from .onehot import _one_hot
from .reduce import _sum
from .select import maximum
from .shape import _reshape
from .softmax import _log_softmax, _softmax

__all__: list[str] = []

inf, nan = float("inf"), float("nan")

# --------------------------------------------------------------------------------------- class labels


def check_labels(labels: Any, classes: int) -> Any:
    """Return integer `labels` after checking that each lies in 0, …, classes − 1. Raises IndexError."""
    labels = np.asarray(labels)
    if labels.size and (np.minimum.reduce(labels, None) < 0 or np.maximum.reduce(labels, None) >= classes):
        where = np.argwhere((labels < 0) | (labels >= classes))[0]
        wrong = int(labels[tuple(where)])
        hint = " (do the labels start at 1?)" if wrong == classes else ""
        if wrong == -100:
            hint = ". Labels of -100, which PyTorch leaves out unasked, are left out with ignore_index=-100"
        place = f" at index {tuple(where.tolist())}" if labels.ndim else ""
        raise IndexError(
            f"label {wrong}{place} is out of range: with {classes} classes the labels are 0, …, {classes - 1}{hint}"
        )
    return labels[()]


_class_labels = irregular(
    "class_labels",
    lambda labels, *, classes: check_labels(labels, classes),
    spec=lambda labels, *, classes: Spec(labels.shape, labels.dtype),
    batch=lambda batched, xs, *, classes: _class_labels(xs[0], classes=classes),
    arguments=("labels",),
    uses=NOTHING,
    differentiable=False,
    formula="{labels}",
    words="{labels}, checked to be classes",
    refuses=True,
    lower="class_check",
    onnx="Identity",
    samples=fixed(lambda rng: [Sample((rng.integers(0, 4, shape),), {"classes": 4}) for shape in ((5,), (2, 3), ())]),
)


# -------------------------------------------------------------------------------------- cross entropy


def _reduced(losses: Any, reduction: str) -> Any:
    axes = tuple(range(ndim_of(losses)))
    if reduction == "none":
        return losses
    total = _sum(losses, axis=axes, keepdims=False)
    return total if reduction == "sum" else divide(total, float(math.prod(shape_of(losses))))


def _check_shapes(logits: Any, labels: Any) -> None:
    shape, want = shape_of(logits), shape_of(labels)
    if not shape or want != shape[:-1]:
        raise ShapeError(
            f"cross_entropy: expected labels of shape {shape[:-1]} for logits of shape {shape} "
            f"(classes on the last axis), got {want}"
        )
    if dtype_of(labels).kind not in "iu":
        raise DtypeError(f"cross_entropy: expected integer labels, got {dtype_of(labels)}")


def _cross_entropy_body(logits: Any, labels: Any, *, reduction: str) -> Any:
    _check_shapes(logits, labels)
    labels = _class_labels(labels, classes=shape_of(logits)[-1])
    columns = _reshape(labels, shape=(*shape_of(labels), 1))
    picked = _take_along(_log_softmax(logits, axis=-1), columns, axis=-1)
    return _reduced(negative(_reshape(picked, shape=shape_of(labels))), reduction)


def _cross_entropy_kernel(logits: Any, labels: Any, *, reduction: str) -> Any:
    logits, labels = np.asarray(logits), np.asarray(labels)
    if labels.shape != logits.shape[:-1] or labels.dtype.kind not in "iu" or not logits.ndim:
        _check_shapes(logits, labels)
    columns = _columns(logits)
    try:
        picked = columns[labels.ravel(), np.arange(labels.size)]
    except IndexError:  # a label too large; one that is negative would count from the end
        check_labels(labels, logits.shape[-1])
        raise
    if labels.size and np.minimum.reduce(labels, None) < 0:
        check_labels(labels, logits.shape[-1])
    losses = np.log(np.add.reduce(np.exp(columns), 0)) - picked
    if reduction == "none":
        return losses.reshape(labels.shape)[()]
    total = np.add.reduce(losses)
    return total if reduction == "sum" else total / float(losses.size)


_SHORT = 64


def _columns(logits: Any) -> Any:
    """Return logits (…, classes) as (classes, rows), shifted so that the largest of each row is 0.

    To begin a row costs NumPy more than to walk along a short one: these are laid down class by class.
    """
    classes = logits.shape[-1]
    columns = logits.reshape(math.prod(logits.shape[:-1]), classes).T
    if classes <= _SHORT:
        columns = columns.copy()
    return columns - np.maximum.reduce(columns, 0)


def _cross_entropy_pullback(
    g: Any, y: Any, logits: Any, labels: Any, *, needs: Sequence[bool], reduction: str
) -> tuple[Any, None]:
    shape = shape_of(logits)
    if reduction == "none":
        g = _reshape(g, shape=(*shape[:-1], 1))
    elif reduction == "mean":
        g = divide(g, float(math.prod(shape[:-1])))
    return multiply(_cross_entropy_slope(logits, labels), g), None


def _cross_entropy_slope_body(logits: Any, labels: Any) -> Any:
    rows = _one_hot(labels, num_classes=shape_of(logits)[-1], dtype=dtype_of(logits))
    return subtract(_softmax(logits, axis=-1), rows)


def _cross_entropy_slope_kernel(logits: Any, labels: Any) -> Any:
    logits = np.asarray(logits)
    labels = np.asarray(check_labels(labels, logits.shape[-1]))
    return _slope_columns(logits, labels).T.reshape(logits.shape)


def _slope_columns(logits: Any, labels: Any) -> Any:
    slope = np.exp(_columns(logits))
    slope /= np.add.reduce(slope, 0)
    slope[labels.ravel(), np.arange(labels.size)] -= 1
    return slope


def _cross_entropy_pullback_kernel(
    g: Any, y: Any, logits: Any, labels: Any, *, needs: Sequence[bool], reduction: str
) -> tuple[Any, None]:
    slope = _slope_columns(logits, np.asarray(labels))  # the labels were checked on the way here
    if reduction == "mean":
        g = g / float(slope.shape[1])
    slope *= g.ravel() if reduction == "none" else g
    return slope.T if logits.ndim == 2 else slope.T.reshape(logits.shape), None


_cross_entropy_slope = composite(
    "cross_entropy_slope",
    _cross_entropy_slope_body,
    lambda logits, labels: Spec(logits.shape, logits.dtype),
    kernel=_cross_entropy_slope_kernel,
    arguments=("logits", "labels"),
    uses=INPUTS,
    formula=r"\operatorname{{softmax}}({logits}) - \operatorname{{onehot}}({labels})",
    words="the slope of the cross entropy of {logits}: their softmax, less 1 at the labels {labels}",
    lower=unsupported("cross_entropy_slope: lowered through its body"),
    onnx=unsupported("cross_entropy_slope: it belongs to the way back, and training is not exported"),
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(*shape, classes)), rng.integers(0, classes, shape)))
            for shape, classes in (((5,), 4), ((2, 3), 4), ((), 4), ((2,), _SHORT + 1))
        ]
    ),
)


def _cross_entropy_spec(logits: Spec, labels: Spec, *, reduction: str) -> Spec:
    _check_shapes(logits, labels)
    return Spec(labels.shape if reduction == "none" else (), logits.dtype)


cross_entropy = composite(
    "cross_entropy",
    _cross_entropy_body,
    _cross_entropy_spec,
    kernel=_cross_entropy_kernel,
    pullback=fused(_cross_entropy_pullback, _cross_entropy_pullback_kernel),
    arguments=("logits", "labels"),
    uses=INPUTS,
    formula=r"-\log \operatorname{{softmax}}({logits})_{{{labels}}}",
    words="the cross entropy of {logits} with the labels {labels}",
    lower=unsupported("cross_entropy: the check of the labels needs the numbers, so it runs as it is"),
    onnx="SoftmaxCrossEntropyLoss",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(*shape, classes)), rng.integers(0, classes, shape)), {"reduction": reduction})
            for shape, classes, reduction in (
                ((5,), 4, "mean"),
                ((2, 3), 4, "sum"),
                ((3,), 4, "none"),
                ((), 4, "none"),
                ((2,), _SHORT + 1, "mean"),
            )
        ]
    ),
)


# ------------------------------------------------------------------------------- binary cross entropy


def _in_unit_interval(p: Any) -> None:
    p = np.asarray(p)
    outside = (p < 0) | (p > 1)
    if outside.any():
        where = tuple(np.argwhere(outside)[0].tolist())
        raise ValueError(
            f"binary_cross_entropy: the prediction {p[where]} at index {where} is not a probability in [0, 1].\n"
            f"  wrong:  nn.BCELoss()(logits, target)\n"
            f"  right:  nn.BCEWithLogitsLoss()(logits, target), or nn.BCELoss()(pb.sigmoid(logits), target)"
        )


def _binary_cross_entropy(p: Any, target: Any) -> Any:
    _in_unit_interval(p)
    return target * -_bounded_log(np.log, p) + (1 - target) * -_bounded_log(lambda q: np.log1p(-q), p)


def _bounded_log(logarithm: Any, p: Any) -> Any:
    return np.maximum(logarithm(p), -100.0)


binary_cross_entropy = elementwise(
    "binary_cross_entropy",
    _binary_cross_entropy,
    (
        lambda p, target, y: divide(subtract(p, target), maximum(multiply(p, subtract(1, p)), 1e-12)),
        lambda p, target, y: subtract(maximum(log1p(negative(p)), -100.0), maximum(log(p), -100.0)),
    ),
    arguments=("p", "target"),
    uses=INPUTS,
    formula=r"-{target} \log {p} - (1 - {target}) \log (1 - {p})",
    words="the binary cross entropy of the probability {p} with {target}",
    refuses=True,
    lower="binary_cross_entropy",
    onnx=unsupported("binary_cross_entropy: ONNX has no such operator; export the logits"),
    samples=real((0.1, 0.9), (0.0, 1.0)),
    special={
        (0.0, 0.0): 0.0,
        (1.0, 1.0): 0.0,
        (0.0, 1.0): 100.0,
        (1.0, 0.0): 100.0,
        (nan, 1.0): nan,
    },
    special_slope={(0.0, 1.0): (-1e12, 100.0), (1.0, 0.0): (1e12, -100.0)},
    kink="log is bounded below by −100 and the slope's denominator by 1e-12, as in PyTorch",
)

binary_cross_entropy_with_logits = elementwise(
    "binary_cross_entropy_with_logits",
    lambda z, target: np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z))),
    (lambda z, target, y: subtract(sigmoid(z), target), lambda z, target, y: negative(z)),
    arguments=("z", "target"),
    uses=INPUTS,
    formula=r"-{target} \log \sigma({z}) - (1 - {target}) \log (1 - \sigma({z}))",
    words="the binary cross entropy of the logit {z} with {target}",
    lower="binary_cross_entropy_with_logits",
    onnx=unsupported("binary_cross_entropy_with_logits: ONNX has no such operator; export the logits"),
    samples=real((-5, 5), (0.0, 1.0)),
    special={(800.0, 1.0): 0.0, (800.0, 0.0): 800.0, (-800.0, 1.0): 800.0, (0.0, 0.5): 0.6931471805599453},
)
