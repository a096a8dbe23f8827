"""Asking for a part: `wrt=w[0, 3]` is traced back to the elements of `w` that it consists of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..core.spec import dtype_of, shape_of
from ..transforms.node import Node
from .history import History, owner, part_of

__all__ = ["selected"]


def selected(history: History, link: Any) -> tuple[Any, Any] | None:
    """Return a link on the graph, and where in its value each element of `link`'s value comes from.

    The value of a node that only selects and rearranges is followed back until a value is reached that the
    graph was computed from. Whether a node only selects is seen by running it on the positions themselves.
    None where there is no such value.
    """
    positions: Any = None
    while owner(link).serial not in history:
        node = owner(link)
        if not isinstance(node, Node) or node.mapping.outputs is not None or not isinstance(node.inputs, tuple):
            return None
        linked = [i for i, source in enumerate(node.links) if source is not None]
        if len(linked) != 1:
            return None
        taken = _positions(node, linked[0])
        if taken is None:
            return None
        positions = taken if positions is None else taken.reshape(-1)[positions]
        link = node.links[linked[0]]
        if part_of(link) and owner(link).mapping.outputs is None:
            return None
    return None if positions is None else (link, positions)


def _positions(node: Node, position: int) -> Any:
    inputs = list(node.inputs or ())
    shape, dtype = shape_of(inputs[position]), dtype_of(inputs[position])
    size = int(np.prod(shape, dtype=np.int64))
    if size >= 2**52:
        return None
    numbers = np.arange(size, dtype=np.float64).reshape(shape)
    noise = np.random.default_rng(0).standard_normal(shape)
    try:
        with interpreting(EVALUATE):
            inputs[position] = numbers
            taken = np.asarray(node.mapping.evaluate(*inputs, **node.static))
            inputs[position] = noise
            check = np.asarray(node.mapping.evaluate(*inputs, **node.static))
    except Exception:  # a mapping that takes no other values there does not select
        return None
    if dtype.kind != "f" or taken.dtype.kind != "f":
        return None
    if not taken.size or not (np.all(taken == np.floor(taken)) and taken.min() >= 0 and taken.max() < size):
        return None
    indices = taken.astype(np.int64)
    return indices if np.array_equal(noise.reshape(-1)[indices], check) else None
