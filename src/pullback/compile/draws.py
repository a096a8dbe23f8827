"""Random draws: the rules that lower them. Each gives the bits that eager execution gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..core.spec import spec_of
from ..transforms.graph import Equation
from .builder import Lowering
from .emit.philox import STREAM, WORDS
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


def normal(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    _draw(lowering, equation, "random_normal", (math.prod(symbol.shape), symbol.dtype, STREAM), in_order=True)
    return True


def integers(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    low, high = (int(equation.static[k]) for k in ("low", "high"))
    settings = (math.prod(symbol.shape), symbol.dtype, low, high, STREAM)
    _draw(lowering, equation, "random_integers", settings, in_order=True)
    return True


def permutation(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    *lead, length = symbol.shape
    settings = (math.prod(lead), length, symbol.dtype, STREAM)
    _draw(lowering, equation, "random_permutation", settings, in_order=True)
    return True


def _draw(
    lowering: Lowering, equation: Equation, kind: str, settings: tuple[object, ...], in_order: bool = False
) -> None:
    """Add the draw; one that takes word after word (`in_order`) has room for those drawn ahead."""
    key, counter = (lowering.access(x) for x in equation.inputs)
    outs = [lowering.new(equation.outputs[0])]
    if in_order:
        outs.append(lowering.array((WORDS,), np.uint64).whole())
    lowering.add(Special(equation, kind, settings, tuple(outs), (key, counter)))


def is_drawn(equation: Equation) -> bool:
    """Whether key, counter and result have the dtypes that are drawn natively."""
    key, counter = (spec_of(x) for x in equation.inputs)
    (symbol,) = equation.outputs
    return (
        key.shape == counter.shape == ()
        and key.dtype == np.uint64
        and counter.dtype == np.int64
        and symbol.dtype in _DTYPES[str(equation.mapping.lower)]
    )


_REAL = (np.float32, np.float64)
_DTYPES: dict[str, tuple[type, ...]] = {
    "random_uniform": _REAL,
    "dropout_mask": _REAL,
    "random_normal": _REAL,
    "random_integers": (np.int32, np.int64, np.uint32),
    "random_permutation": (np.int32, np.int64, np.uint32, np.uint64, np.int16, np.uint16, np.int8, np.uint8),
}

DRAWS: dict[str, Callable[[Lowering, Equation], bool]] = {
    "random_uniform": uniform,
    "dropout_mask": mask,
    "random_normal": normal,
    "random_integers": integers,
    "random_permutation": permutation,
}
