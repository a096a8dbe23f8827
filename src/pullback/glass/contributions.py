"""Which elements of its inputs an element of a mapping's output is made of, asked of the mapping's own pullback."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import PullbackError
from .dependence import typical
from .diagram import Box
from .shown import number
from .slopes import pulled, unit

__all__ = ["Patience", "contributions"]

LARGEST_OUTPUT, LARGEST_INPUT = 64, 256


class Patience:
    """How many pullbacks a drawing may still run, and how many slopes it may still show."""

    def __init__(self, pullbacks: int = 3000, slopes: int = 40_000) -> None:
        self.pullbacks = pullbacks
        self.slopes = slopes


@np.errstate(all="ignore")
def contributions(box: Box, patience: Patience) -> list[Any] | None:
    """Return for each input, for each element of the output in order, pairs (element of the input, ∂output/∂input).

    Elements are counted along the rows. An element that takes part with slope 0 is listed too. None when the
    arrays are too large to show, or nothing is left of the patience.
    """
    mapping, y = box.mapping, box.value
    xs = [x.value for x in box.inputs]
    if mapping is None or not isinstance(y, np.ndarray) or all(np.ndim(x) == 0 for x in [y, *xs]):
        return None
    if y.dtype.kind != "f" or not 0 < y.size <= LARGEST_OUTPUT or any(x is None or x.size > LARGEST_INPUT for x in xs):
        return None
    if 2 * y.size > patience.pullbacks or patience.slopes <= 0:
        return None
    patience.pullbacks -= 2 * y.size
    needs = [x.dtype.kind == "f" and x.ndim > 0 for x in xs]
    other_point = typical(mapping, box.static, xs)
    found: list[Any] = [[] if need else None for need in needs]
    try:
        for flat in range(y.size):
            g = unit(y, tuple(map(int, np.unravel_index(flat, y.shape))))
            slopes = pulled(mapping, box.static, xs, y, g, needs)
            taking_part = slopes if other_point is None else pulled(mapping, box.static, *other_point, g, needs)
            for i, (slope, other) in enumerate(zip(slopes, taking_part, strict=True)):
                if found[i] is not None:
                    found[i].append(_pairs(slope, other))
                    patience.slopes -= len(found[i][-1])
    except PullbackError:  # a rule that only works on what it was given
        return None
    return found if any(found) else None


def _pairs(slope: Any, other: Any) -> list[list[Any]]:
    if slope is None and other is None:
        return []
    shape = np.shape(other if slope is None else slope)
    a = np.zeros(shape).reshape(-1) if slope is None else np.asarray(slope).reshape(-1)
    b = a if other is None else np.asarray(other).reshape(-1)
    return [[int(i), number(a[i], 6)] for i in np.flatnonzero((a != 0) | (b != 0))]
