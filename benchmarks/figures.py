"""What a workload hands back, and what it is held to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Figure", "Goal", "Settings", "figure", "missing", "reached"]


@dataclass(frozen=True)
class Settings:
    """What to run: the contenders that are wanted, and whether the short form will do."""

    contenders: tuple[str, ...]
    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured quantity of one contender: the median, the quartiles around it, and how many samples.

    `median` is None where there is nothing to report; `note` then says why.
    """

    quantity: str
    contender: str
    unit: str
    median: float | None
    quartiles: tuple[float, float] | None = None
    samples: int = 1
    note: str = ""


@dataclass(frozen=True)
class Goal:
    """The most that pullback's median of a quantity may be: a number, or a multiple of a contender's median."""

    quantity: str
    most: float
    times: str | None = None

    def words(self, unit: str) -> str:
        """How the goal is written in the table."""
        return f"≤ {self.most:g} {unit}" if self.times is None else f"≤ {self.most:g} × {self.times}"


def figure(quantity: str, contender: str, unit: str, samples: Sequence[float], note: str = "") -> Figure:
    """Condense samples to their median and quartiles."""
    if len(samples) == 1:
        return Figure(quantity, contender, unit, samples[0], note=note)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Figure(quantity, contender, unit, median, (low, high), len(samples), note)


def missing(quantity: str, contender: str, unit: str, why: str) -> Figure:
    """The entry of a contender that could not be measured."""
    return Figure(quantity, contender, unit, None, samples=0, note=why)


def reached(goal: Goal, figures: Sequence[Figure]) -> bool | None:
    """Whether pullback's median keeps to the goal; None where a median is missing."""
    medians = {f.contender: f.median for f in figures if f.quantity == goal.quantity}
    ours, unit = medians.get("pullback"), 1.0 if goal.times is None else medians.get(goal.times)
    return None if ours is None or unit is None else ours <= goal.most * unit
