"""Samplers: which items an epoch has, in which order. Each order is a pure function of the seed and the epoch."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dataset import as_seed, permutation

__all__ = ["DistributedSampler", "RandomSampler", "Sampler", "SequentialSampler", "WeightedRandomSampler"]


class Sampler:
    """What you subclass for an order of your own: define `order` and `__len__`.

    An order that depends on nothing but ``epoch`` (and settings) lets an interrupted training continue exactly.

    >>> class Backwards(Sampler):
    ...     def __len__(self):
    ...         return 3
    ...     def order(self, epoch):
    ...         return np.arange(3)[::-1]
    >>> Backwards().order(0)
    array([2, 1, 0])
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self): the items in an epoch")

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The indices of epoch ``epoch`` (from 0) in their order, int64 of shape (len(self),)."""
        raise NotImplementedError(f"{type(self).__name__} must define order(self, epoch): the indices in order")


class SequentialSampler(Sampler):
    """0, 1, 2, … in every epoch. ``data``: a data set, or its number of items.

    >>> SequentialSampler(3).order(0)
    array([0, 1, 2])
    """

    def __init__(self, data: Any) -> None:
        self.length = _length(data)

    def __len__(self) -> int:
        return self.length

    def order(self, epoch: int) -> NDArray[np.int64]:
        """0, 1, 2, …"""
        return np.arange(self.length)


class RandomSampler(Sampler):
    """A new random order every epoch: without ``replacement`` the one that `DataLoader(shuffle=True)` has.

    ``data``: a data set, or its number of items n. ``num_samples``: items in an epoch (default n; at most n
    without replacement). Raises ValueError for counts out of range.

    >>> sorted(RandomSampler(4, seed=1).order(0).tolist())
    [0, 1, 2, 3]
    """

    def __init__(
        self, data: Any, replacement: bool = False, num_samples: int | None = None, *, seed: int = 0
    ) -> None:
        self.length = _length(data)
        self.replacement = bool(replacement)
        self.num_samples = self.length if num_samples is None else _count("RandomSampler", num_samples)
        if not replacement and self.num_samples > self.length:
            raise ValueError(
                f"RandomSampler: num_samples expected at most the {self.length} items without replacement, "
                f"got {self.num_samples}"
            )
        self.seed = as_seed(seed)

    def __len__(self) -> int:
        return self.num_samples

    def order(self, epoch: int) -> NDArray[np.int64]:
        """``num_samples`` indices, drawn for this epoch."""
        if self.replacement:
            return _generator(self.seed, epoch).integers(0, self.length, self.num_samples)
        return permutation(self.length, self.seed, stream=(0, epoch))[: self.num_samples]


class WeightedRandomSampler(Sampler):
    """Item i with probability wᵢ / Σw.

    ``weights``: finite numbers ≥ 0 of shape (n,), not all 0. With ``replacement`` the draws are independent;
    without, each item comes at most once, drawn one after the other in proportion to the weights of those left
    (Efraimidis & Spirakis, 2006). Raises ValueError for weights that are negative, not finite or all 0, and for
    more draws without replacement than there are positive weights.

    >>> np.bincount(WeightedRandomSampler([1.0, 0.0, 3.0], 4000, seed=0).order(0), minlength=3)[1]
    np.int64(0)
    """

    def __init__(
        self, weights: ArrayLike, num_samples: int, replacement: bool = True, *, seed: int = 0
    ) -> None:
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1 or not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ValueError("WeightedRandomSampler: weights expected finite numbers >= 0 of shape (n,)")
        if not self.weights.any():
            raise ValueError("WeightedRandomSampler: weights expected at least one above 0")
        self.num_samples = _count("WeightedRandomSampler", num_samples)
        self.replacement = bool(replacement)
        positive = int(np.count_nonzero(self.weights))
        if not replacement and self.num_samples > positive:
            raise ValueError(
                f"WeightedRandomSampler: num_samples expected at most the {positive} items with a weight above 0 "
                f"without replacement, got {self.num_samples}"
            )
        self.seed = as_seed(seed)

    def __len__(self) -> int:
        return self.num_samples

    def order(self, epoch: int) -> NDArray[np.int64]:
        """``num_samples`` indices, drawn for this epoch."""
        draw = _generator(self.seed, epoch)
        if self.replacement:
            ends = np.cumsum(self.weights / self.weights.max())
            places = np.searchsorted(ends, draw.random(self.num_samples) * ends[-1], side="right")
            return np.minimum(places, np.flatnonzero(self.weights)[-1]).astype(np.int64)
        with np.errstate(divide="ignore"):
            keys = draw.standard_exponential(len(self.weights)) / self.weights
        return np.argsort(keys, kind="stable")[: self.num_samples].astype(np.int64)


class DistributedSampler(Sampler):
    """The share of one process of several that train together.

    ``data``: a data set, or its number of items n. ``num_replicas``: how many processes there are; ``rank``:
    which one this is, from 0. All processes draw the same order of an epoch and take every
    ``num_replicas``-th item of it. All shares have one length: with ``drop_last`` the last items that do not
    fill a round are left out, else the first items come again.

    Raises ValueError for a rank outside [0, num_replicas), and where ``drop_last`` leaves nothing.

    >>> [DistributedSampler(5, 2, rank, shuffle=False).order(0).tolist() for rank in range(2)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        data: Any,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.length = _length(data)
        self.num_replicas = _count("DistributedSampler", num_replicas, "num_replicas")
        self.rank = operator.index(rank)
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"DistributedSampler: rank expected in [0, {self.num_replicas}), got {rank}")
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.seed = as_seed(seed)
        full, rest = divmod(self.length, self.num_replicas)
        self.share = full if self.drop_last else full + (rest > 0)
        if not self.share:
            raise ValueError(
                f"DistributedSampler: drop_last=True leaves nothing of {self.length} items for {self.num_replicas} "
                f"processes"
            )

    def __len__(self) -> int:
        return self.share

    def order(self, epoch: int) -> NDArray[np.int64]:
        """This process' share of the order that all processes draw."""
        whole = np.arange(self.length)
        if self.shuffle:
            whole = permutation(self.length, self.seed, stream=(0, epoch))
        return np.resize(whole, self.share * self.num_replicas)[self.rank :: self.num_replicas]


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 5, epoch]))


def _length(data: Any) -> int:
    length = operator.index(data) if not hasattr(data, "__len__") else len(data)
    if length < 1:
        raise ValueError(f"a sampler needs at least one item, got {length}")
    return length


def _count(where: str, n: Any, name: str = "num_samples") -> int:
    number = operator.index(n)
    if number < 1:
        raise ValueError(f"{where}: {name} expected at least 1, got {number}")
    return number
