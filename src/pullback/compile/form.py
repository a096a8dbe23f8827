"""How the arguments of a call come: in containers, by keyword, among others that are no arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..core import tree
from ..transforms.trace import DYNAMIC, Call

__all__ = ["Form", "form_of", "is_plain"]

Form = Callable[[tuple[Any, ...], dict[str, Any]], list[Any] | None]
"""What takes the arrays and numbers out of the arguments of a call: None where these come in another form."""

_Part = Callable[[Any, list[Any]], bool]


def is_plain(call: Call) -> bool:
    """Whether a call has arrays and numbers one after the other, and nothing else."""
    structure, leaves = call
    return all(x is DYNAMIC for x in leaves) and structure == _row(len(leaves))


@cache
def _row(count: int) -> tree.Structure:
    return tree.flatten(((0,) * count, {}))[1]


def form_of(call: Call) -> Form:
    """Return the form of a call: of the calls that it takes apart, all but the arrays and numbers is as in this one.

    >>> from pullback.core import tree
    >>> form = form_of((tree.flatten(((0, "train"), {"batch": [0, 0]}))[1], [DYNAMIC, "train", DYNAMIC, DYNAMIC]))
    >>> form((1.0, "train"), {"batch": [2.0, 3.0]}), form((1.0, "test"), {"batch": [2.0, 3.0]})
    ([1.0, 2.0, 3.0], None)
    """
    args, kwargs = tree.unflatten(*call)
    positional, named = _part(args), _part(kwargs)

    def form(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
        found: list[Any] = []
        return found if positional(args, found) and named(kwargs, found) else None

    return form


def _part(example: Any) -> _Part:
    """Return what takes apart whatever is like `example`."""
    kind: Any = type(example)
    if example is DYNAMIC:
        return _take
    if isinstance(example, dict):
        return _dict(kind, tuple(example), [_part(x) for x in example.values()])
    if kind is list or kind is tuple or (isinstance(example, tuple) and hasattr(example, "_fields")):
        return _sequence(kind, [_part(x) for x in example])
    return lambda x, found: x is example or (x.__class__ is kind and bool(x == example))


def _take(x: Any, found: list[Any]) -> bool:
    found.append(x)
    return True


def _sequence(kind: Any, parts: list[_Part]) -> _Part:
    count = len(parts)

    def take(x: Any, found: list[Any]) -> bool:
        if x.__class__ is not kind or len(x) != count:
            return False
        for part, y in zip(parts, x, strict=True):  # noqa: SIM110 - all() takes twice as long
            if not part(y, found):
                return False
        return True

    return take


def _dict(kind: Any, keys: tuple[Any, ...], parts: list[_Part]) -> _Part:
    sequence = _sequence(tuple, parts)

    def take(x: Any, found: list[Any]) -> bool:
        if x.__class__ is not kind:
            return False
        return not x if not keys else tuple(x) == keys and sequence(tuple(x.values()), found)

    return take
