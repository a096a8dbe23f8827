"""Receipts: the full account of one gradient, as plain frozen data.

The terminal text, the HTML and the JSON state the same facts because all of them are made from a `Receipt`.
Formulas are trees (`glass.formula`), numbers are Python floats, everything else is text or nested data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .formula.tree import Formula
from .layer_view import LayerAccount, LayerView
from .plain import plain
from .quantity import Origin, Quantity, Summary

__all__ = [
    "ArrayAccount",
    "Check",
    "Group",
    "Kink",
    "LayerAccount",
    "LayerView",
    "Line",
    "Local",
    "Origin",
    "Quantity",
    "REASONS",
    "Reason",
    "Receipt",
    "Row",
    "Slot",
    "Step",
    "Summary",
    "Update",
]

REASONS = (
    "not on any path",
    "constant",
    "detached",
    "no_grad",
    "integer",
    "mask off",
    "saturated",
    "dead unit",
    "multiplied by zero",
    "kink",
    "cancelled",
    "underflow",
    "not computed yet",
    "not finite forward",
    "not finite backward",
)
"""Why a gradient is zero, missing, or NaN or infinite: the whole list."""

Element = tuple[int, ...]


@dataclass(frozen=True)
class Local:
    """What one argument of a step has to do with its output: ∂output/∂input, three times, and what it carries back."""

    argument: str
    position: int
    input: Quantity
    symbolic: Formula | None
    """The mapping's own derivative rule, run on symbols; None where the rule does not work on one element."""
    substituted: Formula | None
    """The same with numbers in place of the symbols."""
    number: float | None
    product: float | None
    """The incoming gradient times `number`."""
    wanted: bool
    """Whether the input leads to the explained element."""


@dataclass(frozen=True)
class Step:
    """One mapping on the way back."""

    serial: int
    mapping: str
    family: str
    formula: Formula
    """Forward, in symbols: the right-hand side of output = …"""
    substituted: Formula | None
    """Forward, in numbers."""
    words: str
    module: str
    """Path of the module that it belongs to; "" outside of modules."""
    origin: Origin
    inputs: tuple[Quantity, ...]
    output: Quantity
    incoming: float | None
    """∂L/∂output at the element `output.index`, as the engine computed it."""
    locals: tuple[Local, ...]
    rows: tuple[Row, ...]
    """The products that `incoming` is the sum of; empty for the last mapping, whose incoming gradient is the seed."""
    rows_omitted: int
    pullback: Formula | None
    """For arrays: what the mapping's own pullback returns for the wanted input, in symbols."""
    statement: str | None
    """For arrays: the same with indices, such as ∂L/∂W[o,i] = Σ_n g[n,o]·x[n,i]."""
    kink: str | None
    """The choice that the mapping makes where it has no derivative."""
    hook: float | None
    """What a hook of the user's made of the incoming gradient, where there is one."""


@dataclass(frozen=True)
class Row:
    """One path into the explained element: the product of the local derivatives along it.

    When the receipt's rows are "edges", `path` ends at the mapping that reads the element, and `incoming` is
    the sum over all paths from there on.
    """

    via: int
    """Serial of the mapping that reads the element."""
    mapping: str
    argument: str
    output: Quantity
    """The element of that mapping's output that the row goes through."""
    path: tuple[int, ...]
    """Serials from the loss to `via`."""
    through: tuple[str, ...]
    """The elements that the row goes through, by symbol: from the loss to `output`; of an edge, `output` alone."""
    factors: tuple[float, ...]
    """The local derivatives along the path, from the loss on; the last is `local`."""
    local: float
    incoming: float
    product: float
    share: float | None
    """The part of the sum of all absolute products that this one makes."""


@dataclass(frozen=True)
class Kink:
    """A place between the two moved points where a mapping has no derivative."""

    mapping: str
    serial: int
    words: str
    origin: Origin
    index: Element


@dataclass(frozen=True)
class Check:
    """What finite differences say: the recorded graph run forward again with the element moved by ±h.

    `verdict`: "agrees", "kink" (between the moved points lies one, named in `kinks`; `here` says whether it is at the
    element itself, `jump` gives the losses on either side where the loss jumps), "differs" or "not checked" (`why`
    says why). `suspect` is the serial of the
    mapping whose own derivative is at odds with its value, when there is one.
    """

    verdict: str
    numeric: float | None = None
    h: float | None = None
    left: float | None = None
    right: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    kinks: tuple[Kink, ...] = ()
    jump: tuple[float, float] | None = None
    here: bool = False
    suspect: int | None = None
    why: str | None = None


@dataclass(frozen=True)
class Reason:
    """Why a gradient is zero, missing or not finite: one of `REASONS`, in words, with the place where it happens."""

    code: str
    words: str
    missing: bool
    """Whether there is no gradient at all, rather than one that is 0."""
    serial: int | None = None
    mapping: str | None = None
    origin: Origin | None = None
    causes: tuple[tuple[str, int], ...] = ()
    """All reasons met on the way, with the number of rows that they stop."""


@dataclass(frozen=True)
class ArrayAccount:
    """The gradient of the whole array that the explained element belongs to."""

    values: Summary
    gradient: Summary
    statements: tuple[str, ...]
    """One per mapping that reads the array: its part of the sum, with indices where they were found."""
    pullbacks: tuple[Formula, ...]
    """The same as the mappings' own pullbacks write it."""
    largest: Element
    """The element of the largest gradient."""


@dataclass(frozen=True)
class Group:
    """Steps that are shown as one line: those of a module, or the same steps repeated.

    `first` and `last` are positions in `Receipt.steps`; a group inside another is smaller than it.
    """

    kind: str
    """"module" or "repetition"."""
    name: str
    first: int
    last: int
    times: int
    period: int
    """How many steps one repetition has."""


@dataclass(frozen=True)
class Slot:
    """A number that an optimiser keeps for the element, before and after its step."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Line:
    """One assignment of a calculation."""

    name: str
    formula: Formula
    substituted: Formula
    value: float


@dataclass(frozen=True)
class Update:
    """What an optimiser makes of the gradient: its mapping, the numbers, and the calculation line by line."""

    optimizer: str
    mapping: str
    formula: Formula
    words: str
    gradient: float
    before: float
    after: float
    change: float
    settings: tuple[tuple[str, Any], ...]
    slots: tuple[Slot, ...]
    lines: tuple[Line, ...]
    """One assignment per number that changes, the parameter last; a new value is written with a prime."""
    substituted: Formula | None
    """The last line in numbers."""


@dataclass(frozen=True)
class Receipt:
    """The full account of one gradient; made by `pullback.explain`.

    `gradient` is the engine's, `total` the receipt's sum: the rows, those that are left out, and `rounding`.
    `agrees` says whether sum and gradient are equal (to 1e-10 of it in float64, 1e-5 in float32), and the rounding
    as small as that of the dtype can be. Steps are in the order of the way back. `str(receipt)` is the account as
    text.
    """

    lang: str
    loss: Quantity
    wrt: Quantity
    gradient: float | None
    total: float | None
    """The sum, added in the engine's order and in the dtype of the value."""
    rounding: float | None
    """What that makes of the rows: the sum less their sum in double precision."""
    agrees: bool | None
    grad: float | None
    """What `.grad` holds for the element at present; None before a backward pass: not computed yet, not 0."""
    rows: tuple[Row, ...]
    rows_are: str
    """"paths": each row is one whole path; "edges": one row per element that the next mappings make of it."""
    rows_omitted: int
    rows_omitted_total: float
    steps: tuple[Step, ...]
    steps_omitted: int
    groups: tuple[Group, ...]
    array: ArrayAccount | None
    check: Check
    reason: Reason | None
    update: Update | None
    layers: LayerView | None
    notes: tuple[str, ...]

    def to_dict(self, *, mathml: bool = False) -> dict[str, Any]:
        """Return everything as plain JSON data; formulas as text, with `mathml` also as MathML.

        Numbers that JSON does not know are the texts "nan", "inf" and "-inf". With `mathml`, each formula
        "name" has a neighbour "name_mathml".
        """
        return plain(self, mathml)

    def text(self, lang: str | None = None, *, width: int = 100, all_steps: bool = False) -> str:
        """Return the account as text for a terminal; `all_steps` unfolds what is folded."""
        from .account import render

        return render(self, self.lang if lang is None else lang, width, all_steps)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.text())}</pre>"
