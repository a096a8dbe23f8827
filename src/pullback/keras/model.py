"""Sequential: a stack of layers with `compile`, `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import mappings as m
from ..core.errors import PullbackError, ShapeError
from ..core.spec import default_dtype, dtype_of, shape_of
from ..metrics import Metric
from ..nn import Module
from ..saving import load, save
from ..train import Trainer
from ..train.modes import evaluating
from ..transforms import no_grad
from .callbacks import Bridge, Callback, History
from .layers import Embedding, Input, Layer, Shape
from .losses import loss_of
from .metrics import metric_of
from .optimizers import optimizer_of
from .progress import ProgressLine

__all__ = ["Sequential"]


@dataclass
class Compiled:
    """What `compile` was told; ``optimizer`` becomes the real one when there are parameters."""

    settings: Any
    loss: Any
    metrics: list[Metric]
    optimizer: Any = None


class Sequential(Module):
    """Layers one after the other; parameters are made when the shape of a sample is known.

    ``layers``: `Layer` objects, the first of which may be an `Input`.

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

    def __init__(self, layers: Iterable[Layer] = (), *, name: str = "sequential") -> None:
        super().__init__()
        self.name = name
        self.layers: list[Layer] = []
        self.built = False
        self.stop_training = False
        self._shape: Shape | None = None
        self._compiled: Compiled | None = None
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        """Put a layer at the end. Raises TypeError for what is no layer, PullbackError once the model is built."""
        if not isinstance(layer, Layer):
            raise TypeError(f"{self.name}: expected a pullback.keras.layers layer, got {layer!r}")
        if self.built:
            raise PullbackError(f"{self.name}: it is built already; add all layers before it sees data")
        if not self.layers and layer.input_shape is not None:
            self._shape = layer.input_shape
        if isinstance(layer, Input):
            if self.layers:
                raise ValueError(f"{self.name}: Input must be the first element")
            return
        taken = {other.name for other in self.layers}
        own, number = layer.name, 1
        while layer.name in taken:
            layer.name = f"{own}_{number}"
            number += 1
        self.layers.append(layer)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make all parameters; ``input_shape`` is with the axis of the batch: (None, 64)."""
        self._build(tuple(int(n) for n in input_shape[1:] if n is not None))

    def _build(self, shape: Shape) -> None:
        if not self.layers:
            raise PullbackError(f"{self.name}: a model without layers")
        self._shape = shape
        for layer in self.layers:
            shape = layer.output_shape = layer.build(shape)
        self.built = True

    def forward(self, x: Any) -> Any:
        """Return the outputs for samples x (n, …); the first call makes the parameters."""
        shape = shape_of(x)[1:]
        if not self.built:
            self._build(shape if self._shape is None else self._shape)
        if shape != self._shape:
            raise ShapeError(f"{self.name}: expected samples of shape {self._shape}, got x of shape {shape_of(x)}")
        if not isinstance(self.layers[0], Embedding) and dtype_of(x) != default_dtype():
            x = m.astype(x, default_dtype())
        for layer in self.layers:
            x = layer(x)
        return x

    # --------------------------------------------------------------------------------------- training

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Sequence[Any] = ()) -> None:
        """Say how to train: names, or objects of `keras.optimizers`, `keras.losses` and `pullback.metrics`.

        Optimisers: "adam", "adamw", "rmsprop", "sgd". Losses: "categorical_crossentropy",
        "sparse_categorical_crossentropy", "binary_crossentropy", "mse", "mae", "huber", or a function of
        (y_true, y_pred). Metrics: "accuracy", "mae", "mse", "r2". Raises ValueError for other names.
        """
        if loss is None:
            raise ValueError('compile: expected a loss.\n  right:  model.compile("adam", loss="mse")')
        if isinstance(metrics, str):
            raise TypeError(f"metrics: expected a list, such as [{metrics!r}], got {metrics!r}")
        self._compiled = Compiled(optimizer_of(optimizer), loss_of(loss), [metric_of(metric) for metric in metrics])

    @property
    def compiled(self) -> Compiled:
        """What `compile` was told. Raises PullbackError before."""
        if self._compiled is None:
            raise PullbackError(
                'the model must be compiled first.\n  right:  model.compile(optimizer="adam", loss="mse")'
            )
        return self._compiled

    @property
    def optimizer(self) -> Any:
        """The `pullback.optim` optimiser of this model, from the first `fit` on; None before."""
        return self.compiled.optimizer

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
    ) -> History:
        """Train on samples x (n, …) and targets y, and return the history.

        ``verbose``: 0 silent, 1 or "auto" a progress line, 2 the line without a bar. ``validation_split``: the share
        of the samples, the last ones, that is held back and measured after each epoch; or ``validation_data``.
        Raises PullbackError before `compile`, ValueError and ShapeError for data that do not fit,
        NonFiniteError when a loss or gradient is NaN or infinite.
        """
        compiled = self.compiled
        inputs, targets = self._data(x, y)
        if not 0 <= validation_split < 1:
            raise ValueError(f"fit: expected validation_split in [0, 1), got {validation_split}")
        validation = None if validation_data is None else self._data(*validation_data)
        if validation is None and validation_split:
            split = int(len(inputs) * (1 - validation_split))
            if not 0 < split < len(inputs):
                raise ValueError(
                    f"fit: validation_split={validation_split} of {len(inputs)} samples leaves a part empty"
                )
            validation = (inputs[split:], targets[split:])
            inputs, targets = inputs[:split], targets[:split]
        if compiled.optimizer is None:
            compiled.optimizer = compiled.settings.make(self.parameters())
        history = History()
        told = [history, *callbacks]
        if verbose:
            told.append(ProgressLine(epochs, -(-len(inputs) // batch_size), 2 if verbose == 2 else 1))
        self.stop_training = False
        self._trainer(Bridge(self, told)).fit(
            (inputs, targets), epochs, validation, batch_size=batch_size, shuffle=shuffle
        )
        return history

    def evaluate(
        self, x: Any, y: Any, batch_size: int = 32, verbose: int | str = "auto", return_dict: bool = False
    ) -> Any:
        """The loss on the data, or a list of the loss and the metrics; with ``return_dict`` by name."""
        inputs, targets = self._data(x, y)
        figures = self._trainer().evaluate((inputs, targets), batch_size=batch_size)
        if verbose:
            print(" - ".join(f"{name}: {value:.4f}" for name, value in sorted(figures.items())))
        if return_dict:
            return figures
        return list(figures.values()) if len(figures) > 1 else figures["loss"]

    def predict(self, x: Any, batch_size: int = 32, verbose: int | str = "auto") -> NDArray[Any]:
        """The outputs for samples x (n, …), as one array."""
        inputs = np.asarray(x)
        if not len(inputs):
            raise ValueError("predict: x has no sample")
        with evaluating(self), no_grad():
            parts = [np.asarray(self(inputs[i : i + batch_size])) for i in range(0, len(inputs), batch_size)]
        return np.concatenate(parts)

    def _trainer(self, *callbacks: Bridge) -> Trainer:
        compiled = self.compiled

        def loss(outputs: Any, target: Any) -> Any:
            return compiled.loss(target, outputs)

        return Trainer(self, loss, compiled.optimizer, metrics=compiled.metrics, callbacks=callbacks, progress=None)

    def _data(self, x: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Samples and targets as arrays; the model is built for them, and a target per sample gets its axis."""
        inputs, targets = np.asarray(x), np.asarray(y)
        if not inputs.ndim or not len(inputs):
            raise ValueError(f"x has no sample: its shape is {inputs.shape}")
        if not targets.ndim or len(inputs) != len(targets):
            raise ShapeError(f"expected as many targets as samples, got x {inputs.shape} and y {targets.shape}")
        if not self.built:
            self._build(inputs.shape[1:] if self._shape is None else self._shape)
        if targets.shape[1:] + (1,) == self.layers[-1].output_shape:
            targets = targets[..., None]
        if targets.dtype.kind in "bf" or targets.shape[1:] == self.layers[-1].output_shape:
            targets = targets.astype(default_dtype())
        return inputs, targets

    # ------------------------------------------------------------------------------------- what is inside

    def summary(self) -> None:
        """Print the layers with the shapes of their outputs and the numbers of their parameters."""
        from .summary import summary_lines

        self._need_built("summary")
        print("\n".join(summary_lines(self.name, self.layers)))

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all parameters and moving statistics, layer by layer."""
        self._need_built("get_weights")
        return [np.array(value) for value in self.state_dict().values()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over what `get_weights` returned. Raises ValueError and ShapeError for what does not fit."""
        self._need_built("set_weights")
        names = list(self.state_dict())
        if len(names) != len(weights):
            raise ValueError(f"set_weights: expected {len(names)} arrays, got {len(weights)}")
        self.load_state_dict(dict(zip(names, weights, strict=True)))

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a safetensors file, with a checksum."""
        self._need_built("save_weights")
        save(path, self)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` wrote, verified. Raises ValueError for a damaged file."""
        self._need_built("load_weights")
        self.load_state_dict(load(path))

    def _need_built(self, what: str) -> None:
        if self.built:
            return
        if self._shape is None:
            raise PullbackError(
                f"{what}: the parameters are not made yet, because the shape of a sample is not known.\n"
                "  right:  model.build((None, 64)), or keras.Input(shape=(64,)) as the first element"
            )
        self._build(self._shape)
