"""The health of the gradients, layer by layer, measured on one step.

The measure of an update is its size beside what it changes, ‖Δw‖/‖w‖. A layer whose gradient is far smaller
than the others' learns nothing while they learn (vanishing); one whose update is a sizeable part of its
weights forgets what it knew with every step (exploding).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXPLODING_NORM", "EXPLODING_RATIO", "VANISHING_RATIO", "VANISHING_SHARE", "LayerHealth", "Snapshot"]

EXPLODING_NORM = 1e3
"""A layer's gradient norm above this is called exploding."""
EXPLODING_RATIO = 0.1
"""An update that is more than a tenth of the weights, in norm, is called exploding."""
VANISHING_SHARE = 1e-3
"""A layer's gradient norm below this share of the largest layer's is called vanishing."""
VANISHING_RATIO = 1e-7
"""An update smaller than this part of the weights is lost in float32's rounding: called vanishing."""


@dataclass(frozen=True)
class LayerHealth:
    """What one step said about one layer.

    ``layer``: the path of the module, and ``kind`` its class. ``gradient``: the norm of the layer's gradient.
    ``ratio``: ‖Δw‖/‖w‖ of this step, NaN where all weights were 0. ``verdict``: "fine", "vanishing",
    "exploding", or "none" for a layer that got no gradient at all.
    """

    layer: str
    kind: str
    gradient: float
    ratio: float
    verdict: str

    def record(self) -> dict[str, Any]:
        """The figures for a history, without the layer's name."""
        figures = asdict(self)
        del figures["layer"]
        return figures


class Snapshot:
    """The parameters of a model just before a step, with the gradients that the step will use.

    ``model``: its `named_parameters()` and `named_modules()` are read. Copies are made, so that an optimiser
    may write in place: take one where it is wanted, not at every step.
    """

    def __init__(self, model: Any) -> None:
        self._before: dict[str, list[tuple[Any, NDArray[Any], float | None]]] = {}
        self._kinds = {name: type(module).__name__ for name, module in model.named_modules()}
        for name, parameter in model.named_parameters():
            layer = name.rpartition(".")[0]
            gradient = None if parameter.grad is None else _norm([parameter.grad.numpy()])
            self._before.setdefault(layer, []).append((parameter, parameter.numpy().copy(), gradient))

    def compare(self) -> list[LayerHealth]:
        """The health of each layer that has parameters of its own, in the model's order, after the step."""
        gradients = {
            layer: _length(g for _, _, g in entries if g is not None) for layer, entries in self._before.items()
        }
        largest = max(gradients.values(), default=0.0)
        return [self._judge(layer, entries, gradients[layer], largest) for layer, entries in self._before.items()]

    def _judge(
        self, layer: str, entries: list[tuple[Any, NDArray[Any], float | None]], gradient: float, largest: float
    ) -> LayerHealth:
        weights = _norm([before for _, before, _ in entries])
        moved = _norm([parameter.numpy() - before for parameter, before, _ in entries])
        ratio = moved / weights if weights else math.nan
        got_one = any(g is not None for _, _, g in entries)
        verdict = judge(gradient, ratio, largest) if got_one else "none"
        return LayerHealth(layer, self._kinds.get(layer, ""), gradient, ratio, verdict)


def judge(gradient: float, ratio: float, largest: float) -> str:
    """The word for a layer: its gradient norm, its update-to-weight ratio, the largest layer's gradient norm.

    >>> judge(gradient=0.1, ratio=1e-3, largest=0.4), judge(gradient=1e-9, ratio=1e-3, largest=0.4)
    ('fine', 'vanishing')
    """
    if gradient > EXPLODING_NORM or ratio > EXPLODING_RATIO:
        return "exploding"
    if gradient < VANISHING_SHARE * largest or ratio < VANISHING_RATIO:
        return "vanishing"
    return "fine"


def _norm(arrays: Iterable[NDArray[Any]]) -> float:
    return _length(float(np.linalg.norm(array.astype(np.float64).ravel())) for array in arrays)


def _length(norms: Iterable[float]) -> float:
    return math.hypot(*norms)
