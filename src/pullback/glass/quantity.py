"""What receipts are about: values, where they were made, and arrays in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Origin", "Quantity", "Summary"]

Element = tuple[int, ...]


@dataclass(frozen=True)
class Origin:
    """The line of the user's program that something was made in."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Summary:
    """An array in a few numbers; `norm` is the square root of the sum of squares."""

    low: float
    high: float
    mean: float
    norm: float
    zeros: int
    size: int


@dataclass(frozen=True)
class Quantity:
    """A value that takes part: a leaf, a constant, or the output of a mapping, and one element of it.

    `name` is the program's own name for it where there is one; `symbol` is the name with the element.
    `serial` is that of the node or leaf, None for a constant. `value` is the element `index`.
    """

    name: str
    symbol: str
    kind: str
    """"leaf", "computed" or "constant"."""
    serial: int | None
    shape: tuple[int, ...]
    dtype: str
    index: Element
    value: float | None
    summary: Summary | None
