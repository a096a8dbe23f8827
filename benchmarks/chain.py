"""A chain of 1,000,000 scalar mappings, forward and back: does it run, how long, and in how much memory."""

from __future__ import annotations

from typing import Any

from .child import ChildFailed, run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import peak_memory, resident_memory
from .scalars import CHAINS, error

TITLE = "A chain of 1,000,000 scalar mappings y ← y · a (quick: 100,000), each library in its own process"
LENGTH, QUICK_LENGTH = 1_000_000, 100_000
SECONDS, MEMORY = "forward and back", "memory per mapping"
GOALS = [Goal(MEMORY, 1500.0)]


def figures(settings: Settings) -> list[Figure]:
    """One process per contender, since the peak of memory belongs to a process."""
    length = QUICK_LENGTH if settings.quick else LENGTH
    seconds, memory = [], []
    for contender in settings.contenders:
        if contender not in CHAINS:
            continue
        if not is_installed(contender):
            seconds.append(missing(SECONDS, contender, "s", INSTALL))
            continue
        try:
            done = run("benchmarks.chain:whole", one_thread=True, contender=contender, length=length)
        except ChildFailed as failure:
            seconds.append(missing(SECONDS, contender, "s", f"fails: {str(failure).split(':')[0]}"))
            continue
        seconds.append(figure(SECONDS, contender, "s", [done["seconds"]]))
        if done["bytes"] is not None:
            memory.append(figure(MEMORY, contender, "B", [done["bytes"]]))
    return seconds + memory


def whole(contender: str, length: int) -> dict[str, Any]:
    """The seconds of the chain, and the bytes per mapping by which the peak of memory rose."""
    CHAINS[contender](1_000, 1)  # what is loaded or allocated once is not the chain's
    before, peak_before = resident_memory(), peak_memory()
    done = CHAINS[contender](length, 1)
    if error(done, length, 1) > 1e-9:
        raise ArithmeticError(f"{contender} computed {done}")
    peak = peak_memory()
    start = peak_before if before is None else before
    grown = None if peak is None or start is None else (peak - start) / length
    return {"seconds": done.forward + done.back, "bytes": grown}
