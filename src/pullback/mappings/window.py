"""Windows that slide over the last axes of an array: where they lie, and how many there are.

Convolution and pooling share this arithmetic. `padding` holds a pair (before, after) per axis; a negative
width crops. An axis of length n then has ⌊(n + before + after − dilation·(kernel − 1) − 1) / stride⌋ + 1 windows.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import Shape

__all__: list[str] = []

Pairs = tuple[tuple[int, int], ...]


def per_axis(where: str, name: str, value: Any, axes: int, least: int = 1) -> Shape:
    """Return an int, or one int an axis, as a tuple. Raises ValueError for a wrong number, or one below `least`."""
    try:
        values = tuple(operator.index(v) for v in (value if isinstance(value, Sequence) else (value,)))
    except TypeError:
        raise ValueError(f"{where}: expected {name} to be an int or {axes} ints, got {value!r}") from None
    if len(values) == 1:
        values *= axes
    if len(values) != axes or min(values) < least:
        raise ValueError(f"{where}: expected {name} to be an int or {axes} ints, each at least {least}, got {value!r}")
    return values


@lru_cache(maxsize=1024)
def window_counts(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """Return the number of windows along each axis of lengths `size`; 0 or less where none fits."""
    return tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def check_counts(where: str, counts: Shape, size: Shape, kernel: Shape, padding: Pairs, dilation: Shape) -> None:
    """Raise ShapeError when no window fits along some axis."""
    for n, count, k, (before, after), d in zip(size, counts, kernel, padding, dilation, strict=True):
        if count < 1:
            reach = d * (k - 1) + 1
            raise ShapeError(
                f"{where}: a kernel of size {kernel} with dilation {dilation} reaches over {reach} elements, but the "
                f"padded input has {n + before + after} (input size {size}, padding {padding})"
            )


@lru_cache(maxsize=4096)
def views(
    kernel: Shape, stride: Shape, dilation: Shape, counts: Shape, first: int = 0
) -> tuple[tuple[slice, ...], ...]:
    """Return, for each element of a window in order, the slices of the padded axes that take it of every window.

    `first` is the row of the first window.
    """
    start = (first * stride[0], *(0,) * (len(kernel) - 1))
    return tuple(
        tuple(
            slice(s + at, s + at + step * (count - 1) + 1, step)
            for s, at, step, count in zip(start, offset, stride, counts, strict=True)
        )
        for offset in itertools.product(*(range(0, d * k, d) for k, d in zip(kernel, dilation, strict=True)))
    )


def is_plain(padding: Pairs) -> bool:
    """Return whether nothing is added or cropped."""
    return all(pair == (0, 0) for pair in padding)


def inside(size: Shape, padding: Pairs) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where the padded array holds the array, and what part of the array it holds (all but what is cropped)."""
    there = tuple(
        slice(max(before, 0), max(before, 0) + n + min(before, 0) + min(after, 0))
        for n, (before, after) in zip(size, padding, strict=True)
    )
    here = tuple(slice(max(-before, 0), n + min(after, 0)) for n, (before, after) in zip(size, padding, strict=True))
    return there, here


def padded_size(size: Shape, padding: Pairs) -> Shape:
    """Return the lengths of the padded axes."""
    return tuple(n + before + after for n, (before, after) in zip(size, padding, strict=True))


def bordered(x: Any, padding: Pairs, value: Any) -> Any:
    """Return `x` with a border of `value` around its last axes, in its memory order; without a border `x` itself."""
    if is_plain(padding):
        return x
    lead = x.ndim - len(padding)
    size = x.shape[lead:]
    there, here = inside(size, padding)
    if all(max(pair) <= 0 for pair in padding):
        return x[(..., *here)]
    whole: Any = np.full_like(x, value, shape=(*x.shape[:lead], *padded_size(size, padding)), subok=False)
    whole[(..., *there)] = x[(..., *here)]
    return whole
