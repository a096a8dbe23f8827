"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..mappings.update import _momentum_update, _sgd_update
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum: b ← μ b + (1 − τ) g, θ ← θ − γ b (Sutskever et al., ICML 2013).

    `lr` is γ, `momentum` μ, `dampening` τ (the first gradient is taken whole). `nesterov` steps along
    g + μ b. `weight_decay` adds λθ to the gradient; `maximize` ascends. Raises ValueError for settings out
    of range, or `nesterov` without momentum or with dampening.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.SGD([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist()
    [0.5, 1.0]
    """

    dynamic = (*Optimizer.dynamic, "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check_group(self, settings: ParamGroup) -> None:
        """Nesterov's step needs momentum and no dampening."""
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs momentum > 0 and dampening = 0")

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """A buffer, if there is momentum."""
        return {"momentum_buffer": 0.0} if settings["momentum"] else {}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − γ g, or along the buffer."""
        decay, maximize = settings["weight_decay"], settings["maximize"]
        if not slots:
            return _sgd_update(p, g, settings["lr"], step, weight_decay=decay, maximize=maximize)
        return _momentum_update(
            p,
            g,
            settings["lr"],
            settings["momentum"],
            step,
            *slots,
            weight_decay=decay,
            dampening=settings["dampening"],
            nesterov=settings["nesterov"],
            maximize=maximize,
        )
