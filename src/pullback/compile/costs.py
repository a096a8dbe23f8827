"""What things cost, in bytes that could be moved meanwhile: numbers moved, memory kept, operations repeated.

The unit is a byte read or written in arrays that no cache of a core holds, some 0.05 ns. All figures are for numbers
of four bytes in registers of 512 bits, rounded from measurements: what matters is which of two ways is the dearer.
"""

from __future__ import annotations

import math

from .access import Access
from .program import Fold, Point

__all__ = ["COSTLY", "KEPT", "cost_of", "moved"]

KEPT = 0.5
"""A byte of memory more, for as long as the plan is there."""

CHEAP = 0.25
"""An operation of one instruction on a number in a register."""

OPERATIONS = {
    **dict.fromkeys(["divide", "sqrt", "reciprocal", "rsqrt", "isclose"], 1.0),
    **dict.fromkeys(["exp", "sigmoid", "silu", "log", "log2", "log10", "tanh", "elu", "selu", "celu", "hypot"], 5.0),
    **dict.fromkeys(["normal_bell", "normal_below"], 5.0),
    **dict.fromkeys(["expm1", "log1p", "softplus", "log_sigmoid", "logaddexp", "erf", "gelu_tanh", "mish"], 7.0),
    **dict.fromkeys(["erfc", "gelu", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"], 9.0),
    **dict.fromkeys(["sinh", "cosh", "asinh", "acosh", "atanh", "pow", "remainder", "floor_divide"], 16.0),
}
"""Scalar operations that are more than an instruction or two."""

COSTLY = frozenset(name for name, cost in OPERATIONS.items() if cost > 1)
"""Those that one kernel keeps from pass to pass rather than computes again."""


def cost_of(instruction: Point | Fold) -> float:
    """Return what it costs to compute all elements of an instruction once, its operands being in registers."""
    operation = CHEAP if isinstance(instruction, Fold) else OPERATIONS.get(instruction.name, CHEAP)
    out = instruction.out
    count = math.prod(instruction.shape) if isinstance(instruction, Fold) else _distinct(out)
    return operation * count * max(out.dtype.itemsize, 4) / 4


def moved(x: Access) -> float:
    """Return what it costs to read or to write the elements of an access."""
    return float(_distinct(x) * x.dtype.itemsize)


def _distinct(x: Access) -> int:
    return math.prod(n for n, s in zip(x.shape, x.strides, strict=True) if s)
