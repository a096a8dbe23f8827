"""What each use of a value sends back to it, and their sum: the engine's own rules, run once more beside the walk."""

from __future__ import annotations

from typing import Any

from ..core import space
from ..core.interpret import EVALUATE, interpreting
from ..transforms.node import Node
from .cotangents import Cotangents
from .history import History, Place, owner, part_of
from .slopes import pulled

__all__ = ["sent_back", "sum_of_uses"]


def sent_back(history: History, cotangents: Cotangents, node: Node) -> list[Any]:
    """Return what a node's pullback sends to each of its inputs; None where nothing is sent."""
    y = history.output(node)
    g: Any = cotangents.of((node.serial, 0))
    if y.__class__ is tuple:
        g = tuple(cotangents.of((node.serial, i)) for i in range(len(y)))
    if g is None or (g.__class__ is tuple and all(part is None for part in g)):
        return [None] * len(node.links)
    return pulled(node.mapping, node.static, history.inputs(node), y, g, node.links)


def sum_of_uses(history: History, cotangents: Cotangents, place: Place) -> Any:
    """Return the sum of what all uses of a value send back to it; None where nothing is sent.

    They are added in the order of the way back and in the dtype of the value, as the engine adds them: where large
    contributions cancel, another order would round to another number.
    """
    total: Any = None
    readers = {node.serial: node for node, _ in history.readers.get(place[0], ())}
    with interpreting(EVALUATE):
        for serial in sorted(readers, reverse=True):
            node = readers[serial]
            for link, sent in zip(node.links, sent_back(history, cotangents, node), strict=True):
                if link is not None and (owner(link).serial, part_of(link)) == place:
                    total = space.add(total, sent)
    return total
