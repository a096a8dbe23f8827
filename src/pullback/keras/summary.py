"""The table of a model's layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..core import tree

if TYPE_CHECKING:
    from .model import Model

__all__ = ["summary_lines"]


def summary_lines(model: Model) -> list[str]:
    """One line per layer: name and kind, the shape of its output, its parameters, and what it is connected to.

    The last only where the layers are no chain.
    """
    inputs = _connections(model)
    rows = [["Layer (type)", "Output Shape", "Param #", "Connected to"]]
    for layer in model.layers:
        shown = f"{layer.name} ({type(layer).__name__})"
        rows.append([shown, _shapes(layer), f"{layer.count_params():,}", ", ".join(inputs.get(id(layer), []))])
    chain = all(len(before) <= 1 for before in inputs.values()) and _is_chain(model)
    if chain:
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = ["  ".join(_cell(i, cell, widths[i]) for i, cell in enumerate(row)) for row in rows]
    trained = sum(math.prod(p.shape) for p in model.trainable_weights)
    kept = sum(math.prod(x.shape) for x in model.weights) - trained
    return [
        f'Model: "{model.name}"',
        table[0].rstrip(),
        "─" * max(map(len, table)),
        *(line.rstrip() for line in table[1:]),
        f"Total params: {trained + kept:,}",
        f"Trainable params: {trained:,}",
        f"Non-trainable params: {kept:,}",
    ]


def _cell(column: int, text: str, width: int) -> str:
    return f"{text:>{width}}" if column == 2 else f"{text:<{width}}"


def _connections(model: Model) -> dict[int, list[str]]:
    """The names of the layers from which each layer gets its inputs."""
    found: dict[int, list[str]] = {}
    for node in model.graph.nodes if model.graph is not None else ():
        known = found.setdefault(id(node.layer), [])
        known += [x.name for x in node.inputs]
    return found


def _is_chain(model: Model) -> bool:
    """Whether nothing is used twice."""
    if model.graph is None:
        return True
    used = [id(x) for node in model.graph.nodes for x in node.inputs]
    return len(set(used)) == len(used) and len(model.graph.entries) == 1


def _shapes(layer: Any) -> str:
    if not layer.nodes:
        return "?"
    return ", ".join(str(x.shape) for x in tree.leaves(layer.nodes[-1].outputs))
