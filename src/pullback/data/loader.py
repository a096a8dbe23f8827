"""Batches of tensors from a data set, in an order that the seed and the epoch decide."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .collate import collate, to_arrays, to_tensors
from .dataset import as_seed, permutation
from .iterable import IterableDataset
from .prefetch import prefetched

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a data set in batches of tensors; each ``for`` loop over the loader is one epoch.

    ``dataset``: anything with ``len`` and integer indexing; see `Dataset`. Or an `IterableDataset`.
    ``batch_size``: items in a batch; the last batch of an epoch has what is left.
    ``shuffle``: a new order every epoch. The order of epoch e is a pure function of (seed, e):
    ``Generator(Philox(key=seed, counter=[0, 0, 0, e])).permutation(n)``.
    ``seed``: a non-negative integer; None draws one from the stream of `pullback.random`.
    ``drop_last``: leave out a last batch that is smaller than the others.
    ``collate_fn``: makes the batch from the list of its items; its result is handed on as it is.
    ``sampler``: which items in which order, in place of ``shuffle``; see `Sampler`.
    ``transform``: a function (batch, generator) → batch of NumPy arrays, such as those of `augmentation`, applied
    to each finished batch. Its generator is a pure function of the seed, the epoch and the number of the batch.
    ``prefetch``: how many batches a background thread makes ahead of time; 0 for no thread.

    A batch looks like one item with a first axis added: a tuple of tensors where an item is a tuple. Arrays
    keep their dtype; Python floats become the default dtype. A data set with a ``gather`` method, as
    `ArrayDataset` has, is asked once per batch and not once per item.

    ``loader.epoch`` is the number of the epoch that the next ``for`` loop runs; `set_epoch` sets it.
    ``loader.seed`` is the seed in use. `state_dict` and `load_state_dict` continue in the middle of an epoch.

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
        sampler: Any = None,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        prefetch: int = 0,
    ) -> None:
        self.dataset = dataset
        self._streaming = isinstance(dataset, IterableDataset)
        self.batch_size = _as_batch_size(batch_size)
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        self.collate_fn = collate_fn
        self.sampler = sampler
        self.transform = transform
        self.prefetch = _as_prefetch(prefetch)
        self.epoch = 0
        self._skip = 0
        self._loop: _Loop | None = None
        self._check_order()
        if seed is None and (self.shuffle or transform is not None):
            from ..random import draw_seed

            seed = draw_seed()
        self.seed = None if seed is None else as_seed(seed)

    def __len__(self) -> int:
        """The number of batches in an epoch. Raises TypeError for an `IterableDataset`, whose length is not known."""
        full, rest = divmod(self._items(), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        loop = self._loop = _Loop(self.epoch, self._skip)
        self.epoch, self._skip = loop.epoch + 1, 0
        if self._streaming:
            set_epoch = getattr(self.dataset, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(loop.epoch)
            batches = partial(self._streamed, loop.epoch, loop.handed)
        else:
            batches = partial(self._batches, self._order(loop.epoch), loop.epoch, loop.handed)
        return self._counted(prefetched(batches, self.prefetch) if self.prefetch else batches(), loop)

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
        self.epoch, self._skip, self._loop = number, 0, None

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the epoch, how many of its batches were handed out, and what the order depends on.

        In the middle of a ``for`` loop, and after one that was left early, it is the position in that loop.

        >>> from pullback.data import ArrayDataset
        >>> loader = DataLoader(ArrayDataset(np.arange(6)), batch_size=2, shuffle=True, seed=0)
        >>> batches = iter(loader)
        >>> _ = next(batches)
        >>> state, rest = loader.state_dict(), [x.tolist() for x, in batches]
        >>> loader.load_state_dict(state)
        >>> [x.tolist() for x, in loader] == rest
        True
        """
        loop = self._loop
        underway = loop is not None and not loop.finished
        return {
            "epoch": loop.epoch if loop is not None and underway else self.epoch,
            "batch": loop.handed if loop is not None and underway else self._skip,
            "seed": self.seed,
            "items": None if self._streaming else self._items(),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next ``for`` loop continue where `state_dict` was taken; the seed is taken from there too.

        Raises ValueError if the data, the batch size or the kind of order are not those of then; nothing has
        changed in that case.
        """
        own = self.state_dict()
        if not isinstance(state_dict, dict) or set(state_dict) != set(own):
            raise ValueError(f"DataLoader.load_state_dict: expected a dict with {sorted(own)}, got {state_dict!r:.200}")
        for name in ("items", "batch_size", "shuffle", "drop_last"):
            if state_dict[name] != own[name]:
                raise ValueError(
                    f"DataLoader.load_state_dict: {name} was {state_dict[name]} when the state was saved and is "
                    f"{own[name]} now, so the same batches cannot follow"
                )
        batch = operator.index(state_dict["batch"])
        if batch < 0 or (not self._streaming and batch > len(self)):
            raise ValueError(f"DataLoader.load_state_dict: batch expected in [0, {len(self)}], got {batch}")
        seed = None if state_dict["seed"] is None else as_seed(state_dict["seed"])
        if seed is None and self.seed is not None:
            raise ValueError("DataLoader.load_state_dict: the state has no seed, but this loader needs one")
        self.set_epoch(state_dict["epoch"])
        self._skip, self.seed = batch, seed

    def __repr__(self) -> str:
        parts = "a stream" if self._streaming else f"{self._items()} items in {len(self)} batches"
        return (
            f"DataLoader({parts} of {self.batch_size}, "
            f"shuffle={self.shuffle}, seed={self.seed}, drop_last={self.drop_last}, epoch={self.epoch})"
        )

    def _check_order(self) -> None:
        if self.sampler is not None and self.shuffle:
            raise ValueError("DataLoader: shuffle=True and a sampler both say what the order is; expected one of them")
        if self._streaming:
            if self.shuffle or self.sampler is not None:
                raise ValueError(
                    "DataLoader: an IterableDataset comes in its own order; expected shuffle=False and no sampler"
                )
            return
        length = _length_of(self.dataset)
        items = self._items()
        if items < 1:
            raise ValueError(f"DataLoader: the sampler gives no item of a data set of {length} items")
        if self.drop_last and self.batch_size > items:
            raise ValueError(
                f"DataLoader: batch_size={self.batch_size} with drop_last=True leaves no batch of a data set "
                f"of {items} items; expected batch_size <= {items}, or drop_last=False"
            )

    def _items(self) -> int:
        """The number of items in an epoch."""
        return len(self.dataset if self.sampler is None else self.sampler)

    def _order(self, epoch: int) -> NDArray[np.int64] | None:
        """The indices of the epoch in their order; None stands for 0, 1, 2, …"""
        if self.sampler is not None:
            return _order_of(self.sampler, epoch, len(self.dataset))
        if not self.shuffle:
            return None
        assert self.seed is not None
        return permutation(len(self.dataset), self.seed, stream=(0, epoch))

    def _batches(self, order: NDArray[np.int64] | None, epoch: int, first: int) -> Generator[Any, None, None]:
        length, fetch = self._items(), self._fetch()
        stop = length - length % self.batch_size if self.drop_last else length
        for start in range(first * self.batch_size, stop, self.batch_size):
            end = min(start + self.batch_size, length)
            batch = fetch(slice(start, end) if order is None else order[start:end])
            yield batch if self.transform is None else self._transformed(batch, epoch, start // self.batch_size)

    def _streamed(self, epoch: int, first: int) -> Generator[Any, None, None]:
        items = islice(iter(self.dataset), first * self.batch_size, None)
        for number in count(first):
            numbers = range(number * self.batch_size, (number + 1) * self.batch_size)
            some = list(islice(items, self.batch_size))
            if not some or (self.drop_last and len(some) < self.batch_size):
                return
            batch = self._collate(some, numbers[: len(some)])
            yield batch if self.transform is None else self._transformed(batch, epoch, number)

    def _transformed(self, batch: Any, epoch: int, number: int) -> Any:
        assert self.transform is not None and self.seed is not None
        bits = np.random.Philox(key=self.seed, counter=[0, number, 3, epoch])
        return to_tensors(self.transform(to_arrays(batch), np.random.Generator(bits)))

    @staticmethod
    def _counted(batches: Generator[Any, None, None], loop: _Loop) -> Iterator[Any]:
        """The batches, counted as they are handed out and not as they are made."""
        with closing(batches):  # a loop that is left early ends the thread of `prefetched`
            for batch in batches:
                loop.handed += 1
                yield batch
        loop.finished = True

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
        return self._collate(items, numbers)

    def _collate(self, items: list[Any], numbers: Sequence[int]) -> Any:
        return collate(items, numbers) if self.collate_fn is None else self.collate_fn(items)


class _Loop:
    """One ``for`` loop over a loader: its epoch, how many batches it has handed out, whether it is at its end."""

    def __init__(self, epoch: int, handed: int) -> None:
        self.epoch = epoch
        self.handed = handed
        self.finished = False


def _order_of(sampler: Any, epoch: int, length: int) -> NDArray[np.int64]:
    """The indices that a sampler gives for an epoch; one in PyTorch's form is iterated over."""
    if hasattr(sampler, "order"):
        indices = np.asarray(sampler.order(epoch))
    else:
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
        indices = np.fromiter(sampler, np.int64)
    if indices.dtype.kind not in "iu" or indices.shape != (len(sampler),):
        raise ValueError(
            f"DataLoader: the sampler expected to give integers of shape ({len(sampler)},), as its length says; "
            f"got {indices.dtype} of shape {indices.shape}"
        )
    if indices.size and not (indices.min() >= 0 and indices.max() < length):
        wrong = indices[(indices < 0) | (indices >= length)][0]
        raise IndexError(f"DataLoader: the sampler gave index {wrong} for a data set of {length} items")
    return indices.astype(np.int64, copy=False)


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


def _as_prefetch(prefetch: Any) -> int:
    number = operator.index(prefetch)
    if number < 0:
        raise ValueError(f"DataLoader: prefetch expected 0 or more batches, got {number}")
    return number
