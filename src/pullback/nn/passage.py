"""The gates through which gradients enter and leave a module, for its backward hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import tree
from ..core.errors import ShapeError
from ..core.interpret import current, interpreting
from ..core.spec import shape_of
from ..core.value import Face, Value
from ..mappings.together import _together
from ..transforms.reverse import TAPE, tape_over

__all__ = ["Passage"]


class Passage:
    """One call of a module: all its inputs pass one node, all its outputs another, and hooks see both gradients."""

    def __init__(self, module: Any, hooks: Sequence[Callable[..., Any]]) -> None:
        self.module = module
        self.hooks = list(hooks)
        self.count = 0
        self.inputs: list[int] = []
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, behind the gate at which their gradients will arrive."""
        self.count = len(args)
        self.inputs = [i for i, x in enumerate(args) if _has_gradient(x)]
        return tuple(_gate(list(args), self.inputs, self._leave))

    def exit(self, y: Any) -> Any:
        """Return the result, behind the gate at which the walk back begins."""
        leaves, structure = tree.flatten(y)
        outputs = [i for i, x in enumerate(leaves) if _has_gradient(x)]

        def begin(gs: Sequence[Any]) -> Sequence[Any]:
            self.grad_output = _spread(gs, outputs, len(leaves))
            if not self.inputs:
                self._call((None,) * self.count)
            return gs

        return tree.unflatten(structure, _gate(leaves, outputs, begin))

    def _leave(self, gs: Sequence[Any]) -> Sequence[Any]:
        changed = self._call(_spread(gs, self.inputs, self.count))
        return gs if changed is None else [_bare(changed[i]) for i in self.inputs]

    def _call(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Call the hooks one after the other; return the gradients of the inputs if one of them changed them."""
        replaced = None
        with interpreting(tape_over(current())):
            for hook in self.hooks:
                answer = hook(self.module, grad_input, self.grad_output)
                if answer is not None:
                    replaced = grad_input = self._checked(answer, grad_input)
        return replaced

    def _checked(self, answer: Any, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        new = answer if isinstance(answer, tuple) else (answer,)
        if len(new) != len(grad_input):
            raise ShapeError(
                f"{type(self.module).__name__}: a backward hook must return one gradient per argument, "
                f"{len(grad_input)}, got {len(new)}"
            )
        for i in self.inputs:
            have, want = None if new[i] is None else shape_of(new[i]), shape_of(grad_input[i])
            if grad_input[i] is not None and have is not None and have != want:
                raise ShapeError(
                    f"{type(self.module).__name__}: a backward hook must return a gradient of shape {want} for "
                    f"argument {i}, got {have}"
                )
        return new


def _has_gradient(x: Any) -> bool:
    return isinstance(x, Value) and x._owner is TAPE and x._link is not None


def _gate(values: list[Any], places: list[int], hook: Callable[[Sequence[Any]], Sequence[Any]]) -> list[Any]:
    if places:
        passed = _together(*(values[i] for i in places))
        if passed[0]._link is not None:  # not inside no_grad
            passed[0]._link.node.hooks = [hook]
            for i, x in zip(places, passed, strict=True):
                values[i] = x
    return values


def _spread(gs: Sequence[Any], places: list[int], count: int) -> tuple[Any, ...]:
    """The gradients as tensors, one per argument; None where there is none."""
    spread: list[Any] = [None] * count
    for i, g in zip(places, gs, strict=True):
        spread[i] = g if g is None or (isinstance(g, Value) and g._owner is TAPE) else Face.new(TAPE, g)
    return tuple(spread)


def _bare(g: Any) -> Any:
    return g._payload if isinstance(g, Value) and g._owner is TAPE and g._link is None else g
