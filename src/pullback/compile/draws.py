"""Random draws: the rules that lower those whose numbers do not depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..core.spec import spec_of
from ..transforms.graph import Equation
from .builder import Lowering
from .emit.philox import STREAM
from .program import Special

__all__ = ["DRAWS", "is_drawn"]


def uniform(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    _draw(lowering, equation, "random_uniform", (math.prod(symbol.shape), symbol.dtype, STREAM))
    return True


def mask(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    settings = (math.prod(symbol.shape), symbol.dtype, float(equation.static["keep"]), STREAM)
    _draw(lowering, equation, "dropout_mask", settings)
    return True


def _draw(lowering: Lowering, equation: Equation, kind: str, settings: tuple[object, ...]) -> None:
    key, counter = (lowering.access(x) for x in equation.inputs)
    lowering.add(Special(equation, kind, settings, (lowering.new(equation.outputs[0]),), (key, counter)))


def is_drawn(equation: Equation) -> bool:
    """Whether key, counter and result have the dtypes that are drawn natively."""
    key, counter = (spec_of(x) for x in equation.inputs)
    (symbol,) = equation.outputs
    return (
        key.shape == counter.shape == ()
        and key.dtype == np.uint64
        and counter.dtype == np.int64
        and symbol.dtype in (np.float32, np.float64)
    )


DRAWS: dict[str, Callable[[Lowering, Equation], bool]] = {"random_uniform": uniform, "dropout_mask": mask}
