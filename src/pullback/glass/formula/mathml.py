"""A formula as MathML, for a page."""

from __future__ import annotations

from html import escape

from .parentheses import left_stands, level, operand_stands, right_stands
from .tree import (
    ATOM,
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
from .unicode import to_unicode

__all__ = ["to_mathml"]

OVER = {"\u0302": "^", "\u0305": "‾", "\u0303": "~"}
APPLY, TIMES = "<mo>\u2061</mo>", '<mo>\u2062</mo><mspace width="0.2em"/>'


def to_mathml(formula: Formula, *, block: bool = False) -> str:
    """Write a formula as a `<math>` element, escaped, with its line of Unicode as the alternative text.

    >>> from pullback.glass.formula import formula
    >>> to_mathml(formula("{x}^2", x="a<b"))
    '<math alttext="(a&lt;b)²"><msup><mrow><mo>(</mo><mtext>a&lt;b</mtext><mo>)</mo></mrow><mn>2</mn></msup></math>'
    """
    display = ' display="block"' if block else ""
    return f'<math{display} alttext="{escape(to_unicode(formula))}">{_node(formula)}</math>'


def _node(formula: Formula) -> str:
    match formula:
        case Name(text, loose):
            return f"<mtext>{_text(text)}</mtext>" if loose else f"<mi>{_text(text)}</mi>"
        case Number(text):
            return f"<mn>{_text(text)}</mn>"
        case Function(text) | Argument(text):
            return f"<mi>{_text(text)}</mi>"
        case Binary(sign):
            left = _node(formula.left) if left_stands(formula, bars=True) else _fenced(formula.left)
            right = _node(formula.right) if right_stands(formula, bars=True) else _fenced(formula.right)
            return _row(left, _sign(sign), right)
        case Prefix(sign, operand):
            shown = f"<mo>{sign}</mo>" if isinstance(sign, str) else _node(sign)
            return _row(shown, _node(operand) if operand_stands(formula, bars=True) else _fenced(operand))
        case Apply(function, fence):
            return _row(_node(function), APPLY, _node(fence))
        case Index(base, fence):
            return _row(_atom(base), _node(fence))
        case Fence(left, inner, right):
            return _row(f"<mo>{left}</mo>", _node(inner), f"<mo>{right}</mo>")
        case Fraction(numerator, denominator):
            return f"<mfrac>{_node(numerator)}{_node(denominator)}</mfrac>"
        case Power(base, exponent):
            return f"<msup>{_atom(base)}{_node(exponent)}</msup>"
        case Subscript(Name("Σ" | "∏" | "⋁" | "⋀") as sign, index):
            return f"<munder>{_node(sign)}{_node(index)}</munder>"
        case Subscript(base, index):
            return f"<msub>{_atom(base)}{_node(index)}</msub>"
        case Root(radicand):
            return f"<msqrt>{_node(radicand)}</msqrt>"
        case Accent(sign, operand):
            return f'<mover accent="true">{_node(operand)}<mo>{OVER[sign]}</mo></mover>'
        case Items(items, between):
            signs = ["<mo>,</mo>" if b == ", " else f"<mtext>{_text(b)}</mtext>" for b in between] + [""]
            return _row(*(part for item, sign in zip(items, signs, strict=True) for part in (_node(item), sign)))
    raise TypeError(f"to_mathml: expected a formula, got {type(formula).__name__}")


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _fenced(formula: Formula) -> str:
    return _row("<mo>(</mo>", _node(formula), "<mo>)</mo>")


def _atom(formula: Formula) -> str:
    return _node(formula) if level(formula, bars=True) == ATOM else _fenced(formula)


def _sign(sign: str) -> str:
    if not sign:
        return TIMES
    return f"<mo>\u00a0{sign}\u00a0</mo>" if sign.isalpha() else f"<mo>{escape(sign)}</mo>"


def _text(text: str) -> str:
    """Escaped, with spaces that stay."""
    return escape(text).replace(" ", "\u00a0")
