"""Model: a graph of layers between symbolic inputs and outputs, or a class of one's own with `call`."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import mappings as m
from ..core import tree
from ..core.cell import storing
from ..core.errors import PullbackError, ShapeError
from ..core.interpret import interpreting
from ..core.spec import Spec, default_dtype, dtype_of, shape_of, spec_of
from ..nn import Module
from ..saving import load, save
from ..train.modes import evaluating
from ..transforms import no_grad
from ..transforms.reverse import TAPE
from .graph import Graph
from .layers.layer import Layer, fresh_name
from .summary import summary_lines
from .symbolic import KerasTensor
from .training import Trainable

__all__ = ["Model"]


class Model(Trainable, Layer):
    """A network with `compile`, `fit`, `evaluate` and `predict`.

    ``Model(inputs, outputs)`` joins what lies between symbolic tensors; both may be lists or dictionaries of them. A
    layer may be called several times, and shares its parameters; a model is itself a layer.

    >>> from pullback import keras
    >>> a, b = keras.Input(shape=(4,), name="a"), keras.Input(shape=(2,), name="b")
    >>> joined = keras.layers.Concatenate()([keras.layers.Dense(3, activation="relu")(a), b])
    >>> model = keras.Model([a, b], {"yes": keras.layers.Dense(1, activation="sigmoid")(joined)})
    >>> model.count_params(), model.input_names, model.output_names
    (21, ['a', 'b'], ['yes'])

    Or a class of one's own makes layers in `__init__` and uses them in `call`:

    >>> class Net(keras.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = keras.layers.Dense(8, activation="tanh")
    ...         self.last = keras.layers.Dense(1)
    ...     def call(self, inputs):
    ...         return self.last(self.hidden(inputs))
    >>> net = Net()
    >>> net.compile("adam", "mse")
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None, **kwargs: Any) -> None:
        if name is None and type(self) is Model:
            name = fresh_name("functional")
        super().__init__(name=name, **kwargs)
        self.stop_training = False
        self.graph: Graph | None = None
        self._objective = None
        self._sample: Any = None
        if (inputs is None) != (outputs is None):
            raise TypeError("Model: expected inputs and outputs, or neither in a class of one's own")
        if inputs is not None:
            self._take(Graph(inputs, outputs))

    def _take(self, graph: Graph) -> None:
        """Be this graph."""
        self.graph = graph
        self._inside = list(graph.layers)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the outputs for inputs in the containers of the model's own, or by name in a dictionary."""
        if self.graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define call(self, inputs): what it computes from its layers"
            )
        return self.graph.run([self._fit_in(x, entry) for x, entry in zip(*self._matched(inputs), strict=True)])

    def _matched(self, inputs: Any) -> tuple[list[Any], list[Any]]:
        """The values of the inputs in the order of the graph, and the symbolic tensors that they stand for."""
        assert self.graph is not None
        entries = self.graph.entries
        own = [entry.name for entry in entries]
        if isinstance(inputs, dict):
            names = self.graph.input_names if isinstance(self.graph.inputs, dict) else own
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(f"{self.name}: there is no input {missing[0]!r}; got {', '.join(map(str, inputs))}")
            return [inputs[name] for name in names], entries
        values = tree.leaves(inputs)
        if len(values) != len(entries):
            raise ValueError(f"{self.name}: expected {len(entries)} inputs, {', '.join(own)}; got {len(values)}")
        return values, entries

    def _fit_in(self, x: Any, entry: KerasTensor) -> Any:
        assert self.graph is not None
        shape = shape_of(x)
        if len(shape) + 1 == entry.ndim and entry.shape[-1] == 1:  # as in Keras, (n,) goes with (n, 1)
            x, shape = m.reshape(x, (*shape, 1)), (*shape, 1)
        fits = len(shape) == entry.ndim
        if not fits or any(n not in (None, length) for n, length in zip(entry.shape[1:], shape[1:], strict=True)):
            raise ShapeError(
                f"{self.name}: expected samples of shape {entry.shape[1:]} for {entry.name}, got x of shape {shape}"
            )
        if dtype_of(x) == entry.dtype or (dtype_of(x).kind in "iu" and self.graph.keeps_integers(entry)):
            return x
        if entry.dtype.kind in "iub" and dtype_of(x).kind not in "iub":
            raise TypeError(f"{self.name}: expected integers for {entry.name}, got {dtype_of(x)}")
        return m.astype(x, entry.dtype)

    @property
    def takes_integers(self) -> bool:  # type: ignore[override]  # of a variable
        """Whether all inputs look up numbers in tables."""
        return self.graph is not None and all(map(self.graph.keeps_integers, self.graph.entries))

    # ------------------------------------------------------------------------------------- building

    @property
    def is_built(self) -> bool:  # type: ignore[override]  # of a variable
        """Whether the parameters are there."""
        return self.graph is not None or self._sample is not None

    @property
    def has_one_input(self) -> bool:  # type: ignore[override]  # of a variable
        """Whether nested lists are numbers of the only input."""
        return self.graph is not None and len(self.graph.entries) == 1 and not isinstance(self.graph.inputs, list)

    def build(self, input_shape: Any) -> None:
        """Make all parameters; ``input_shape`` is with the axis of the batch, as in (None, 64)."""
        self.build_from(_stand_ins(input_shape))

    def build_from(self, inputs: Any) -> None:
        """Make the parameters for such inputs, if they are not there, by computing one sample of zeros."""
        if self.is_built:
            return
        specs = tree.map(lambda x: x if isinstance(x, KerasTensor) else spec_of(x), inputs)
        self._sample = tree.map(lambda x: Sample([n or 1 for n in x.shape[1:]], x.dtype.name), specs)
        self.built = True
        try:
            with interpreting(TAPE), storing(None), evaluating(self), no_grad():
                outputs = self(tree.map(lambda x: np.zeros((1, *x.shape), x.dtype), self._sample))
        except BaseException:
            self._sample, self.built = None, False
            raise
        self._outputs = _output_names(outputs)

    def _build_for(self, inputs: Any) -> None:
        self.build_from(inputs)

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs of a functional model."""
        return self._need_graph("inputs").entries

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs of a functional model."""
        return self._need_graph("outputs").results

    @property
    def input(self) -> Any:
        """The symbolic inputs, in the container that they were given in."""
        return self._need_graph("input").inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs, in the container that they were given in."""
        return self._need_graph("output").outputs

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return self._need_graph("input_names").input_names

    @property
    def output_names(self) -> list[str]:  # type: ignore[override]  # of a variable
        """The names of the outputs, by which losses and targets may be given."""
        if self.graph is not None:
            return self.graph.output_names
        self._need_built("output_names")
        return list(self._outputs)

    def _need_graph(self, what: str) -> Graph:
        if self.graph is None:
            raise AttributeError(f"{self.name}.{what}: a model of one's own class with `call` has no symbolic tensors")
        return self.graph

    def _shaped(self, targets: list[NDArray[Any]]) -> list[NDArray[Any]]:
        if self.graph is None:
            return targets
        shaped = []
        for target, result in zip(targets, self.graph.results, strict=True):
            if target is not None:
                if (*target.shape[1:], 1) == result.shape[1:]:
                    target = target[..., None]
                if target.dtype.kind == "b" or target.shape[1:] == result.shape[1:]:
                    target = target.astype(default_dtype(), copy=False)
            shaped.append(target)
        return shaped

    # ------------------------------------------------------------------------------------- what is inside

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, in their order."""
        if self.graph is not None:
            return list(self.graph.layers)
        return [child for child in self.children() if isinstance(child, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or of that number. Raises ValueError."""
        if (name is None) == (index is None):
            raise ValueError("get_layer: expected a name or an index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: index {index} is out of range for {len(self.layers)} layers")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"get_layer: there is no layer {name!r}; there are {', '.join(la.name for la in self.layers)}")

    def summary(self) -> None:
        """Print the layers with the shapes of their outputs and the numbers of their parameters."""
        self._need_built("summary")
        print("\n".join(summary_lines(self)))

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all parameters and moving statistics, layer by layer."""
        self._need_built("get_weights")
        return super().get_weights()

    def set_weights(self, weights: Any) -> None:
        """Take over what `get_weights` returned. Raises ValueError and ShapeError for what does not fit."""
        self._need_built("set_weights")
        super().set_weights(weights)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a safetensors file, with a checksum."""
        self._need_built("save_weights")
        save(path, Module.state_dict(self))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` wrote, verified. Raises ValueError for a damaged file."""
        self._need_built("load_weights")
        self.load_state_dict(load(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write layers, weights, what `compile` was told and the optimiser's state; see `models.load_model`."""
        from .models import save_model

        save_model(self, path)

    def get_config(self) -> dict[str, Any]:
        """The layers and how they are joined, as numbers, strings, lists and dictionaries."""
        from .models import config_of

        return config_of(self)

    def to_json(self) -> str:
        """The layers and how they are joined, as text, from which `models.model_from_json` makes the model again."""
        return json.dumps(self.get_config())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {len(self.layers)} layers, built={self.is_built}>"

    def _need_built(self, what: str) -> None:
        if not self.is_built:
            raise PullbackError(
                f"{what}: the parameters are not made yet, because the shape of a sample is not known.\n"
                "  right:  model.build((None, 64)), or keras.Input(shape=(64,)) as the first element"
            )


class Sample:
    """The shape and dtype of one sample of an input of a model of one's own class."""

    def __init__(self, shape: list[int], dtype: str) -> None:
        self.shape, self.dtype = shape, dtype


def _stand_ins(shape: Any) -> Any:
    """Something that has this shape, or containers of such things for containers of shapes."""
    if isinstance(shape, dict):
        return {name: _stand_ins(one) for name, one in shape.items()}
    if shape and all(isinstance(one, tuple | list) for one in shape):
        return [_stand_ins(one) for one in shape]
    return Spec(tuple(n or 1 for n in shape), default_dtype())


def _output_names(outputs: Any) -> list[str]:
    if isinstance(outputs, dict):
        return [str(name) for name in outputs]
    count = len(tree.leaves(outputs))
    return ["output"] if count == 1 else [f"output_{number}" for number in range(1, count + 1)]
