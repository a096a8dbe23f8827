"""From a history to the boxes of a drawing: what is written in and beside each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.spec import Spec, dtype_of, shape_of
from ..core.value import Value
from ..transforms.node import Leaf, Node
from .cotangents import Cotangents
from .diagram import Box, Input
from .history import History, numbers_at, origin_of, owner, part_of
from .names import Names
from .receipt import Origin
from .uses import sent_back

__all__ = ["Record", "argument_name", "recorded_boxes"]

_NUMBERED = re.compile(r"c\d+")
"""What `Names` calls constants that the program has no name for."""


@dataclass(frozen=True)
class Record:
    """What a drawing was made from: the graph, the gradients in it (None without), and what its values are called."""

    history: History
    gradients: Cotangents | None
    names: Names
    places: dict[int, int]
    """By the serial of a leaf or node, the number of its box."""


def recorded_boxes(
    history: History, seed: Any, wanted: set[int] | None, given: dict[str, Any], frame: FrameType | None
) -> tuple[list[Box], int, Record]:
    """Return the boxes of everything in a history, the number of the root's box, and what they were made from.

    `seed` is the gradient that the way back starts from; None when no gradients are wanted. `wanted` are the
    serials of the leaves or nodes whose paths are to be drawn; None draws all.
    """
    root = history.root
    nodes = list(history.nodes.values()) if wanted is None else history.on_paths(wanted)
    history.complete(nodes)
    names = Names(history, given, frame)
    parameters = _parameters(nodes)
    gradients = None if seed is None else Cotangents(history, seed, [*history.nodes, *history.leaves])
    boxes: list[Box] = []
    places: dict[int, int] = {}
    constants: dict[int, int] = {}
    origins: dict[tuple[int, int], Origin] = {}

    def add(**facts: Any) -> int:
        boxes.append(Box(number=len(boxes), **facts))
        return len(boxes) - 1

    def origin(node: Node) -> Origin:  # of all that a line makes, looked up once
        key = id(node.code), node.lasti
        if key not in origins:
            origins[key] = origin_of(node)
        return origins[key]

    def of_leaf(leaf: Leaf, x: Any) -> int:
        if leaf.serial not in places:
            places[leaf.serial] = add(
                kind="leaf",
                symbol=names.of((leaf.serial, 0)),
                spec=_spec(x),
                serial=leaf.serial,
                value=_plain(x),
                gradient=None if gradients is None else _plain(gradients.of((leaf.serial, 0))),
                parameter=leaf.serial in parameters,
            )
        return places[leaf.serial]

    def of_constant(x: Any) -> int | None:
        symbol = names.of_constant(x)
        if symbol is None:
            return None
        if id(x) not in constants:
            named = not _NUMBERED.fullmatch(symbol)
            constants[id(x)] = add(kind="constant", symbol=symbol, spec=_spec(x), value=_plain(x), named=named)
        return constants[id(x)]

    record = Record(history, gradients, names, places)
    if root.__class__ is Leaf:
        return boxes, of_leaf(root, history.value(root)), record
    for node in nodes:
        xs = history.inputs(node)
        y = history.output(node)
        sent = [None] * len(xs) if gradients is None else sent_back(history, gradients, node)
        inputs = []
        for i, (link, x) in enumerate(zip(node.links, xs, strict=True)):
            source, part = None, 0
            if link is None:
                source = of_constant(x)
                symbol = boxes[source].symbol if source is not None else _number(x)
            else:
                item, part = owner(link), part_of(link)
                symbol = names.of_link(link)
                source = of_leaf(item, x) if item.__class__ is Leaf else places.get(item.serial)
                if source is None:  # left out: it leads to nothing that was asked for
                    source = places[item.serial] = add(
                        kind="constant", symbol=symbol, spec=_spec(x), serial=item.serial, value=_plain(x)
                    )
            argument = argument_name(node.mapping, i, len(xs))
            product = _plain(sent[i])
            if product is not None and source is not None and len(history.readers[link.serial]) == 1:
                whole = boxes[source].gradient  # kept once where nothing else reads the input
                if whole.__class__ is np.ndarray and np.array_equal(product, whole):
                    product = whole
            inputs.append(Input(argument, symbol, source, part, _plain(x), product))
        several = y.__class__ is tuple
        place = node.serial, 0
        g = None if gradients is None else (
            tuple(_plain(gradients.of((node.serial, i))) for i in range(len(y))) if several
            else _plain(gradients.of(place))
        )
        places[node.serial] = add(
            kind="mapping",
            symbol=_together([names.of((node.serial, i)) for i in range(len(y))]) if several else names.of(place),
            spec=_spec(y[0] if several else y),
            serial=node.serial,
            value=tuple(map(_plain, y)) if several else _plain(y),
            gradient=g,
            mapping=node.mapping,
            static=node.static,
            inputs=tuple(inputs),
            origin=origin(node),
            scope=node.scope,
        )
    return boxes, places[owner(root).serial], record


def argument_name(mapping: Mapping, position: int, count: int) -> str:
    """Return what a mapping calls its input; the last name stands for all that are left.

    >>> import pullback as pb
    >>> argument_name(pb.multiply, 1, 2)
    'b'
    """
    names = mapping.arguments
    if count <= len(names) or position < len(names) - 1:
        return names[position]
    return f"{names[-1]}{position - len(names) + 2}"


def _together(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} … {names[-1]}"


def _parameters(nodes: list[Node]) -> set[int]:
    """Return the serials of the leaves that belong to the modules that ran."""
    outermost = {id(node.scope[0]): node.scope[0] for node in nodes if node.scope}
    return {p._link.serial for module in outermost.values() for p in module.parameters() if p._link is not None}


def _spec(x: Any) -> Spec:
    return Spec(tuple(shape_of(x)), np.dtype(dtype_of(x)))


def _plain(x: Any) -> Any:
    """Return a value as an array, or None when a transform hides it."""
    if x is None or x.__class__ is np.ndarray:
        return x
    while isinstance(x, Value):
        x = numbers_at(x._payload)
    return x if x is None else np.asarray(x) if not isinstance(x, Spec) else None


def _number(x: Any) -> str:
    x = np.asarray(_plain(x))[()]
    if x.dtype.kind == "f":
        return f"{float(x):.6g}"
    return str(x)
