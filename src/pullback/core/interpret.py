"""The stack of interpreters: what applying a mapping means is decided by the context it happens in.

An interpreter is a small object with one method, `apply`. It handles the values it owns and falls
through to the interpreter `below` it; the lowest one evaluates. The stack is a linked list of
immutable links, so entering and leaving a transform is setting and resetting one context variable:
an exception leaves no trace, and threads do not see each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import EscapedValueError
from .spec import Spec, spec_of
from .value import Value

if TYPE_CHECKING:
    from .mapping import Mapping

__all__ = ["EVALUATE", "Evaluate", "Interpreter", "current", "interpreting", "levels"]


class Interpreter:
    """One floor of the stack.

    `key` is the identity under which the interpreter owns values. A copy made for a changed stack
    (`over`) keeps the key, so it goes on owning them.
    """

    key: Interpreter
    below: Interpreter | None
    described = "a transform"
    lesson = (
        "It was probably stored in a list, an attribute or a global inside the transformed function, and used "
        "after the function had returned.\n"
        "  wrong:  kept = []; pb.grad(lambda x: kept.append(x * x) or pb.sum(x))(x); kept[0] + 1\n"
        "  right:  return the value: pb.grad(lambda x: (pb.sum(x), x * x), has_aux=True)(x)"
    )

    def __init__(self, below: Interpreter | None, key: Interpreter | None = None) -> None:
        self.below = below
        self.key = self if key is None else key

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        """Give `mapping(*args, **static)` its meaning on this floor."""
        raise NotImplementedError(f"{type(self).__name__}.apply")  # an abstract method

    def over(self, below: Interpreter | None) -> Interpreter:
        """Return the same interpreter standing on another floor."""
        raise NotImplementedError(f"{type(self).__name__}.over")  # an abstract method

    def spec(self, value: Value) -> Spec:
        """Return the spec that a value owned by this interpreter shows to the user."""
        return spec_of(value._payload)

    def concrete(self, value: Value) -> Any:
        """Return the array behind a value owned by this interpreter, or raise an error that teaches."""
        payload = value._payload
        return payload._owner.concrete(payload) if isinstance(payload, Value) else payload


class Evaluate(Interpreter):
    """The ground floor: plain arrays in, plain arrays out."""

    described = "evaluation"

    def __init__(self) -> None:
        super().__init__(None)

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        for x in args:
            if isinstance(x, Value):
                raise escaped(mapping.name, x)
        return mapping.evaluate(*args, **static)

    def over(self, below: Interpreter | None) -> Interpreter:
        return self


EVALUATE = Evaluate()
_context: ContextVar[Interpreter] = ContextVar("context", default=EVALUATE)


def establish(ambient: Interpreter) -> None:
    """Make `ambient` the interpreter that every thread starts in. Called once, by the reverse transform."""
    global _context
    _context = ContextVar("context", default=ambient)


def current() -> Interpreter:
    """Return the interpreter on top of the stack."""
    return _context.get()


class interpreting:
    """Run the body of the `with` statement with `top` as the top of the stack."""

    __slots__ = ("token", "top")

    def __init__(self, top: Interpreter) -> None:
        self.top = top

    def __enter__(self) -> Interpreter:
        self.token = _context.set(self.top)
        return self.top

    def __exit__(self, *error: object) -> None:
        _context.reset(self.token)


def levels(top: Interpreter | None = None) -> list[Interpreter]:
    """Return the stack from the top down to evaluation."""
    level: Interpreter | None = current() if top is None else top
    stack = []
    while level is not None:
        stack.append(level)
        level = level.below
    return stack


def escaped(where: str, value: Value) -> EscapedValueError:
    """Build the error for a value whose interpreter is not on the stack."""
    owner = value._owner
    return EscapedValueError(
        f"{where}: got a value of shape {owner.spec(value).shape} that belongs to {owner.described}, which is not "
        f"active here. {owner.lesson}"
    )
