"""Activations as modules; the mappings themselves are in the catalogue."""

from __future__ import annotations

from typing import Any, Literal

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import shape_of
from . import pointwise
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class Identity(Module):
    """y = x."""

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class Pointwise(Module):
    """An activation without settings. `inplace` changes nothing: values are never overwritten."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()


class Tanh(Module):
    """y = tanh x."""

    def forward(self, x: Any) -> Any:
        """Return tanh x."""
        return m.tanh(x)


class ReLU(Pointwise):
    """y = max(x, 0)."""

    def forward(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return m.relu(x)


class Sigmoid(Module):
    """y = 1/(1 + e⁻ˣ)."""

    def forward(self, x: Any) -> Any:
        """Return σ(x)."""
        return m.sigmoid(x)


class SiLU(Pointwise):
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
    """y = x where x > 0, else negative_slope · x. `inplace` changes nothing: values are never overwritten."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Return the leaky ReLU of x."""
        return m.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """y = x where x > 0, else alpha · (eˣ − 1). `inplace` changes nothing: values are never overwritten."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Return the ELU of x."""
        return m.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        """The scale."""
        return f"alpha={self.alpha}"


class Mish(Pointwise):
    """y = x tanh(log(1 + eˣ))."""

    def forward(self, x: Any) -> Any:
        """Return x tanh(log(1 + eˣ))."""
        return m.mish(x)


class Softsign(Module):
    """y = x/(1 + |x|)."""

    def forward(self, x: Any) -> Any:
        """Return x/(1 + |x|)."""
        return m.softsign(x)


class Tanhshrink(Module):
    """y = x − tanh x."""

    def forward(self, x: Any) -> Any:
        """Return x − tanh x."""
        return m.tanhshrink(x)


class LogSigmoid(Module):
    """y = log(1/(1 + e⁻ˣ))."""

    def forward(self, x: Any) -> Any:
        """Return log σ(x)."""
        return m.log_sigmoid(x)


class GLU(Module):
    """y = a σ(b), where a and b are the halves of x along `dim`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """Return one half of x, gated by the other."""
        return pointwise.glu(x, self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softplus(Module):
    """y = log(1 + e^{beta x})/beta, and x itself where beta x > threshold, as in PyTorch."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        if not beta:
            raise ValueError("Softplus: expected beta other than 0")
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Any) -> Any:
        """Return the softplus of x."""
        return pointwise.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The steepness and the threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


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


class Softmin(Softmax):
    """yᵢ = e^{−xᵢ} / Σⱼ e^{−xⱼ} along `dim`. `axis` is another name for `dim`."""

    def forward(self, x: Any) -> Any:
        """Return the softmax of −x."""
        return m.softmax(m.negative(x), axis=self.dim)


class Softmax2d(Module):
    """The softmax over the channels, for each pixel: x of shape (N, C, H, W) or (C, H, W)."""

    def forward(self, x: Any) -> Any:
        """Return the softmax of x over its channels."""
        if len(shape_of(x)) not in (3, 4):
            raise ShapeError(f"Softmax2d: expected x of shape (N, C, H, W) or (C, H, W), got {shape_of(x)}")
        return m.softmax(x, axis=-3)
