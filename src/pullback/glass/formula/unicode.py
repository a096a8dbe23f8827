"""A formula as one line of Unicode, for the terminal."""

from __future__ import annotations

from .parentheses import left_stands, level, operand_stands, right_stands
from .symbols import SUBSCRIPTS, SUPERSCRIPTS
from .tree import (
    ADDING,
    ATOM,
    MULTIPLYING,
    POWER,
    Accent,
    Apply,
    Argument,
    Binary,
    Fence,
    Formula,
    Fraction,
    Function,
    Index,
    Items,
    Name,
    Number,
    Power,
    Prefix,
    Root,
    Subscript,
)

__all__ = ["to_unicode"]

TIGHT = ("¬", "∂", "∇", "∼", "−")


def to_unicode(formula: Formula) -> str:
    """Write a formula in one line, with parentheses where the precedence needs them.

    >>> from pullback.glass.formula import formula
    >>> to_unicode(formula(r"{a} \\cdot {b}", a=formula("{x}^2 + 1", x="x"), b="y"))
    '(x² + 1) · y'
    """
    match formula:
        case Name(text) | Number(text) | Function(text) | Argument(text):
            return text
        case Binary():
            return _binary(formula)
        case Prefix(sign, operand):
            shown = to_unicode(operand) if operand_stands(formula, bars=False) else f"({to_unicode(operand)})"
            return f"{sign}{shown}" if isinstance(sign, str) and sign in TIGHT else f"{to_unicode(sign)} {shown}"  # type: ignore[arg-type]
        case Apply(function, fence):
            return to_unicode(function) + to_unicode(fence)
        case Index(base, fence):
            return _within(base, ATOM) + to_unicode(fence)
        case Fence(left, inner, right):
            return left + to_unicode(inner) + right
        case Fraction(numerator, denominator):
            return f"{_within(numerator, MULTIPLYING)}/{_within(denominator, POWER)}"
        case Power(base, exponent):
            return _power(base, exponent)
        case Subscript(base, index):
            return _within(base, ATOM) + _subscript(index)
        case Root(radicand):
            shown = to_unicode(radicand)
            return f"√{shown}" if len(shown) == 1 or shown.isdecimal() else f"√({shown})"
        case Accent(sign, operand):
            return _within(operand, ATOM) + sign
        case Items(items, between):
            return "".join(part for pair in zip(map(to_unicode, items), (*between, ""), strict=True) for part in pair)
    raise TypeError(f"to_unicode: expected a formula, got {type(formula).__name__}")


def _within(formula: Formula, least: int) -> str:
    shown = to_unicode(formula)
    return shown if level(formula, bars=False) >= least else f"({shown})"


def _binary(formula: Binary) -> str:
    left, right = to_unicode(formula.left), to_unicode(formula.right)
    left = left if left_stands(formula, bars=False) else f"({left})"
    right = right if right_stands(formula, bars=False) else f"({right})"
    if formula.sign == "/":
        return f"{left}/{right}"
    if formula.sign:
        return f"{left} {formula.sign} {right}"
    last = formula.left
    while isinstance(last, Binary):
        last = last.right
    unclear = isinstance(last, Fraction) or isinstance(formula.right, (Fraction, Apply)) or right[0].isdigit()
    return f"{left} · {right}" if unclear else f"{left} {right}"


def _power(base: Formula, exponent: Formula) -> str:
    shown = to_unicode(exponent)
    below = (
        to_unicode(base) if level(base, bars=False) == ATOM and not isinstance(base, Root) else f"({to_unicode(base)})"
    )
    sign, digits = (shown[0], shown[1:]) if shown[:1] == "−" else ("", shown)
    short = len(digits) == 1 or (digits.isdecimal() and len(digits) <= 3)
    if short and all(character in SUPERSCRIPTS for character in digits):
        return below + "".join(SUPERSCRIPTS[character] for character in sign + digits)
    if shown in ("ᵀ", "′"):
        return below + shown
    return f"{below}^{shown}" if level(exponent, bars=False) == ATOM else f"{below}^({shown})"


def _subscript(index: Formula) -> str:
    shown = to_unicode(index)
    if (len(shown) == 1 or shown.isdecimal()) and all(character in SUBSCRIPTS for character in shown):
        return "".join(SUBSCRIPTS[character] for character in shown)
    return f"_{shown}" if level(index, bars=False) >= ADDING and " " not in shown else f"_({shown})"
