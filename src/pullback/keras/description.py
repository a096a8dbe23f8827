"""Layers, models, losses, optimisers as plain data, and back: classes by name, with the arguments of their making."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import tree
from . import initializers, layers, losses, metrics
from .activations import ACTIVATIONS
from .graph import Graph
from .layers import InputLayer, Layer
from .model import Model
from .optimizers import optimizer as optimizers
from .optimizers import schedules
from .recipe import Recorded
from .sequential import Sequential
from .symbolic import KerasTensor

__all__ = ["Reader", "describe"]

SECTIONS = {
    "layers": layers,
    "initializers": initializers,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "schedules": schedules,
}


def describe(x: Any) -> Any:
    """What ``x`` is made of, as JSON has it. Raises TypeError for what cannot be described, such as a lambda."""
    return _Writer().write(x)


def _known(kind: type) -> str | None:
    """The name of a class of this package, such as "layers.Dense"."""
    for section, module in SECTIONS.items():
        if getattr(module, kind.__name__, None) is kind:
            return f"{section}.{kind.__name__}"
    return None


class _Writer:
    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.tensors: dict[int, int] = {}

    def write(self, x: Any) -> Any:
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if isinstance(x, Layer):
            return self._layer(x)
        if isinstance(x, KerasTensor):
            return {"tensor": self.tensors[id(x)]}
        if isinstance(x, Recorded):
            return self._made(x)
        if isinstance(x, list | tuple):
            return {"list" if isinstance(x, list) else "tuple": [self.write(part) for part in x]}
        if isinstance(x, dict):
            return {"dict": [[self.write(key), self.write(value)] for key, value in x.items()]}
        if isinstance(x, slice):
            return {"slice": [self.write(part) for part in (x.start, x.stop, x.step)]}
        if x is Ellipsis:
            return {"ellipsis": True}
        if isinstance(x, type | np.dtype) and np.dtype(x).kind in "biuf":
            return {"dtype": np.dtype(x).name}
        if isinstance(x, np.ndarray | np.generic):
            return {"array": np.asarray(x).tolist(), "dtype": np.asarray(x).dtype.name}
        for name, function in ACTIVATIONS.items():
            if x is function:
                return {"activation": name}
        name = getattr(x, "__name__", "")
        if callable(x) and name.isidentifier():
            return {"custom": name}
        raise TypeError(
            f"save: {x!r:.80} cannot be described in a file; expected names, numbers, layers and the like, or a "
            "function with a name of its own, which is then given to load_model(…, custom_objects={…})"
        )

    def _made(self, x: Any) -> dict[str, Any]:
        known = _known(type(x))
        kind = {"class": known} if known else {"custom_class": type(x).__name__}
        return {**kind, "args": self.write(list(x.recipe.args)), "kwargs": self.write(x.recipe.kwargs)}

    def _layer(self, layer: Layer) -> dict[str, Any]:
        for number, other in enumerate(self.layers):
            if other is layer:
                return {"same": number}
        if isinstance(layer, Sequential) and type(layer) is Sequential:
            entry = None if layer._entry is None else self._entry(layer._entry)
            found = {"model": "Sequential", "input": entry, "layers": [self.write(part) for part in layer._inside]}
        elif type(layer) is Model and layer.graph is not None:
            found = self._functional(layer.graph)
        else:
            found = self._made(layer)
            if isinstance(layer, Model):
                found["sample"] = self.write(
                    tree.map(lambda sample: {"shape": sample.shape, "dtype": sample.dtype}, layer._sample)
                )
        self.layers.append(layer)
        return {**found, "name": layer.name, "trainable": layer._trainable}

    def _functional(self, graph: Graph) -> dict[str, Any]:
        outer, self.tensors = self.tensors, {}
        for x in graph.entries:
            self.tensors[id(x)] = len(self.tensors)
        calls = []
        for node in graph.nodes:
            args, kwargs = self.write(list(node.args)), self.write(node.kwargs)
            calls.append({"layer": self.write(node.layer), "args": args, "kwargs": kwargs})
            for x in tree.leaves(node.outputs):
                self.tensors[id(x)] = len(self.tensors)
        found = {
            "model": "Model",
            "entries": [self._entry(x) for x in graph.entries],
            "calls": calls,
            "inputs": self.write(graph.inputs),
            "outputs": self.write(graph.outputs),
        }
        self.tensors = outer
        return found

    @staticmethod
    def _entry(x: KerasTensor) -> dict[str, Any]:
        return {"shape": list(x.shape[1:]), "dtype": x.dtype.name, "name": x.name}


class Reader:
    """Makes again what `describe` described. ``custom``: classes and functions of one's own, by name.

    Raises ValueError for a name that is not known; nothing is looked up anywhere else.
    """

    def __init__(self, custom: Mapping[str, Any]) -> None:
        self.custom = custom
        self.layers: list[Any] = []
        self.tensors: list[KerasTensor] = []

    def model(self, found: Any) -> Any:
        """The model of a description."""
        model = self.read(found)
        if not isinstance(model, Model):
            raise ValueError(f"expected the description of a model, got that of {type(model).__name__}")
        return model

    def read(self, x: Any) -> Any:
        """What was described."""
        if not isinstance(x, dict):
            return x
        if "same" in x:
            return self.layers[x["same"]]
        if "name" in x:
            return self._layer(x)
        if "class" in x or "custom_class" in x:
            return self._made(x)
        ((kind, value), *rest) = x.items()
        if kind == "tensor":
            return self.tensors[value]
        if kind in ("list", "tuple"):
            parts = [self.read(part) for part in value]
            return parts if kind == "list" else tuple(parts)
        if kind == "dict":
            return {self.read(key): self.read(part) for key, part in value}
        if kind == "slice":
            return slice(*map(self.read, value))
        if kind == "ellipsis":
            return Ellipsis
        if kind == "array":
            return np.array(value, rest[0][1])
        if kind == "dtype":
            return np.dtype(value)
        if kind == "activation":
            return ACTIVATIONS[value]
        if kind == "custom":
            return self._own(value)
        raise ValueError(f"the description of a model is damaged: it has {kind!r}")

    def _own(self, name: str) -> Any:
        if name not in self.custom:
            raise ValueError(
                f"load_model: the model uses {name!r}, which is not part of pullback.\n"
                f'  right:  load_model(path, custom_objects={{"{name}": {name}}})'
            )
        return self.custom[name]

    def _made(self, x: dict[str, Any]) -> Any:
        if "custom_class" in x:
            kind = self._own(x["custom_class"])
        else:
            section, _, name = x["class"].partition(".")
            kind = getattr(SECTIONS.get(section), name, None)
            if not isinstance(kind, type) or _known(kind) != x["class"]:
                raise ValueError(f"load_model: there is no {x['class']!r} in pullback.keras")
        return kind(*self.read(x["args"]), **self.read(x["kwargs"]))

    def _layer(self, x: dict[str, Any]) -> Any:
        if x.get("model") == "Sequential":
            layer: Any = Sequential(name=x["name"])
            if x["input"] is not None:
                layer.add(self._entry(x["input"]).node.layer)
            parts = [self.read(part) for part in x["layers"]]
            for part in parts:
                layer.add(part)
        elif x.get("model") == "Model":
            layer = self._functional(x)
        else:
            layer = self._made(x)
        layer.name = x["name"]
        layer._trainable = x["trainable"]
        if layer.built and not x["trainable"]:
            layer.trainable = False
        if x.get("sample") is not None:
            samples = tree_of_samples(self.read(x["sample"]))
            layer.build_from(samples)
        self.layers.append(layer)
        return layer

    def _functional(self, x: dict[str, Any]) -> Any:
        outer, self.tensors = self.tensors, [self._entry(entry) for entry in x["entries"]]
        for call in x["calls"]:
            layer = self.read(call["layer"])
            self.tensors += tree.leaves(layer(*self.read(call["args"]), **self.read(call["kwargs"])))
        model = Model(self.read(x["inputs"]), self.read(x["outputs"]), name=x["name"])
        self.tensors = outer
        return model

    @staticmethod
    def _entry(x: dict[str, Any]) -> Any:
        return InputLayer(x["shape"], dtype=x["dtype"], name=x["name"]).output


def tree_of_samples(found: Any) -> Any:
    """Stand-ins for the samples that a model of one's own class was built with."""
    if isinstance(found, dict) and set(found) == {"shape", "dtype"}:
        return np.zeros((1, *found["shape"]), found["dtype"])
    if isinstance(found, dict):
        return {name: tree_of_samples(one) for name, one in found.items()}
    return [tree_of_samples(one) for one in found]
