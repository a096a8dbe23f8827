"""Loading: what the batches of an epoch cost beside the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import Sample, interleaved

TITLE = "An epoch of 60,000 × 784 float32 in shuffled batches of 64, without any step"
ITEMS, FEATURES, BATCH = 60_000, 784, 64
EPOCH = "epoch"
GOALS = [Goal(EPOCH, 60.0), Goal(EPOCH, 1.0, times="torch")]


def figures(settings: Settings) -> list[Figure]:
    """One process for all; the loaders work in it, without workers."""
    present = [c for c in settings.contenders if c in LOADERS and is_installed(c)]
    samples = run("benchmarks.loading:timings", contenders=present, rounds=2 if settings.quick else 9)
    return [
        figure(EPOCH, c, "ms", samples[c][EPOCH]) if c in present else missing(EPOCH, c, "ms", INSTALL)
        for c in settings.contenders
        if c in LOADERS
    ]


def timings(contenders: list[str], rounds: int, items: int = ITEMS) -> dict[str, dict[str, list[float]]]:
    """The milliseconds of an epoch, after checking that it has every item once, in another order than before."""
    x = np.random.default_rng(0).random((items, FEATURES), dtype=np.float32)
    y = np.arange(items)

    def one(contender: str) -> Callable[[], Sample]:
        loader = LOADERS[contender](x, y)
        labels = [np.concatenate([np.asarray(labels) for _, labels in loader]) for _ in range(2)]
        if not all((np.sort(order) == y).all() for order in labels) or (labels[0] == labels[1]).all():
            raise ArithmeticError(f"{contender} does not shuffle, or does not give every item once")
        images, numbers = next(iter(loader))
        if not (np.asarray(images) == x[np.asarray(numbers)]).all():
            raise ArithmeticError(f"{contender} gives other images than those of its labels")

        def sample() -> Sample:
            begin = perf_counter()
            for _ in loader:
                pass
            return {EPOCH: (perf_counter() - begin) * 1e3}

        return sample

    return interleaved({c: one(c) for c in contenders}, rounds)


def pullback(x: Any, y: Any) -> Iterable[Any]:
    """A `DataLoader` over an `ArrayDataset`."""
    from pullback.data import ArrayDataset, DataLoader

    return DataLoader(ArrayDataset(x, y), BATCH, shuffle=True, seed=0)


def torch(x: Any, y: Any) -> Iterable[Any]:
    """A `DataLoader` over a `TensorDataset`."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), BATCH, shuffle=True)


LOADERS: dict[str, Callable[[Any, Any], Iterable[Any]]] = {"pullback": pullback, "torch": torch}
