"""From the graph of `pullback.trace` to boxes: mappings and types, without numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.spec import Spec, spec_of
from ..transforms.trace import Graph, Symbol
from .diagram import Box, Input
from .recorded import argument_name

__all__ = ["traced_boxes"]


def traced_boxes(graph: Graph) -> tuple[list[Box], int]:
    """Return the boxes of a traced function, and the number of the box of its first result.

    The arguments are called x1, x2, …, state by the names of its cells, results v1, v2, ….
    """
    boxes: list[Box] = []
    places: dict[int, int] = {}
    parts: dict[int, int] = {}

    def add(**facts: Any) -> int:
        boxes.append(Box(number=len(boxes), **facts))
        return len(boxes) - 1

    for i, symbol in enumerate(graph.inputs, 1):
        places[symbol.index] = add(kind="leaf", symbol=f"x{i}", spec=symbol.spec)
    for cell, symbol in graph.reads.items():
        places[symbol.index] = add(kind="leaf", symbol=cell.name or f"s{symbol.index}", spec=symbol.spec)
    for i, equation in enumerate(graph.equations, 1):
        inputs = []
        for position, x in enumerate(equation.inputs):
            argument = argument_name(equation.mapping, position, len(equation.inputs))
            if isinstance(x, Symbol):
                source = places[x.index]
                inputs.append(Input(argument, boxes[source].symbol, source, parts.get(x.index, 0), None))
            elif np.ndim(x):
                source = add(kind="constant", symbol=f"c{len(boxes) + 1}", spec=spec_of(x), value=np.asarray(x))
                inputs.append(Input(argument, boxes[source].symbol, source, 0, boxes[source].value))
            else:
                inputs.append(Input(argument, f"{np.asarray(x)[()]:.6g}", None, 0, np.asarray(x)))
        number = add(
            kind="mapping",
            symbol=f"v{i}",
            spec=_spec(equation.outputs[0].spec),
            mapping=equation.mapping,
            static=equation.static,
            inputs=tuple(inputs),
        )
        for part, symbol in enumerate(equation.outputs):
            places[symbol.index] = number
            parts[symbol.index] = part
    outputs = [x for x in [*graph.outputs, *graph.writes.values()] if isinstance(x, Symbol)]
    return boxes, places[outputs[0].index] if outputs else len(boxes) - 1


def _spec(spec: Spec) -> Spec:
    return Spec(spec.shape, spec.dtype)
