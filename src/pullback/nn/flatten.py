"""Flatten: the bridge from images to linear layers."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Fold the axes from `start_dim` to `end_dim` into one; by default all but the first.

    >>> import pullback as pb
    >>> pb.nn.Flatten()(pb.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """Return x with the axes folded."""
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
