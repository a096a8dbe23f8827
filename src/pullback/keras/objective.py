"""What `compile` was told: the optimiser, a loss and metrics for each output, and how the losses are weighed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .. import mappings as m
from ..core import tree
from ..core.errors import ShapeError
from ..metrics import Metric
from .losses import Loss, loss_of
from .metrics import LossOfOutput, OfOutput, metric_of
from .optimizers import Optimizer

__all__ = ["Objective"]


class Objective:
    """The loss to be minimised, Σ_k w_k L_k over the outputs k, and the figures to be measured.

    ``loss``, ``metrics``, ``loss_weights``: for one output what it says, for several a list in their order or a
    dictionary by their names; an output without a loss is not trained. The names are known when the model has
    outputs: `settle` then assigns everything, and raises ValueError for what does not fit.
    """

    def __init__(self, optimizer: Optimizer, loss: Any, metrics: Any, loss_weights: Any) -> None:
        self.optimizer = optimizer
        self.told = {"loss": loss, "metrics": metrics, "loss_weights": loss_weights}
        tree.map(loss_of, loss)  # what is wrong by itself is said at once
        tree.map(metric_of, metrics)
        self.names: list[str] | None = None
        self.losses: list[Loss | None] = []
        self.weights: list[float] = []
        self.metrics: list[Metric] = []

    def settle(self, names: Sequence[str]) -> None:
        """Assign losses, weights and metrics to outputs of these names."""
        if self.names == list(names):
            return
        losses = self._assigned("loss", names)
        if all(loss is None for loss in losses):
            raise ValueError('compile: expected a loss.\n  right:  model.compile("adam", loss="mse")')
        self.losses = [None if loss is None else loss_of(loss) for loss in losses]
        weights = self._assigned("loss_weights", names)
        self.weights = [1.0 if weight is None else float(weight) for weight in weights]
        self.metrics = []
        if len(names) > 1:
            for place, (name, loss) in enumerate(zip(names, self.losses, strict=True)):
                if loss is not None:
                    self._measure(LossOfOutput(loss), place, f"{name}_loss")
        for place, (name, wanted) in enumerate(zip(names, self._assigned("metrics", names), strict=True)):
            for metric in wanted if isinstance(wanted, list | tuple) else [] if wanted is None else [wanted]:
                own = copy.deepcopy(metric_of(metric))
                own.reset()
                self._measure(own, place, f"{name}_{own.name}" if len(names) > 1 else own.name)
        self.names = list(names)

    def _measure(self, metric: Metric, place: int, name: str) -> None:
        taken = {"loss", *(other.name for other in self.metrics)}
        number, unique = 1, name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        self.metrics.append(OfOutput(metric, place, unique))

    def _assigned(self, what: str, names: Sequence[str]) -> list[Any]:
        """What was said about each output."""
        told = self.told[what]
        if isinstance(told, dict):
            unknown = [name for name in told if name not in names]
            if unknown:
                raise ValueError(f"compile: {what}: there is no output {unknown[0]!r}; there are {', '.join(names)}")
            return [told.get(name) for name in names]
        if told is None:
            return [None] * len(names)
        if what == "metrics" and len(names) == 1:
            return [told]
        if isinstance(told, list | tuple):
            if len(told) != len(names):
                raise ValueError(
                    f"compile: {what}: expected one entry for each of the {len(names)} outputs {', '.join(names)}, "
                    f"got {len(told)}"
                )
            return list(told)
        if what == "loss_weights" and len(names) > 1:
            raise TypeError(f"compile: loss_weights: expected a list or a dictionary, got {told!r}")
        return [told] * len(names)

    def loss(self, outputs: Any, target: Any) -> Any:
        """The weighted sum of the losses. ``target``: the targets of all outputs, and their samples' weights."""
        targets, weights = target
        values = tree.leaves(outputs)
        if len(values) != len(self.losses):
            raise ShapeError(f"expected {len(self.losses)} outputs, got {len(values)}")
        total: Any = None
        for loss, share, y_true, y_pred, weight in zip(
            self.losses, self.weights, targets, values, weights, strict=True
        ):
            if loss is None:
                continue
            value = loss(y_true, y_pred, weight) if weight is not None else loss(y_true, y_pred)
            if share != 1:
                value = m.multiply(value, share)
            total = value if total is None else m.add(total, value)
        return total
