"""Dense, Activation, Dropout, Flatten, Embedding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import shape_of
from ...nn import functional as F
from ..activations import activation_of
from ..initializers import start
from .layer import Layer, Shape

__all__ = ["Activation", "Dense", "Dropout", "Embedding", "Flatten", "positive"]

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

    def build(self, shape: Shape) -> Shape:
        """Make kernel and bias for samples (…, in)."""
        if not shape:
            raise ShapeError(f"{self.name}: expected samples with at least one axis, got single numbers: x[:, None]")
        kernel, bias = self._initializers
        self.kernel = start(kernel, (shape[-1], self.units))
        self.bias = start(bias, (self.units,)) if self.use_bias else None
        return (*shape[:-1], self.units)

    def forward(self, x: Any) -> Any:
        """Return activation(x W + b)."""
        y = m.matmul(x, self.kernel)
        return self.activation(y if self.bias is None else m.add(y, self.bias))


class Activation(Layer):
    """An activation by itself: a name, or a function."""

    def __init__(self, activation: Function, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation_of(activation)

    def forward(self, x: Any) -> Any:
        """Return activation(x)."""
        return self.activation(x)


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, the others are scaled by 1/(1 − rate)."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"Dropout: expected a rate in [0, 1], got {rate!r}")
        self.rate = rate

    def forward(self, x: Any) -> Any:
        """Drop in training; else return x."""
        return F.dropout(x, self.rate, self.training)


class Flatten(Layer):
    """Each sample as one row: (n, …) becomes (n, product of the others)."""

    def build(self, shape: Shape) -> Shape:
        """The number of elements of a sample."""
        return (math.prod(shape),)

    def forward(self, x: Any) -> Any:
        """Return x with one axis behind the first."""
        shape = shape_of(x)
        return m.reshape(x, (shape[0], math.prod(shape[1:])))


class Embedding(Layer):
    """Integers (n, …) in 0, …, input_dim − 1 become rows (n, …, output_dim) of `embeddings`.

    The rows start uniformly in ±0.05. Raises IndexError for a number that is not a row.
    """

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_dim = positive("Embedding: input_dim", input_dim)
        self.output_dim = positive("Embedding: output_dim", output_dim)
        self._initializer = embeddings_initializer

    def build(self, shape: Shape) -> Shape:
        """Make the table."""
        self.embeddings = start(self._initializer, (self.input_dim, self.output_dim))
        return (*shape, self.output_dim)

    def forward(self, x: Any) -> Any:
        """Return the rows."""
        return F.embedding(x, self.embeddings)
