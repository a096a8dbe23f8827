"""LSTM over sequences (n, steps, in)."""

from __future__ import annotations

from typing import Any

from ... import create
from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import dtype_of, shape_of
from ...nn import Parameter, init
from ...tensor import Tensor
from ..activations import activation_of
from ..initializers import start
from .core import Function, positive
from .layer import Layer, Shape

__all__ = ["LSTM"]


class LSTM(Layer):
    """Long short-term memory: a state h and a memory c go along the sequence (Hochreiter & Schmidhuber, 1997).

    With z = x W + h U + b parted into i, f, c̃, o: c ← σ(f) c + σ(i) tanh(c̃), h ← σ(o) tanh(c). `kernel` W is
    (in, 4 units), `recurrent_kernel` U (units, 4 units), `bias` b (4 units,), in Keras' order of the gates.

    x: (n, steps, in); the result is the last h (n, units), or with ``return_sequences`` all of them,
    (n, steps, units). W starts as Glorot and Bengio say, U orthogonal, b at 0 but 1 for the forget gate.
    """

    def __init__(
        self, units: int, activation: Function = "tanh", return_sequences: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive("LSTM: units", units)
        self.activation = activation_of(activation)
        self.return_sequences = return_sequences

    def build(self, shape: Shape) -> Shape:
        """Make the parameters for sequences (steps, in)."""
        if len(shape) != 2:
            raise ShapeError(f"{self.name}: expected sequences (steps, in), got samples of shape {shape}")
        steps, wide = shape
        self.kernel = start("glorot_uniform", (wide, 4 * self.units))
        self.recurrent_kernel = start("zeros", (self.units, 4 * self.units))
        init.orthogonal_(self.recurrent_kernel)
        dtype = dtype_of(self.kernel)
        gates = [create.full((self.units,), value, dtype=dtype) for value in (0.0, 1.0, 0.0, 0.0)]
        self.bias = Parameter(m.concat(gates))
        return (steps, self.units) if self.return_sequences else (self.units,)

    def forward(self, x: Any) -> Any:
        """Return the last state, or all of them."""
        n, steps, _ = shape_of(x)
        h: Any = create.zeros((n, self.units), dtype=dtype_of(self.kernel))
        c: Any = h
        given = m.add(m.matmul(x, self.kernel), self.bias)
        states: list[Tensor] = []
        for step in range(steps):
            z = m.add(given[:, step], m.matmul(h, self.recurrent_kernel))
            i, f, new, o = (z[:, k * self.units : (k + 1) * self.units] for k in range(4))
            c = m.add(m.multiply(m.sigmoid(f), c), m.multiply(m.sigmoid(i), self.activation(new)))
            h = m.multiply(m.sigmoid(o), self.activation(c))
            states.append(h)
        return m.stack(states, axis=1) if self.return_sequences else h
