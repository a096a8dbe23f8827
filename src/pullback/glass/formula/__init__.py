"""Formulas: from the LaTeX that a mapping declares to a line of Unicode and to MathML."""

from __future__ import annotations

from typing import Any

from ...core.mapping import Mapping
from .mathml import to_mathml
from .parse import parse
from .tree import Apply, Fence, Formula, FormulaError, Function, Items, as_formula, fill
from .unicode import to_unicode

__all__ = ["Formula", "FormulaError", "as_formula", "formula", "formula_of", "to_mathml", "to_unicode"]


def formula(template: str, **arguments: Any) -> Formula:
    r"""Return the formula of a LaTeX template in the style of `str.format`, with its arguments in place.

    An argument is a name, a number, a formula, or a list of them; a formula gets parentheses where the
    precedence needs them. Raises `FormulaError` for LaTeX outside the subset, and KeyError for an argument
    that is missing.

    >>> to_unicode(formula(r"\frac{{{a}}}{{{b}}}", a=1, b=formula("{x} + {y}", x="x", y="y")))
    '1/(x + y)'
    """
    return fill(parse(template), {name: as_formula(value) for name, value in arguments.items()})


def formula_of(mapping: Mapping, *inputs: Any, **static: Any) -> Formula:
    """Return the formula of a mapping of these inputs: its own, or else its name with the inputs in parentheses.

    The last argument of a mapping of many arrays stands for all that are left.

    >>> from pullback import hypot
    >>> to_unicode(formula_of(hypot, "a", 2))
    '√(a² + 2²)'
    """
    names, values = mapping.arguments, [as_formula(value) for value in inputs]
    if len(values) > len(names):
        rest = values[len(names) - 1 :]
        values[len(names) - 1 :] = [Items(tuple(rest), (", ",) * (len(rest) - 1))]
    arguments = dict(zip(names, values, strict=False))
    try:
        template = mapping.formula(**static) if callable(mapping.formula) else mapping.formula
        others = {name: as_formula(value) for name, value in static.items() if name not in arguments}
        return fill(parse(template), others | arguments)
    except (FormulaError, KeyError):
        inside = Items(tuple(values), (", ",) * (len(values) - 1)) if len(values) != 1 else values[0]
        return Apply(Function(mapping.name), Fence("(", inside, ")"))
