"""Functional assignment: `x.at[i].set(v)` is a copy with other values at one place."""

from __future__ import annotations

from typing import Any

from .. import mappings as m
from .operators import Operators

__all__ = ["At", "Spot"]


class At:
    """What `x.at` returns: `x.at[i].set(v)` and `x.at[i].add(v)`."""

    __slots__ = ("x",)

    def __init__(self, x: Operators) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> Spot:
        return Spot(self.x, index)


class Spot:
    """A place in a tensor, chosen by `x.at[i]`."""

    __slots__ = ("index", "x")

    def __init__(self, x: Operators, index: Any) -> None:
        self.x = x
        self.index = index

    def set(self, new: Any) -> Any:
        """Return a copy of the tensor with `new` at this place."""
        return m.index_set(self.x, self.index, new)

    def add(self, new: Any) -> Any:
        """Return a copy of the tensor with `new` added at this place; repeated indices add up."""
        return m.index_add(self.x, self.index, new)
