"""Which modules are running: the chain of owners, outermost first, that a recorded mapping belongs to."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

__all__ = ["enter", "leave", "present_scope"]

Scope = tuple[Any, ...]

_scope: ContextVar[Scope] = ContextVar("scope", default=())

present_scope = _scope.get
"""Return the chain of modules whose `forward` is running."""


def enter(owner: Any) -> Token[Scope]:
    """Add `owner` to the chain; the token undoes it."""
    return _scope.set((*_scope.get(), owner))


def leave(token: Token[Scope]) -> None:
    """Undo the `enter` that gave the token."""
    _scope.reset(token)
