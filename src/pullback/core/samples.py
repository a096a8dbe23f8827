"""Inputs for the contract: a declaration says in one word from where its examples are to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Sample", "fixed", "integers", "real"]

Samples = Callable[..., list["Sample"]]
"""A function of a NumPy generator. (Naming its type here would import numpy.random with the package.)"""


@dataclass(frozen=True)
class Sample:
    """One application of a mapping: its arrays and its static parameters."""

    args: tuple[Any, ...]
    static: dict[str, Any] = field(default_factory=dict)


_SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((2, 3), (2, 3), (2, 3)),
    ((), (), ()),
    ((3,), (2, 3), (2, 1)),
    ((4, 1), (5,), ()),
    ((0, 3), (0, 3), (3,)),
)


def real(*ranges: tuple[float, float], avoid: Sequence[float] = (), **static: Any) -> Samples:
    """Draw float64 arrays, one range per argument, in several shapes that broadcast, none of them near `avoid`."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        return [
            Sample(
                tuple(_draw(rng, lo, hi, shape, avoid) for (lo, hi), shape in zip(ranges, shapes, strict=False)), static
            )
            for shapes in _SHAPES
        ]

    return draw


def _draw(rng: np.random.Generator, lo: float, hi: float, shape: tuple[int, ...], avoid: Sequence[float]) -> Any:
    x = rng.uniform(lo, hi, shape)
    for point in avoid:
        near = np.abs(x - point) < 0.05
        x = np.where(near, point + np.where(x < point, -0.1, 0.1), x)
    return np.asarray(x)


def integers(*ranges: tuple[int, int], **static: Any) -> Samples:
    """Draw int64 arrays, one range per argument, in several shapes that broadcast."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        return [
            Sample(
                tuple(rng.integers(lo, hi, shape) for (lo, hi), shape in zip(ranges, shapes, strict=False)), static
            )
            for shapes in _SHAPES
        ]

    return draw


def fixed(make: Callable[[np.random.Generator], Sequence[Sample]]) -> Samples:
    """Use exactly the samples that `make(rng)` returns."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        return list(make(rng))

    return draw
