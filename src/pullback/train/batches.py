"""What `fit`, `evaluate` and `predict` accept as data, and how it becomes batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.value import Value
from ..data import ArrayDataset, DataLoader, IterableDataset, Subset

__all__ = ["as_loader", "first_bad_row", "inputs_and_target", "mark_last"]

ROWS_AT_A_TIME = 4096


def as_loader(
    data: Any, *, batch_size: int, shuffle: bool, seed: int | None = None, argument: str = "data"
) -> Iterable[Any]:
    """The batches of ``data``, which may be iterated over again and again.

    ``data``: a `DataLoader`, a data set, or a tuple of arrays. With ``shuffle`` a loader is used as it is;
    without, its items come in the data set's own order, and all of them.
    Raises TypeError for anything else; the loader's own errors for an empty data set or a batch size below 1.
    """
    if isinstance(data, DataLoader):
        if shuffle:
            return data
        # A loader of its own: measuring must not move the position of the training's.
        return DataLoader(
            data.dataset,
            data.batch_size,
            seed=data.seed,
            collate_fn=data.collate_fn,
            transform=data.transform,
            prefetch=data.prefetch,
        )
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size)
    if isinstance(data, (np.ndarray, Value)):
        data = (data,)
    if isinstance(data, tuple):
        data = ArrayDataset(*data)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (dict, str)):
        return DataLoader(data, batch_size, shuffle=shuffle, seed=seed)
    if hasattr(data, "__iter__") and not isinstance(data, (Iterator, dict, str)):
        return data
    once = "; an iterator is empty after the first epoch" if isinstance(data, Iterator) else ""
    raise TypeError(
        f"{argument}: expected a DataLoader, a data set, or a tuple of arrays (inputs, targets); got "
        f"{type(data).__name__}{once}"
    )


def inputs_and_target(batch: Any, argument: str = "data") -> tuple[Sequence[Any], Any]:
    """A batch taken apart: all parts but the last are inputs of the model, the last is the target."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        got = f"{len(batch)} part" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise TypeError(f"{argument}: expected batches (inputs, targets), got {got} per batch")
    return batch[:-1], batch[-1]


def mark_last(batches: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Each batch with whether it is the last one."""
    rest = iter(batches)
    try:
        batch = next(rest)
    except StopIteration:
        return
    for following in rest:
        yield batch, False
        batch = following
    yield batch, True


def first_bad_row(batches: Any) -> str | None:
    """Where the first NaN or infinite number of a data set stands, in words; None where there is none.

    ``batches``: what `as_loader` returned. The arrays of a data set are looked through from the beginning,
    so the answer does not depend on the order in which the batches came.
    """
    dataset = getattr(batches, "dataset", None)
    gather = getattr(dataset, "gather", None)
    if dataset is None or gather is None:
        return None
    for start in range(0, len(dataset), ROWS_AT_A_TIME):
        rows = gather(np.arange(start, min(start + ROWS_AT_A_TIME, len(dataset))))
        if not isinstance(rows, tuple):
            return None
        parts = tree.leaves(rows)  # an item may hold containers
        for position, array in enumerate(parts):
            found = bad_place(np.asarray(array), start, _row_numbers(dataset))
            if found:
                return f"{_part_name(position, len(parts))}, {found}"
    return None


def bad_place(array: NDArray[Any], start: int = 0, numbers: NDArray[Any] | None = None) -> str | None:
    """The first place of ``array`` that is NaN or infinite, in words, rows counted from ``start``."""
    if array.dtype.kind not in "fc":
        return None
    bad = ~np.isfinite(array)
    if not bad.any():
        return None
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    row = start + place[0] if place else start
    row = int(numbers[row]) if numbers is not None else row
    count = int(np.count_nonzero(bad.reshape(len(bad), -1).any(axis=1))) if place else 1
    inside = f" at position {list(place[1:])}" if len(place) > 1 else ""
    others = f" ({count} such rows among these)" if count > 1 else ""
    return f"row {row}{inside} is {array[place]}{others}"


def _row_numbers(dataset: Any) -> NDArray[Any] | None:
    """A part of a data set is known by the row numbers of the whole."""
    return dataset.indices if isinstance(dataset, Subset) else None


def _part_name(position: int, count: int) -> str:
    if count == 1:
        return "arrays[0]"
    kind = "targets" if position == count - 1 else "inputs"
    return f"arrays[{position}] ({kind})"
