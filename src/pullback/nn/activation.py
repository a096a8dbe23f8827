"""Activations as modules; the mappings themselves are in the catalogue."""

from __future__ import annotations

from typing import Any, Literal

from .. import mappings as m
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "Identity",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Identity(Module):
    """y = x."""

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class Tanh(Module):
    """y = tanh x."""

    def forward(self, x: Any) -> Any:
        """Return tanh x."""
        return m.tanh(x)


class ReLU(Module):
    """y = max(x, 0)."""

    def forward(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return m.relu(x)


class Sigmoid(Module):
    """y = 1/(1 + e⁻ˣ)."""

    def forward(self, x: Any) -> Any:
        """Return σ(x)."""
        return m.sigmoid(x)


class SiLU(Module):
    """y = x σ(x)."""

    def forward(self, x: Any) -> Any:
        """Return x σ(x)."""
        return m.silu(x)


class GELU(Module):
    """y = x Φ(x), Φ the normal distribution function; `approximate="tanh"` for the usual approximation."""

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: expected approximate 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """Return x Φ(x)."""
        return m.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"


class LeakyReLU(Module):
    """y = x where x > 0, else negative_slope · x."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Return the leaky ReLU of x."""
        return m.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """y = x where x > 0, else alpha · (eˣ − 1)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Return the ELU of x."""
        return m.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        """The scale."""
        return f"alpha={self.alpha}"


class Softplus(Module):
    """y = log(1 + eˣ)."""

    def forward(self, x: Any) -> Any:
        """Return log(1 + eˣ)."""
        return m.softplus(x)


class Softmax(Module):
    """yᵢ = e^{xᵢ} / Σⱼ e^{xⱼ} along `dim`. `axis` is another name for `dim`."""

    def __init__(self, dim: int = -1, *, axis: int | None = None) -> None:
        super().__init__()
        self.dim = dim if axis is None else axis

    def forward(self, x: Any) -> Any:
        """Return the softmax of x."""
        return m.softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """yᵢ = xᵢ − log Σⱼ e^{xⱼ} along `dim`. `axis` is another name for `dim`."""

    def forward(self, x: Any) -> Any:
        """Return the logarithm of the softmax of x."""
        return m.log_softmax(x, axis=self.dim)
