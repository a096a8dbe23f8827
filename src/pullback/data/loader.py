"""Batches of tensors from a data set, in an order that the seed and the epoch decide."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .collate import collate, to_tensors
from .dataset import as_seed, permutation

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a data set in batches of tensors; each ``for`` loop over the loader is one epoch.

    ``dataset``: anything with ``len`` and integer indexing; see `Dataset`.
    ``batch_size``: items in a batch; the last batch of an epoch has what is left.
    ``shuffle``: a new order every epoch. The order of epoch e is a pure function of (seed, e):
    ``Generator(Philox(key=seed, counter=[0, 0, 0, e])).permutation(n)``.
    ``seed``: a non-negative integer; None draws one from the stream of `pullback.random`.
    ``drop_last``: leave out a last batch that is smaller than the others.
    ``collate_fn``: makes the batch from the list of its items; its result is handed on as it is.

    A batch looks like one item with a first axis added: a tuple of tensors where an item is a tuple. Arrays
    keep their dtype; Python floats become the default dtype. A data set with a ``gather`` method, as
    `ArrayDataset` has, is asked once per batch and not once per item.

    ``loader.epoch`` is the number of the epoch that the next ``for`` loop runs; `set_epoch` sets it, which
    is all that continuing an interrupted training needs. ``loader.seed`` is the seed in use.

    Raises ValueError for an empty data set, a ``batch_size`` below 1, and a ``drop_last`` that would leave no
    batch at all; TypeError for a ``batch_size`` that is not an integer or a data set without a length.

    >>> from pullback.data import ArrayDataset
    >>> loader = DataLoader(ArrayDataset(np.arange(10.0).reshape(5, 2), np.arange(5)), batch_size=2)
    >>> len(loader)
    3
    >>> [x.shape for x, y in loader]
    [(2, 2), (2, 2), (1, 2)]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        seed: int | None = None,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        length = _length_of(dataset)
        self.dataset = dataset
        self.batch_size = _as_batch_size(batch_size)
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        self.collate_fn = collate_fn
        self.epoch = 0
        if self.drop_last and self.batch_size > length:
            raise ValueError(
                f"DataLoader: batch_size={self.batch_size} with drop_last=True leaves no batch of a data set "
                f"of {length} items; expected batch_size <= {length}, or drop_last=False"
            )
        if seed is None and self.shuffle:
            from ..random import draw_seed

            seed = draw_seed()
        self.seed = None if seed is None else as_seed(seed)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        order = self._order(self.epoch)
        self.epoch += 1
        return self._batches(order)

    def set_epoch(self, epoch: int) -> None:
        """Make the next ``for`` loop run epoch ``epoch``: the same order as when it ran before.

        >>> from pullback.data import ArrayDataset
        >>> loader = DataLoader(ArrayDataset(np.arange(4)), batch_size=4, shuffle=True, seed=0)
        >>> first, second = ([np.asarray(x).tolist() for x, in loader] for _ in range(2))
        >>> loader.set_epoch(0)
        >>> [np.asarray(x).tolist() for x, in loader] == first != second
        True
        """
        number = operator.index(epoch)
        if not 0 <= number < 2**64:
            raise ValueError(f"set_epoch: expected an epoch in [0, 2**64), got {number}")
        self.epoch = number

    def __repr__(self) -> str:
        return (
            f"DataLoader({len(self.dataset)} items in {len(self)} batches of {self.batch_size}, "
            f"shuffle={self.shuffle}, seed={self.seed}, drop_last={self.drop_last}, epoch={self.epoch})"
        )

    def _order(self, epoch: int) -> NDArray[np.int64] | None:
        """The indices of the epoch in their order; None stands for 0, 1, 2, …"""
        if not self.shuffle:
            return None
        assert self.seed is not None
        return permutation(len(self.dataset), self.seed, stream=(0, epoch))

    def _batches(self, order: NDArray[np.int64] | None) -> Iterator[Any]:
        length, fetch = len(self.dataset), self._fetch()
        stop = length - length % self.batch_size if self.drop_last else length
        for start in range(0, stop, self.batch_size):
            end = min(start + self.batch_size, length)
            yield fetch(slice(start, end) if order is None else order[start:end])

    def _fetch(self) -> Callable[[slice | NDArray[np.int64]], Any]:
        """How this loader turns the indices of a batch into the batch."""
        gather = getattr(self.dataset, "gather", None)
        if gather is None or self.collate_fn is not None:
            return self._fetch_one_by_one
        return lambda indices: to_tensors(gather(indices))

    def _fetch_one_by_one(self, indices: slice | NDArray[np.int64]) -> Any:
        numbers: Sequence[int]
        numbers = range(indices.start, indices.stop) if isinstance(indices, slice) else indices.tolist()
        items = [self.dataset[number] for number in numbers]
        return collate(items, numbers) if self.collate_fn is None else self.collate_fn(items)


def _length_of(dataset: Any) -> int:
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(
            "DataLoader: dataset expected __len__ and __getitem__, as ArrayDataset(x, y) has them; "
            f"got {type(dataset).__name__}"
        )
    length = len(dataset)
    if length == 0:
        raise ValueError("DataLoader: dataset is empty; expected at least one item")
    return length


def _as_batch_size(batch_size: Any) -> int:
    try:
        number = operator.index(batch_size)
    except TypeError:
        number = None
    if number is None or isinstance(batch_size, bool):
        raise TypeError(
            f"DataLoader: batch_size expected an integer, got {batch_size!r} ({type(batch_size).__name__})"
        )
    if number < 1:
        raise ValueError(f"DataLoader: batch_size expected at least 1, got {number}")
    return number
