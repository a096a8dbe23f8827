"""Dropout."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, set each element to 0 with probability `p` and scale the others by 1/(1 − p).

    In evaluation mode the identity (Srivastava et al., JMLR 15, 2014, in the inverted form). Raises
    ValueError unless 0 ≤ p ≤ 1.

    >>> import pullback as pb
    >>> pb.nn.Dropout(0.5).eval()(pb.tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        F.check_probability("Dropout", p)
        self.p = p

    def forward(self, x: Any) -> Any:
        """Drop elements of `x`, if training."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
