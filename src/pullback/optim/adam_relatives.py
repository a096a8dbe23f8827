"""The relatives of Adam: Adamax, NAdam, RAdam, Lion and LAMB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..mappings.update_adam import _adamax_update, _lion_update, _nadam_update, _radam_update
from ..mappings.update_matrix import _lamb_update
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["LAMB", "Adamax", "Lion", "NAdam", "RAdam"]


class _Relative(Optimizer):
    """What they share: betas that a traced step takes as inputs, and an update by one mapping."""

    dynamic = (*Optimizer.dynamic, "betas")
    change: Mapping
    """The mapping that updates a parameter."""
    takes: tuple[str, ...] = ("eps", "weight_decay", "maximize")
    """The settings that it takes as they are."""

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the gradient and of its square."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """Return the parameter, the step counter and the slots after a step."""
        static = {name: settings[name] for name in self.takes}
        if "decoupled_weight_decay" in settings:
            static["decoupled"] = settings["decoupled_weight_decay"]
        return self.change(p, g, settings["lr"], settings["betas"], step, *slots, **static)


class Adamax(_Relative):
    """Adam in the largest norm (Kingma & Ba, ICLR 2015): u ← max(β₂ u, |g| + ε), θ ← θ − γ m̂ / u.

    `weight_decay` adds λθ to the gradient; `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Adamax([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 4) for x in w.tolist()]
    [0.5, 1.5]
    """

    change = _adamax_update

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the gradient and its largest size."""
        return {"exp_avg": 0.0, "exp_inf": 0.0}


class NAdam(_Relative):
    """Adam with Nesterov's momentum (Dozat, ICLR 2016 workshop): θ ← θ − γ (μₜ₊₁ m̂ + (1 − μₜ) ĝ) / (√v̂ + ε).

    μₜ = β₁ (1 − 0.96^(tψ)/2) with ψ = `momentum_decay`; m̂ = m/(1 − μ₁⋯μₜ₊₁) and ĝ = g/(1 − μ₁⋯μₜ).
    `weight_decay` adds λθ to the gradient, or with `decoupled_weight_decay` shrinks θ by γλ before the step;
    `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.NAdam([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 3) for x in w.tolist()]
    [0.472, 1.472]
    """

    change = _nadam_update
    takes = (*_Relative.takes, "momentum_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The product of the momenta so far, the mean of the gradient and of its square."""
        return {"mu_product": np.float64(1.0), "exp_avg": 0.0, "exp_avg_sq": 0.0}


class RAdam(_Relative):
    """Rectified Adam (Liu et al., ICLR 2020): shorter steps while the variance of the step itself is large.

    ρ∞ = 2/(1 − β₂) − 1, ρₜ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ). While ρₜ ≤ 5: θ ← θ − γ m̂; then θ ← θ − γ rₜ m̂/√v̂ with
    rₜ² = (ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ). ε is added to √v before the correction, as in PyTorch.
    `weight_decay` adds λθ to the gradient, or with `decoupled_weight_decay` shrinks θ by γλ before the step;
    `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.RAdam([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 4) for x in w.tolist()]
    [0.5, 1.0]
    """

    change = _radam_update

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)


class Lion(_Relative):
    """Lion (Chen et al., NeurIPS 2023): θ ← (1 − γλ) θ − γ sign(β₁ m + (1 − β₁) g), m ← β₂ m + (1 − β₂) g.

    Every element moves by the same length, so `lr` is 3 to 10 times smaller than Adam's and `weight_decay` λ
    as many times larger. `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Lion([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist()
    [0.5, 1.5]
    """

    change = _lion_update
    takes = ("weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the gradient."""
        return {"exp_avg": 0.0}


class LAMB(_Relative):
    """LAMB (You et al., ICLR 2020): Adam, each parameter's step in proportion to the parameter's length.

    u = m̂ / (√v̂ + ε) + λθ,  θ ← θ − γ (‖θ‖/‖u‖) u; the ratio is 1 where one of the lengths is 0. `maximize`
    ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([3.0, 4.0])
    >>> optimiser = pb.optim.LAMB([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 3) for x in w.tolist()]
    [1.232, 2.232]
    """

    change = _lamb_update

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)
