"""Checkpoints: what writing one costs beside writing the same bytes to a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure
from .measure import Sample, interleaved

TITLE = "A checkpoint of 10 million float32 parameters, on the disk and verified"
PLAIN = "plain file, fsync"
WRITTEN, VERIFIED = "written", "written and read back"
LAYERS, WIDTH = 10, 1000
GOALS = [Goal(VERIFIED, 3.0, times=PLAIN)]


def figures(settings: Settings) -> list[Figure]:
    """The checkpoint and the plain file in turn, in one process, on the disk of the temporary folder."""
    samples = run("benchmarks.checkpointing:timings", rounds=2 if settings.quick else 9)
    return [
        figure(quantity, contender, "ms", samples[contender][quantity])
        for quantity in (WRITTEN, VERIFIED)
        for contender in ("pullback", PLAIN)
    ]


def timings(rounds: int, width: int = WIDTH) -> dict[str, dict[str, list[float]]]:
    """The milliseconds of both; the plain file is written once for both quantities."""
    from pullback.train.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint

    draw = np.random.default_rng(0)
    model = {f"layer {i}": draw.random((width, width), dtype=np.float32) for i in range(LAYERS)}
    content = b"".join(array.tobytes() for array in model.values())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = iter(range(10**6))
        path = save_checkpoint(folder, {"model": model}, step=next(steps))
        back = load_checkpoint(path)["model"]
        if not all((back[key] == array).all() for key, array in model.items()):
            raise ArithmeticError("the checkpoint gives other parameters back")

        def checkpoint() -> Sample:
            begin = perf_counter()
            path = save_checkpoint(folder, {"model": model}, step=next(steps))
            written = perf_counter()
            verify_checkpoint(path)
            return {WRITTEN: (written - begin) * 1e3, VERIFIED: (perf_counter() - begin) * 1e3}

        def plain() -> Sample:
            begin = perf_counter()
            with open(folder / f"plain-{next(steps)}", "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            taken = (perf_counter() - begin) * 1e3
            return {WRITTEN: taken, VERIFIED: taken}

        runs: dict[str, Callable[[], Sample]] = {"pullback": checkpoint, PLAIN: plain}
        return interleaved(runs, rounds)
