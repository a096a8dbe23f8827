"""The memory of training: the most that a process which imports the library and trains occupies."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import peak_memory
from .networks import NETWORKS
from .step import LR, problem

TITLE = "Peak memory of a process that trains the 784-128-10 network for 100 steps"
PEAK = "peak memory"
GOALS: list[Goal] = []


def figures(settings: Settings) -> list[Figure]:
    """One process per contender, since the peak of memory belongs to a process."""
    result = []
    with tempfile.TemporaryDirectory() as folder:
        # Through a file: whoever reads the digits has imported pullback too.
        file = Path(folder) / "problem.npz"
        weights, batches = problem()
        np.savez(file, *weights, *(array for batch in batches for array in batch))
        for contender in settings.contenders:
            if contender not in NETWORKS:
                continue
            if not is_installed(contender):
                result.append(missing(PEAK, contender, "MB", INSTALL))
                continue
            peak = run("benchmarks.memory:peak", one_thread=True, contender=contender, file=str(file))
            if peak is None:
                result.append(missing(PEAK, contender, "MB", "this system does not tell"))
            else:
                result.append(figure(PEAK, contender, "MB", [peak / 1e6]))
    return result


def peak(contender: str, file: str) -> int | None:
    """The peak of this process after training on the weights and batches in `file`."""
    with np.load(file) as arrays:
        everything = [arrays[f"arr_{i}"] for i in range(len(arrays))]
    weights, batches = everything[:4], list(zip(everything[4::2], everything[5::2], strict=True))
    step = NETWORKS[contender](weights, batches, LR)
    for i in range(100):
        float(step(i % len(batches)))
    return peak_memory()
