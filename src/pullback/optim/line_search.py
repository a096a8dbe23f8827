"""A line search: a step length that lowers the loss enough and flattens its slope enough (strong Wolfe).

After Nocedal & Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6, with the safeguards of minFunc
(Schmidt, 2005) in the order in which PyTorch has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Point", "strong_wolfe"]

ENOUGH, FLAT = 1e-4, 0.9
"""Wolfe's constants c₁ and c₂."""


@dataclass(frozen=True)
class Point:
    """A place on the line: the step `length`, the `loss` there, the `gradient` and its `slope` along the line."""

    length: float
    loss: float
    gradient: Any
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    length: float,
    size: float,
    tolerance: float,
    evaluations: int,
) -> tuple[Point, int]:
    """Return a point with f(t) ≤ f(0) + c₁ t f′(0) and |f′(t)| ≤ c₂ |f′(0)|, and how often f was evaluated.

    `evaluate(t)`: the point at t. `start`: that at 0. `length`: the first t to try. `size`: the largest
    element of the direction; the search ends where the bracket times it is below `tolerance`, or after
    `evaluations` (then with the best point so far).
    """
    previous, new = start, evaluate(length)
    count = 0
    bracket = [start, new]
    while count < evaluations:
        too_high = new.loss > start.loss + ENOUGH * new.length * start.slope
        if too_high or (count > 1 and new.loss >= previous.loss):
            bracket = [previous, new]
            break
        if abs(new.slope) <= -FLAT * start.slope:
            return new, count + 1
        if new.slope >= 0:
            bracket = [previous, new]
            break
        least, most = new.length + 0.01 * (new.length - previous.length), new.length * 10
        length = _cubic_minimum(previous, new, least, most)
        previous, new = new, evaluate(length)
        count += 1
        bracket = [start, new]
    used = count + 1
    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    found = hesitated = False
    while not found and count < evaluations:
        least, most = sorted(point.length for point in bracket)
        if (most - least) * size < tolerance:
            break
        length, hesitated = _inside(_cubic_minimum(bracket[0], bracket[1], least, most), least, most, hesitated)
        new = evaluate(length)
        used += 1
        count += 1
        high = 1 - low
        if new.loss > start.loss + ENOUGH * length * start.slope or new.loss >= bracket[low].loss:
            bracket[high] = new
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
        else:
            found = abs(new.slope) <= -FLAT * start.slope
            if not found and new.slope * (bracket[high].length - bracket[low].length) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    return bracket[low], used


def _inside(length: float, least: float, most: float, hesitated: bool) -> tuple[float, bool]:
    """Move a point that is too near an end inwards: at the second time in a row, or when it is the end itself."""
    margin = 0.1 * (most - least)
    if not min(most - length, length - least) < margin:
        return length, False
    if not (hesitated or length >= most or length <= least):
        return length, True
    return (most - margin if abs(length - most) < abs(length - least) else least + margin), False


def _cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic with the losses and slopes of two points is least, within bounds; their middle if nowhere."""
    if not (math.isfinite(a.loss) and math.isfinite(b.loss)):
        return (least + most) / 2
    first = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = first * first - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    root = math.sqrt(square)
    near, far = (a, b) if a.length <= b.length else (b, a)
    share = (far.slope + root - first) / (far.slope - near.slope + 2 * root)
    return min(max(far.length - (far.length - near.length) * share, least), most)
