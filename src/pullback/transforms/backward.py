"""backward: walk the tape back from a tensor and add what arrives to the `.grad` of the leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import space
from ..core.cell import Cell
from ..core.errors import GradientError, ShapeError
from ..core.interpret import current, interpreting
from ..core.spec import spec_of
from ..core.value import Face, Value
from .node import Leaf, Node, Part
from .reverse import TAPE, tape, tape_over
from .walk import walk_back

__all__ = ["add_hook", "backward", "numbers_of", "retain_grad"]


def backward(root: Value, gradient: Any, retain_graph: bool | None, create_graph: bool) -> None:
    """Pull `gradient` (1 for a scalar) back from `root`; the leaves' `.grad` are written together at the end."""
    found = _walk(root, gradient, create_graph if retain_graph is None else retain_graph, create_graph)
    level = tape()
    taken: list[Any] = [gradient]
    updates = []
    with interpreting(level if create_graph else level.below):
        for leaf, g in found.items():
            if leaf.grad is None:
                continue
            have = leaf.grad.read()
            total = space.own(g, taken) if have is None else space.add(_content(have, create_graph), g)
            taken.append(total)
            updates.append((leaf.grad, total))
    for cell, total in updates:
        cell.write(total)


def _walk(root: Value, gradient: Any, retain: bool, create: bool) -> dict[Leaf, Any]:
    if root._owner is not TAPE:
        raise GradientError(
            f"backward: this value belongs to {root._owner.described}; inside a transform use the functional form.\n"
            f"  wrong:  pb.vmap(lambda x: (x**2).backward())(xs)\n"
            f"  right:  pb.vmap(pb.grad(lambda x: x**2))(xs)"
        )
    spec = spec_of(root)
    if root._link is None:
        raise GradientError(
            "backward: this tensor does not depend on any tensor with requires_grad=True. It may be a constant, "
            "detached, computed inside no_grad, or of an integer or boolean dtype."
        )
    if gradient is None:
        if spec.shape != ():
            raise GradientError(
                f"backward: only a scalar has an obvious gradient to start from, this tensor has shape {spec.shape}.\n"
                f"  wrong:  y.backward()\n"
                f"  right:  y.sum().backward(), or y.backward(gradient) with a gradient of shape {spec.shape}"
            )
        gradient = spec.dtype.type(1)
    else:
        have = spec_of(gradient)
        if have.shape != spec.shape:
            raise ShapeError(f"backward: gradient must have the shape {spec.shape} of the tensor, got {have.shape}")
        if not create and isinstance(gradient, Value):
            gradient = gradient._payload.read() if isinstance(gradient._payload, Cell) else gradient._payload
        if have.dtype != spec.dtype:
            with interpreting(tape().below):
                gradient = space.fit(gradient, spec)
    level = tape()
    with interpreting(level if create else level.below):
        return walk_back(
            [(root._link, gradient)], retain=retain, level=level if create else None, since=level.since
        )


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
    if isinstance(link, Part):
        raise GradientError("register_hook: a hook on one of several outputs is not kept; hook the result of x * 1")

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

    link.hooks = [*(link.hooks or []), call]

    def remove() -> None:
        if link.hooks is not None and call in link.hooks:
            link.hooks = [h for h in link.hooks if h is not call] or None

    return remove


def retain_grad(x: Value) -> None:
    """Keep the gradient of an intermediate tensor: its node gets a `.grad` cell too."""
    link = x._link
    if isinstance(link, Node) and link.grad is None:
        cell = link.grad = Cell(None, name="grad")

        def keep(g: Any) -> Any:
            have = cell.read()
            cell.write(g if have is None else space.add(have, g))
            return g

        link.hooks = [*(link.hooks or []), keep]


def numbers_of(x: Any) -> np.ndarray[Any, Any]:
    """Return the array behind a tensor, or raise the error of the transform that hides it."""
    if isinstance(x, Value):
        if x._owner is TAPE:
            payload = x._payload
            x = payload.read() if isinstance(payload, Cell) else payload
            return numbers_of(x) if isinstance(x, Value) else np.asarray(x)
        return np.asarray(x._owner.concrete(x))
    return np.asarray(x)
