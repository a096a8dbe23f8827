"""Rprop and ASGD: steps by the sign of the gradient, and gradient descent with the mean of its path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..mappings.update_sign import _asgd_update, _rprop_update
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["ASGD", "Rprop"]


class Rprop(Optimizer):
    """Rprop (Riedmiller & Braun, ICNN 1993): each element moves by a length of its own against the gradient's sign.

    The lengths begin at `lr`; where the sign stays they grow by `etas[1]`, where it turns they shrink by `etas[0]`
    and the element rests for a step; they stay within `step_sizes`. For gradients of the whole data, as noise turns
    signs. `maximize` ascends. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.Rprop([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist()
    [0.5, 1.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if name not in ("etas", "step_sizes"):
            return super().check(name, value)
        low, high = (float(x) for x in value)
        if name == "etas" and not 0 < low < 1 < high:
            raise ValueError(f"Rprop: expected etas with 0 < etas[0] < 1 < etas[1], got {value}")
        if name == "step_sizes" and not 0 <= low <= high:
            raise ValueError(f"Rprop: expected step_sizes with 0 <= step_sizes[0] <= step_sizes[1], got {value}")
        return low, high

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The last gradient and the lengths of the steps."""
        return {"prev": 0.0, "step_size": settings["lr"]}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − length · sign g."""
        (shorter, longer), (least, most) = settings["etas"], settings["step_sizes"]
        static = {"shorter": shorter, "longer": longer, "least": least, "most": most}
        return _rprop_update(p, g, settings["lr"], step, *slots, **static, maximize=settings["maximize"])


class ASGD(Optimizer):
    """Averaged gradient descent (Polyak & Juditsky, SIAM J. Control Optim. 30, 1992): θ ← (1 − ηλ) θ − η g.

    η = γ / (1 + λγt)^α with λ = `lambd`, α = `alpha`. From step `t0` on, the slot `ax` holds the mean of the θ since
    then; before, it holds θ. `weight_decay` adds λθ to the gradient; `maximize` ascends. Raises ValueError for
    settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> optimiser = pb.optim.ASGD([w], lr=0.5, lambd=0.0)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist(), optimiser.state_dict()["state"][0]["ax"].tolist()
    ([0.5, 1.0], [0.5, 1.0])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean of the parameter."""
        return {"ax": 0.0}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← (1 − ηλ) θ − η g."""
        static = {name: settings[name] for name in ("lambd", "alpha", "t0", "weight_decay", "maximize")}
        return _asgd_update(p, g, settings["lr"], step, *slots, **static)
