"""A formula as a tree, so that an expression put in place of an argument gets its parentheses by precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass, fields, replace
from typing import Any

__all__ = [
    "ADDING",
    "ATOM",
    "MULTIPLYING",
    "POWER",
    "PREFIX",
    "RELATION",
    "SEQUENCE",
    "SHIFT",
    "Accent",
    "Apply",
    "Argument",
    "Binary",
    "Fence",
    "Formula",
    "FormulaError",
    "Fraction",
    "Function",
    "Index",
    "Items",
    "Name",
    "Number",
    "Power",
    "Prefix",
    "Root",
    "Subscript",
    "as_formula",
    "fill",
]

# How tightly a node holds together, loosest first.
SEQUENCE, RELATION, SHIFT, ADDING, PREFIX, MULTIPLYING, POWER, ATOM = range(8)


class FormulaError(ValueError):
    """A template uses LaTeX outside the subset that formulas are written in."""


@dataclass(frozen=True)
class Formula:
    """A node of a formula."""

    @property
    def level(self) -> int:
        """How tightly the node holds together; where more is needed it stands in parentheses."""
        return ATOM


@dataclass(frozen=True)
class Argument(Formula):
    """A place in a template, to be filled in."""

    name: str


@dataclass(frozen=True)
class Name(Formula):
    """A name or a symbol: x, weight, π, …. `loose` is text of unknown structure."""

    text: str
    loose: bool = False

    @property
    def level(self) -> int:
        return SEQUENCE if self.loose else ATOM


@dataclass(frozen=True)
class Number(Formula):
    """A number that is not negative, as it is written."""

    text: str


@dataclass(frozen=True)
class Fence(Formula):
    """Something between two signs: (x), |x|, ⌊x⌋, [x = y]."""

    left: str
    inner: Formula
    right: str


@dataclass(frozen=True)
class Function(Formula):
    """The name of a function: sin, softmax, Φ."""

    text: str


@dataclass(frozen=True)
class Binary(Formula):
    """Two operands with a sign between them; juxtaposed factors have the sign ""."""

    sign: str
    left: Formula
    right: Formula
    strength: int

    @property
    def level(self) -> int:
        return self.strength


@dataclass(frozen=True)
class Prefix(Formula):
    """A sign in front of an operand: −x, ¬x, Σ x, ∂x. `strength` is how tightly the operand must hold."""

    sign: str | Formula
    operand: Formula
    strength: int

    @property
    def level(self) -> int:
        return ADDING if self.sign == "−" else POWER if self.sign == "∂" else PREFIX


@dataclass(frozen=True)
class Apply(Formula):
    """A function of its argument."""

    function: Formula
    argument: Fence


@dataclass(frozen=True)
class Fraction(Formula):
    numerator: Formula
    denominator: Formula

    @property
    def level(self) -> int:
        return MULTIPLYING


@dataclass(frozen=True)
class Power(Formula):
    base: Formula
    exponent: Formula

    @property
    def level(self) -> int:
        return POWER


@dataclass(frozen=True)
class Subscript(Formula):
    base: Formula
    index: Formula


@dataclass(frozen=True)
class Index(Formula):
    """An indexed array: x[i, j]."""

    base: Formula
    fence: Fence


@dataclass(frozen=True)
class Root(Formula):
    radicand: Formula


@dataclass(frozen=True)
class Accent(Formula):
    """A sign over its operand: a hat, or a line."""

    sign: str
    operand: Formula


@dataclass(frozen=True)
class Items(Formula):
    """Several things one after the other, with commas or words between them."""

    items: tuple[Formula, ...]
    between: tuple[str, ...]

    @property
    def level(self) -> int:
        return SEQUENCE


def as_formula(value: Any) -> Formula:
    """Turn what may stand for an argument into a formula: a tree, a number, a name, or several of them.

    >>> as_formula("-2.5")
    Prefix(sign='−', operand=Number(text='2.5'), strength=5)
    """
    if isinstance(value, Formula):
        return value
    if isinstance(value, (list, tuple)):
        return Items(tuple(map(as_formula, value)), (", ",) * max(len(value) - 1, 0))
    shown = str(value).strip()
    if match := re.fullmatch(r"([-−+]?)(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|inf|∞)", shown):
        number = Number("∞" if match[2] == "inf" else match[2])
        return Prefix("−", number, MULTIPLYING) if match[1] in ("-", "−") else number
    return Name(shown, loose=not re.fullmatch(r"[^\s+\-−*·/=<>^,|]+(\[[^\]]*\])?", shown))


def fill(formula: Formula, arguments: ReadOnlyDict[str, Formula]) -> Formula:
    """Return the formula with its arguments in their places. Raises KeyError for one that is not given."""
    if isinstance(formula, Argument):
        return arguments[formula.name]
    changed = {}
    for name, part in _parts(formula):
        new: Any = tuple(fill(p, arguments) for p in part) if isinstance(part, tuple) else fill(part, arguments)
        if new != part:
            changed[name] = new
    return replace(formula, **changed) if changed else formula


def _parts(formula: Formula) -> Iterator[tuple[str, Formula | tuple[Formula, ...]]]:
    for field in fields(formula):
        part = getattr(formula, field.name)
        if isinstance(part, Formula) or (isinstance(part, tuple) and part and isinstance(part[0], Formula)):
            yield field.name, part
