"""The way back: compose the pullbacks of a recorded graph from its end to its leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import FreedGraphError, GradientError
from ..core.families import fused
from ..core.interpret import EVALUATE, current, interpreting
from ..core.mapping import Mapping
from ..core.spec import Spec
from ..core.value import Face, Value
from .node import Leaf, Node, Part
from .reverse import Reverse, lower

__all__ = ["pull", "walk_back"]

_ndarray = np.ndarray


def walk_back(
    seeds: Sequence[tuple[Any, Any]], *, retain: bool, level: Reverse | None = None, since: int = 0
) -> dict[Leaf, Any]:
    """Compose the pullbacks from the links in `seeds` back to the leaves, and return the leaves' cotangents.

    Nodes are visited in the reverse of the order in which they were recorded, each once, when all of its
    cotangents have arrived; nothing recurses. The rules run in the present context. With `level`, the
    saved values take part in the graph again (`create_graph`). Released nodes drop what they saved.
    """
    heap: list[int] = []
    targets: dict[int, Any] = {}
    pending: dict[int, Any] = {}
    found: dict[Leaf, Any] = {}
    for link, g in seeds:
        _deliver(link, g, heap, targets, pending, found)
    fit = space.fit
    add = space.add
    plain = current() is EVALUATE
    while heap:
        serial = -heappop(heap)
        node = targets.pop(serial)
        g = pending.pop(serial)
        if node.hooks is not None:
            for hook in list(node.hooks):
                g = hook(g)
        inputs = node.inputs
        if inputs.__class__ is not tuple:
            inputs = _recall(node)
        if serial <= since:
            raise GradientError(
                f"{node.mapping.name}: this part of the graph was recorded before the traced step began "
                f"({node.place}), so a replay could not follow it. Compute it inside the step, or pass "
                f"its result as an argument."
            )
        mapping = node.mapping
        links = node.links
        output = node.output
        if level is not None:
            inputs, output = _relink(level, node)
        rule = mapping.pullback
        if plain and rule.__class__ is fused:
            rule = rule.kernel
        static = node.static
        if mapping.outputs is not None:
            g = tuple(g)
        try:
            if rule is None:
                gs = _body_pullback(mapping, g, inputs, static)
            elif static:
                gs = rule(g, output, *inputs, needs=links, **static)
            else:
                gs = rule(g, output, *inputs, needs=links)
        except Exception as error:
            error.add_note(f"on the way back through {mapping.name}, which was recorded at {node.place}")
            raise
        for link, x, gx in zip(links, inputs, gs, strict=True):
            if link is None or gx is None:
                continue
            kind = gx.__class__
            if kind is _ndarray:
                if gx.shape != x.shape or (gx.dtype is not x.dtype and gx.dtype != x.dtype):
                    gx = fit(gx, x)
            elif kind is not x.__class__ or isinstance(gx, Value):
                gx = fit(gx, x)
            if link.__class__ is not Node:
                _deliver(link, gx, heap, targets, pending, found)
                continue
            at = link.serial
            have = pending.get(at)
            if have is None:
                pending[at] = gx
                targets[at] = link
                heappush(heap, -at)
            else:
                pending[at] = add(have, gx)
        if not retain:
            node.inputs = node.output = None
            node.links = ()
    for leaf in found:
        if leaf.hooks is not None:
            for hook in list(leaf.hooks):
                found[leaf] = hook(found[leaf])
    return found


def _deliver(
    link: Any, g: Any, heap: list[int], targets: dict[int, Any], pending: dict[int, Any], found: dict[Leaf, Any]
) -> None:
    if link.__class__ is Leaf:
        have = found.get(link)
        found[link] = g if have is None else space.add(have, g)
        return
    at = link.serial
    if at not in targets:
        heappush(heap, -at)
    if isinstance(link, Part):
        slots = pending.get(at)
        if slots is None:
            slots = pending[at] = [None] * (link.node.mapping.outputs or len(link.node.output))
        slots[link.index] = space.add(slots[link.index], g)
        targets[at] = link.node
    else:
        pending[at] = space.add(pending.get(at), g)
        targets[at] = link


def _relink(level: Reverse, node: Node) -> tuple[tuple[Any, ...], Any]:
    key = level.key
    assert node.inputs is not None
    inputs = tuple(
        Face.new(key, x, link) if link is not None and x.__class__ is not Spec else x
        for x, link in zip(node.inputs, node.links, strict=True)
    )
    y = node.output
    if y.__class__ is tuple:
        return inputs, tuple(Face.new(key, part, Part(node, i)) for i, part in enumerate(y))
    return inputs, (y if y.__class__ is Spec else Face.new(key, y, node))


def _body_pullback(mapping: Mapping, g: Any, inputs: Sequence[Any], static: dict[str, Any]) -> list[Any]:
    """The pullback of a composite is that of its body."""
    assert mapping.body is not None, f"{mapping.name} has neither a pullback nor a body"
    body = mapping.body
    _, back = pull(lambda *xs: body(*xs, **static), inputs)
    return back(g)


def pull(
    function: Callable[..., Any], xs: Sequence[Any], wanted: Sequence[bool] | None = None
) -> tuple[Any, Callable[[Any], list[Any]]]:
    """Evaluate `function(*xs)` on arrays and return its value and its pullback; None is a zero cotangent."""
    level = Reverse(current())
    leaves = [Leaf() if wanted is None or wanted[i] else None for i in range(len(xs))]
    boxes = [x if leaf is None else Face.new(level, x, leaf) for x, leaf in zip(xs, leaves, strict=True)]
    with interpreting(level):
        y = function(*boxes)
    parts = y if y.__class__ is tuple else (y,)
    lowered = [lower(level, part) for part in parts]

    def back(g: Any) -> list[Any]:
        gs = g if y.__class__ is tuple else (g,)
        seeds = [(link, gi) for (_, link), gi in zip(lowered, gs, strict=True) if link is not None and gi is not None]
        found = walk_back(seeds, retain=True)
        return [None if leaf is None else found.get(leaf) for leaf in leaves]

    values = tuple(value for value, _ in lowered)
    return (values if y.__class__ is tuple else values[0]), back


def _recall(node: Node) -> tuple[Any, ...]:
    """Return the inputs of a node that dropped them: recomputed if it is checkpointed, else an error."""
    if node.inputs is not None:
        return node.inputs.restore(node)  # type: ignore[attr-defined, no-any-return]  # a checkpoint's promise
    raise FreedGraphError(
        f"backward: the graph was walked before and its saved values are released (first met at "
        f"{node.mapping.name}, recorded at {node.place}).\n"
        f"  wrong:  loss.backward(); loss.backward()\n"
        f"  right:  loss.backward(retain_graph=True); loss.backward()"
    )
