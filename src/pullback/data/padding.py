"""Batches of sequences that differ in length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.spec import default_dtype
from ..tensor import asarray
from .collate import collate

__all__ = ["pad_collate", "pad_sequence"]


def pad_sequence(sequences: Sequence[Any], padding_value: float = 0.0, multiple_of: int = 1) -> NDArray[Any]:
    """Sequences of shapes (nᵢ, …) as one array of shape (len(sequences), N, …), filled up behind their ends.

    N is the largest nᵢ, rounded up to a multiple of ``multiple_of``. The dtype is the common one of the
    sequences. Raises ValueError for no sequences, for numbers without an axis, for shapes that differ behind
    the first axis, and for a ``padding_value`` that the dtype cannot hold.

    >>> pad_sequence([[1, 2, 3], [4]], padding_value=-1)
    array([[ 1,  2,  3],
           [ 4, -1, -1]])
    """
    if multiple_of < 1:
        raise ValueError(f"pad_sequence: multiple_of expected at least 1, got {multiple_of}")
    arrays = [_as_array(sequence) for sequence in sequences]
    if not arrays:
        raise ValueError("pad_sequence: expected at least one sequence, got none")
    for i, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"pad_sequence: expected shapes that differ in the first axis only, got {arrays[0].shape} for "
                f"sequence 0 and {array.shape} for sequence {i}"
            )
    filled = [array for array in arrays if array.size]  # an empty list says nothing about the dtype
    dtype = np.result_type(*(filled or arrays))
    if dtype.kind in "iub" and np.asarray(padding_value).astype(dtype) != padding_value:
        raise ValueError(f"pad_sequence: padding_value {padding_value!r} does not fit into {dtype}")
    longest = max(len(array) for array in arrays)
    width = -(-longest // multiple_of) * multiple_of
    padded = np.full((len(arrays), width, *arrays[0].shape[1:]), padding_value, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def pad_collate(items: Sequence[Any], padding_value: float = 0.0, lengths: bool = True) -> Any:
    """A ``collate_fn`` for sequences: what differs in its first axis is padded, everything else is stacked.

    Items are tuples (or single sequences). With ``lengths`` each padded part is followed by the int64 lengths of
    its sequences, so an item (x, y) becomes a batch (x, lengths, y). A sequence is a list or an array with an
    axis; a part whose lengths happen to agree in one batch is treated the same.

    >>> x, lengths, y = pad_collate([([1, 2, 3], 0), ([4], 1)])
    >>> x.tolist(), lengths.tolist(), y.tolist()
    ([[1, 2, 3], [4, 0, 0]], [3, 1], [0, 1])
    """
    single = not isinstance(items[0], tuple)
    rows = [(item,) if single else item for item in items]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"pad_collate: the items have {sorted({len(row) for row in rows})} parts; expected one number")
    batch: list[Any] = []
    for column in zip(*rows, strict=True):
        if isinstance(column[0], str) or np.ndim(column[0]) == 0:
            batch.append(collate(column, range(len(column))))
            continue
        batch.append(asarray(pad_sequence(column, padding_value)))
        if lengths:
            batch.append(asarray(np.array([len(sequence) for sequence in column], np.int64)))
    return batch[0] if len(batch) == 1 else tuple(batch)


def _as_array(sequence: Any) -> NDArray[Any]:
    """Python floats take the default dtype, as everywhere."""
    array = np.asarray(sequence)
    own = hasattr(sequence, "dtype") or array.dtype != np.float64
    return array if own else array.astype(default_dtype())
