"""A formula written once for all applications of a mapping: where each has its own names or numbers stands a mark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import Spec
from .formula import Formula, formula_of, to_mathml, to_unicode
from .formula.tree import MULTIPLYING, Name, Number, Prefix
from .symbols import Word, number, written

__all__ = ["OUTPUT", "Pattern", "derivative_pattern", "fill", "forward_pattern", "mark"]

PLAIN, GUARDED = 0xE000, 0xE100
"""Marks are characters of private use; where a guarded one stands, a negative number needs parentheses."""
OUTPUT = 0x7F
"""The place of the output; before it come those of the inputs."""
MOST_INPUTS = 8
MARKS = re.compile("[\ue000-\ue1ff]")
DIGITS = re.compile("7([\ue000-\ue1ff])7")
ALT = re.compile(' alttext="[^"]*"')


@dataclass(frozen=True)
class Pattern:
    """A formula in Unicode and as MathML, in symbols and, where it is one of numbers, as it is for numbers."""

    symbols: str
    symbols_mathml: str
    numbers: str | None = None
    numbers_mathml: str | None = None

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON data."""
        return {name: text for name, text in vars(self).items() if text is not None}


def mark(place: int) -> str:
    """Return the mark for the input at a place, or for the output."""
    return chr(PLAIN + place)


def fill(text: str, values: Sequence[str], output: str) -> str:
    """Put names or numbers in place of the marks.

    >>> fill(f"{chr(0xE100)}² + {chr(0xE001)}", ["−2", "−3"], "y")
    '(−2)² + −3'
    """

    def put(found: re.Match[str]) -> str:
        place = ord(found[0]) - PLAIN
        shown = output if place & 0xFF == OUTPUT else values[place & 0xFF]
        return f"({shown})" if place >= GUARDED - PLAIN and shown.startswith("−") else shown

    return MARKS.sub(put, text)


def forward_pattern(
    mapping: Mapping, static: dict[str, Any], literals: Sequence[Any], numbers: bool
) -> Pattern | None:
    """Return what a mapping calculates; `literals` are numbers that all applications share, None for the others."""
    if len(literals) > MOST_INPUTS:
        return None
    return _pattern(lambda word: formula_of(mapping, *_filled(literals, word), **static), numbers)


def derivative_pattern(
    mapping: Mapping,
    static: dict[str, Any],
    literals: Sequence[Any],
    position: int,
    specs: Sequence[Spec],
    y: Spec,
    *,
    cases: bool,
) -> Pattern | None:
    """Return the derivative with respect to one input, from the rule that the mapping was declared with.

    Without `cases` what holds but for single points, such as that at which a power is 0 to the 0. None where the
    mapping was declared with no rule that holds for single elements.
    """
    if mapping.derivative is None or len(literals) > MOST_INPUTS or len(mapping.derivative) != len(literals):
        return None
    if mapping.family not in ("elementwise", "user"):
        return None
    rule = mapping.derivative[position]

    def formula(word: Callable[[int], Formula]) -> Formula | None:
        filled = _filled(literals, word)
        words = [
            Word(f, f, Spec((), spec.dtype), None if cases else _usual(spec)) if literal is None else _plain(literal)
            for f, spec, literal in zip(filled, specs, literals, strict=True)
        ]
        made = written(rule, [*words, Word(word(OUTPUT), word(OUTPUT), Spec((), y.dtype))], **static)
        return None if made is None else made[0]

    return _pattern(formula, numbers=True)


def _usual(spec: Spec) -> Any:
    """Return a number at which no rule has a case of its own."""
    return spec.dtype.type(0.739) if spec.dtype.kind == "f" else None


def _plain(literal: Any) -> Any:
    """Return a number as the program has it: then a derivative is 2 · x, and not 2 · x²⁻¹."""
    return literal.item() if isinstance(literal, np.ndarray | np.generic) and literal.ndim == 0 else literal


def _filled(literals: Sequence[Any], word: Callable[[int], Formula]) -> list[Any]:
    return [word(i) if x is None else number(x) for i, x in enumerate(literals)]


def _pattern(formula: Callable[[Callable[[int], Formula]], Formula | None], numbers: bool) -> Pattern | None:
    symbols = formula(lambda place: Name(mark(place)))
    if symbols is None:
        return None
    made = Pattern(to_unicode(symbols), ALT.sub("", to_mathml(symbols)))
    if not numbers:
        return made
    # Written with digits around the mark, so that it is spaced and put in parentheses as a number is.
    positive, negative = formula(_digits), formula(lambda place: Prefix("−", _digits(place), MULTIPLYING))
    if positive is None or negative is None:
        return made
    guards = _guards(to_unicode(positive), to_unicode(negative))
    texts = (to_unicode(positive), ALT.sub("", to_mathml(positive)))
    return Pattern(made.symbols, made.symbols_mathml, *(_guarded(DIGITS.sub(r"\1", text), guards) for text in texts))


def _digits(place: int) -> Number:
    return Number(f"7{mark(place)}7")


def _guards(positive: str, negative: str) -> list[bool]:
    """Return for each mark in turn whether parentheses stand around it only when its number is negative."""
    have = [positive[m.start() - 2 : m.start() - 1] == "(" and positive[m.end() + 1 : m.end() + 2] == ")"
            for m in MARKS.finditer(positive)]  # fmt: skip
    need = [negative[max(0, m.start() - 3) : m.start() - 1] == "(−" and negative[m.end() + 1 : m.end() + 2] == ")"
            for m in MARKS.finditer(negative)]  # fmt: skip
    return [b and not a for a, b in zip(have, need, strict=True)] if len(have) == len(need) else [True] * len(have)


def _guarded(text: str, guards: list[bool]) -> str:
    turn = iter(guards)
    return MARKS.sub(lambda m: chr(ord(m[0]) + GUARDED - PLAIN) if next(turn, True) else m[0], text)
