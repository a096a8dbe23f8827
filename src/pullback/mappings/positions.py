"""Positions: what a user may write between brackets, read as static slices and arrays of integers."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import TraceError
from ..core.spec import Shape, dtype_of, operand
from ..core.value import Value
from .dtype import _to_dtype
from .slicing import FULL

__all__: list[str] = []


@dataclass(frozen=True)
class Place:
    """A place in an array: first the static part (None: all of it), then positions along `axes` of what it leaves."""

    static: tuple[Any, ...] | None
    indices: list[Any]
    axes: tuple[int, ...]


def basic_index(index: Any) -> tuple[Any, ...] | None:
    """Return an index of ints, slices and None in its static form; None if it holds anything else."""
    static: list[Any] = []
    for entry in index if index.__class__ is tuple else (index,):
        kind = entry.__class__
        if kind is slice:
            entry = slice_entry(entry)
        elif kind is not int and entry is not None:
            return None
        static.append(entry)
    return tuple(static)


def place_of(index: Any, shape: Shape, name: str) -> Place:
    """Read an index of an array of this shape.

    Raises IndexError when it does not fit the shape or holds something that is no index, TraceError for a
    mask whose numbers are not known yet.
    """
    entries = [
        part for entry in (index if index.__class__ is tuple else (index,)) for part in _entry(entry, name)
    ]
    if any(entry.__class__ is _Mask for entry in entries):
        entries = _unmasked(entries, shape, name)
    entries = _without_ellipsis(entries, shape, name)
    if not any(map(_is_array, entries)):
        return Place(tuple(entries), [], ())
    static: list[Any] = []
    indices, axes = [], []
    for entry in entries:
        if entry is not None and entry.__class__ is not tuple:
            axes.append(len(static))
            indices.append(np.asarray(entry) if entry.__class__ is int else entry)
            entry = FULL
        static.append(entry)
    return Place(None if all(e == FULL for e in static) else tuple(static), indices, tuple(axes))


_BASIC = frozenset({int, tuple, type(None)})


@dataclass(frozen=True)
class _Mask:
    values: Any


def _entry(entry: Any, name: str) -> list[Any]:
    kind = entry.__class__
    if kind is int or entry is None or entry is Ellipsis:
        return [entry]
    if kind is slice:
        return [slice_entry(entry)]
    if isinstance(entry, bool | np.bool):
        raise IndexError(f"{name}: a single truth value is no index; use pb.where, or an array of them")
    if isinstance(entry, np.integer) or (isinstance(entry, np.ndarray) and not entry.ndim and entry.dtype.kind in "iu"):
        return [int(entry)]
    if isinstance(entry, Value) or hasattr(entry, "dtype"):
        array = entry
    elif isinstance(entry, list | tuple | range):
        array = np.asarray(entry, None if len(entry) else np.int64)
    elif hasattr(entry, "__index__"):
        return [operator.index(entry)]
    else:
        raise IndexError(
            f"{name}: an index is made of ints, slices, None, ... and arrays of integers or truth values, "
            f"got {type(entry).__name__}"
        )
    if dtype_of(array).kind == "b":
        return [_Mask(_known(array, name))]
    return [positions(array, name)]


def slice_entry(entry: slice) -> tuple[Any, Any, Any]:
    """Return a slice in its static, hashable form."""
    return _bound(entry.start), _bound(entry.stop), _bound(entry.step)


def _bound(bound: Any) -> int | None:
    return None if bound is None else operator.index(bound)


def positions(indices: Any, name: str) -> Any:
    """Return `indices` as an array of integers. Raises IndexError unless they are integers."""
    indices = operand(indices) if not isinstance(indices, list) or indices else np.zeros((0,), np.int64)
    dtype = dtype_of(indices)
    if dtype.kind not in "iu":
        raise IndexError(f"{name}: positions must be integers, got an array of dtype {dtype}")
    return _to_dtype(indices, dtype=np.dtype(np.int64)) if dtype == np.uint64 else indices


def _known(mask: Any, name: str) -> Any:
    if isinstance(mask, Value):
        try:
            mask = mask._owner.concrete(mask)
        except TraceError as error:
            raise TraceError(
                f"{name}: how many elements a mask chooses depends on its values, which are not known here.\n"
                f"  wrong:  pb.sum(x[x > 0])\n  right:  pb.sum(pb.where(x > 0, x, 0))"
            ) from error
    return np.asarray(mask)


def _unmasked(entries: list[Any], shape: Shape, name: str) -> list[Any]:
    """Replace each mask by the positions that it chooses, one array for each of its axes."""
    new: list[Any] = []
    axis = 0
    for i, entry in enumerate(entries):
        if entry.__class__ is _Mask:
            mask = entry.values
            here = shape[axis : axis + mask.ndim]
            if mask.shape != here:
                raise IndexError(f"{name}: a mask of shape {mask.shape} does not fit the axes of length {here}")
            new.extend(np.nonzero(mask))
            axis += mask.ndim
        else:
            new.append(entry)
            if entry is Ellipsis:
                axis = len(shape) - sum(_consumed(e) for e in entries[i + 1 :])
            else:
                axis += _consumed(entry)
    return new


def _consumed(entry: Any) -> int:
    if entry is None or entry is Ellipsis:
        return 0
    return entry.values.ndim if entry.__class__ is _Mask else 1


def _without_ellipsis(entries: list[Any], shape: Shape, name: str) -> list[Any]:
    consumed = sum(map(_consumed, entries))
    if consumed > len(shape):
        raise IndexError(f"{name}: {consumed} indices for an array with {len(shape)} axes of shape {shape}")
    at = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    if len(at) > 1:
        raise IndexError(f"{name}: an index can have one ellipsis (...) only")
    if not at:
        return entries
    before, behind = entries[: at[0]], entries[at[0] + 1 :]
    if consumed == len(shape) and any(map(_is_array, before)) and any(map(_is_array, behind)):
        raise IndexError(f"{name}: leave out the ellipsis (...) between the positions, it stands for no axis here")
    return [*before, *[FULL] * (len(shape) - consumed), *behind]


def _is_array(entry: Any) -> bool:
    return entry.__class__ not in _BASIC
