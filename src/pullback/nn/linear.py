"""The linear layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import default_dtype, shape_of
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Linear"]


class Linear(Module):
    """The affine map y = x Wᵀ + b.

    `weight` has shape (out_features, in_features), `bias` (out_features,); both start uniformly in
    ±1/√in_features. x: (…, in_features); y: (…, out_features). Raises ShapeError for another x.

    >>> import pullback as pb
    >>> pb.nn.Linear(4, 2)(pb.zeros((3, 4))).shape
    (3, 2)
    """

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__()
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
                raise ValueError(f"Linear: expected {name} to be a positive integer, got {n!r}")
        self.in_features = int(in_features)
        self.out_features = int(out_features)
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.empty((self.out_features, self.in_features), dtype))
        self.bias = Parameter(np.empty(self.out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values."""
        bound = 1 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Any:
        """Return x Wᵀ + b."""
        try:
            return F.linear(x, self.weight, self.bias)
        except ShapeError:
            shape = shape_of(x)
            if shape and shape[-1] == self.in_features:
                raise
            raise ShapeError(
                f"{self!r}: expected the last axis of x to have length in_features = {self.in_features}, "
                f"got x of shape {shape}"
            ) from None

    def extra_repr(self) -> str:
        """The sizes of the layer."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
