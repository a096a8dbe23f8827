"""Reading the subset of LaTeX that formulas are declared in."""

from __future__ import annotations

import re
import string
from functools import lru_cache

from . import symbols
from .tree import (
    ADDING,
    MULTIPLYING,
    POWER,
    RELATION,
    SHIFT,
    Accent,
    Apply,
    Argument,
    Binary,
    Fence,
    Formula,
    FormulaError,
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

__all__ = ["parse"]

Token = tuple[str, str]
"""The kind (argument, letters, digits, command, function, text, infix, prefix, sign, space) and the text."""

LITERAL = re.compile(
    r"\\(?P<grouped>text|operatorname|mathrm|mathcal|mathbin|mathrel|mathord)\s*\{(?P<content>(?:\\.|[^{}\\])*)\}"
    r"|\ue000(?P<argument>[^\ue001]*)\ue001"
    r"|\\(?P<command>[A-Za-z]+|.)|(?P<letters>[A-Za-z]+)|(?P<digits>\d+(?:\.\d+)?)|(?P<space>\s+)|(?P<sign>.)",
    re.DOTALL,
)
KINDS = {"text": "text", "mathord": "prefix", "mathbin": "infix", "mathrel": "infix"}
OPERANDS = ("argument", "letters", "digits", "function")
TIGHTER = {RELATION: SHIFT, SHIFT: ADDING, ADDING: MULTIPLYING, MULTIPLYING: POWER}
DEEPEST = 50


@lru_cache(maxsize=1024)
def parse(template: str) -> Formula:
    r"""Return the tree of a template. Raises `FormulaError` for LaTeX outside the subset.

    >>> parse(r"\frac{{1}}{{{x}}}")
    Fraction(numerator=Number(text='1'), denominator=Argument(name='x'))
    """
    return _Reader(_tokens(template), template).whole()


def _tokens(template: str) -> list[Token]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise FormulaError(f"the formula {template!r}: {error}") from None
    plain = "".join(literal + ("" if name is None else f"\ue000{name}\ue001") for literal, name, _, _ in parts)
    tokens: list[Token] = []
    for match in LITERAL.finditer(plain):
        kind = match.lastgroup or ""
        if kind == "content":
            tokens.append(_grouped(match["grouped"], match["content"]))
        elif kind == "command" and match["command"] in ("{", "}"):
            tokens.append(("sign", match[0]))
        else:
            tokens.append((kind, match[kind]))
    return [_product(tokens, i) if token == ("command", ",") else token for i, token in enumerate(tokens)]


def _product(tokens: list[Token], at: int) -> Token:
    """A thin space, which between two factors is a product."""
    kind, shown = next((t for t in reversed(tokens[:at]) if t[0] != "space"), ("space", ""))
    ends = kind in ("argument", "letters", "digits") or shown in {*symbols.CLOSING, "}"}
    kind, shown = next((t for t in tokens[at + 1 :] if t[0] != "space"), ("space", ""))
    begins = kind in OPERANDS or shown in symbols.FACTORS | symbols.OPENING
    return ("infix", "cdot") if ends and begins else tokens[at]


def _grouped(command: str, content: str) -> Token:
    plain = re.sub(r"\\([A-Za-z]+|.)", lambda m: symbols.LETTERS.get(m[1]) or symbols.SIGN.get(m[1]) or m[1], content)
    if command == "mathcal":
        plain = symbols.SCRIPT.get(plain, plain)
    return KINDS.get(command, "function"), plain


class _Reader:
    """Climbs the precedences over the tokens; `closing` is the sign that ends the group it is in."""

    def __init__(self, tokens: list[Token], template: str) -> None:
        self.tokens, self.template, self.at, self.depth = tokens, template, 0, 0

    def whole(self) -> Formula:
        formula = self.sequence("")
        if (token := self.peek()) is not None:
            raise self.error(f"{token[1]!r} is not expected here")
        return formula

    # ------------------------------------------------------------------------------------ the tokens

    def peek(self) -> Token | None:
        """The next token that is not spacing."""
        while self.at < len(self.tokens) and self.tokens[self.at] in symbols.SPACING:
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def applies(self) -> bool:
        """Whether a parenthesis comes next, with no space before it: f(x), f'(x)."""
        rest = (token for token in self.tokens[self.at :] if token not in (("command", "left"), ("sign", "'")))
        return next(rest, None) == ("sign", "(")

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise self.error("ends too early")
        self.at += 1
        return token

    def expect(self, *signs: str) -> str:
        kind, shown = self.take()
        if shown not in signs or kind not in ("sign", "command"):
            raise self.error(f"expected {signs[0]!r}, got {shown!r}")
        return shown

    def error(self, what: str) -> FormulaError:
        return FormulaError(f"the formula {self.template!r}: {what}")

    # ------------------------------------------------------------------------------------ the levels

    def sequence(self, closing: str) -> Formula:
        """A whole group, with commas and words between its items."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} groups inside each other")
        items, between = [self.binary(RELATION, closing)], []
        while (token := self.peek()) is not None and (token == ("sign", ",") or token[0] == "text"):
            self.take()
            between.append(", " if token[0] == "sign" else token[1])
            items.append(self.binary(RELATION, closing))
        self.depth -= 1
        return items[0] if len(items) == 1 else Items(tuple(items), tuple(between))

    def binary(self, level: int, closing: str) -> Formula:
        """Operands, with signs of this level between them."""
        if level == POWER:
            return self.factor(closing)
        if level == ADDING and (token := self.peek()) in (("sign", "-"), ("sign", "+")):
            self.take()
            operand = self.binary(MULTIPLYING, closing)
            left = Prefix("−", operand, MULTIPLYING) if token == ("sign", "-") else operand
        else:
            left = self.binary(TIGHTER[level], closing)
        while True:
            sign, strength = self.infix()
            if strength == level:
                self.take()
            elif strength is not None or level != MULTIPLYING or not self.starts_factor(closing):
                return left
            left = Binary(sign, left, self.binary(TIGHTER[level], closing), level)

    def infix(self) -> tuple[str, int | None]:
        """The sign between two operands that comes next, and how tightly it binds; None where there is none."""
        token = self.peek()
        if token is None or token[0] not in ("infix", "sign", "command") or token == ("sign", "|"):
            return "", None
        return symbols.INFIX.get(token[1], ("", None))

    def starts_factor(self, closing: str) -> bool:
        token = self.peek()
        if token is None or token == ("sign", closing):
            return False
        kind, shown = token
        if kind == "command":
            return shown in symbols.FACTORS
        return kind in OPERANDS or (kind == "sign" and shown in ("{", "\\{", *"([|"))

    # ----------------------------------------------------------------------------------- the factors

    def factor(self, closing: str) -> Formula:
        kind, shown = self.take()
        if kind == "prefix" or (kind == "command" and shown in symbols.PREFIX):
            return Prefix(symbols.PREFIX.get(shown, shown), self.factor(closing), POWER)
        if kind == "command" and shown in symbols.BIG:
            sign = self.scripts(Name(symbols.BIG[shown]), indexable=False)
            return Prefix(sign, self.binary(MULTIPLYING, closing), MULTIPLYING)
        if kind == "function" or (kind == "command" and shown in symbols.FUNCTIONS):
            return self.applied(Function(shown), closing)
        letter = symbols.LETTERS.get(shown) if kind == "command" else shown if kind == "letters" else None
        if letter is not None and self.applies():
            return self.applied(Function(letter), closing)
        return self.scripts(self.primary(kind, shown, letter))

    def applied(self, function: Formula, closing: str) -> Formula:
        """A function with its scripts and its argument; without an argument, its name."""
        head = self.scripts(function, indexable=False)
        if self.peek() == ("sign", "("):
            return self.scripts(Apply(head, self.fence(self.take()[1])))
        if not self.starts_factor(closing):
            return head
        argument = self.factor(closing)
        return Apply(head, argument if isinstance(argument, Fence) else Fence("(", argument, ")"))

    def primary(self, kind: str, shown: str, letter: str | None) -> Formula:
        if letter is not None:
            return Name(letter)
        if kind == "argument":
            return Argument(shown)
        if kind == "digits":
            return Number(shown)
        if kind == "sign" and shown == "{":
            return self.group_rest()
        if kind in ("sign", "command") and shown in symbols.FENCES:
            return self.fence(shown)
        if kind == "command" and shown == "frac":
            return Fraction(self.group(), self.group())
        if kind == "command" and shown == "sqrt":
            return Root(self.group())
        if kind == "command" and shown in symbols.ACCENTS:
            return Accent(symbols.ACCENTS[shown], self.group())
        raise self.error(f"{shown!r} is not in the subset of LaTeX that formulas are written in")

    def fence(self, opening: str) -> Fence:
        left, closings = symbols.FENCES[opening]
        inner = self.sequence(closings[0])
        return Fence(left, inner, symbols.CLOSING[self.expect(*closings)])

    def scripts(self, base: Formula, *, indexable: bool = True) -> Formula:
        """What follows the base: powers, subscripts, primes, and an index in brackets."""
        while (token := self.peek()) is not None and token[0] == "sign":
            if token[1] == "^":
                self.take()
                base = Power(base, self.group())
            elif token[1] == "_":
                self.take()
                base = Subscript(base, self.group())
            elif token[1] == "'":
                self.take()
                base = Power(base, Name("′"))
            elif token[1] == "[" and indexable and not isinstance(base, (Number, Fence)):
                self.take()
                base = Index(base, self.fence("["))
            else:
                break
        return base

    def group(self) -> Formula:
        """What stands in braces, or else the next character."""
        kind, shown = self.take()
        if kind == "sign" and shown == "{":
            return self.group_rest()
        if kind in ("letters", "digits") and len(shown) > 1:
            self.tokens[self.at - 1 : self.at] = [(kind, shown[0]), (kind, shown[1:])]
            shown = shown[0]
        letter = symbols.LETTERS.get(shown) if kind == "command" else shown if kind == "letters" else None
        return self.primary(kind, shown, letter)

    def group_rest(self) -> Formula:
        inner = self.sequence("}")
        self.expect("}")
        return inner
