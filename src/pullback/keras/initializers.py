"""Starting values under Keras' names; a kernel has the shape (…, in, out)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import create, random
from ..core.spec import default_dtype
from ..nn import Parameter
from .names import named

__all__ = ["start"]

Shape = tuple[int, ...]


def _fans(shape: Shape) -> tuple[int, int]:
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _uniform(variance: Callable[[int, int], float]) -> Callable[[Shape], Any]:
    def draw(shape: Shape) -> Any:
        bound = math.sqrt(3 * variance(*_fans(shape)))
        return random.uniform(shape, -bound, bound)

    return draw


def _normal(variance: Callable[[int, int], float]) -> Callable[[Shape], Any]:
    return lambda shape: random.normal(shape, 0.0, math.sqrt(variance(*_fans(shape))))


INITIALIZERS: dict[str, Callable[[Shape], Any]] = {
    "glorot_uniform": _uniform(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    "glorot_normal": _normal(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    "he_uniform": _uniform(lambda fan_in, fan_out: 2 / fan_in),
    "he_normal": _normal(lambda fan_in, fan_out: 2 / fan_in),
    "zeros": lambda shape: create.zeros(shape, default_dtype()),
    "ones": lambda shape: create.ones(shape, default_dtype()),
    "uniform": lambda shape: random.uniform(shape, -0.05, 0.05),
}


def start(initializer: str | Callable[[Shape], Any], shape: Shape) -> Parameter:
    """A parameter with starting values: by an initialiser's name, or a function of the shape."""
    return Parameter(named("initializer", initializer, INITIALIZERS)(shape))
