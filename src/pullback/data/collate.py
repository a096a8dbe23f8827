"""From the items of a batch to one item with a first axis added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.spec import default_dtype
from ..tensor import asarray

__all__ = ["collate", "to_arrays", "to_tensors"]


def collate(items: Sequence[Any], indices: Sequence[int], part: str = "") -> Any:
    """Stack the items of a batch along a new first axis.

    Numbers and arrays of shape s become one tensor of shape (len(items), *s); tuples, named tuples, lists
    and dictionaries are stacked part by part; strings stay a list of strings.

    ``indices``: where in the data set each item came from, for the messages; ``part``: where in the item,
    such as ``[0]``.
    Raises ValueError if shapes, lengths or keys differ between the items, TypeError for what cannot be
    stacked; both name the index of the item.

    >>> x, y = collate([(np.zeros(3), 0), (np.ones(3), 1)], indices=[0, 1])
    >>> x.shape, y.shape
    ((2, 3), (2,))
    """
    first = items[0]
    if isinstance(first, dict):
        _check_same([_keys(item) for item in items], indices, part)
        return {key: collate([item[key] for item in items], indices, f"{part}[{key!r}]") for key in first}
    if isinstance(first, (tuple, list)):
        _check_same([_length(item) for item in items], indices, part)
        columns = [collate([item[i] for item in items], indices, f"{part}[{i}]") for i in range(len(first))]
        return _rebuild(first, columns) if isinstance(first, tuple) else columns
    if isinstance(first, str):
        return list(items)
    return asarray(_stack(items, indices, part))


def to_tensors(batch: Any) -> Any:
    """The arrays of a finished batch as tensors, without a copy; None stays None.

    >>> x, = to_tensors((np.zeros((2, 3)),))
    >>> type(x).__name__
    'Tensor'
    """
    if isinstance(batch, dict):
        return {key: to_tensors(value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return _rebuild(batch, [to_tensors(value) for value in batch])
    if isinstance(batch, list):
        return [part if isinstance(part, str) else to_tensors(part) for part in batch]
    return None if batch is None else asarray(batch)


def to_arrays(batch: Any) -> Any:
    """The tensors of a finished batch as NumPy arrays, without a copy."""
    if isinstance(batch, dict):
        return {key: to_arrays(value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return _rebuild(batch, [to_arrays(value) for value in batch])
    if isinstance(batch, list):
        return [part if isinstance(part, str) else to_arrays(part) for part in batch]
    return None if batch is None else np.asarray(batch)


def _stack(items: Sequence[Any], indices: Sequence[int], part: str) -> NDArray[Any]:
    if all(item.__class__ in (float, int, bool) for item in items):
        numbers = np.asarray(items)
        return numbers.astype(default_dtype()) if numbers.dtype.kind == "f" else numbers
    arrays = [np.asarray(item) for item in items]
    for item, array, index in zip(items, arrays, indices, strict=True):
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"{_where(index, part)} expected numbers, arrays, or tuples or dictionaries of them, got "
                f"{item!r:.60} ({type(item).__name__}); a collate_fn can make a batch of anything"
            )
    _check_same([f"shape {array.shape}" for array in arrays], indices, part)
    return np.stack(arrays)


def _check_same(forms: list[str], indices: Sequence[int], part: str) -> None:
    for form, index in zip(forms, indices, strict=True):
        if form != forms[0]:
            raise ValueError(
                f"{_where(index, part)} has {form}, but {_where(indices[0], part)}, the first of its batch, "
                f"has {forms[0]}; the items of a batch must agree, or a collate_fn must make them"
            )


def _keys(item: Any) -> str:
    return f"keys {sorted(map(repr, item))}" if isinstance(item, dict) else f"type {type(item).__name__}"


def _length(item: Any) -> str:
    return f"length {len(item)}" if isinstance(item, (tuple, list)) else f"type {type(item).__name__}"


def _where(index: int, part: str) -> str:
    return f"dataset[{index}]{part}"


def _rebuild(like: tuple[Any, ...], values: list[Any]) -> tuple[Any, ...]:
    """A tuple of the same class: named tuples keep their names."""
    return type(like)(*values) if hasattr(like, "_fields") else tuple(values)
