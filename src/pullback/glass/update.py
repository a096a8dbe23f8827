"""What an optimiser makes of a gradient: its update is a mapping too, and writes itself down like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import Mapping
from ..core.spec import shape_of, spec_of
from ..transforms.backward import numbers_of
from . import language
from .formula import Formula, formula_of
from .formula.tree import Name, Number, Prefix
from .history import owner
from .receipt import Line, Slot, Update
from .symbols import Symbols, Word, number

__all__ = ["update_account"]

Element = tuple[int, ...]


class _Opening(Symbols):
    """Writes the inside of the first mapping that it is given, and remembers which mapping that was."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: tuple[Mapping, dict[str, Any]] | None = None

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        if self.opened is None and mapping.body is not None:
            self.opened = mapping, static
            named = [
                self.box(replace(self.word(x), symbolic=Name(name))) if spec_of(x).weak is None else x
                for name, x in zip(mapping.arguments, args, strict=True)
            ]
            with interpreting(self):
                return mapping.body(*named, **static)
        return super().apply(mapping, args, static)


def update_account(optimizer: Any, link: Any, index: Element, gradient: Any, lang: str) -> Update:
    """Return what `optimizer.step()` would do to one element, were `gradient` the parameter's `.grad`.

    Raises ValueError when the optimiser does not train the parameter.
    """
    group, row = _row(optimizer, link)
    settings = group.values_now()
    cells = row.cells
    p = cells[0].read()
    g = np.zeros_like(p) if gradient is None else np.asarray(gradient, spec_of(p).dtype)[()]
    step, slots = cells[1].read(), [cell.read() for cell in cells[2:]]
    with interpreting(EVALUATE):
        new = list(optimizer.update(p, g, step, slots, settings))
    before, after = _at(p, index), _at(new[0], index)
    level = _Opening()
    scalars = [x[index] if shape_of(x) == shape_of(p) and np.ndim(x) else x for x in (p, g, *slots)]
    boxed = [level.box(Word(Name("·"), number(x), spec_of(x), x)) for x in scalars]
    turn = level.box(Word(Name("·"), number(step), spec_of(step), step))
    dynamic = {
        key: level.box(Word(Name(key), number(x), spec_of(x), x)) if isinstance(x, np.generic | np.ndarray) else x
        for key, x in settings.items()
    }
    with interpreting(level):
        results = list(optimizer.update(boxed[0], boxed[1], turn, boxed[2:], dynamic))
    assert level.opened is not None, "an optimiser updates with a mapping"
    mapping, static = level.opened
    lines = _lines(level, mapping, results)
    faithful = lines and np.isclose(lines[-1].value, after, rtol=1e-5, atol=1e-30, equal_nan=True)
    names = dict(zip(mapping.arguments, mapping.arguments, strict=True))
    return Update(
        optimizer=type(optimizer).__name__,
        mapping=mapping.name,
        formula=formula_of(mapping, *map(Name, mapping.arguments), **static),
        words=language.words(mapping, lang, **names),
        gradient=_at(g, index),
        before=before,
        after=after,
        change=after - before,
        settings=tuple((key, _plain(value)) for key, value in group.items() if key != "params"),
        slots=tuple(
            Slot(name, _at(old, index), _at(updated, index))
            for name, old, updated in zip(("step", *row.names), (step, *slots), new[1:], strict=True)
        ),
        lines=tuple(lines) if faithful else (),
        substituted=lines[-1].substituted if faithful else None,
    )


def _row(optimizer: Any, link: Any) -> tuple[Any, Any]:
    serial = owner(link).serial
    for group, rows in zip(optimizer.param_groups, optimizer._rows, strict=True):
        for row in rows:
            if row.parameter._link is not None and owner(row.parameter._link).serial == serial:
                return group, row
    raise ValueError(
        f"explain: {type(optimizer).__name__} does not train this tensor; pass the optimiser that was made with it"
    )


def _lines(level: Symbols, mapping: Mapping, results: list[Any]) -> list[Line]:
    """Return the calculation as assignments, what is kept first: later lines use the new values by name."""
    at = mapping.arguments.index("step") if "step" in mapping.arguments else 1
    names = [*mapping.arguments[at:], mapping.arguments[0]]
    words = [level.word(x) for x in (*results[1:], results[0])]
    lines: list[Line] = []
    done: list[tuple[Word, str]] = []
    for name, word in zip(names, words, strict=True):
        symbolic, substituted = word.symbolic, word.substituted
        for earlier, shown in reversed(done):  # a later result may contain an earlier one
            symbolic = _replaced(symbolic, earlier.symbolic, Name(f"{shown}′"))
            substituted = _replaced(substituted, earlier.substituted, number(earlier.value))
        if word.value is None:
            return []
        lines.append(Line(f"{name}′", symbolic, substituted, float(word.value)))
        if not isinstance(word.symbolic, Name | Number | Prefix):
            done.append((word, name))
    return lines


def _replaced(formula: Formula, part: Formula, new: Formula) -> Formula:
    """Return the formula with each occurrence of a part replaced."""
    if formula == part:
        return new
    changed: dict[str, Any] = {}
    for key, inner in vars(formula).items():
        if isinstance(inner, Formula):
            fresh: Any = _replaced(inner, part, new)
        elif isinstance(inner, tuple):
            fresh = tuple(_replaced(x, part, new) if isinstance(x, Formula) else x for x in inner)
        else:
            continue
        if fresh != inner:
            changed[key] = fresh
    return replace(formula, **changed) if changed else formula


def _at(x: Any, index: Element) -> float:
    a = numbers_of(x)
    return float(a[index] if a.ndim else a)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
