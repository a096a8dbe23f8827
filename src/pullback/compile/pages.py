"""Memory in large pages: a processor that looks up one page for two megabytes waits less than with five hundred."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np

from .access import LINE

__all__ = ["LARGE", "Room", "block"]

LARGE = 1 << 21
"""How large a large page is, in bytes."""

WORTH = 1 << 18
"""From how many bytes of state on it may take a whole large page: measured with 400 KB, a step is 2 % quicker."""

SMALL = 1 << 12
"""Arrays up to so many bytes stay where they are: they are a page, or less, in any case."""

ADVISED = 1 << 22
"""From so many bytes NumPy asks for large pages itself."""


def block(size: int) -> Any:
    """Return so many bytes of zeros, at the start of a line of the cache, and in large pages where that pays."""
    step = LARGE if size >= LARGE and hasattr(mmap, "MADV_HUGEPAGE") else LINE
    if step == LINE:
        memory = np.zeros(size + LINE, np.uint8)
    else:
        private = mmap.mmap(-1, size + LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # a system without large pages gives small ones
            private.madvise(mmap.MADV_HUGEPAGE)
        memory = np.frombuffer(private, np.uint8)
    start = -memory.ctypes.data % step
    return memory[start : start + size]


class Room:
    """Memory side by side for the arrays that a plan writes in place, so many bytes in all.

    It is taken from the system with the first array, and given back when all that lie in it are gone.
    """

    def __init__(self, sizes: list[int]) -> None:
        wanted = [_lines(n) for n in sizes if SMALL < n < ADVISED]
        self.size = sum(wanted) if sum(wanted) >= WORTH else 0
        self.memory: Any = None
        self.taken = 0

    def improves(self, x: Any) -> bool:
        """Return whether an array should move here: it has memory of its own, given by NumPy, and there is room."""
        return x.base is None and SMALL < x.nbytes < ADVISED and self._has(x.nbytes)

    def bytes(self, size: int) -> Any:
        """Return so many bytes, at the start of a line of the cache; None where there is no room for them."""
        if not (SMALL < size < ADVISED and self._has(size)):
            return None
        if self.memory is None:
            self.memory = block(max(self.size, LARGE))
        start = self.taken
        self.taken += _lines(size)
        return self.memory[start : start + size]

    def _has(self, size: int) -> bool:
        return self.taken + _lines(size) <= self.size


def _lines(size: int) -> int:
    return -(-size // LINE) * LINE
