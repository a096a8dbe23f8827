"""The direction of L-BFGS: the inverse Hessian, as the last steps know it, applied to the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import composite
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, result_dtype, shape_of
from .arithmetic import add, divide, multiply, negative, subtract
from .linalg import vecdot
from .slicing import _slice

__all__: list[str] = []


def _body(g: Any, steps: Any, differences: Any) -> Any:
    """Nocedal's two loops (Mathematics of Computation 35, 1980): newest first, then oldest first."""
    pairs = [
        (_slice(steps, index=(i,)), _slice(differences, index=(i,))) for i in range(shape_of(steps)[0])
    ]  # (s, y), the oldest first
    curvatures = [vecdot(y, s) for s, y in pairs]
    direction = negative(g)
    shares = []
    for (s, y), curvature in zip(reversed(pairs), reversed(curvatures), strict=True):
        share = divide(vecdot(s, direction), curvature)
        direction = subtract(direction, multiply(y, share))
        shares.append(share)
    if pairs:
        _, y = pairs[-1]
        direction = multiply(direction, divide(curvatures[-1], vecdot(y, y)))
    for (s, y), curvature, share in zip(pairs, curvatures, reversed(shares), strict=True):
        direction = add(direction, multiply(s, subtract(share, divide(vecdot(y, direction), curvature))))
    return direction


def _samples(rng: np.random.Generator) -> list[Sample]:
    made = []
    for count, size in ((3, 4), (1, 2), (0, 3)):
        steps = rng.normal(size=(count, size))
        # Where the curvature yᵀs is positive, as the optimiser takes care it is.
        made.append(Sample((rng.normal(size=size), steps, steps * rng.uniform(0.5, 2.0, size) + 0.1 * steps[:, ::-1])))
    return made


_lbfgs_direction = composite(
    "lbfgs_direction",
    _body,
    lambda g, steps, differences: Spec(g.shape, result_dtype(g, steps, differences)),
    arguments=("g", "steps", "differences"),
    uses=INPUTS,
    formula=r"-H_{{{steps},{differences}}} \, {g}",
    words="minus the gradient {g}, times the inverse Hessian that the {steps} and the gradients' {differences} imply",
    lower=unsupported("lbfgs_direction: lowered through its body"),
    onnx=unsupported("lbfgs_direction: training is not exported"),
    samples=fixed(_samples),
)
