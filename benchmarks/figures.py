"""What a workload hands back, and what it is held to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["FLOOR", "QUICKEST", "Figure", "Goal", "Settings", "Verdict", "figure", "judge", "missing", "ratio"]

FLOOR = "floor"
"""Not a contender: what the machine needs at the least, see `benchmarks.floor`."""
QUICKEST = "the quickest peer"


def _silent(what: str) -> None:
    pass


@dataclass(frozen=True)
class Settings:
    """What to run: the contenders that are wanted, and whether the short form will do.

    `tell` hears what is measured now.
    """

    contenders: tuple[str, ...]
    quick: bool = False
    tell: Callable[[str], None] = _silent


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
    """The most that pullback's median of a quantity may be: a number, or a multiple of a contender's (`ratio`).

    `times`: the contender, or `QUICKEST` for whichever library has the least median. `otherwise`: a word in the note
    of pullback's figure with which the goal is reached whatever the figure.
    """

    quantity: str
    most: float
    times: str | None = None
    otherwise: str = ""

    def words(self, unit: str) -> str:
        """How the goal is written in the table."""
        if self.times is None:
            return f"≤ {self.most:g} {unit}" + (f", or {self.otherwise}" if self.otherwise else "")
        share = f"{self.most:g}" if self.most >= 1 else f"1/{1 / self.most:g}"
        return f"≤ {share} × {self.times}"


@dataclass(frozen=True)
class Verdict:
    """What came of a goal: whom pullback was compared with, its figure or ratio, and whether that is enough.

    `reached` and `value` are None where a median is missing. `floor` is the same ratio for what the machine needs at
    the least, where that was measured: no float32 program can fall below it here.
    """

    peer: str | None
    value: float | None
    floor: float | None
    reached: bool | None


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


def judge(goal: Goal, figures: Sequence[Figure]) -> Verdict:
    """Compare pullback's figure with the goal."""
    measured = {f.contender: f for f in figures if f.quantity == goal.quantity and f.median is not None}
    ours, floor = measured.get("pullback"), measured.get(FLOOR)
    if goal.times is None:
        value = None if ours is None else ours.median
        least = None if floor is None else floor.median
        told = bool(ours and goal.otherwise and goal.otherwise in ours.note)
        return Verdict(None, value, least, None if value is None else told or value <= goal.most)
    if goal.times == QUICKEST:
        libraries = [f for c, f in measured.items() if c != FLOOR and not c.startswith("pullback")]
        peer = min(libraries, key=lambda f: f.median or 0.0, default=None)
    else:
        peer = measured.get(goal.times)
    if ours is None or peer is None:
        return Verdict(None if peer is None else peer.contender, None, None, None)
    value = ratio(ours, peer)
    least = None if floor is None else ratio(floor, peer)
    return Verdict(peer.contender, value, least, None if value is None else value <= goal.most)
