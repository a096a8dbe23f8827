"""The one place where anything mutable lives.

Parameters, buffers, optimiser slots, counters, learning rates, `.grad`: each is a `Cell`. Reading and
writing goes through the store that is active: by default the cell itself; while a step is traced or
replayed, a store that turns the first read into an input and the last write into an output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["Cell", "Store", "contents", "storing", "write_together"]


class Store(Protocol):
    """Where reads and writes of cells go while it is active."""

    def read(self, cell: Cell) -> Any:
        """Return the value of `cell` as the running code is to see it."""

    def write(self, cell: Cell, value: Any) -> None:
        """Take `value` as the new value of `cell`."""


class Cell:
    """A mutable place that holds an array, or a static value such as None or a flag.

    >>> counter = Cell(0, name="counter")
    >>> counter.write(counter.read() + 1)
    >>> counter.read()
    1
    """

    __slots__ = ("__weakref__", "leaf", "name", "resting", "value")

    def __init__(self, value: Any, name: str = "", leaf: Any = None) -> None:
        self.value = value
        self.name = name
        self.leaf = leaf
        """Where gradients of this value arrive, if any are wanted: the leaf of the graph."""
        self.resting: Any = None
        """The leaf while no gradients are wanted: it comes back, with what it holds, when they are again."""

    def read(self) -> Any:
        """Return the present value."""
        store = _store.get()
        return self.value if store is None else store.read(self)

    def write(self, value: Any) -> None:
        """Replace the present value."""
        store = _store.get()
        if store is None:
            self.value = value
        else:
            store.write(self, value)

    def __repr__(self) -> str:
        return f"Cell({self.name!r})"


_store: ContextVar[Store | None] = ContextVar("store", default=None)


def active_store() -> Store | None:
    """Return the store that reads and writes go to, or None when they go to the cells themselves."""
    return _store.get()


def contents(cells: Iterable[Cell]) -> list[Any]:
    """Return the present values of several cells."""
    store = _store.get()
    return [cell.value for cell in cells] if store is None else [store.read(cell) for cell in cells]


def write_together(pairs: Iterable[tuple[Cell, Any]]) -> None:
    """Replace the values of several cells."""
    store = _store.get()
    for cell, value in pairs:
        if store is None:
            cell.value = value
        else:
            store.write(cell, value)


@contextlib.contextmanager
def storing(store: Store | None) -> Iterator[None]:
    """Send reads and writes of cells to `store` inside the `with` statement."""
    token = _store.set(store)
    try:
        yield
    finally:
        _store.reset(token)
