"""Which mapping is not held to which law, and why. Every entry is a stated decision; there is no other way out."""

from __future__ import annotations

__all__ = ["EXEMPT"]

SQUARES = "it keeps squares of gradients, which float32 cannot hold at 1e30, as in PyTorch"

EXEMPT: dict[tuple[str, str], str] = {
    ("adam_update", "magnitudes"): SQUARES,
    ("amsgrad_update", "magnitudes"): SQUARES,
    ("adagrad_update", "magnitudes"): SQUARES,
    ("rmsprop_update", "magnitudes"): SQUARES,
    ("rmsprop_centered_update", "magnitudes"): SQUARES,
    ("rmsprop_centered_momentum_update", "magnitudes"): SQUARES,
}
