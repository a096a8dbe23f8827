"""Arrays of a plan, and how they are read and written: which memory, from which element, with which strides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.spec import Shape

__all__ = ["LINE", "Access", "Array", "Immediate", "Iota", "Operand", "natural_strides", "viewed"]

LINE = 64
"""Every array starts at a line of the cache."""


@dataclass(eq=False)
class Array:
    """A piece of memory that a plan reads and writes.

    `role` says who owns it: `temporary` (the arena), `input`, `cell`, `constant` or `output` (a table of
    addresses that is filled in before a run).
    """

    number: int
    shape: Shape
    dtype: np.dtype[Any]
    role: str = "temporary"
    order: tuple[int, ...] = ()
    """The axes from the outermost to the innermost in memory; empty for the usual order."""
    data: Any = None
    """Of a constant: its array. Of a cell: the cell."""
    pieces: bool = False
    """Whether it is written piece by piece, no element twice."""
    layered: bool = False
    """Whether parts of it are written over what was written before."""
    strides: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.strides = natural_strides(self.shape, self.order)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size * self.dtype.itemsize

    def whole(self) -> Access:
        """Return the access to all of it."""
        return Access(self, 0, self.shape, self.strides)

    def __repr__(self) -> str:
        return f"{self.role}{self.number}:{self.dtype.name}{list(self.shape)}"


@dataclass(frozen=True)
class Access:
    """A way to go through an array: element `offset + Σ index·stride` for each index within `shape`."""

    array: Array
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        return self.array.dtype

    @property
    def contiguous(self) -> bool:
        """Whether the elements stand one behind the other in the order of the axes."""
        return self.strides == natural_strides(self.shape) or all(
            n == 1 or s == t for n, s, t in zip(self.shape, self.strides, natural_strides(self.shape), strict=True)
        )

    def lies_in(self, order: Sequence[int]) -> bool:
        """Whether the elements stand one behind the other with their axes in this order; empty for the usual one."""
        wanted = natural_strides(self.shape, order)
        return all(n == 1 or s == t for n, s, t in zip(self.shape, self.strides, wanted, strict=True))

    def spread(self, shape: Shape) -> Access:
        """Return the access as it broadcasts to `shape`."""
        lead = len(shape) - len(self.shape)
        strides = (0,) * lead + tuple(
            0 if n == 1 and m != 1 else s for n, m, s in zip(self.shape, shape[lead:], self.strides, strict=True)
        )
        return Access(self.array, self.offset, shape, strides)

    def same_elements(self, other: Access) -> bool:
        """Whether both touch the same element at every index of their common shape."""
        return (
            self.array is other.array
            and self.offset == other.offset
            and all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, other.strides, strict=True))
        )

    def overlaps(self, other: Access) -> bool:
        """Whether both may touch the same element: whether the stretches of memory overlap from end to end."""
        if self.array is not other.array:
            return False
        (low, high), (start, stop) = self._reach(), other._reach()
        return low <= stop and start <= high

    def _reach(self) -> tuple[int, int]:
        moves = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        return self.offset + sum(m for m in moves if m < 0), self.offset + sum(m for m in moves if m > 0)

    def __repr__(self) -> str:
        return f"{self.array!r}+{self.offset}{list(self.strides)}"


@dataclass(frozen=True)
class Immediate:
    """A number written into the code."""

    number: Any
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Iota:
    """The index along one axis of the space that is gone through."""

    axis: int
    dtype: np.dtype[Any]


Operand = Access | Immediate | Iota


def natural_strides(shape: Shape, order: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the strides, in elements, of an array of `shape` without gaps, its axes in memory in `order`.

    >>> natural_strides((2, 3, 4)), natural_strides((2, 3), (1, 0))
    ((12, 4, 1), (1, 2))
    """
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(order or range(len(shape))):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def viewed(access: Access, evaluate: Callable[..., Any], static: dict[str, Any]) -> list[Access] | None:
    """Return what a mapping that only moves elements makes of an access, or None where it has to copy.

    The mapping's own evaluation is asked: it acts on an array with the strides in question, and what it
    returns tells where its elements lie.
    """
    if any(n == 0 for n in access.shape):
        return None
    reach = 1 + sum((n - 1) * abs(s) for n, s in zip(access.shape, access.strides, strict=True))
    start = -sum((n - 1) * s for n, s in zip(access.shape, access.strides, strict=True) if s < 0)
    memory = np.zeros(reach, np.uint8)
    stand_in = np.lib.stride_tricks.as_strided(memory[start:], access.shape, access.strides)
    results = evaluate(stand_in, **static)
    found = []
    for number, result in enumerate(results if isinstance(results, tuple | list) else (results,)):
        if isinstance(result, np.generic) and access.shape:
            # One element, which NumPy hands out as a number: among numbers that are their own places it says which.
            places = np.arange(reach)[start:]
            places = np.lib.stride_tricks.as_strided(places, access.shape, [8 * n for n in access.strides])
            chosen = evaluate(places, **static)
            one = chosen[number] if isinstance(chosen, tuple | list) else chosen
            found.append(Access(access.array, access.offset + int(one) - start, (), ()))
            continue
        if not isinstance(result, np.ndarray) or not np.may_share_memory(result, memory):
            return None
        distance = result.__array_interface__["data"][0] - stand_in.__array_interface__["data"][0]
        found.append(Access(access.array, access.offset + distance, result.shape, result.strides))
    return found
