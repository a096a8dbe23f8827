"""The graph between the inputs and the outputs of a functional model: which calls it takes, in which order."""

from __future__ import annotations

from typing import Any

from ..core import tree
from .layers.input import InputLayer
from .layers.layer import Layer
from .symbolic import KerasTensor, Node

__all__ = ["Graph"]


class Graph:
    """The calls that lead from ``inputs`` to ``outputs``, containers of symbolic tensors.

    Raises TypeError for what is no symbolic tensor, ValueError where an output also needs an input that is not
    among ``inputs``, where an input is given twice, and where two layers have one name.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.entries = _tensors("inputs", inputs)
        self.results = _tensors("outputs", outputs)
        if len({id(x) for x in self.entries}) < len(self.entries):
            raise ValueError("Model: inputs: one of them is given twice")
        self.nodes = self._ordered()
        self.layers = self._layers()
        self._keeps: dict[int, bool] = {}
        names: dict[str, Layer] = {}
        for layer in self.layers:
            if names.setdefault(layer.name, layer) is not layer:
                raise ValueError(f"Model: expected layers with names that differ, got two with the name {layer.name!r}")

    def keeps_integers(self, entry: KerasTensor) -> bool:
        """Whether all that an input goes to looks up numbers in a table, so that integers stay integers."""
        if id(entry) not in self._keeps:
            users = [node.layer for node in self.nodes if any(x is entry for x in node.inputs)]
            looked_up = bool(users) and all(layer.takes_integers for layer in users)
            self._keeps[id(entry)] = entry.dtype.kind in "iu" or looked_up
        return self._keeps[id(entry)]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs: the keys of a dictionary, else those of the layers."""
        return _names(self.inputs, self.entries)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: the keys of a dictionary, else those of the layers that give them."""
        return _names(self.outputs, self.results)

    def run(self, values: list[Any]) -> Any:
        """The outputs for the values of the inputs, in their order."""
        known: dict[int, Any] = {id(x): value for x, value in zip(self.entries, values, strict=True)}
        for node in self.nodes:
            given = node.run(lambda x: known[id(x)])
            for place, value in zip(tree.leaves(node.outputs), tree.leaves(given), strict=True):
                known[id(place)] = value
        return tree.map(lambda x: known[id(x)], self.outputs)

    def _ordered(self) -> list[Node]:
        """The calls, each after those that it needs: a walk from the outputs back, without recursion."""
        given = {id(x) for x in self.entries}
        done: set[int] = set()  # asked for membership only
        order: list[Node] = []
        for result in self.results:
            waiting = [(result, False)]
            while waiting:
                x, ready = waiting.pop()
                if id(x) in given or id(x.node) in done:
                    continue
                if ready:
                    done.add(id(x.node))
                    order.append(x.node)
                    continue
                if isinstance(x.node.layer, InputLayer):
                    raise ValueError(
                        f"Model: the outputs also need {x!r}, which is not among the inputs "
                        f"{[entry.name for entry in self.entries]}"
                    )
                waiting.append((x, True))
                waiting.extend((y, False) for y in reversed(x.node.inputs))
        return order

    def _layers(self) -> list[Layer]:
        """The layers as Keras lists them: those far from the outputs first, of equal ones the first that was met."""
        producers = {id(x): node for node in self.nodes for x in tree.leaves(node.outputs)}
        depth: dict[int, int] = {id(node): 0 for node in self.nodes}
        layer_depth: dict[int, int] = {}
        entry_depth: dict[int, int] = {id(x): 0 for x in self.entries}
        for node in reversed(self.nodes):
            own = max(depth[id(node)], layer_depth.get(id(node.layer), 0))
            depth[id(node)] = layer_depth[id(node.layer)] = own
            for x in node.inputs:
                if id(x) in entry_depth:
                    entry_depth[id(x)] = max(entry_depth[id(x)], own + 1)
                else:
                    before = producers[id(x)]
                    depth[id(before)] = max(depth[id(before)], own + 1)
        found: list[tuple[int, Layer]] = []
        for x in self.entries:
            if isinstance(x.node.layer, InputLayer):
                found.append((entry_depth[id(x)], x.node.layer))
        seen: set[int] = set()
        for node in self.nodes:
            if id(node.layer) not in seen:
                seen.add(id(node.layer))
                found.append((layer_depth[id(node.layer)], node.layer))
        return [layer for _, layer in sorted(found, key=lambda entry: -entry[0])]


def _tensors(argument: str, given: Any) -> list[KerasTensor]:
    leaves = tree.leaves(given)
    for x in leaves:
        if not isinstance(x, KerasTensor):
            raise TypeError(
                f"Model: {argument}: expected symbolic tensors, got {type(x).__name__}.\n"
                "  right:  x = keras.Input(shape=(4,)); y = layers.Dense(1)(x); model = keras.Model(x, y)"
            )
    if not leaves:
        raise ValueError(f"Model: {argument}: expected at least one symbolic tensor, got {given!r}")
    return leaves


def _names(given: Any, tensors: list[KerasTensor]) -> list[str]:
    return list(given) if isinstance(given, dict) else [x.name for x in tensors]
