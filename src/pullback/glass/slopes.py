"""Local derivatives in numbers: a unit tangent pushed through a mapping by the mapping's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import PullbackError
from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import Mapping, unsupported
from ..core.spec import dtype_of, shape_of, spec_of
from ..transforms.forward import push
from ..transforms.walk import pull

__all__ = ["broadcast_element", "column", "parts", "pulled", "pushed", "readers_of_element", "unit", "wide"]

Element = tuple[int, ...]
MOST_ROWS = 256


def parts(y: Any) -> tuple[Any, ...]:
    """Return the outputs of a mapping as a tuple."""
    return y if y.__class__ is tuple else (y,)


def unit(like: Any, index: Element) -> Any:
    """Return zeros like an array with a 1 at one element."""
    t = np.zeros(shape_of(like), dtype_of(like))
    t[index] = 1
    return t[()]


def pushed(mapping: Mapping, static: dict[str, Any], inputs: Sequence[Any], y: Any, ts: Sequence[Any]) -> list[Any]:
    """Push tangents (None is zero) through a mapping; one array per output, None where it is zero."""
    with interpreting(EVALUATE):
        if mapping.pushforward is None:
            body = mapping.body
            assert body is not None, f"{mapping.name} has neither a pushforward nor a body"
            dense = [
                t if t is None or shape_of(t) == shape_of(x) else space.spread(t, spec_of(x))
                for t, x in zip(ts, inputs, strict=True)
            ]
            _, t = push(lambda *xs: body(*xs, **static), inputs, dense)
            tangents: list[Any] = list(t)
        else:
            t = mapping.pushforward(ts, y, *inputs, **static)
            tangents = list(t) if t.__class__ is tuple else [t]
        outputs = parts(y)
        if len(tangents) < len(outputs):
            tangents = [None] * len(outputs)
        return [
            None if t is None else space.spread(t, spec_of(part)) for t, part in zip(tangents, outputs, strict=True)
        ]


def pulled(
    mapping: Mapping, static: dict[str, Any], inputs: Sequence[Any], y: Any, g: Any, needs: Sequence[Any]
) -> list[Any]:
    """Pull a cotangent back through a mapping; one array per input, None where it is zero."""
    with interpreting(EVALUATE):
        if mapping.pullback is None:
            body = mapping.body
            assert body is not None, f"{mapping.name} has neither a pullback nor a body"
            _, back = pull(lambda *xs: body(*xs, **static), inputs, needs)
            gs = back(g)
        else:
            gs = list(mapping.pullback(g, y, *inputs, needs=needs, **static))
        return [
            None if h is None or not need else space.fit(h, x) for h, x, need in zip(gs, inputs, needs, strict=True)
        ]


def column(
    mapping: Mapping,
    static: dict[str, Any],
    inputs: Sequence[Any],
    y: Any,
    position: int,
    index: Element,
    gs: Sequence[Any],
) -> list[Any]:
    """Return ∂output/∂input[index] for every element of every output, as arrays (None is zero).

    The pushforward of a unit tangent. A mapping of which only the pullback is known is asked for one row of
    its Jacobian after the other: those at which the gradients `gs` of its outputs are largest.
    """
    if mapping.pushforward.__class__ is not unsupported:
        ts: list[Any] = [None] * len(inputs)
        ts[position] = unit(inputs[position], index)
        try:
            return pushed(mapping, static, inputs, y, ts)
        except PullbackError:
            pass  # forward mode cannot be derived from a rule of the user's
    needs = [i == position for i in range(len(inputs))]
    columns: list[Any] = []
    for number, part in enumerate(parts(y)):
        found = np.zeros(shape_of(part), np.float64)
        weights = np.zeros(found.shape) if gs[number] is None else np.abs(np.asarray(gs[number]))
        flat = np.argsort(-weights, axis=None)
        for at in flat[:MOST_ROWS]:
            element = np.unravel_index(at, found.shape)
            seeds = [space.zeros(p) for p in parts(y)]
            seeds[number] = unit(part, tuple(map(int, element)))
            seed = tuple(seeds) if y.__class__ is tuple else seeds[0]
            row = pulled(mapping, static, inputs, y, seed, needs)[position]
            found[element] = 0 if row is None else np.asarray(row)[index]
        columns.append(found[()])
    return columns


def broadcast_element(shape: Element, out: Element, index: Element) -> Element:
    """Return which element of an array of `shape` the element `index` of a result of shape `out` was made from."""
    tail = index[len(out) - len(shape) :]
    return tuple(0 if n == 1 else i for n, i in zip(shape, tail, strict=True))


def readers_of_element(shape: Element, out: Element, index: Element) -> Any:
    """Return the mask of the elements of a result of shape `out` that broadcasting makes from element `index`."""
    mask = np.zeros(shape, bool)
    mask[index] = True
    return np.broadcast_to(mask, out)


def wide(x: Any) -> Any:
    """Return floating numbers in double precision; others, and Python numbers, as they are."""
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f" and x.dtype != np.float64:
        return np.asarray(x, np.float64)[()] if shape_of(x) == () else x.astype(np.float64)
    return x
