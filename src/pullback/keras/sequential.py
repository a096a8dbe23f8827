"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core import tree
from ..core.errors import PullbackError
from ..core.spec import spec_of
from .graph import Graph
from .layers import InputLayer, Layer
from .model import Model
from .symbolic import KerasTensor

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one after the other; parameters are made when the shape of a sample is known.

    ``layers``: `Layer` objects and models, the first of which may be an `Input`.

    >>> import numpy as np, pullback as pb
    >>> from pullback import keras
    >>> pb.random.manual_seed(0)
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(optimizer=keras.optimizers.SGD(0.3), loss="mse")
    >>> history = model.fit(x, 2 * x + 1, epochs=20, verbose=0)
    >>> model.predict(np.array([[3.0]]), verbose=0).round(2)
    array([[7.]], dtype=float32)
    """

    has_one_input = True

    def __init__(self, layers: Iterable[Any] = (), *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._inside: list[Layer] = []
        self._entry: Any = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end. Raises TypeError for what is no layer, ValueError for two of one name."""
        if isinstance(layer, KerasTensor) and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise TypeError(f"{self.name}: expected a pullback.keras.layers layer, got {layer!r}")
        if isinstance(layer, InputLayer):
            if self._inside or self._entry is not None:
                raise ValueError(f"{self.name}: Input must be the first element")
            self._entry = layer.output
            return
        if any(other is layer for other in self._inside) or layer.name in {other.name for other in self._inside}:
            raise ValueError(f"{self.name}: expected layers with names that differ, got {layer.name!r} twice")
        if not self._inside and self._entry is None:
            if layer.sample_shape is not None:
                self._entry = InputLayer(layer.sample_shape).output
            elif isinstance(layer, Model) and layer.graph is not None and len(layer.graph.entries) == 1:
                entry = layer.graph.entries[0]
                self._entry = InputLayer(entry.shape[1:], dtype=entry.dtype).output
        self._inside.append(layer)
        if self._entry is not None:
            try:
                self._grow()
            except BaseException:
                self._inside.pop()
                raise

    def pop(self) -> Layer:
        """Take the last layer away and return it."""
        if not self._inside:
            raise PullbackError(f"{self.name}: there is no layer to take away")
        last = self._inside.pop()
        self._chain = self._chain[:-1]
        if self._inside and self.graph is not None:
            self.graph = Graph(self._entry, self._chain[-1])
        elif not self._inside:
            self.graph = None
        return last

    def build(self, input_shape: Any = None) -> None:
        """Make all parameters; ``input_shape`` is with the axis of the batch: (None, 64)."""
        if self._entry is None and input_shape is not None:
            self._entry = InputLayer(tuple(input_shape)[1:]).output
        if not self._inside:
            raise PullbackError(f"{self.name}: a model without layers")
        if self._entry is None:
            self._need_built("build")
        self._grow()

    def build_from(self, inputs: Any) -> None:
        """Make the parameters for such inputs, if they are not there."""
        if self.graph is None:
            leaves = tree.leaves(inputs)
            shape = leaves[0].shape if isinstance(leaves[0], KerasTensor) else spec_of(leaves[0]).shape
            self.build((None, *shape[1:]))

    _chain: list[Any] = []  # noqa: RUF012  # replaced, never changed

    def _grow(self) -> None:
        """Call the layers that were not called yet, each on what the one before gives."""
        chain = list(self._chain)
        for layer in self._inside[len(chain) :]:
            chain.append(layer(chain[-1] if chain else self._entry))
        if chain:
            self._chain = chain
            self.graph = Graph(self._entry, chain[-1])
            self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the outputs for samples (n, …)."""
        (values, entries) = self._matched(inputs)
        x = self._fit_in(values[0], entries[0])
        for layer in self._inside:
            x = layer(x)
        return x

    @property
    def layers(self) -> list[Layer]:
        """The layers in their order, without the input."""
        return list(self._inside)

    def _take(self, graph: Graph) -> None:
        raise TypeError("Sequential: expected layers, not inputs and outputs; keras.Model(inputs, outputs) takes those")
