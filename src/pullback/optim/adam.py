"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..mappings.update_adam import _adam_update, _amsgrad_update
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma & Ba, ICLR 2015): steps along the mean gradient, each element in units of its own size.

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  θ ← θ − γ m̂ / (√v̂ + ε)
    with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ). `weight_decay` adds λθ to the gradient; `amsgrad` divides by
    the largest v so far (Reddi et al., ICLR 2018); `maximize` ascends. Raises ValueError for settings out
    of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Adam([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 4) for x in w.tolist()]
    [0.5, 1.5]
    """

    dynamic = (*Optimizer.dynamic, "betas")
    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the gradient and of its square."""
        largest = {"max_exp_avg_sq": 0.0} if settings["amsgrad"] else {}
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, **largest}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − γ m̂ / (√v̂ + ε)."""
        mapping = _amsgrad_update if len(slots) == 3 else _adam_update
        return mapping(
            p,
            g,
            settings["lr"],
            settings["betas"],
            step,
            *slots,
            eps=settings["eps"],
            weight_decay=settings["weight_decay"],
            decoupled=self.decoupled,
            maximize=settings["maximize"],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay, θ ← (1 − γλ) θ before the step (Loshchilov & Hutter, ICLR 2019).

    The arguments are those of `Adam`.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
