"""Losses of a residual: robust and quantile losses of a prediction and a target, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, NOTHING, unsupported
from ..core.samples import Sample, fixed
from .arithmetic import add, multiply, negative, subtract
from .rounding import abs, sign
from .select import clip

__all__: list[str] = []

inf, nan = float("inf"), float("nan")

# ---------------------------------------------------------------------------------------------- Huber


def _huber_kernel(x: Any, target: Any, *, delta: float) -> Any:
    residual = np.abs(x - target)
    near = np.minimum(residual, delta)
    return near * (residual - 0.5 * near)


def _towards_target(x: Any, target: Any, y: Any, *, delta: float) -> Any:
    return clip(subtract(x, target), -delta, delta)


def _residuals(rng: np.random.Generator) -> list[Sample]:
    """Predictions whose residuals lie away from 0 and from ±1.5."""
    made = []
    for shape, other in (((2, 3), (2, 3)), ((), ()), ((3,), (2, 3)), ((0, 3), (3,))):
        target = rng.normal(size=other)
        broadcast = np.broadcast_shapes(shape, other)
        size = rng.uniform(0.2, 1.2, broadcast) + rng.integers(0, 2, broadcast) * 1.5
        x = target + size * rng.choice([-1.0, 1.0], broadcast)
        made.append(Sample((x, np.asarray(target)), {"delta": 1.5}))
    return made


_huber = elementwise(
    "huber",
    _huber_kernel,
    (_towards_target, lambda x, target, y, *, delta: negative(_towards_target(x, target, y, delta=delta))),
    arguments=("x", "target"),
    uses=INPUTS,
    formula=r"h_\delta({x} - {target})",
    words="Huber's loss of {x} and {target}: the square near the target, straight lines far from it",
    lower="huber",
    onnx=unsupported("huber: ONNX has no such operator; losses are not exported"),
    samples=fixed(_residuals),
)

# --------------------------------------------------------------------------------------------- pinball


def _pinball_kernel(x: Any, target: Any, q: Any) -> Any:
    missing = target - x
    return np.maximum(q * missing, (q - 1) * missing) + 0  # −0 becomes 0


def _pinball_slope(x: Any, target: Any, q: Any) -> Any:
    """1 − q above the target, −q below it, 0 on it."""
    side = sign(subtract(x, target))  # q meets an array first: a Python number alone would be rounded to float32
    return subtract(multiply(add(side, abs(side)), 0.5), multiply(abs(side), q))


def _quantiles(rng: np.random.Generator) -> list[Sample]:
    made = []
    for shape, levels in (((2, 3), (3,)), ((), ()), ((0, 2), (2,))):
        target = rng.normal(size=shape)
        x = target + rng.uniform(0.1, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        made.append(Sample((np.asarray(x), np.asarray(target), rng.uniform(0.1, 0.9, levels))))
    return [*made, Sample((rng.normal(size=4), rng.normal(size=4) + 5, 0.3))]


_pinball = elementwise(
    "pinball",
    _pinball_kernel,
    (
        lambda x, target, q, y: _pinball_slope(x, target, q),
        lambda x, target, q, y: negative(_pinball_slope(x, target, q)),
        lambda x, target, q, y: subtract(target, x),
    ),
    arguments=("x", "target", "q"),
    uses=INPUTS,
    formula=r"\max({q} ({target} - {x}), ({q} - 1)({target} - {x}))",
    words="the pinball loss of {x} and {target}, which is least at the quantile {q}",
    lower="pinball",
    onnx=unsupported("pinball: ONNX has no such operator; losses are not exported"),
    samples=fixed(_quantiles),
    special={(1.0, 1.0, 0.3): 0.0, (nan, 1.0, 0.3): nan},
    special_slope={(1.0, 1.0, 0.3): (0.0, 0.0, 0.0)},
    kink="where {x} meets {target} we choose 0, as for the absolute value",
)

# ---------------------------------------------------------------------------------------------- checks


def _checked(x: Any, *, name: str) -> Any:
    if np.any(np.less(x, 0)):
        where = tuple(np.argwhere(np.asarray(x) < 0)[0].tolist())
        raise ValueError(f"{name} must not be negative, got {np.asarray(x)[where]} at index {where}")
    return +x


_not_negative = elementwise(
    "not_negative",
    _checked,
    lambda x, y, *, name: 1,
    uses=NOTHING,
    formula="{x}",
    words="{x}, checked to be nowhere negative",
    refuses=True,
    lower="not_negative",
    onnx=unsupported("not_negative: losses are not exported"),
    samples=fixed(lambda rng: [Sample((rng.uniform(1, 2, shape),), {"name": "x"}) for shape in ((3,), (2, 3), ())]),
)
