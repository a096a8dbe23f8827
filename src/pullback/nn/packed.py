"""Sequences of different lengths: padded to one length, packed one behind the other, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import mappings as m
from ..core.errors import DtypeError, ShapeError
from ..core.spec import ndim_of, operand, shape_of
from ..mappings.recurrent import check_lengths
from ..transforms.backward import numbers_of

__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """Sequences without padding, step by step, as PyTorch packs them; RNN, LSTM and GRU take and return it.

    `data`: (Σ lengths, …), the first steps of all sequences, the longest sequence first, then all second steps, …
    `batch_sizes`: how many sequences have each step. `sorted_indices` and `unsorted_indices`: the order from the
    longest to the shortest and the way back, or None where the sequences came in this order.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (T, N, …), or (N, T, …) with `batch_first`, of the given lengths.

    `lengths`: (N,) integers in 1 … T, from the longest to the shortest unless `enforce_sorted=False`. Gradients
    flow through. Raises ShapeError or DtypeError for lengths that do not fit, ValueError for unsorted ones.

    (The recurrent layers also take the padded sequences themselves, and `lengths=`.)

    >>> import pullback as pb
    >>> x = pb.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
    >>> packed = pb.nn.pack_padded_sequence(x, [3, 1], batch_first=True)
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1.0, 4.0, 2.0, 3.0], [2, 1, 1])
    """
    x = operand(input)
    if ndim_of(x) < 2:
        raise ShapeError(f"pack_padded_sequence: expected input of shape (T, N, …), got {shape_of(x)}")
    x = m.swapaxes(x, 0, 1) if batch_first else x
    steps, size = shape_of(x)[:2]
    known = _known("pack_padded_sequence", lengths, size, steps)
    order = np.argsort(-known, kind="stable")
    in_order = bool((np.diff(known) <= 0).all())
    if enforce_sorted and not in_order:
        raise ValueError(
            f"pack_padded_sequence: expected lengths from the longest to the shortest, got {known.tolist()}.\n"
            f"  right:  pack_padded_sequence(…, enforce_sorted=False)"
        )
    sizes = (known[:, None] > np.arange(known.max(initial=0))).sum(axis=0)
    data = _packed(x, sizes, order)
    if enforce_sorted:
        return PackedSequence(data, sizes)
    return PackedSequence(data, sizes, order, np.argsort(order, kind="stable"))


def _packed(x: Any, sizes: Any, order: Any) -> Any:
    """Of (T, N, …) the rows that belong to sequences, step by step, in that order of the sequences."""
    steps, size = shape_of(x)[:2]
    rows = np.concatenate([t * size + order[:n] for t, n in enumerate(sizes.tolist())])
    return m.take(m.reshape(x, (steps * size, *shape_of(x)[2:])), rows, axis=0)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """Return the sequences padded to one length, (T, N, …) or (N, T, …), in the order they had, and their lengths.

    T is the length of the longest sequence, or `total_length`. Raises ShapeError when that is shorter.

    >>> import pullback as pb
    >>> packed = pb.nn.pack_sequence([pb.tensor([1.0, 2.0]), pb.tensor([3.0])])
    >>> y, lengths = pb.nn.pad_packed_sequence(packed, batch_first=True, padding_value=-1.0)
    >>> y.tolist(), lengths.tolist()
    ([[1.0, 2.0], [3.0, -1.0]], [2, 1])
    """
    data, sizes = operand(sequence.data), np.asarray(numbers_of(sequence.batch_sizes))
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ShapeError(f"pad_packed_sequence: expected total_length of at least {len(sizes)}, got {steps}")
    size = int(sizes[0]) if len(sizes) else 0
    lengths = (np.arange(size)[:, None] < sizes).sum(axis=1)
    if sequence.unsorted_indices is not None:
        lengths = lengths[numbers_of(sequence.unsorted_indices)]
    y = m.take(data, _places(sequence, steps, size), axis=0)
    there = (np.arange(steps)[:, None] < lengths).reshape(steps, size, *(1,) * (ndim_of(data) - 1))
    y = y if there.all() else m.where(there, y, padding_value)
    return (m.swapaxes(y, 0, 1) if batch_first else y), lengths


def packed_like(y: Any, sequence: PackedSequence, batch_first: bool) -> PackedSequence:
    """Pack `y`, padded as `pad_packed_sequence` does, in the manner of `sequence`."""
    y = m.swapaxes(y, 0, 1) if batch_first else y
    order = sequence.sorted_indices
    order = np.arange(shape_of(y)[1]) if order is None else numbers_of(order)
    return sequence._replace(data=_packed(y, np.asarray(numbers_of(sequence.batch_sizes)), order))


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (nᵢ, …), a list of them; raises as `pad_sequence` and `pack_padded_sequence` do."""
    lengths = [shape_of(operand(x))[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """Return the list of sequences (nᵢ, …) that were packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Return sequences (nᵢ, …) as one array (T, N, …), or (N, T, …) with `batch_first`, T the largest nᵢ.

    `padding_side`: where `padding_value` fills up, "right" (behind the ends) or "left". Raises ValueError for no
    sequences or another side, ShapeError when shapes differ behind the first axis.

    >>> import pullback as pb
    >>> pb.nn.pad_sequence([pb.tensor([1.0, 2.0]), pb.tensor([3.0])], batch_first=True).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    if not sequences:
        raise ValueError("pad_sequence: expected at least one sequence, got none")
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: expected padding_side 'left' or 'right', got {padding_side!r}")
    arrays = [operand(x) for x in sequences]
    for i, x in enumerate(arrays):
        if not ndim_of(x) or shape_of(x)[1:] != shape_of(arrays[0])[1:]:
            raise ShapeError(
                f"pad_sequence: expected shapes that differ in the first axis only, got {shape_of(arrays[0])} for "
                f"sequence 0 and {shape_of(x)} for sequence {i}"
            )
    longest = max(shape_of(x)[0] for x in arrays)
    rows = []
    for x in arrays:
        missing = longest - shape_of(x)[0]
        widths = [(missing, 0) if padding_side == "left" else (0, missing)] + [(0, 0)] * (ndim_of(x) - 1)
        rows.append(m.pad(x, widths, constant_values=padding_value) if missing else x)
    return m.stack(rows, axis=0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Return the sequences (nᵢ, …) of a padded array (T, N, …), or (N, T, …), without what fills them up."""
    x = operand(padded_sequences)
    x = x if batch_first else m.swapaxes(x, 0, 1)
    size, steps = shape_of(x)[:2]
    known = _known("unpad_sequence", lengths, size, steps)
    return [m.getitem(x, (i, slice(0, n))) for i, n in enumerate(known.tolist())]


def _known(where: str, lengths: Any, size: int, steps: int) -> Any:
    """The lengths as numbers, checked."""
    known = np.asarray(numbers_of(lengths))
    if known.shape != (size,):
        raise ShapeError(f"{where}: expected lengths of shape ({size},), one per sequence, got {known.shape}")
    if known.dtype.kind not in "iu":
        raise DtypeError(f"{where}: expected integer lengths, got {known.dtype}")
    try:
        check_lengths(known, steps)
    except ShapeError as error:
        raise ShapeError(f"{where}: {error}") from None
    return known


def _places(sequence: PackedSequence, steps: int, size: int) -> Any:
    """Where in the packed data each step of each sequence lies, (steps, size); 0 behind an end."""
    sizes = np.asarray(numbers_of(sequence.batch_sizes))
    places = np.zeros((steps, size), np.int64)
    starts = np.cumsum(sizes) - sizes
    for t, (start, n) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        places[t, :n] = start + np.arange(n)
    if sequence.unsorted_indices is not None:
        places = places[:, numbers_of(sequence.unsorted_indices)]
    return places
