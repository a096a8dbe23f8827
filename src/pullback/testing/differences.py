"""Finite differences that know how good they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["one_sided", "slope"]

Vector = np.ndarray[Any, Any]


def slope(
    line: Callable[[float], Vector], *, step: float = 0.02, halvings: int = 9, coarseness: float = 1.0
) -> tuple[Vector, Vector]:
    """Return d/dt line(t) at t = 0 for each entry, and an estimate of its error.

    Central differences with steps that halve, extrapolated to step 0 (Ridders, "Accurate computation of
    F'(x) and F'(x)F''(x)", 1982). Each entry takes the extrapolation whose neighbours in the table agree
    best, so that one which crosses a kink or leaves the domain with the larger steps is judged by the
    smaller ones. `coarseness` is the rounding error of `line` in units of float64's. Entries without any
    finite difference come back as NaN with an infinite error.
    """
    best = np.asarray(line(0.0), dtype=np.float64)
    size = np.abs(best)
    error = np.full(best.shape, np.inf)
    best = np.full(best.shape, np.nan)
    previous: list[Vector] = []
    with np.errstate(all="ignore"):
        for k in range(halvings):
            h = step / 2.0**k
            ahead, behind = np.asarray(line(h), np.float64), np.asarray(line(-h), np.float64)
            row = [(ahead - behind) / (2 * h)]
            noise = coarseness * 2.0**-52 * np.where(np.isfinite(size), size, 0.0) / h
            weight = 1.0
            for j in range(1, min(k, 5) + 1):
                weight *= 4.0
                row.append((weight * row[j - 1] - previous[j - 1]) / (weight - 1))
                gap = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - previous[j - 1])) + noise
                better = np.isfinite(gap) & (gap < error)
                error = np.where(better, gap, error)
                best = np.where(better, row[j], best)
            previous = row
    return best, error


def one_sided(line: Callable[[float], Vector], *, step: float = 1e-4) -> tuple[Vector, Vector]:
    """Return the slopes of `line` at 0 from the left and from the right (second order in the step)."""
    here = np.asarray(line(0.0), np.float64)

    def towards(h: float) -> Vector:
        near, far = np.asarray(line(h), np.float64), np.asarray(line(2 * h), np.float64)
        answer: Vector = (4 * near - far - 3 * here) / (2 * h)
        return answer

    with np.errstate(all="ignore"):
        return towards(-step), towards(step)
