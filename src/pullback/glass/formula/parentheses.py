"""Where parentheses are needed: the same in every notation, but for fractions, which a bar holds together."""

from __future__ import annotations

from .tree import ADDING, MULTIPLYING, POWER, PREFIX, Binary, Formula, Fraction, Prefix

__all__ = ["left_stands", "level", "operand_stands", "right_stands"]

ASSOCIATIVE = {"+": {"+", "−"}, "·": {"·", "", "/"}, "": {"·", ""}, "∧": {"∧"}, "∨": {"∨"}, "⊕": {"⊕"}}
"""Signs whose right operand needs no parentheses where it is made with one of these."""


def level(formula: Formula, *, bars: bool) -> int:
    """How tightly a formula holds together. `bars`: whether fractions are drawn with a bar."""
    if bars and isinstance(formula, Fraction):
        return POWER
    if isinstance(formula, Binary) and formula.level >= PREFIX and _open(formula):
        return PREFIX
    return formula.level


def left_stands(formula: Binary, *, bars: bool) -> bool:
    """Whether the left operand of a sign needs no parentheses: −x · y, but (x + 1) · y."""
    left = formula.left
    if isinstance(left, Prefix) and left.sign == "−":
        return formula.strength <= MULTIPLYING and formula.sign != "mod"
    return level(left, bars=bars) >= formula.strength


def right_stands(formula: Binary, *, bars: bool) -> bool:
    """Whether the right operand of a sign needs no parentheses: x · Σ y and a + (b + c), but x − (y − z)."""
    right = formula.right
    if formula.strength == MULTIPLYING and isinstance(right, Prefix) and right.level == PREFIX:
        return True
    if isinstance(right, Binary) and right.strength == formula.strength:
        return right.sign in ASSOCIATIVE.get(formula.sign, ())
    if isinstance(right, Fraction) and not bars and formula.strength == MULTIPLYING:
        return formula.sign in ("·", "", "⊙")
    if isinstance(right, Binary) and _starts_with_minus(right):
        return False
    return level(right, bars=bars) > formula.strength


def operand_stands(formula: Prefix, *, bars: bool) -> bool:
    """Whether the operand of a sign in front needs no parentheses."""
    operand = formula.operand
    if formula.sign == "−" and isinstance(operand, Prefix):
        return operand.level == PREFIX
    if formula.sign == "−" and _starts_with_remainder(operand, bars):
        return False
    return level(operand, bars=bars) >= formula.strength


def _open(formula: Formula) -> bool:
    """Whether the formula ends with an operand that would swallow a factor behind it, as Σ x does."""
    while isinstance(formula, Binary):
        if formula.strength == ADDING:
            return False
        formula = formula.right
    return isinstance(formula, Prefix) and formula.level == PREFIX


def _starts_with_minus(formula: Formula) -> bool:
    """Whether two signs would stand side by side: a + −b · c is written a + (−b · c)."""
    while isinstance(formula, Binary):
        formula = formula.left
    return isinstance(formula, Prefix) and formula.sign == "−"


def _starts_with_remainder(formula: Formula, bars: bool) -> bool:
    """Whether a minus sign in front would be taken for that of the remainder's first operand."""
    while True:
        if isinstance(formula, Binary) and formula.strength == MULTIPLYING:
            if formula.sign == "mod":
                return True
            formula = formula.left
        elif isinstance(formula, Fraction) and not bars:
            formula = formula.numerator
        else:
            return False
