"""What all applications of a mapping have in common in local receipts: formulas with marks, written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.mapping import Mapping
from ..core.spec import shape_of, spec_of
from .diagram import Box
from .pattern import MOST_INPUTS, OUTPUT, Pattern, derivative_pattern, forward_pattern, mark
from .statement import statement

__all__ = ["Kind", "Kinds"]

MOST_KINDS = 64
"""So many kinds of one mapping have numbers of the program in their formulas; further ones have marks there."""


@dataclass
class Kind:
    """A mapping with its static parameters, and with the numbers that stand in the program."""

    number: int
    mapping: Mapping
    static: dict[str, Any]
    literals: tuple[Any, ...]
    specs: Sequence[Any]
    y: Any
    forward: Pattern | None = None
    locals: dict[tuple[int, bool], Pattern | None] = field(default_factory=dict)

    def derivative(self, position: int, xs: Sequence[Any]) -> Pattern | None:
        """Return the local derivative with respect to an input, at these numbers: with its cases where one is 0."""
        return self._written(position, 0 in xs)

    def has_cases(self, position: int, xs: Sequence[Any]) -> bool:
        """Whether the derivative is written with cases at these numbers."""
        return 0 in xs and self._written(position, True) != self._written(position, False)

    def _written(self, position: int, zero: bool) -> Pattern | None:
        if (position, zero) not in self.locals:
            self.locals[position, zero] = derivative_pattern(
                self.mapping, self.static, self.literals, position, self.specs, self.y, cases=zero
            )
        return self.locals[position, zero]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON data, with the derivatives that were asked for."""
        made: dict[str, Any] = {"forward": None if self.forward is None else self.forward.to_dict()}
        for name, zero in (("locals", False), ("cases", True)):
            found = {i: p.to_dict() for (i, z), p in sorted(self.locals.items()) if p is not None and z is zero}
            made[name] = {i: p for i, p in found.items() if not zero or p != made["locals"].get(i)}
        return made


class Kinds:
    """The kinds of the mappings in a drawing, in the order in which they were met."""

    def __init__(self, loss: str) -> None:
        self.loss = loss
        self.found: dict[Any, Kind] = {}
        self.statements: dict[str, int] = {}
        self._statements: dict[Any, str | None] = {}
        self._counts: dict[int, int] = {}
        self._of: dict[int, Kind] = {}

    def of(self, box: Box) -> Kind:
        """Return the kind of a box."""
        kind = self._of.get(box.number)
        if kind is None:
            kind = self._of[box.number] = self._kind(box)
        return kind

    def _kind(self, box: Box) -> Kind:
        mapping = box.mapping
        assert mapping is not None
        literals = tuple([None if x.source is not None or x.value is None else x.value.item() for x in box.inputs])
        static = repr(sorted(box.static.items())) if box.static else ""
        key = id(mapping), static, literals
        kind = self.found.get(key)
        if kind is None and any(x is not None for x in literals) and self._counts.get(id(mapping), 0) >= MOST_KINDS:
            literals = (None,) * len(literals)
            key = id(mapping), static, literals
            kind = self.found.get(key)
        if kind is None:
            specs = [spec_of(x.value) if x.value is not None else box.spec for x in box.inputs]
            kind = Kind(len(self.found), mapping, box.static, literals, specs, box.spec)
            kind.forward = forward_pattern(mapping, box.static, literals, mapping.family in ("elementwise", "user"))
            self.found[key] = kind
            self._counts[id(mapping)] = self._counts.get(id(mapping), 0) + 1
        return kind

    def statement(self, box: Box, kind: Kind, position: int) -> str | None:
        """Return the line for all elements of an input, with marks for the names."""
        xs = [x.value for x in box.inputs]
        if box.value is None or box.value.__class__ is tuple or any(x is None for x in xs):
            return None
        key = kind.number, position, tuple(shape_of(x) for x in xs)
        if key not in self._statements:
            line = None
            if len(xs) <= MOST_INPUTS:
                names = [mark(i) if v is None else str(v) for i, v in enumerate(kind.literals)]
                y = mark(OUTPUT)
                line = statement(
                    kind.mapping, kind.static, xs, box.value, position, names, y, f"∂{self.loss}/∂{y}", self.loss
                )
            self._statements[key] = line
        return self._statements[key]

    def statement_number(self, line: str) -> int:
        """Return the number of a line in the list of them all."""
        return self.statements.setdefault(line, len(self.statements))
