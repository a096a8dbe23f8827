"""Who trains the workloads W1 to W6: each contender's own step, and why one cannot take part."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

from .by_hand import ByHand
from .installed import BY_HAND, INSTALL, is_installed
from .workloads import in_jax, in_micrograd, in_pullback, in_tensorflow, in_tinygrad, in_torch
from .workloads.problems import Problem

__all__ = ["COMPILED_TORCH", "EAGER", "LIBRARY", "ONLY", "TRAINERS", "Trainer", "absent", "use_threads"]

Trainer = Callable[[int], Any]
EAGER, COMPILED_TORCH = "pullback eager", "torch.compile"
ONLY = {"micrograd": "W6", BY_HAND: "W1"}
"""Who takes part in one workload: micrograd knows scalars alone, and one network is written by hand."""


def _by_hand(problem: Problem) -> Trainer:
    network = ByHand(list(problem.weights.values()), len(problem.batches[0][0]), problem.lr)
    return lambda i: network.step(*problem.batches[i % len(problem.batches)])


TRAINERS: dict[str, Callable[[Problem], Trainer]] = {
    "pullback": in_pullback.step,
    EAGER: partial(in_pullback.step, compiled=False),
    BY_HAND: _by_hand,
    "torch": in_torch.step,
    COMPILED_TORCH: partial(in_torch.step, compiled=True),
    "jax": in_jax.step,
    "tensorflow": in_tensorflow.step,
    "tinygrad": in_tinygrad.step,
    "micrograd": in_micrograd.step,
}
LIBRARY = {EAGER: "pullback", COMPILED_TORCH: "torch"}


def absent(contender: str, workload: str) -> str | None:
    """Why the contender does not train the workload here; None where it does."""
    if ONLY.get(contender, workload) != workload:
        return f"only {ONLY[contender]}"
    if not is_installed(LIBRARY.get(contender, contender)):
        return INSTALL
    if contender == COMPILED_TORCH and not any(map(shutil.which, ("g++", "clang++", "cl"))):
        return "not measured: torch.compile needs a C++ compiler, and none is on the PATH"
    if contender == "tinygrad" and in_tinygrad.compiler() is None:
        return "not measured: tinygrad needs clang, or the ziglang package, which has it"
    return None


def use_threads(contender: str, count: int) -> None:
    """Tell a library how many threads it has, where it does not read that from the environment."""
    library = LIBRARY.get(contender, contender)
    if library == "pullback":
        import pullback as pb

        pb.set_num_threads(count)
    elif library == "torch":
        import torch

        torch.set_num_threads(count)
    elif library == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    elif library == "tinygrad":
        in_tinygrad.settle()
        from tinygrad.helpers import NUM_CPU_THREADS

        NUM_CPU_THREADS.value = count
