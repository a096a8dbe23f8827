"""The bilinear layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import default_dtype, operand, shape_of
from . import init
from .cells import positive
from .module import Module
from .parameter import Parameter

__all__ = ["Bilinear"]


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """Return yₖ = x1ᵀ Aₖ x2 + bₖ; x1: (…, in1), x2: (…, in2), weight: (out, in1, in2), bias: (out,) or None.

    Raises ShapeError when the shapes do not fit together.

    >>> import numpy as np, pullback as pb
    >>> pb.nn.functional.bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [1.0]]])).tolist()
    [9.0]
    """
    x1, x2 = operand(x1), operand(x2)
    left, right, want = shape_of(x1), shape_of(x2), shape_of(weight)
    if len(want) != 3 or not left or not right or (left[-1], right[-1]) != want[1:] or left[:-1] != right[:-1]:
        raise ShapeError(
            f"bilinear: expected x1 (…, in1), x2 (…, in2) and weight (out, in1, in2), got x1 {left}, x2 {right} and "
            f"weight {want}"
        )
    # x1ᵀ A for all outputs in one product, then with x2 row by row.
    out, in1, in2 = want
    rows = m.reshape(x1, (math.prod(left[:-1]), in1))
    folded = m.reshape(m.permute_dims(weight, (1, 0, 2)), (in1, out * in2))
    half = m.reshape(m.matmul(rows, folded), (*left[:-1], out, in2))
    y = m.reshape(m.matmul(half, m.reshape(x2, (*right, 1))), (*left[:-1], out))
    return y if bias is None else m.add(y, bias)


class Bilinear(Module):
    """yₖ = x1ᵀ Aₖ x2 + bₖ.

    `weight` A has shape (out_features, in1_features, in2_features), `bias` (out_features,); both start
    uniformly in ±1/√in1_features. x1: (…, in1_features), x2: (…, in2_features) with the same axes in front.
    Raises ShapeError for others.

    >>> import pullback as pb
    >>> pb.nn.Bilinear(4, 3, 2)(pb.zeros((5, 4)), pb.zeros((5, 3))).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        positive("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return x1ᵀ A x2 + b."""
        left, right = shape_of(x1), shape_of(x2)
        want = (self.in1_features, self.in2_features)
        if not left or not right or (left[-1], right[-1]) != want or left[:-1] != right[:-1]:
            raise ShapeError(
                f"{self!r}: expected x1 of shape (…, {want[0]}) and x2 of shape (…, {want[1]}) with the same axes in "
                f"front, got x1 {left} and x2 {right}"
            )
        return bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes of the layer."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
