"""Names in place of objects: "adam", "mse", "relu"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["named"]


def named(argument: str, wanted: Any, known: Mapping[str, Any]) -> Any:
    """The thing that is called ``wanted``; what is no string is returned as it is.

    Raises ValueError that lists the known names.

    >>> named("activation", "rleu", {"relu": max, "tanh": min})
    Traceback (most recent call last):
    ...
    ValueError: activation: expected one of 'relu', 'tanh', got 'rleu'
    """
    if not isinstance(wanted, str):
        return wanted
    if wanted.lower() not in known:
        raise ValueError(f"{argument}: expected one of {', '.join(map(repr, known))}, got {wanted!r}")
    return known[wanted.lower()]
