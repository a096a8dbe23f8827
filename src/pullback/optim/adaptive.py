"""Adagrad, Adadelta and RMSprop: the step of each element in units of its past gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..mappings.update import _adadelta_update, _adagrad_update, _rmsprop_updates
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., JMLR 12, 2011): s ← s + g², θ ← θ − γₜ g / (√s + ε).

    γₜ = γ / (1 + t · lr_decay), t = 0, 1, …; s starts at `initial_accumulator_value`. `weight_decay` adds λθ
    to the gradient; `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Adagrad([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist()
    [0.5, 1.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The sum of the squared gradients."""
        return {"sum": settings["initial_accumulator_value"]}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − γₜ g / (√s + ε)."""
        return _adagrad_update(
            p,
            g,
            settings["lr"],
            step,
            *slots,
            lr_decay=settings["lr_decay"],
            eps=settings["eps"],
            weight_decay=settings["weight_decay"],
            maximize=settings["maximize"],
        )


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012): u = √(s + ε)/√(v + ε) · g, θ ← θ − γ u.

    v is the mean of g² and s that of u², both over about 1/(1 − ρ) steps. `weight_decay` adds λθ to the
    gradient; `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Adadelta([w], rho=0.0, eps=1.0)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 4) for x in w.tolist()]
    [0.2929, 1.1056]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if name == "rho" and not 0 <= value <= 1:
            raise ValueError(f"Adadelta: expected rho in [0, 1], got {value}")
        return super().check(name, value)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the squared gradient and of the squared change."""
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − γ u."""
        static = {name: settings[name] for name in ("rho", "eps", "weight_decay", "maximize")}
        return _adadelta_update(p, g, settings["lr"], step, *slots, **static)


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton, 2012): v ← α v + (1 − α) g², θ ← θ − γ g / (√v + ε).

    `centered` divides by the standard deviation, √(v − m²) with m the mean gradient (Graves, 2013);
    `momentum` gathers the directions: b ← μ b + g/(√v + ε), θ ← θ − γ b. `weight_decay` adds λθ to the
    gradient; `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.RMSprop([w], lr=0.05)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [round(x, 4) for x in w.tolist()]
    [0.5, 1.5]
    """

    dynamic = (*Optimizer.dynamic, "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean square; the mean, if centered; the buffer, if there is momentum."""
        mean = {"grad_avg": 0.0} if settings["centered"] else {}
        buffer = {"momentum_buffer": 0.0} if settings["momentum"] else {}
        return {"square_avg": 0.0, **mean, **buffer}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − γ g / (√v + ε)."""
        centered = settings["centered"]
        return _rmsprop_updates[centered, len(slots) == 2 + centered](
            p,
            g,
            settings["lr"],
            settings["momentum"],
            step,
            *slots,
            alpha=settings["alpha"],
            eps=settings["eps"],
            weight_decay=settings["weight_decay"],
            centered=centered,
            maximize=settings["maximize"],
        )
