"""backward: walk the tape back from a tensor and add what arrives to the `.grad` of the leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import space
from ..core.cell import Cell, write_together
from ..core.errors import GradientError, ShapeError
from ..core.interpret import current, interpreting
from ..core.spec import spec_of
from ..core.value import Face, Value
from .node import Node, Part
from .reverse import TAPE, Reverse, tape, tape_over
from .walk import walk_back

__all__ = ["add_hook", "backward", "numbers_of", "retain_grad"]


def backward(root: Value, gradient: Any, retain_graph: bool | None, create_graph: bool) -> None:
    """Pull `gradient` (1 for a scalar) back from `root`; the leaves' `.grad` are written together at the end."""
    level = tape()
    gradient = _start(root, gradient, create_graph, level)
    retain = (create_graph or level.keeping) if retain_graph is None else retain_graph
    taken = {id(gradient): gradient}
    updates = []
    with interpreting(level if create_graph else level.below):
        found = walk_back(
            [(root._link, gradient)], retain=retain, level=level if create_graph else None, since=level.since
        )
        for leaf, g in found.items():
            cell = leaf.grad
            if cell is not None:
                have = cell.read()
                total = space.own(g, taken) if have is None else space.add(_content(have, create_graph), g)
                updates.append((cell, total))
    write_together(updates)


def _start(root: Value, gradient: Any, create: bool, level: Reverse) -> Any:
    """Return the gradient that the walk starts with, after checking that it can."""
    if root._owner is not TAPE:
        raise GradientError(
            f"backward: this value belongs to {root._owner.described}; inside a transform use the functional form.\n"
            f"  wrong:  pb.vmap(lambda x: (x**2).backward())(xs)\n"
            f"  right:  pb.vmap(pb.grad(lambda x: x**2))(xs)"
        )
    if root._link is None:
        raise GradientError(
            "backward: this tensor does not depend on any tensor with requires_grad=True. It may be a constant, "
            "detached, computed inside no_grad, or of an integer or boolean dtype."
        )
    if gradient is None:
        shape, dtype = root.shape, root.dtype  # type: ignore[attr-defined]  # what the tape makes is a tensor
        if shape != ():
            raise GradientError(
                f"backward: only a scalar has an obvious gradient to start from, this tensor has shape {shape}.\n"
                f"  wrong:  y.backward()\n"
                f"  right:  y.sum().backward(), or y.backward(gradient) with a gradient of shape {shape}"
            )
        gradient = dtype.type(1)
    else:
        spec, have = spec_of(root), spec_of(gradient)
        if have.shape != spec.shape:
            raise ShapeError(f"backward: gradient must have the shape {spec.shape} of the tensor, got {have.shape}")
        if not create and isinstance(gradient, Value):
            gradient = gradient._payload.read() if isinstance(gradient._payload, Cell) else gradient._payload
        if have.dtype != spec.dtype:
            with interpreting(level.below):
                gradient = space.fit(gradient, spec)
    return gradient


def _content(have: Any, create_graph: bool) -> Any:
    if create_graph or not (isinstance(have, Value) and have._owner is TAPE):
        return have
    return have._payload


def add_hook(x: Value, hook: Callable[[Any], Any]) -> Callable[[], None]:
    """Call `hook` with the gradient of `x` whenever one is computed; what it returns replaces the gradient.

    Returns a function that removes the hook.
    """
    link = x._link
    if x._owner is not TAPE or link is None:
        raise GradientError("register_hook: this tensor gets no gradient (requires_grad is False)")
    def call(g: Any) -> Any:
        boxed = g if isinstance(g, Value) and g._owner is TAPE else Face.new(TAPE, g)
        with interpreting(tape_over(current())):
            answer = hook(boxed)
        if answer is None:
            return g
        if spec_of(answer).shape != spec_of(g).shape:
            raise ShapeError(
                f"register_hook: the hook must return a gradient of shape {spec_of(g).shape}, "
                f"got {spec_of(answer).shape}"
            )
        if isinstance(answer, Value) and answer._owner is TAPE and answer._link is None:
            return answer._payload
        return answer

    item, hooked = (link.node, _on_part(link, call)) if isinstance(link, Part) else (link, call)
    item.hooks = [*(item.hooks or []), hooked]

    def remove() -> None:
        if item.hooks is not None and hooked in item.hooks:
            item.hooks = [h for h in item.hooks if h is not hooked] or None

    return remove


def _on_part(link: Part, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a hook for a node of several outputs that calls `call` with the gradient of one of them."""

    def call_on_part(gs: list[Any]) -> list[Any]:
        g = gs[link.index]
        return gs if g is None else [*gs[: link.index], call(g), *gs[link.index + 1 :]]

    return call_on_part


def retain_grad(x: Value) -> None:
    """Keep the gradient of an intermediate tensor: its node, or its part of one, gets a `.grad` cell too."""
    link = x._link
    if isinstance(link, Node | Part) and link.grad is None:
        cell = link.grad = Cell(None, name="grad")

        def keep(g: Any) -> Any:
            have = cell.read()
            cell.write(g if have is None else space.add(have, g))
            return g

        item, hooked = (link.node, _on_part(link, keep)) if isinstance(link, Part) else (link, keep)
        item.hooks = [*(item.hooks or []), hooked]


def numbers_of(x: Any) -> np.ndarray[Any, Any]:
    """Return the array behind a tensor, or raise the error of the transform that hides it."""
    if isinstance(x, Value):
        if x._owner is TAPE:
            payload = x._payload
            x = payload.read() if isinstance(payload, Cell) else payload
            return numbers_of(x) if isinstance(x, Value) else np.asarray(x)
        return np.asarray(x._owner.concrete(x))
    return np.asarray(x)
