"""Where threads have to wait for each other: before a kernel touches what another one has not finished with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .access import Access, Array
from .kernels import Kernel
from .program import Follow

__all__ = ["Hazards"]

Span = tuple[int, int, int]
"""A piece of memory: the slot of an array from outside, or -1 for the arena, and its first and last byte."""


class Hazards:
    """Remembers what has been read and written since the threads met last."""

    def __init__(self, slots: dict[Array, int], places: dict[Array, int]) -> None:
        self.slots = slots
        self.places = places
        self.read: set[Span] = set()
        self.written: set[Span] = set()
        self.spans: dict[Array, Span] = {}
        """Where the arrays of a loop's body lie, all turns together."""

    def enter(
        self, follows: Sequence[Follow], touched: Sequence[Access], inside: Mapping[Array, tuple[Array, int]]
    ) -> None:
        """Begin a loop, in which arrays follow what is `touched` outside, or lie `inside` its room."""
        self.spans.update((follow.array, self._span(touched[follow.touched].array)) for follow in follows)
        for array in inside:
            room, at = inside[array]
            while room in inside:
                room, before = inside[room][0], inside[room][1]
                at += before
            start = self.places[room] + at
            self.spans[array] = -1, start, start + max(array.nbytes, 1) - 1
        self.forget()

    def forget(self) -> None:
        """Note that the threads have just met."""
        self.read, self.written = set(), set()

    def between(self, kernel: Kernel) -> bool:
        """Whether the threads have to meet before this kernel; it is remembered as begun either way."""
        group = kernel.group
        own = {p.array for p in (*kernel.places, *kernel.extra)}
        reads = {self._span(x.array) for x in group.reads if x.array in own}
        writes = {self._span(x.array) for x in group.writes if x.array in own}
        meet = _overlap(writes, self.read) or _overlap(writes | reads, self.written)
        if meet:
            self.forget()
        self.read |= reads
        self.written |= writes
        return meet

    def _span(self, array: Array) -> Span:
        if array in self.spans:
            return self.spans[array]
        if array in self.slots:
            return self.slots[array], 0, 0
        start = self.places[array]
        return -1, start, start + max(array.nbytes, 1) - 1


def _overlap(some: set[Span], others: set[Span]) -> bool:
    return any(
        a[0] == b[0] and (a[0] >= 0 or (a[1] <= b[2] and b[1] <= a[2])) for a in some for b in others
    )
