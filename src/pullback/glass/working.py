"""The working of one mapping in a drawing: its formula, its words, and each local derivative, from its own facets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import Spec, spec_of
from . import shown
from .diagram import Box
from .formula import Formula, as_formula, formula_of, to_mathml, to_unicode
from .language import kink, words
from .recorded import argument_name
from .slopes import pulled, unit
from .statement import pullback_formula, statement
from .symbols import Word, number, written

__all__ = ["general_working", "working"]


@np.errstate(all="ignore")
def working(box: Box, lang: str, loss: str) -> dict[str, Any]:
    """Return how a mapping is written in the names of its inputs, and what its pullback does, as JSON data."""
    mapping = box.mapping
    assert mapping is not None
    symbols = [x.symbol for x in box.inputs]
    several = isinstance(box.value, tuple) or mapping.outputs is not None
    made: dict[str, Any] = {
        "words": said(mapping, symbols, lang),
        **both("formula", formula_of(mapping, *symbols, **box.static)),
        "locals": [_local(box, i, loss, several) for i in range(len(box.inputs))],
    }
    if _scalar(box) and not several:
        made |= both("numbers", formula_of(mapping, *(number(x.value) for x in box.inputs), **box.static))
    choice = kink(mapping, lang, **_filled(mapping, symbols))
    return made | ({"kink": choice} if choice else {})


def general_working(mapping: Mapping, static: dict[str, Any], count: int, lang: str) -> dict[str, Any]:
    """Return the same for any application of a mapping to so many inputs, in the names of its arguments."""
    names = [argument_name(mapping, i, count) for i in range(count)]
    made: dict[str, Any] = {
        "words": said(mapping, names, lang),
        **both("formula", formula_of(mapping, *names, **static)),
        "locals": [_symbolic(mapping, static, names, i) for i in range(count)],
    }
    choice = kink(mapping, lang, **_filled(mapping, names))
    return made | ({"kink": choice} if choice else {})


def both(name: str, formula: Formula | None) -> dict[str, str]:
    """Return a formula as text and, under `name`_mathml, as MathML."""
    return {} if formula is None else {name: to_unicode(formula), f"{name}_mathml": to_mathml(formula)}


def said(mapping: Mapping, symbols: list[str], lang: str) -> str:
    """Return the words of a mapping with its inputs in place; its name where it has none."""
    try:
        return words(mapping, lang, **_filled(mapping, symbols)) or mapping.name
    except KeyError:  # words of a user's own that name something else
        return mapping.name


def _filled(mapping: Mapping, symbols: list[str]) -> dict[str, str]:
    names = mapping.arguments
    if len(symbols) > len(names):
        symbols = [*symbols[: len(names) - 1], ", ".join(symbols[len(names) - 1 :])]
    return dict.fromkeys(names, "") | dict(zip(names, symbols, strict=False))


def _local(box: Box, position: int, loss: str, several: bool) -> dict[str, Any]:
    """Return one local derivative in symbols and numbers; of arrays also the product that the pullback makes."""
    mapping = box.mapping
    assert mapping is not None
    given = box.inputs[position]
    if given.product is None and given.source is None:
        return {}
    made: dict[str, Any] = {}
    xs = [x.value if x.value is not None else box.spec for x in box.inputs]
    if mapping.derivative is not None and len(mapping.derivative) == len(xs) and not several:
        words_ = [_word(x.symbol, x.value, v, x.source is None) for x, v in zip(box.inputs, xs, strict=True)]
        y = _word(box.symbol, box.value, box.spec, False)
        rule = written(mapping.derivative[position], [*words_, y], **box.static)
        if rule is not None:
            made |= both("symbolic", rule[0])
            if _scalar(box):
                made |= both("substituted", rule[1])
    if _scalar(box) and not several:
        needs = [i == position for i in range(len(xs))]
        slope = pulled(mapping, box.static, xs, box.value, unit(box.value, ()), needs)[position]
        made["number"] = 0.0 if slope is None else shown.number(np.asarray(slope)[()])
    elif not several and box.value is not None:
        symbols = [x.symbol for x in box.inputs]
        incoming = f"∂{loss}/∂{box.symbol}" if box.symbol != loss else "1"
        back = pullback_formula(mapping, box.static, xs, box.value, position, symbols, box.symbol, incoming)
        made |= both("pullback", back)
        line = statement(mapping, box.static, xs, box.value, position, symbols, box.symbol, "g", loss)
        if line is not None:
            made["statement"] = line
    return made


def _word(symbol: str, x: Any, spec: Any, literal: bool) -> Any:
    """A value in a rule: by its name, with its number where it is one, so that cases which do not hold fall away."""
    if literal and x is not None and np.ndim(x) == 0:
        return np.asarray(x).item()  # as in the program: 2 · x, and not 2 · x¹
    shown = number(x) if x is not None else as_formula("…")
    alone = np.asarray(x)[()] if x is not None and np.ndim(x) == 0 else None
    return Word(as_formula(symbol), shown, spec_of(spec), alone)


def _symbolic(mapping: Mapping, static: dict[str, Any], names: list[str], position: int) -> dict[str, Any]:
    if mapping.derivative is None or len(mapping.derivative) != len(names):
        return {}
    plain = Spec((), np.dtype(np.float64))
    words_ = [Word(as_formula(name), as_formula(name), plain) for name in [*names, "y"]]
    rule = written(mapping.derivative[position], words_, **static)
    return {} if rule is None else both("symbolic", rule[0])


def _scalar(box: Box) -> bool:
    return box.spec.shape == () and all(x.value is not None and np.ndim(x.value) == 0 for x in box.inputs)
