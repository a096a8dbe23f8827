"""Why there is no gradient at all: no path leads from the loss to what was asked for."""

from __future__ import annotations

import linecache
from typing import Any

from ..core.errors import GradientError
from ..core.spec import spec_of
from ..core.value import Value
from ..transforms.node import Node
from ..transforms.provenance import Cut, cut_of, exits
from . import language
from .history import History, numbers_at, owner
from .receipt import Origin, Reason
from .typed import is_typed

__all__ = ["not_computed_yet", "why_constant", "why_missing"]


def why_missing(history: History | None, loss: Value, wrt: Value, name: str, lang: str) -> Reason | None:
    """Return why no gradient of `loss` can reach `wrt`; None where a path is there."""
    if wrt._link is None or spec_of(wrt).dtype.kind != "f":
        return why_constant(numbers_at(wrt._payload), spec_of(wrt).dtype, name, lang)
    if history is not None and owner(wrt._link).serial in history:
        return None
    cut = _nearest_cut(history, loss, owner(wrt._link).serial)
    if cut is not None:
        return _of_cut(cut, lang, name, itself=False)
    if history is None:
        raise GradientError(
            "explain: this tensor was not computed from any tensor with requires_grad=True, so it has no history to "
            "explain. It may be a constant, detached, or computed inside no_grad; to be told which, let explain run "
            "the computation itself.\n"
            "  wrong:  pb.explain(loss, w)\n"
            "  right:  pb.explain(lambda: loss_fn(model(x), y), w)"
        )
    return _reason("not on any path", lang, name)


def why_constant(array: Any, dtype: Any, name: str, lang: str) -> Reason:
    """Return why a value that is not linked to anything gets no gradient."""
    if dtype.kind != "f":
        return _reason("integer", lang, name, dtype=dtype.name)
    cut = cut_of(array)
    return _of_cut(cut, lang, name, itself=True) if cut is not None else _reason("constant", lang, name)


def not_computed_yet(name: str, lang: str) -> Reason:
    """Return the reason for a `.grad` that no backward pass has written."""
    return _reason("not computed yet", lang, name)


def _reason(code: str, lang: str, name: str, **values: Any) -> Reason:
    return Reason(code, language.text(f"receipt.reason.missing.{code}", lang, name=name, **values), missing=True)


def _of_cut(cut: Cut, lang: str, name: str, *, itself: bool) -> Reason:
    file, line = cut.origin
    origin = Origin(file, line, linecache.getline(file, line).strip())
    key = f"receipt.reason.cut.{cut.kind}" + (".itself" if itself else "")
    place = origin.text if is_typed(file) else f"{file}:{line}"
    words = language.text(key, lang, name=name, what=cut.words, place=place)
    return Reason(cut.kind, words, missing=True, mapping=cut.words, origin=origin)


def _nearest_cut(history: History | None, loss: Value, serial: int) -> Cut | None:
    """Return the first end of the graph, seen from the loss, beyond which the leaf or node lies."""
    waiting: list[tuple[Any, Cut | None]] = []
    if history is None:
        at_loss = cut_of(numbers_at(loss._payload))
        if at_loss is not None:
            waiting.append((at_loss, at_loss))
    else:
        for node in reversed(history.nodes.values()):
            waiting.extend(_constants(node, None))
    waiting.extend((cut, cut) for cut in exits())
    seen: set[int] = set()  # asked for membership only
    for item, first in waiting:
        inside: list[Any] = [item]
        while inside:
            beyond = inside.pop()
            if id(beyond) in seen:
                continue
            seen.add(id(beyond))
            if isinstance(beyond, Cut):
                inside.extend(beyond.cuts)
                inside.extend(owner(link) for link in beyond.links)
                continue
            if beyond.serial == serial:
                return first
            if isinstance(beyond, Node):
                inside.extend(owner(link) for link in beyond.links if link is not None)
                inside.extend(cut for cut, _ in _constants(beyond, first))
    return None


def _constants(node: Node, first: Cut | None) -> list[tuple[Any, Cut | None]]:
    if not isinstance(node.inputs, tuple):
        return []
    cuts = (cut_of(x) for x, link in zip(node.inputs, node.links, strict=True) if link is None)
    return [(cut, first or cut) for cut in cuts if cut is not None]
