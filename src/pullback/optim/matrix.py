"""Adafactor and Muon: optimisers that treat a parameter as a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..mappings.update_matrix import _adafactor_updates, _muon_update
from .group import ParamGroup
from .optimizer import Optimizer

__all__ = ["Adafactor", "Muon"]


class Adafactor(Optimizer):
    """Adafactor (Shazeer & Stern, ICML 2018): the squares of the gradients kept by row and by column only.

    Of a parameter with two axes or more, R and C hold the mean squares of rows and columns, and
    v = R C / mean(R); of a vector v is kept whole. Both are moved towards g² by the share t^`beta2_decay`.
    u = g / √v, θ ← (1 − γλ) θ − α u / max(1, rms(u)/d) with α = max(ε₂, rms(θ)) · min(γ, 1/√t).
    `eps` is (ε₁, ε₂); ε₁ bounds √v below, None is the dtype's epsilon. `maximize` ascends. As in PyTorch.
    Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([[1.0, 1.0], [1.0, 1.0]])
    >>> optimiser = pb.optim.Adafactor([w], lr=0.5)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> w.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if name == "beta2_decay":
            if not value <= 0:
                raise ValueError(f"Adafactor: expected beta2_decay <= 0, got {value}")
            return float(value)
        if name == "eps":
            first, second = value
            return None if first is None else super().check("eps[0]", first), super().check("eps[1]", second)
        if name == "d" and not value >= 1:
            raise ValueError(f"Adafactor: expected d >= 1, got {value}")
        return super().check(name, value)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The mean squares of the rows and of the columns, or the squares of a vector."""
        if p.ndim < 2:
            return {"variance": 0.0}
        rows, columns = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
        return {"row_var": np.zeros(rows, p.dtype), "col_var": np.zeros(columns, p.dtype)}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← θ − α u / max(1, rms(u)/d)."""
        first, second = settings["eps"]
        eps1 = float(np.finfo(p.dtype).eps) if first is None else first
        static = {name: settings[name] for name in ("beta2_decay", "d", "weight_decay", "maximize")}
        return _adafactor_updates[len(slots)](p, g, settings["lr"], step, *slots, eps1=eps1, eps2=second, **static)


class Muon(Optimizer):
    """Muon (Jordan et al., 2024): steps along the gathered gradients, made orthogonal. For matrices only.

    B ← μ B + (1 − μ) g, θ ← (1 − γλ) θ − γ s orth(B); `nesterov` takes (1 − μ) g + μ B for B. orth brings all
    singular values near 1 in `ns_steps` steps X ← aX + (bXXᵀ + c(XXᵀ)²)X, (a, b, c) = `ns_coefficients`,
    begun with B/‖B‖ (at least `eps`). For θ with A rows and B columns s = √max(1, A/B), or
    0.2 √max(A, B) with `adjust_lr_fn="match_rms_adamw"` (Liu et al., 2025).

    The iteration runs in the dtype of θ; PyTorch rounds it to bfloat16. Train biases, embeddings and the
    last layer with another optimiser, such as AdamW. Raises ValueError for settings out of range and for a
    parameter that is not a matrix.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([[1.0, 0.0], [0.0, 1.0]])
    >>> optimiser = pb.optim.Muon([w], lr=0.1, weight_decay=0.0)
    >>> (w * w / 2).sum().backward(); optimiser.step()
    >>> [[round(x, 2) for x in row] for row in w.tolist()]
    [[0.89, 0.0], [0.0, 0.89]]
    """

    dynamic = (*Optimizer.dynamic, "momentum")
    structural = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if name == "ns_coefficients":
            a, b, c = (float(x) for x in value)
            return a, b, c
        if name == "ns_steps":
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 100:
                raise ValueError(f"Muon: expected ns_steps to be an integer in 0, …, 99, got {value!r}")
            return int(value)
        if name == "adjust_lr_fn":
            if value not in _SCALES:
                raise ValueError(f"Muon: expected adjust_lr_fn to be one of {list(_SCALES)}, got {value!r}")
            return value
        return super().check(name, value)

    def slots(self, settings: ParamGroup, p: Any) -> dict[str, Any]:
        """The gathered gradients. Raises ValueError unless `p` is a matrix."""
        if p.ndim != 2:
            raise ValueError(
                f"Muon: expected matrices, got a parameter of shape {p.shape}.\n"
                f"  wrong:  Muon(net.parameters())\n"
                f"  right:  Muon([p for p in net.parameters() if p.ndim == 2]), and AdamW for the others"
            )
        return {"momentum_buffer": 0.0}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """θ ← (1 − γλ) θ − γ s orth(B)."""
        static = {name: settings[name] for name in ("weight_decay", "nesterov", "ns_coefficients", "ns_steps", "eps")}
        scale = _SCALES[settings["adjust_lr_fn"]](*p.shape)
        return _muon_update(p, g, settings["lr"], settings["momentum"], step, *slots, scale=scale, **static)


_SCALES: dict[str | None, Any] = {
    None: lambda rows, columns: math.sqrt(max(1.0, rows / columns)) if columns else 1.0,
    "original": lambda rows, columns: math.sqrt(max(1.0, rows / columns)) if columns else 1.0,
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}
