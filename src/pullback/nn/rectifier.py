"""Activations made of pieces: straight lines, exponentials, and what is cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from ..core.spec import default_dtype
from . import pointwise
from .activation import Pointwise
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU",
    "RReLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "PReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class ReLU6(Pointwise):
    """y = min(max(x, 0), 6)."""

    def forward(self, x: Any) -> Any:
        """Return min(max(x, 0), 6)."""
        return m.relu6(x)


class Hardtanh(Module):
    """y = x limited to [min_val, max_val]. `inplace` changes nothing: values are never overwritten."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Any:
        """Return x limited to the interval."""
        return m.hardtanh(x, min_val=self.min_val, max_val=self.max_val)

    def extra_repr(self) -> str:
        """The interval."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardswish(Pointwise):
    """y = x min(max(x + 3, 0), 6)/6."""

    def forward(self, x: Any) -> Any:
        """Return x times a sigmoid made of straight lines."""
        return m.hard_swish(x)


class Hardsigmoid(Pointwise):
    """y = min(max(x + 3, 0), 6)/6."""

    def forward(self, x: Any) -> Any:
        """Return a sigmoid made of straight lines."""
        return m.hard_sigmoid(x)


class Hardshrink(Module):
    """y = x where |x| > lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        """Return x where it is far enough from 0."""
        return m.hardshrink(x, lambd=self.lambd)

    def extra_repr(self) -> str:
        """The width."""
        return str(self.lambd)


class Softshrink(Module):
    """y = x − lambd where x > lambd, x + lambd where x < −lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"Softshrink: expected lambd >= 0, got {lambd}")
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        """Return x brought nearer to 0."""
        return m.softshrink(x, lambd=self.lambd)

    def extra_repr(self) -> str:
        """The width."""
        return str(self.lambd)


class Threshold(Module):
    """y = x where x > threshold, else value. `inplace` changes nothing: values are never overwritten."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value

    def forward(self, x: Any) -> Any:
        """Return x where it is greater than the threshold."""
        return m.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The threshold and the value."""
        return f"threshold={self.threshold}, value={self.value}"


class CELU(Module):
    """y = max(x, 0) + min(alpha (e^{x/alpha} − 1), 0). `inplace` changes nothing: values are never overwritten."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"CELU: expected alpha > 0, got {alpha}")
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Return the CELU of x."""
        return m.celu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        """The scale."""
        return f"alpha={self.alpha}"


class SELU(Pointwise):
    """y = λ x where x > 0, else λ α (eˣ − 1), with the λ and α that keep mean 0 and variance 1."""

    def forward(self, x: Any) -> Any:
        """Return the SELU of x."""
        return m.selu(x)


class PReLU(Module):
    """y = x where x > 0, else weight · x, with one learned slope, or one per channel (axis 1).

    `num_parameters`: 1 or the number of channels; `init`: where the slopes start (He et al., ICCV 2015).

    >>> import pullback as pb
    >>> pb.nn.PReLU()(pb.tensor([-2.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ValueError(f"PReLU: expected num_parameters >= 1, got {num_parameters}")
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(np.full(num_parameters, init, default_dtype() if dtype is None else np.dtype(dtype)))

    def reset_parameters(self) -> None:
        """Set the slopes to where they started."""
        self.weight.assign_(self.init)

    def forward(self, x: Any) -> Any:
        """Return the PReLU of x."""
        return pointwise.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """y = x where x ≥ 0, else a · x: in training a ~ U[lower, upper) for each element, in evaluation their middle.

    `inplace` changes nothing: values are never overwritten (Xu et al., arXiv:1505.00853).
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        if not lower <= upper:
            raise ValueError(f"RReLU: expected lower <= upper, got {lower} and {upper}")
        self.lower = lower
        self.upper = upper

    def forward(self, x: Any) -> Any:
        """Return the leaky ReLU of x with random slopes, if training."""
        return pointwise.rrelu(x, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        """The range of the slopes."""
        return f"lower={self.lower}, upper={self.upper}"
