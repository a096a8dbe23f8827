"""Why a loss became NaN or infinite: the likely causes, looked for in the order in which they arise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import PullbackError
from .batches import bad_place, first_bad_row

__all__ = ["NonFiniteError", "explain_data", "explain_gradients", "explain_loss"]


class NonFiniteError(PullbackError, FloatingPointError):
    """Training stopped before a step that would have used a NaN or infinite loss or gradient."""


def explain_loss(
    loss: float, where: str, inputs: Sequence[Any], target: Any, outputs: Any, trainer: Any, batches: Any
) -> str:
    """What to say about a loss that is NaN or infinite: where, the likely cause, what is kept."""
    causes = _causes(inputs, target, outputs, trainer, batches)
    return f"the loss is {loss} {where}: {next(causes)}. The parameters are those of before this step"


def explain_gradients(where: str, names: Sequence[str], lr: Any) -> str:
    """What to say about gradients that are NaN or infinite although the loss is finite."""
    others = f" and of {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"the gradient of {names[0]}{others} is not finite {where}, although the loss is: it overflowed on the "
        f"way back, or passed a point where a derivative does not exist (a square root or a norm at 0). "
        f"A smaller learning rate (now {lr}) or gradient clipping helps against the first. "
        f"The parameters are those of before this step"
    )


def explain_data(batches: Any, inputs: Sequence[Any], target: Any) -> str | None:
    """Where the data have a NaN or an infinite number, in words; None if they have none."""
    found = first_bad_row(batches)
    if found:
        return f"the data are not finite: {found}"
    for name, array in _named(inputs, target):
        place = bad_place(array)
        if place:
            return f"the data are not finite: {name} of this batch, {place}"
    return None


def _causes(inputs: Sequence[Any], target: Any, outputs: Any, trainer: Any, batches: Any) -> Iterator[str]:
    bad_data = explain_data(batches, inputs, target)
    if bad_data:
        yield bad_data
    lr = getattr(trainer.optimizer, "lr", "unknown")
    bad_parameters = [name for name, p in trainer.model.named_parameters() if not np.isfinite(p.numpy()).all()]
    if bad_parameters:
        yield (f"{bad_parameters[0]} is not finite after the steps so far; the learning rate (now {lr}) is too large")
    values = [np.asarray(leaf) for leaf in tree.leaves(outputs)]
    targets = [np.asarray(leaf) for leaf in tree.leaves(target)]
    for predicted, wanted in zip(values, targets, strict=False):
        if wanted.dtype.kind in "iu" and predicted.ndim == wanted.ndim + 1 and wanted.size:
            lowest, highest, classes = int(wanted.min()), int(wanted.max()), predicted.shape[1]
            if lowest < 0 or highest >= classes:
                yield (
                    f"the labels run from {lowest} to {highest}, but the model has {classes} outputs, for labels "
                    f"0 … {classes - 1}"
                )
    if not all(np.isfinite(predicted).all() for predicted in values):
        yield (
            f"the model's outputs are not finite; with a learning rate of {lr} the weights have probably grown "
            f"too large: a smaller one, gradient clipping or a better initialisation helps"
        )
    low = min(float(predicted.min(initial=np.inf)) for predicted in values)
    high = max(float(predicted.max(initial=-np.inf)) for predicted in values)
    yield (
        f"data and outputs are finite, so the outputs, from {low:.4g} to {high:.4g}, are outside of what "
        f"{_name(trainer.loss)} is defined for, or it overflowed (learning rate now {lr}); binary cross-entropy "
        f"of probabilities, for one, needs them in [0, 1]"
    )


def _named(inputs: Sequence[Any], target: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    parts = [tree.leaves(part) for part in inputs]
    for position, leaves in enumerate(parts):
        for leaf in leaves:
            yield "inputs" if len(inputs) == 1 else f"inputs[{position}]", np.asarray(leaf)
    for leaf in tree.leaves(target):
        yield "targets", np.asarray(leaf)


def _name(loss: Any) -> str:
    return getattr(loss, "__name__", type(loss).__name__)
