"""Whether a plan is run by one thread or by several: whichever was quicker, asked again from time to time.

Several threads are slower where the work is small, and many times slower where one of their cores is taken by
something else, for then all wait for the one that does not come. What is computed is the same either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

__all__ = ["Sharing"]

TRIED = 6
"""How many runs of each kind are measured before one is chosen."""

SMALL = 20e-6
"""Seconds: what one thread does in so short a time several do not do sooner, for they have to meet."""

AGAIN = 400
"""After how many runs the other kind is measured again."""

SOON = 50
"""After how many runs several threads are tried again when they were slower for once: what took their core may be
gone. Each time they are slower again it takes twice as long, up to `AGAIN`."""


SETTLING = 0.004
"""For how many seconds several threads may be slower when they are tried: threads that were just woken can be on one
core, until the system has moved one of them."""


class Sharing:
    """Chooses for each run, and is told how long it took."""

    def __init__(self) -> None:
        self.times: dict[bool, deque[float]] = {False: deque(maxlen=TRIED), True: deque(maxlen=TRIED)}
        self.chosen = False
        self.trying = 0
        """How many more runs of the kind that is not chosen are to be measured."""
        self.until = 0
        """How many runs are left until the other kind is measured again."""
        self.pause = SOON
        self.open = True
        """Whether what is measured now decides."""
        self.spent = 0.0
        """How many seconds the present trial has taken."""

    @property
    def patience(self) -> float:
        """How long it is worth waiting for a thread that sleeps, in seconds: a small part of a run."""
        alone = self.times[False]
        return 0.05 * median(alone) if alone else 0.0

    def choose(self) -> bool:
        """Return whether the next run is to be shared among threads."""
        if len(self.times[False]) < TRIED // 2 or self._small():
            return False
        if len(self.times[True]) < TRIED:
            return True
        if self.until <= 0 and not self.trying:
            self.trying, self.spent, self.open = TRIED, 0.0, True
        return self.chosen != (self.trying > 0)

    def settled(self) -> bool:
        """Whether the next run is one thread's for certain, and need not be measured; it counts as a run then."""
        if self._small():
            return True
        if self.chosen or self.trying or self.until <= TRIED:
            return False
        self.until -= 1
        return True

    def _small(self) -> bool:
        """Whether a run is too short to be shared: then it need not even be measured."""
        return len(self.times[False]) >= TRIED // 2 and min(self.times[False]) < SMALL

    def took(self, shared: bool, seconds: float) -> None:
        """Note how long a run took."""
        self.times[shared].append(seconds)
        self.until -= 1
        alone, together = self.times[False], self.times[True]
        if self.trying and shared != self.chosen:
            self.spent += seconds
            slower = shared and median(together) >= median(alone)
            if self.trying > 1 or not slower or self.spent > SETTLING:
                self.trying -= 1
        if self.open and len(together) == TRIED and not self.trying:
            self._decide(median(together) < median(alone))
        elif self.chosen and shared and sum(t > 2 * median(alone) for t in together) > 1:
            self._decide(False)

    def _decide(self, shared: bool) -> None:
        self.chosen = shared
        self.until = AGAIN if shared else self.pause
        self.pause = SOON if shared else min(2 * self.pause, AGAIN)
        self.trying, self.open = 0, False


def median(times: Iterable[float]) -> float:
    """Return the median. (To import `statistics` takes as long as many small plans.)"""
    ordered = sorted(times)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
