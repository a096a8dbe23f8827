"""Folding: the same few steps again and again become one line with a count, and a module's steps one line."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .receipt import Group

__all__ = ["Repetition", "groups", "kept", "repetitions"]

LONGEST_PERIOD, FEWEST_TIMES = 32, 3
HUGE = 50_000


@dataclass(frozen=True)
class Repetition:
    """The items from `start` on are the same `period` items, `times` times."""

    start: int
    period: int
    times: int

    @property
    def end(self) -> int:
        """The position behind the last item."""
        return self.start + self.period * self.times


def repetitions(signatures: Sequence[Hashable]) -> list[Repetition]:
    """Return the repetitions in a sequence, shortest period first, none overlapping another.

    >>> repetitions(["a", "b", "a", "b", "a", "b", "c"])
    [Repetition(start=0, period=2, times=3)]
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(s, len(numbers)) for s in signatures], dtype=np.int64)
    count = len(codes)
    longest = min(LONGEST_PERIOD if count < HUGE else 8, count // FEWEST_TIMES)
    runs = [_runs(codes, period) for period in range(1, longest + 1)]
    found = []
    at = 0
    while at < count:
        for period, run in enumerate(runs, 1):
            if at < len(run) and run[at] >= period * (FEWEST_TIMES - 1):
                times = int(run[at]) // period + 1
                found.append(Repetition(at, period, times))
                at += period * times
                break
        else:
            at += 1
    return found


def _runs(codes: Any, period: int) -> Any:
    """Return for each position how many items in a row are equal to the one a period later."""
    same = codes[:-period] == codes[period:]
    breaks = np.flatnonzero(~same)
    ends = np.append(breaks, len(same))
    positions = np.arange(len(same))
    return ends[np.searchsorted(breaks, positions)] - positions


def kept(count: int, found: Sequence[Repetition], most: int) -> list[int]:
    """Return the positions to show in detail: all of them, or without the middle of what repeats, at most `most`."""
    if count <= most:
        return list(range(count))
    dropped = np.zeros(count, bool)
    for repetition in found:
        if repetition.times > 4:
            dropped[repetition.start + 2 * repetition.period : repetition.end - 2 * repetition.period] = True
    positions = [int(i) for i in np.flatnonzero(~dropped)]
    if len(positions) <= most:
        return positions
    return positions[: most // 2] + positions[-(most // 2) :]


def groups(
    positions: Sequence[int], found: Sequence[Repetition], names: Sequence[str], modules: Sequence[str]
) -> list[Group]:
    """Return the folds of the steps that are shown, which stand at `positions` of the whole sequence.

    `names` and `modules` are those of the steps that are shown.
    """
    result = []
    for repetition in found:
        inside = [i for i, position in enumerate(positions) if repetition.start <= position < repetition.end]
        if inside:
            pattern = " ← ".join(dict.fromkeys(names[i] for i in inside[: repetition.period]))
            result.append(Group("repetition", pattern, inside[0], inside[-1], repetition.times, repetition.period))
    start = 0
    for i in range(1, len(modules) + 1):
        if i == len(modules) or modules[i] != modules[start]:
            if modules[start] and i - start > 1:
                result.append(Group("module", modules[start], start, i - 1, 1, i - start))
            start = i
    return result
