"""Activations that set small numbers to zero, and those with a threshold or a slope that is learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Samples, real
from ..core.spec import operand
from .activation import _with
from .arithmetic import square
from .compare import greater
from .rounding import abs
from .select import minimum, where
from .slicing import NO_OPERATOR
from .trigonometric import tanh

__all__ = ["hardshrink", "prelu", "softshrink", "tanhshrink", "threshold"]

inf, nan = float("inf"), float("nan")


def _widths() -> Samples:
    return _with((-3, 3), avoid=(-0.5, 0.5, -1.5, 1.5), lambd=(0.5, 1.5))


def hardshrink(x: Any, *, lambd: float = 0.5) -> Any:
    """Return `x` where |x| > `lambd` and 0 elsewhere; at ±`lambd` the slope is 0.

    Raises ValueError for a negative `lambd`.

    >>> import pullback as pb
    >>> pb.hardshrink(pb.tensor([-2.0, 0.3, 0.5, 0.6])).tolist() == [-2.0, 0.0, 0.0, pb.tensor(0.6).item()]
    True
    """
    if not lambd >= 0:
        raise ValueError(f"hardshrink: lambd must not be negative, got {lambd}")
    return _hardshrink(operand(x), lambd=float(lambd))


_hardshrink = elementwise(
    "hardshrink",
    lambda x, *, lambd: np.where(np.abs(x) <= lambd, x * 0, x)[()],
    lambda x, y, *, lambd: greater(abs(x), lambd),
    uses=INPUTS,
    formula=r"{x} \cdot [|{x}| > \lambda]",
    words="{x} where it is far enough from 0, else 0",
    lower="hardshrink",
    onnx="Shrink",
    samples=_widths(),
    kink="at ±lambd we choose 0, as PyTorch does",
)


def softshrink(x: Any, *, lambd: float = 0.5) -> Any:
    """Return `x` brought nearer to 0 by `lambd`, and 0 where |x| ≤ `lambd`; there the slope is 0.

    Raises ValueError for a negative `lambd`.

    >>> import pullback as pb
    >>> pb.softshrink(pb.tensor([-2.0, 0.25, 1.0])).tolist()
    [-1.5, 0.0, 0.5]
    """
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd must not be negative, got {lambd}")
    return _softshrink(operand(x), lambd=float(lambd))


_softshrink = elementwise(
    "softshrink",
    lambda x, *, lambd: np.where(np.abs(x) <= lambd, x * 0, x - np.copysign(lambd, x).astype(np.result_type(x, 0.0)))[
        ()
    ],
    lambda x, y, *, lambd: greater(abs(x), lambd),
    uses=INPUTS,
    formula=r"\operatorname{{sign}}({x}) \max(|{x}| - \lambda, 0)",
    words="{x} brought nearer to 0 by a constant, and 0 where it is nearer than that",
    lower="softshrink",
    onnx="Shrink",
    samples=_widths(),
    kink="at ±lambd we choose 0, as PyTorch does",
)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """Return `x` where it is greater than `threshold`, else `value`; at the threshold the slope is 0.

    >>> import pullback as pb
    >>> pb.threshold(pb.tensor([-2.0, 1.0, 3.0]), 1.0, -7.0).tolist()
    [-7.0, -7.0, 3.0]
    """
    return _threshold(operand(x), threshold=float(threshold), value=float(value))


_threshold = elementwise(
    "threshold",
    lambda x, *, threshold, value: np.where(x <= threshold, np.result_type(x, value).type(value), x)[()],
    lambda x, y, *, threshold, value: greater(x, threshold),
    uses=INPUTS,
    formula=r"{x} \text{{ if }} {x} > \theta \text{{ else }} v",
    words="{x} where it is greater than a threshold, else a constant",
    lower="threshold",
    onnx=NO_OPERATOR,
    samples=_with((-3, 3), avoid=(0.5, -1.0), threshold=(0.5, -1.0), value=(0.0, 2.0)),
    kink="at the threshold we choose 0, as PyTorch does",
)

tanhshrink = elementwise(
    "tanhshrink",
    lambda x: x - np.tanh(x),
    lambda x, y: square(tanh(x)),
    uses=INPUTS,
    formula=r"{x} - \tanh {x}",
    words="{x} minus its hyperbolic tangent",
    lower="tanhshrink",
    onnx=unsupported("ONNX has no operator for it; it is Sub(x, Tanh(x))"),
    samples=real((-3, 3)),
    special={0.0: 0.0, 1000.0: 999.0, inf: inf, -inf: -inf, nan: nan},
    special_slope={0.0: 0.0, 1000.0: 1.0, -1000.0: 1.0},
)

prelu = elementwise(
    "prelu",
    lambda x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0),
    (lambda x, slope, y: where(greater(x, 0), 1, slope), lambda x, slope, y: minimum(x, 0)),
    arguments=("x", "slope"),
    uses=INPUTS,
    formula=r"\max({x}, 0) + {slope} \min({x}, 0)",
    words="{x} where it is positive, else {slope} times {x}",
    lower="prelu",
    onnx="PRelu",
    samples=real((-3, 3), (-1, 1), avoid=(0.0,)),
    special={(2.0, 0.25): 2.0, (-2.0, 0.25): -0.5, (nan, 0.25): nan},
    special_slope={(0.0, 0.25): (0.25, 0.0), (2.0, 0.25): (1.0, 0.0), (-2.0, 0.25): (0.25, -2.0)},
    kink="at 0 we choose the slope of the negative side, as PyTorch does",
)
