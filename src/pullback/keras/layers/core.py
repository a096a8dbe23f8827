"""Dense, Activation, Dropout, Embedding, Lambda."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import dtype_of
from ...nn import functional as F
from ..activations import activation_of
from .layer import Layer

__all__ = ["Activation", "Dense", "Dropout", "ELU", "Embedding", "Lambda", "LeakyReLU", "ReLU", "Softmax", "positive"]

Function = str | Callable[[Any], Any] | None


def positive(where: str, n: Any) -> int:
    """The number, if it is a positive integer; else ValueError."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{where}: expected a positive integer, got {n!r}")
    return int(n)


class Dense(Layer):
    """y = activation(x W + b), with `kernel` W (in, units) and `bias` b (units,).

    x: (n, …, in); y: (n, …, units). The kernel starts as Glorot and Bengio (2010) say, the bias at 0.

    >>> import pullback as pb
    >>> model = pb.keras.Sequential([pb.keras.layers.Dense(3, activation="relu")])
    >>> model(pb.ones((2, 5))).shape
    (2, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Function = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive("Dense: units", units)
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self._initializers = (kernel_initializer, bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias for samples (…, in)."""
        if len(input_shape) < 2:
            raise ShapeError(f"{self.name}: expected samples with at least one axis, got single numbers: x[:, None]")
        kernel, bias = self._initializers
        self.kernel = self.add_weight((input_shape[-1], self.units), kernel)
        self.bias = self.add_weight((self.units,), bias) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Return activation(x W + b)."""
        y = m.matmul(inputs, self.kernel)
        return self.activation(y if self.bias is None else m.add(y, self.bias))


class Activation(Layer):
    """An activation by itself: a name, or a function."""

    def __init__(self, activation: Function, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation_of(activation)

    def call(self, inputs: Any) -> Any:
        """Return activation(x)."""
        return self.activation(inputs)


class ReLU(Layer):
    """max(x, 0), and with ``negative_slope`` s: s x below 0; with ``max_value``, no more than that."""

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_value, self.negative_slope = max_value, negative_slope

    def call(self, inputs: Any) -> Any:
        """Return the rectified inputs."""
        y = m.leaky_relu(inputs, negative_slope=self.negative_slope) if self.negative_slope else m.relu(inputs)
        return y if self.max_value is None else m.minimum(y, self.max_value)


class LeakyReLU(Layer):
    """x above 0, ``negative_slope`` · x below."""

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        """Return the leaky rectified inputs."""
        return m.leaky_relu(inputs, negative_slope=self.negative_slope)


class ELU(Layer):
    """x above 0, ``alpha`` (eˣ − 1) below."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """Return the function of the inputs."""
        return m.elu(inputs, alpha=self.alpha)


class Softmax(Layer):
    """eˣ divided by its sum along ``axis``."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """Return shares that add up to 1."""
        return m.softmax(inputs, axis=self.axis)


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, the others are scaled by 1/(1 − rate)."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"Dropout: expected a rate in [0, 1], got {rate!r}")
        self.rate = rate

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop in training; else return x."""
        return F.dropout(inputs, self.rate, training)


class Embedding(Layer):
    """Integers (n, …) in 0, …, input_dim − 1 become rows (n, …, output_dim) of `embeddings`.

    The rows start uniformly in ±0.05. Raises IndexError for a number that is not a row.
    """

    takes_integers = True

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_dim = positive("Embedding: input_dim", input_dim)
        self.output_dim = positive("Embedding: output_dim", output_dim)
        self._initializer = embeddings_initializer

    def build(self, input_shape: Any) -> None:
        """Make the table."""
        self.embeddings = self.add_weight((self.input_dim, self.output_dim), self._initializer)

    def call(self, inputs: Any) -> Any:
        """Return the rows."""
        whole = dtype_of(inputs).kind in "iu"
        return F.embedding(inputs if whole else m.astype(inputs, np.int64), self.embeddings)


class Lambda(Layer):
    """A function of pullback's mappings as a layer without parameters. A model that has one cannot be saved."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: expected a function, got {function!r}")
        self.function, self.arguments = function, dict(arguments or {})

    def call(self, inputs: Any) -> Any:
        """Return the function of the inputs."""
        return self.function(inputs, **self.arguments)
