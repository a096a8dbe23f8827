"""The layer view as plain frozen data: z, a and δ of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .plain import plain
from .quantity import Origin, Quantity

__all__ = ["LayerAccount", "LayerView"]


@dataclass(frozen=True)
class LayerAccount:
    """One layer in the textbook's terms, z = W x + b, a = f(z), δ = ∂L/∂z: of one sample, or the mean of the batch."""

    name: str
    origin: Origin
    x: Any
    """What goes in."""
    z: Any
    a: Any
    activation: str
    """Words for f; "" where there is none, and a is z."""
    slope: Any
    """f′(z) for a chosen sample; None for the mean, of which δ is not the product."""
    carried: Any
    """∂L/∂a: what comes back from behind."""
    delta: Any
    """∂L/∂z."""
    statement: str
    """How δ comes about, such as δ1 = (W2ᵀ δ2) ⊙ f′(z1)."""
    weight: Quantity
    weight_gradient: Any
    """∂L/∂W: for a chosen sample its own part, δ times x; for the mean that of the whole batch, as the engine says."""
    bias: Quantity | None
    bias_gradient: Any


@dataclass(frozen=True)
class LayerView:
    """The layers of a network, first to last."""

    sample: int | None
    """The chosen sample; None for the mean over the batch."""
    batch: int
    loss: float
    layers: tuple[LayerAccount, ...]
    lang: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return plain(self)

    def __str__(self) -> str:
        from .layers_text import render

        return render(self)

    __repr__ = __str__
