"""Expressions that somebody typed: read with an allow-list, evaluated with mappings, never run as code."""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable
from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import pullback

from ..core.errors import PullbackError
from ..core.mapping import CATALOGUE, Mapping
from .language import text as say
from .typed import Place, call_at, extent, sign_of

__all__ = ["Expression", "ExpressionError", "functions", "parse_expression"]

MOST_CHARACTERS, MOST_NODES, DEEPEST = 1000, 200, 32
LARGEST_NUMBER, LARGEST_EXPONENT = 1e30, 1000
MOST_ELEMENTS = 4096
MOST_SHOWN = 72
CONSTANTS = {"pi": math.pi, "e": math.e}
FAMILIES = ("elementwise", "reduction", "composite", "bilinear")
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
CHARACTER = re.compile(r"[\w.+\-*/@(),=\s]")
EMPTY: ReadOnlyDict[str, Any] = {}
PARTS = {ast.Attribute: "attribute", ast.Subscript: "subscript", ast.Lambda: "lambda", ast.Starred: "star"}


class ExpressionError(PullbackError, ValueError):
    """An expression is not one of those that are allowed; the message shows where."""


@dataclass(frozen=True)
class Expression:
    """An expression that was read and found to hold only what is allowed.

    ``names``: what it needs values for, in the order in which they appear. Made by `parse_expression`.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr
    lang: str | None

    def evaluate(self, values: ReadOnlyDict[str, Any]) -> Any:
        """Return the expression's tensor, where `values` gives a tensor for each name.

        Raises `ExpressionError` for values that do not fit together, or of more than 4,096 elements.
        """
        with np.errstate(all="ignore"):
            return _Evaluation(self, values).value(self.tree)


def parse_expression(text: str, lang: str | None = None) -> Expression:
    """Read an expression made of numbers, names, + - * / ** @, parentheses and functions of the catalogue.

    Nothing is executed. Raises `ExpressionError`, which shows the place, for everything else, and for an
    expression of more than 1,000 characters, 200 parts or 32 levels.

    >>> parse_expression("(x**2 + x*y) * y**3").names
    ('x', 'y')
    """
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(say("expression.long", lang, most=MOST_CHARACTERS, count=len(text)))
    check = _Check(text, lang)
    for i, character in enumerate(text):
        if not CHARACTER.fullmatch(character) or (character.isspace() and character != " "):
            key = "expression.caret" if character == "^" else "expression.character"
            raise check.error(i, i + 1, key, character=character if character.isprintable() else repr(character))
    if not text:
        raise ExpressionError(say("expression.empty", lang))
    tree = check.tree()
    check.visit(tree, 0)
    if not check.names:
        raise ExpressionError(say("expression.constant", lang))
    return Expression(text, tuple(check.names), tree, lang)


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """The functions that an expression may name: what the catalogue has of them under its own name."""
    named = ((name, getattr(pullback, name, None)) for name, m in CATALOGUE.items() if m.family in FAMILIES)
    return {name: function for name, function in sorted(named) if callable(function)}


class _Check:
    """Looks at every part of a tree, and refuses what is not on the list."""

    def __init__(self, text: str, lang: str | None) -> None:
        self.text, self.lang, self.count = text, lang, 0
        self.names: dict[str, None] = {}

    def error(self, start: int, end: int, key: str, **values: Any) -> ExpressionError:
        """An error that points at characters `start` to `end`."""
        first = max(0, start - MOST_SHOWN // 2) if len(self.text) > MOST_SHOWN else 0
        last = min(len(self.text), first + MOST_SHOWN)
        shown = "".join(c if c.isprintable() else "\ufffd" for c in self.text[first:last])
        lead, tail = "…" * (first > 0), "…" * (last < len(self.text))
        before, marked = _width(lead + shown[: start - first]), max(_width(shown[start - first : end - first]), 1)
        mark = " " * before + "^" * marked
        return ExpressionError("\n".join([say(key, self.lang, **values), f"  {lead}{shown}{tail}", f"  {mark}"]))

    def error_at(self, node: ast.AST, key: str, **values: Any) -> ExpressionError:
        return self.error(*extent(self.text, node), key, **values)

    def tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            at = min(error.offset - 1, len(self.text)) if error.offset else len(self.text)
            raise self.error(at, at + 1, "expression.syntax") from None
        except (RecursionError, MemoryError, ValueError, OverflowError):
            raise ExpressionError(say("expression.deep", self.lang, most=DEEPEST)) from None

    def visit(self, node: ast.expr, depth: int) -> None:
        self.count += 1
        if self.count > MOST_NODES:
            raise ExpressionError(say("expression.many", self.lang, most=MOST_NODES))
        if depth > DEEPEST:
            raise self.error_at(node, "expression.deep", most=DEEPEST)
        match node:
            case ast.Constant():
                self.number(node)
            case ast.Name(id=name):
                if name in functions():
                    raise self.error_at(node, "expression.function_as_value", name=name)
                if name not in CONSTANTS:
                    self.names[name] = None
            case ast.BinOp(left, sign, right) if type(sign) in OPERATORS:
                self.visit(left, depth + 1)
                self.visit(right, depth + 1)
                if isinstance(sign, ast.Pow):
                    self.exponent(right)
            case ast.UnaryOp(sign, operand) if type(sign) in OPERATORS:
                self.visit(operand, depth + 1)
            case ast.Call():
                self.call(node, depth)
            case _:
                raise self.not_allowed(node)

    def not_allowed(self, node: ast.AST) -> ExpressionError:
        what = say(f"expression.{PARTS.get(type(node), 'other')}", self.lang)
        return self.error_at(node, "expression.part", what=what, allowed=say("expression.allowed", self.lang))

    def number(self, node: ast.Constant) -> None:
        value = node.value
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.not_allowed(node)
        if not abs(value) <= LARGEST_NUMBER:
            raise self.error_at(node, "expression.number", most=f"{LARGEST_NUMBER:g}")

    def exponent(self, node: ast.expr) -> None:
        value = _literal(node.operand if isinstance(node, ast.UnaryOp) else node)
        if value is not None and abs(value) > LARGEST_EXPONENT:
            raise self.error_at(node, "expression.exponent", most=LARGEST_EXPONENT)

    def call(self, node: ast.Call, depth: int) -> None:
        if not isinstance(node.func, ast.Name):
            raise self.not_allowed(node.func)
        name = node.func.id
        if name not in functions():
            close = difflib.get_close_matches(name, functions(), 3)
            names = ", ".join(close or functions())
            raise self.error_at(
                node.func, "expression.close" if close else "expression.function", name=name, names=names
            )
        for argument in node.args:
            self.visit(argument, depth + 1)
        for keyword in node.keywords:
            self.setting(node, name, keyword)
        self.arity(node, name)

    def setting(self, call: ast.Call, name: str, keyword: ast.keyword) -> None:
        """A keyword argument: one that the function has, with a number or a truth value."""
        allowed = _settings(name)
        if keyword.arg not in allowed:
            raise self.error_at(
                keyword, "expression.setting", name=name, setting=keyword.arg or "**", allowed=", ".join(allowed) or "–"
            )
        value = _literal(keyword.value)
        if value is None:
            raise self.error_at(keyword.value, "expression.setting_value", setting=keyword.arg)
        if not abs(value) <= LARGEST_NUMBER:
            raise self.error_at(keyword.value, "expression.number", most=f"{LARGEST_NUMBER:g}")

    def arity(self, node: ast.Call, name: str) -> None:
        function, given = functions()[name], len(node.args)
        if isinstance(function, Mapping):
            fits, wanted = given == len(function.arguments), ", ".join(function.arguments)
        else:
            parameters = inspect.signature(function).parameters.values()
            positional = [p for p in parameters if p.name not in _settings(name) and p.kind != p.KEYWORD_ONLY]
            least = sum(p.default is p.empty for p in positional)
            fits, wanted = least <= given <= len(positional), ", ".join(p.name for p in positional)
        if not fits:
            raise self.error_at(node, "expression.arity", name=name, wanted=wanted, given=given)


class _Evaluation:
    """Walks a checked tree and applies mappings."""

    def __init__(self, expression: Expression, values: ReadOnlyDict[str, Any]) -> None:
        self.expression, self.values = expression, {**CONSTANTS, **values}
        self.check = _Check(expression.text, expression.lang)

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(id=name):
                if name not in self.values:
                    raise self.check.error_at(node, "expression.no_value", name=name)
                return self.values[name]
            case ast.BinOp(left, sign, right):
                return self.apply(node, OPERATORS[type(sign)], [self.value(left), self.value(right)])
            case ast.UnaryOp(sign, operand):
                return self.apply(node, OPERATORS[type(sign)], [self.value(operand)])
            case ast.Call(ast.Name(id=name), arguments, keywords):
                settings = {str(keyword.arg): _literal(keyword.value) for keyword in keywords}
                return self.apply(node, functions()[name], [self.value(a) for a in arguments], settings)
        raise AssertionError(f"the check let {ast.dump(node)} pass")

    def apply(
        self, node: ast.expr, function: Callable[..., Any], inputs: list[Any], settings: ReadOnlyDict[str, Any] = EMPTY
    ) -> Any:
        text = self.expression.text
        start, end = extent(text, node)
        place = Place(text, sign_of(text, node), text[start:end])
        typed = any(isinstance(x, pullback.Tensor) for x in inputs)
        try:
            # Numbers alone are calculated with as floating-point numbers: 1/0 is inf, and no power takes long.
            value = call_at(place, function, tuple(inputs if typed else map(np.float64, inputs)), dict(settings))
        except (PullbackError, TypeError, ValueError, ArithmeticError, IndexError) as error:
            raise self.check.error(start, end, "expression.fails", why=str(error).split("\n")[0]) from None
        if not typed and np.size(value) == 1:
            return float(value)
        if value.size > MOST_ELEMENTS:
            raise self.check.error(start, end, "expression.large", count=value.size, most=MOST_ELEMENTS)
        return value


@cache
def _settings(name: str) -> tuple[str, ...]:
    """The keyword arguments that a function may be given: those that have a default, but for dtypes and the like."""
    function = functions()[name]
    if isinstance(function, Mapping):
        return ()
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if isinstance(p.default, (bool, int, float)) or p.name == "axis")


def _literal(node: ast.expr) -> Any:
    """The number or truth value that is written here; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if type(value) in (int, float) else None  # type: ignore[operator]  # a number
    return node.value if isinstance(node, ast.Constant) and type(node.value) in (bool, int, float) else None


def _width(text: str) -> int:
    """How many columns a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
