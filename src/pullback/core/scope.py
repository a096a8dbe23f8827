"""Which modules are running: the chain of owners, outermost first, that a recorded mapping belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

__all__ = ["change_scope", "present_scope", "restore_scope"]

Scope = tuple[Any, ...]

_scope: ContextVar[Scope] = ContextVar("scope", default=())

# The methods of the variable themselves: every call of every layer goes through all three.
present_scope = _scope.get
"""Return the chain of modules whose `forward` is running."""

change_scope = _scope.set
"""Put another chain in its place; the token undoes it."""

restore_scope = _scope.reset
"""Undo the `change_scope` that gave the token."""
