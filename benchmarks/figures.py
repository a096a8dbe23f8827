"""What a workload hands back, and what it is held to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Figure", "Goal", "Settings", "figure", "missing", "ratio", "reached"]


@dataclass(frozen=True)
class Settings:
    """What to run: the contenders that are wanted, and whether the short form will do."""

    contenders: tuple[str, ...]
    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured quantity of one contender: the samples, their median, and the quartiles around it.

    `median` is None where there is nothing to report; `note` then says why.
    """

    quantity: str
    contender: str
    unit: str
    median: float | None
    quartiles: tuple[float, float] | None = None
    samples: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Goal:
    """The most that pullback's median of a quantity may be: a number, or a multiple of a contender's (`ratio`)."""

    quantity: str
    most: float
    times: str | None = None

    def words(self, unit: str) -> str:
        """How the goal is written in the table."""
        if self.times is None:
            return f"≤ {self.most:g} {unit}"
        share = f"{self.most:g}" if self.most >= 1 else f"1/{1 / self.most:g}"
        return f"≤ {share} × {self.times}"


def figure(quantity: str, contender: str, unit: str, samples: Sequence[float], note: str = "") -> Figure:
    """Condense samples to their median and quartiles."""
    if len(samples) == 1:
        return Figure(quantity, contender, unit, samples[0], samples=(samples[0],), note=note)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Figure(quantity, contender, unit, median, (low, high), tuple(samples), note)


def missing(quantity: str, contender: str, unit: str, why: str) -> Figure:
    """The entry of a contender that could not be measured."""
    return Figure(quantity, contender, unit, None, note=why)


def ratio(one: Figure, other: Figure) -> float | None:
    """How many times `other` the figure `one` is; None where one of them is missing.

    Samples of the same round were taken within milliseconds of each other, so they are compared with each
    other, and the median of these ratios is told: a machine that is now quick and now slow, because of what
    else runs on it, changes the times and not the ratios.
    """
    if one.median is None or other.median is None or not other.median:
        return None
    if len(one.samples) == len(other.samples):
        return statistics.median(a / b for a, b in zip(one.samples, other.samples, strict=True))
    return one.median / other.median


def reached(goal: Goal, figures: Sequence[Figure]) -> bool | None:
    """Whether pullback keeps to the goal; None where a median is missing."""
    measured = {f.contender: f for f in figures if f.quantity == goal.quantity}
    ours = measured.get("pullback")
    if ours is None or ours.median is None:
        return None
    if goal.times is None:
        return ours.median <= goal.most
    other = measured.get(goal.times)
    times = None if other is None else ratio(ours, other)
    return None if times is None else times <= goal.most
