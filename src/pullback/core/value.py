"""A value as the user holds it: a payload, and the interpreter that owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interpret import Interpreter

__all__ = ["Value", "wear"]


class Value:
    """A payload owned by one interpreter.

    `_owner`    the key of the interpreter that knows what the value means.
    `_payload`  the value one floor below: an array, a `Cell` that holds one, or another `Value`.
    `_link`     what the owner adds: the node of the graph (reverse), the tangent (forward).
    """

    __slots__ = ("__weakref__", "_link", "_owner", "_payload")

    def __init__(self, owner: Interpreter, payload: Any, link: Any = None) -> None:
        self._owner = owner
        self._payload = payload
        self._link = link


class Face:
    """The class that interpreters give to the values they make.

    `Value` itself knows no operator; the floor above (`pullback.tensor`) puts on a face that does.
    """

    new: type[Value] = Value


def wear(face: type[Value]) -> None:
    """Make every value from now on an instance of `face`. Called once, by `pullback.tensor`."""
    Face.new = face
