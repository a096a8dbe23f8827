"""The family of mappings that are linear in several arrays together, such as concat or an assignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import space
from .mapping import INPUTS, NOTHING, Mapping, declare
from .spec import spec_of

__all__ = ["jointly_linear"]

Rule = Callable[..., Any]


def jointly_linear(
    name: str,
    evaluate: Rule,
    spec: Rule,
    transpose: Rule,
    batch: Rule,
    *,
    count: int | None = None,
    enter: bool = True,
    **facets: Any,
) -> Mapping:
    """Declare a mapping that is linear in its first `count` arrays taken together (None: in all of them).

    The arrays after them are integers, such as positions, and have no gradient.
    `transpose(g, specs, *rest, needs, **static)` returns one cotangent per linear array, of which it gets
    the specs. The pushforward is the mapping itself, with zeros for the tangents that are zero.
    """

    def pullback(g: Any, y: Any, *xs: Any, needs: Sequence[bool], **static: Any) -> list[Any]:
        n = len(xs) if count is None else count
        gs = transpose(g, [spec_of(x) for x in xs[:n]], *xs[n:], needs=needs[:n], **static)
        return [*gs, *(None,) * (len(xs) - n)]

    def pushforward(ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
        n = len(xs) if count is None else count
        if all(t is None for t in ts[:n]):
            return None
        dense = [space.zeros(x) if t is None else t for t, x in zip(ts[:n], xs[:n], strict=True)]
        return mapping(*dense, *xs[n:], **static)

    mapping = Mapping(
        name,
        "jointly linear",
        evaluate,
        spec=spec,
        pullback=pullback,
        pushforward=pushforward,
        batch=batch,
        uses=NOTHING if count is None else INPUTS,
        transpose=(transpose,),
        **facets,
    )
    return declare(mapping) if enter else mapping
