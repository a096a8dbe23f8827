"""An interpreter whose values are formulas: a mapping's own rules, run on it, write themselves down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import TraceError
from ..core.interpret import EVALUATE, Interpreter, interpreting
from ..core.mapping import Mapping
from ..core.spec import Spec, spec_of
from ..core.value import Face, Value
from .formula import Formula, FormulaError, as_formula, formula_of, to_unicode
from .formula.parse import parse
from .formula.tree import Argument, Binary, Fence, Index, Items, Name, Number

__all__ = ["Symbols", "Word", "number", "written"]

FEW = 8
"""Arrays of so few elements are known by their numbers, as a single number is."""
LARGEST = 400
"""Formulas of more parts than this explain nothing."""
IF, ELSE = "if", "else"


@dataclass(frozen=True)
class Word:
    """A value as a formula in symbols, the same in numbers, its type, and its number where it is one that is known."""

    symbolic: Formula
    substituted: Formula
    spec: Spec
    value: Any = None
    size: int = 1


class Symbols(Interpreter):
    """Applies a mapping to formulas by putting them into the mapping's own formula."""

    described = "an explanation"

    def __init__(self) -> None:
        super().__init__(EVALUATE)

    def over(self, below: Interpreter | None) -> Symbols:
        return self

    def box(self, word: Word) -> Any:
        """Return the word as a value that rules can work with."""
        return Face.new(self, word)

    def spec(self, value: Value) -> Spec:
        word: Word = value._payload
        return word.spec

    def concrete(self, value: Value) -> Any:
        raise TraceError("explain: a rule asks for the numbers of what is only a symbol here")

    def word(self, x: Any) -> Word:
        """Return the word of a value, a number or an array."""
        if isinstance(x, Value):
            word: Word = x._payload
            return word
        shown = number(x)
        return Word(shown, shown, spec_of(x), x if np.size(x) <= FEW else None)

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        if not any(isinstance(x, Value) and x._owner is self for x in args):
            return EVALUATE.apply(mapping, args, static)
        words = [self.word(x) for x in args]
        size = 1 + sum(word.size for word in words)
        if mapping.spec is None or size > LARGEST:
            if mapping.body is None or size > LARGEST:
                raise TraceError(f"explain: the formula grows beyond {LARGEST} parts")
            with interpreting(self):
                return mapping.body(*args, **static)
        chosen = _chosen(mapping, words)
        if chosen is not None:
            return self.box(chosen)
        spec = mapping.spec(*(word.spec for word in words), **static)
        symbolic = formula_of(mapping, *(word.symbolic for word in words), **static)
        substituted = formula_of(mapping, *(word.substituted for word in words), **static)
        if spec.__class__ is tuple:
            return tuple(
                self.box(Word(_item(symbolic, i), _item(substituted, i), s, None, size)) for i, s in enumerate(spec)
            )
        value = None
        if spec.shape == () and all(word.value is not None for word in words):
            value = mapping.evaluate(*(word.value for word in words), **static)
            named = _taken(mapping, words[0], static) if len(words) == 1 and words[0].spec.shape != () else None
            if named is not None:
                symbolic, substituted = named, number(value)
        return self.box(Word(symbolic, substituted, spec, value, size))


def _chosen(mapping: Mapping, words: Sequence[Word]) -> Word | None:
    """Of a formula "x if condition else y", return the branch taken, where the condition only guards single points.

    A condition that holds where two numbers are equal, and is known, says nothing of the formula elsewhere.
    """
    try:
        form = parse(mapping.formula) if isinstance(mapping.formula, str) else None
    except FormulaError:
        return None
    if not isinstance(form, Items) or tuple(t.strip() for t in form.between) != (IF, ELSE):
        return None
    if not all(isinstance(item, Argument) for item in form.items) or len(words) != len(mapping.arguments):
        return None
    by_name = dict(zip(mapping.arguments, words, strict=True))
    first, condition, second = (by_name[item.name] for item in form.items if isinstance(item, Argument))
    if condition.value is None or not _is_guard(condition.symbolic):
        return None
    return first if condition.value else second


def _is_guard(condition: Formula) -> bool:
    if isinstance(condition, Binary):
        if condition.sign == "∧":
            return _is_guard(condition.left) or _is_guard(condition.right)
        return condition.sign == "="
    return False


def _taken(mapping: Mapping, word: Word, static: dict[str, Any]) -> Formula | None:
    """Return the name of the element that a mapping takes out of a known array; None if it does something else."""
    if mapping.family != "linear":
        return None
    size = word.spec.size
    position = float(mapping.evaluate(np.arange(size, dtype=np.float64).reshape(word.spec.shape), **static))
    if position not in range(size) or mapping.evaluate(word.value, **static) != word.value.reshape(-1)[int(position)]:
        return None
    index = np.unravel_index(int(position), word.spec.shape)
    return Name(f"{to_unicode(word.symbolic)}[{', '.join(str(int(i)) for i in index)}]")


def _item(formula: Formula, i: int) -> Formula:
    return Index(Fence("(", formula, ")"), Fence("[", Number(str(i)), "]"))


def number(x: Any) -> Formula:
    """Write a number; an array that is not one number is written as an ellipsis."""
    if isinstance(x, Formula):
        return x
    a = np.asarray(x)
    if a.size != 1:
        return Name("…")
    item = a.reshape(-1)[0]
    if a.dtype.kind == "b":
        return Number("1" if item else "0")
    if a.dtype.kind in "iu":
        return as_formula(int(item))
    return as_formula(rounded(float(item)))


def rounded(x: float, digits: int = 6) -> str:
    """Write a float with so many significant digits.

    >>> rounded(0.1 + 0.2), rounded(-3.0), rounded(1e-12)
    ('0.3', '-3', '1e-12')
    """
    if x == 0:
        return "0"
    shown = f"{x:.{digits}g}"
    if "e" in shown:
        mantissa, exponent = shown.split("e")
        return f"{mantissa}e{int(exponent)}"
    return shown


def written(rule: Callable[..., Any], arguments: Sequence[Word | Any], **static: Any) -> tuple[Formula, Formula] | None:
    """Run a rule on words and return what it wrote, in symbols and in numbers; None where it works on numbers only.

    A truth value is written in Iverson's brackets: [x > 0] is 1 where x > 0, else 0.
    """
    level = Symbols()
    boxes = [level.box(x) if isinstance(x, Word) else x for x in arguments]
    try:
        with interpreting(level):
            result = rule(*boxes, **static)
        if result is None:
            return None
        word = level.word(result)
    except Exception:  # a rule of the user's may do anything with what is no number
        return None
    return _as_number(word.symbolic, word.spec), _as_number(word.substituted, word.spec)


def _as_number(formula: Formula, spec: Spec) -> Formula:
    if spec.dtype.kind == "b" and not isinstance(formula, Number | Fence):
        return Fence("[", formula, "]")
    return formula
