"""Data that comes one item after the other, of a length that need not be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["IterableDataset"]


class IterableDataset:
    """Items from a generator: give a function that begins anew at each call, or subclass and define `__iter__`.

    ``make``: a function that returns a fresh iterator; ``arguments`` are handed to it.
    A data set whose items are to differ between epochs defines ``set_epoch(epoch)``, which `DataLoader` calls
    before each epoch. An interrupted training passes over the items that it has already had, so the same epoch
    must give the same items.

    Raises TypeError for an iterator, which would be empty after the first epoch.

    >>> squares = IterableDataset(lambda n: (i * i for i in range(n)), 4)
    >>> list(squares), list(squares)
    ([0, 1, 4, 9], [0, 1, 4, 9])
    """

    def __init__(self, make: Callable[..., Iterator[Any]] | None = None, *arguments: Any) -> None:
        if make is not None and not callable(make):
            raise TypeError(
                f"IterableDataset: expected a function that makes an iterator, got {type(make).__name__}.\n"
                f"  wrong:  IterableDataset(lines())\n  right:  IterableDataset(lines)"
            )
        self.make = make
        self.arguments = arguments

    def __iter__(self) -> Iterator[Any]:
        if self.make is None:
            raise NotImplementedError(f"{type(self).__name__} must define __iter__(self): the items in order")
        return iter(self.make(*self.arguments))
