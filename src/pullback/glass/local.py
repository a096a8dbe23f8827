"""Local receipts: the account of one gradient from the mappings that read the value, each with a way on to its own.

A whole graph has as many rows in all as it has edges, so that a page carries the local receipt of every box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .plain import plain
from .receipt import Reason

__all__ = ["LocalReceipt", "Term", "Use"]


@dataclass(frozen=True)
class Term:
    """One of the products that make up what a use sends back."""

    output: str
    """The element that it goes through."""
    local: float
    incoming: float
    product: float


@dataclass(frozen=True)
class Use:
    """A mapping that reads the value, and what it sends back: the local derivative times the gradient that arrives.

    Where the explained element goes into several elements of the output, `product` is a sum, `terms` are the largest
    of its parts, and there is no one local derivative.
    """

    box: int
    """The number of the mapping's box, where the incoming gradient has a receipt of its own."""
    mapping: str
    argument: str
    output: str
    """The mapping's output by name; the element of it that the explained one goes into, where that is one."""
    input: str
    formula: str | None
    """The output in symbols."""
    substituted: str | None
    """The same in numbers."""
    value: float | None
    """The output's element."""
    symbolic: str | None
    """The local derivative in symbols, as the mapping's own rule writes it."""
    half: str | None
    """The same with numbers in place of the symbols."""
    local: float | None
    incoming: float | None
    product: float
    """What the mapping's pullback sent."""
    terms: tuple[Term, ...]
    terms_omitted: int
    statement: str | None
    """Of an array, for all elements: ∂L/∂W[i,j] = Σ_n ∂L/∂v1[n,i] · x[n,j]."""
    verdict: str
    """What finite differences of this mapping say: "agrees", "rounding", "kink", "differs", or why there are none."""
    numeric: float | None
    """The local derivative by finite differences; where there is no one, the product."""
    kink: str | None
    """What the mapping chooses at its kink, where it stands at one."""
    dtype: str
    """Of the output: that of the slope's rounding."""


@dataclass(frozen=True)
class LocalReceipt:
    """The account of one gradient from what was made of the value directly; made by `Drawing.local`.

    `total` adds the products as the engine adds them, in its order and in the dtype: `exact` says whether it is the
    engine's gradient to the last bit. `reason` says why a gradient is zero, missing or not finite; `downstream` is the
    number of the box whose receipt says it too, where the cause lies further on.
    """

    lang: str
    loss: str
    box: int
    symbol: str
    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    index: tuple[int, ...]
    value: float | None
    gradient: float | None
    total: float | None
    exact: bool | None
    agrees: bool | None
    """Whether the sum is the gradient, but for rounding."""
    uses: tuple[Use, ...]
    """In the order of the way back; of very many those with the largest products."""
    uses_omitted: int
    omitted_total: float
    before_hook: float | None
    """What arrived before a hook of the user's made `gradient` of it."""
    is_root: bool
    reason: Reason | None
    downstream: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON data; NaN and infinities are texts."""
        return plain(self)

    def text(self, lang: str | None = None) -> str:
        """Return the account as text for a terminal."""
        from .local_text import render

        return render(self, self.lang if lang is None else lang)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__
