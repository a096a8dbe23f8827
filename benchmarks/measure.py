"""How things are measured: contenders in turn, so that drift of the machine hits all of them equally."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection
from pathlib import Path

__all__ = ["interleaved", "peak_memory", "resident_memory"]

Sample = dict[str, float]
STATUS = Path("/proc/self/status")


def interleaved(
    runs: dict[str, Callable[[], Sample]], rounds: int, rare: Collection[str] = ()
) -> dict[str, dict[str, list[float]]]:
    """Call every run once a round, and collect what they return: `{contender: {quantity: samples}}`.

    Each round begins with another contender. One round before the first is not counted. The garbage
    collector stays on, as it is for a user, but what exists before a round is hidden from it: otherwise who
    makes objects would pay for searching the modules of all the other libraries, and a search between two
    contenders would take them apart in time and empty the processor's caches. Who is `rare` takes part in every
    fifth round only.
    """
    names = list(runs)
    collected: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for turn in range(-1, rounds):
        first = turn % len(names)
        gc.collect()
        gc.freeze()
        for name in names[first:] + names[:first]:
            if name in rare and turn % 5:
                continue
            gc.collect()  # what the contender before left
            sample = runs[name]()
            if turn >= 0:
                for quantity, x in sample.items():
                    collected[name].setdefault(quantity, []).append(x)
        gc.unfreeze()
    return collected


def resident_memory() -> int | None:
    """The bytes of memory that this process occupies now; None where the system does not tell."""
    return _status("VmRSS")


def peak_memory() -> int | None:
    """The most bytes of memory that this process has occupied so far; None where the system does not tell."""
    # Not getrusage where there is another way: on Linux its ru_maxrss counts the parent's memory too, from
    # the moment between fork and exec.
    peak = _status("VmHWM")
    if peak is None and sys.platform == "darwin":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak


def _status(field: str) -> int | None:
    if not STATUS.exists():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None
