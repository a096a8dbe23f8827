"""The training step of the 784-128-10 tanh network in float32, batch 64: the same weights and data for all."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import BY_HAND, INSTALL, is_installed
from .measure import Sample, interleaved
from .networks import NETWORKS, Batches, Weights

TITLE = "Training step 784-128-10, tanh, softmax cross-entropy, gradient descent, batch 64, float32"
THREADS = {"one thread": True, "default threads": False}
COMPARED, WARMING, BLOCK, BATCH, LR = 200, 3, 20, 64, 0.1
TIME, CORES, LOSS = "µs per step", "cores busy", "loss"
GOALS = [goal for words in THREADS for goal in (Goal(words, 1.4, times=BY_HAND), Goal(words, 1.0, times="torch"))]


def figures(settings: Settings) -> list[Figure]:
    """Two processes: every library told to use one thread, and every library left to itself."""
    present = [c for c in settings.contenders if c in NETWORKS and is_installed(c)]
    rounds = 15 if settings.quick else 41
    result = []
    for words, one_thread in THREADS.items():
        clock = "processor" if one_thread else "wall"
        done = run(
            "benchmarks.step:timings", one_thread=one_thread, contenders=present, rounds=rounds, clock=clock
        )
        for c in settings.contenders:
            if c in present:
                cores = float(np.median(done["samples"][c][CORES]))
                apart = done["apart"][c]
                note = f"{cores:.1f} cores busy" + ("" if c == BY_HAND else f", loss within {apart:.0e}")
                result.append(figure(words, c, "µs", done["samples"][c][TIME], note))
            elif c in NETWORKS:
                result.append(missing(words, c, "µs", INSTALL))
    return result


def timings(contenders: list[str], rounds: int, clock: str = "wall") -> dict[str, Any]:
    """The microseconds of a step of each contender, after comparing the losses of the first steps.

    `clock` is "wall", or "processor": with one thread that is the same on an idle machine, and on another one it
    leaves out what other programs take.
    `apart` is the largest relative difference between a contender's losses and those of NumPy by hand.
    """
    weights, batches = problem()
    losses = {}
    for c in dict.fromkeys([BY_HAND, *contenders]):
        step = NETWORKS[c](weights, batches, LR)
        losses[c] = np.array([float(step(i % len(batches))) for i in range(COMPARED)])
    apart = {c: float(np.abs(losses[c] / losses[BY_HAND] - 1).max()) for c in contenders}
    for c, difference in apart.items():
        if not difference < 1e-3:  # float32 over 200 steps; another algorithm would be further off
            raise ArithmeticError(f"{c} computes other losses than NumPy by hand: {difference:.1e} apart")

    def block(c: str) -> Callable[[], Sample]:
        step = NETWORKS[c](weights, batches, LR)

        def sample() -> Sample:
            for i in range(WARMING):  # one step of a training, not the first after somebody else's
                loss = step(i)
            float(loss)
            busy, begin = process_time(), perf_counter()
            for i in range(BLOCK):
                loss = step(i)
            float(loss)  # waits for a library that computes in the background
            seconds, busy = perf_counter() - begin, process_time() - busy
            return {TIME: (busy if clock == "processor" else seconds) / BLOCK * 1e6, CORES: busy / seconds}

        return sample

    return {"samples": interleaved({c: block(c) for c in contenders}, rounds), "apart": apart, "losses": {
        c: values.tolist() for c, values in losses.items()
    }}


def problem() -> tuple[Weights, Batches]:
    """Weights from a fixed seed, and the embedded digits, each pixel three wide and high, with a border of two."""
    from pullback.data import load_digits

    rng = np.random.default_rng(0)
    weights = []
    for fan_in, fan_out in ((784, 128), (128, 10)):
        bound = 1 / np.sqrt(fan_in)
        weights.append(rng.uniform(-bound, bound, (fan_out, fan_in)).astype(np.float32))
        weights.append(rng.uniform(-bound, bound, fan_out).astype(np.float32))
    small, labels = load_digits("train", flatten=False)
    images = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)
    count = len(images) // BATCH
    parts = [slice(i * BATCH, (i + 1) * BATCH) for i in range(count)]
    return weights, [(images[part], labels[part]) for part in parts]
