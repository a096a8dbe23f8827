"""Overhead: what recording one scalar mapping costs, and its way back, in a chain of 10,000."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import Sample, interleaved
from .scalars import CHAINS, error

TITLE = "Overhead of one scalar mapping, y ← y · a in a chain of 10,000"
LENGTH = 10_000
ACTIVE = {1: "one active input", 2: "two active inputs"}
GOALS = [
    goal
    for kind in ACTIVE.values()
    for goal in (Goal(f"recording, {kind}", 2.0), Goal(f"way back, {kind}", 3.0))
]


def figures(settings: Settings) -> list[Figure]:
    """Measure in one process with one thread; scalars leave nothing to share out."""
    present = [c for c in settings.contenders if c in CHAINS and is_installed(c)]
    rounds = 3 if settings.quick else 7
    samples = run("benchmarks.overhead:timings", one_thread=True, contenders=present, rounds=rounds)
    result = []
    for kind in ACTIVE.values():
        for quantity in (f"recording, {kind}", f"way back, {kind}"):
            for contender in settings.contenders:
                if contender in present:
                    result.append(figure(quantity, contender, "µs", samples[contender][quantity]))
                elif contender in CHAINS:
                    result.append(missing(quantity, contender, "µs", INSTALL))
    return result


def timings(contenders: list[str], rounds: int, length: int = LENGTH) -> dict[str, dict[str, list[float]]]:
    """The microseconds per mapping of each contender, after checking that all found the right gradient."""
    sys.setrecursionlimit(3 * length + 1_000)  # for micrograd

    def one(contender: str) -> Callable[[], Sample]:
        def sample() -> Sample:
            taken: dict[str, Any] = {}
            for active, kind in ACTIVE.items():
                done = CHAINS[contender](length, active)
                if error(done, length, active) > 1e-9:
                    raise ArithmeticError(f"{contender} computed {done} with {kind}")
                taken[f"recording, {kind}"] = done.forward / length * 1e6
                taken[f"way back, {kind}"] = done.back / length * 1e6
            return taken

        return sample

    return interleaved({c: one(c) for c in contenders}, rounds)
