"""Layers that go along sequences (n, steps, in): LSTM, GRU, SimpleRNN; Bidirectional and TimeDistributed."""

from __future__ import annotations

from typing import Any

from ... import create
from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import dtype_of, shape_of
from ...nn import Parameter
from ..activations import activation_of
from .core import Function, positive
from .layer import Layer

__all__ = ["GRU", "LSTM", "Bidirectional", "SimpleRNN", "TimeDistributed"]


class _Recurrent(Layer):
    """Goes along a sequence with one or several states, of which the first is the result."""

    gates = 1
    states = 1

    def __init__(
        self,
        units: int,
        activation: Function = "tanh",
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive(f"{type(self).__name__}: units", units)
        self.activation = activation_of(activation)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards

    def build(self, input_shape: Any) -> None:
        """Make the parameters for sequences (steps, in)."""
        if len(input_shape) != 3:
            raise ShapeError(
                f"{self.name}: expected sequences (steps, in), got samples of shape {tuple(input_shape[1:])}"
            )
        self.kernel = self.add_weight((input_shape[-1], self.gates * self.units), "glorot_uniform")
        self.recurrent_kernel = self.add_weight((self.units, self.gates * self.units), "orthogonal")
        self.bias = self.first_bias()

    def first_bias(self) -> Any:
        """The bias that the layer starts with."""
        return self.add_weight((self.gates * self.units,), "zeros")

    def call(self, inputs: Any, initial_state: Any = None) -> Any:
        """Return the last state, or all of them; with ``return_state`` also the last states."""
        n, steps, _ = shape_of(inputs)
        if initial_state is None:
            states = [create.zeros((n, self.units), dtype=dtype_of(self.kernel))] * self.states
        else:
            states = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]
            if len(states) != self.states:
                raise ValueError(f"{self.name}: initial_state: expected {self.states} of them, got {len(states)}")
        given = self.given(inputs)
        seen = []
        for step in reversed(range(steps)) if self.go_backwards else range(steps):
            states = self.step(given[:, step], states)
            seen.append(states[0])
        result = m.stack(seen, axis=1) if self.return_sequences else states[0]
        return [result, *states] if self.return_state else result

    def given(self, inputs: Any) -> Any:
        """What the inputs of all steps contribute."""
        return m.add(m.matmul(inputs, self.kernel), self.bias)

    def step(self, given: Any, states: list[Any]) -> list[Any]:
        """The states after a step."""
        raise NotImplementedError(f"{type(self).__name__} must define step")

    def _parted(self, z: Any) -> list[Any]:
        return [z[:, k * self.units : (k + 1) * self.units] for k in range(self.gates)]


class SimpleRNN(_Recurrent):
    """h ← tanh(x W + h U + b) along the sequence (Elman, 1990); arguments and results as of `LSTM`."""

    def step(self, given: Any, states: list[Any]) -> list[Any]:
        return [self.activation(m.add(given, m.matmul(states[0], self.recurrent_kernel)))]


class LSTM(_Recurrent):
    """Long short-term memory: a state h and a memory c go along the sequence (Hochreiter & Schmidhuber, 1997).

    With z = x W + h U + b parted into i, f, c̃, o: c ← σ(f) c + σ(i) tanh(c̃), h ← σ(o) tanh(c). `kernel` W is
    (in, 4 units), `recurrent_kernel` U (units, 4 units), `bias` b (4 units,), in Keras' order of the gates.

    x: (n, steps, in); the result is the last h (n, units), or with ``return_sequences`` all of them,
    (n, steps, units); with ``return_state`` a list of that, h and c. ``initial_state`` of a call: [h, c] instead of
    zeros. ``go_backwards``: from the last step to the first. W starts as Glorot and Bengio say, U orthogonal, b at 0
    but 1 for the forget gate.
    """

    gates = 4
    states = 2

    def first_bias(self) -> Any:
        dtype = dtype_of(self.kernel)
        parts = [create.full((self.units,), value, dtype=dtype) for value in (0.0, 1.0, 0.0, 0.0)]
        return Parameter(m.concat(parts))

    def step(self, given: Any, states: list[Any]) -> list[Any]:
        h, c = states
        i, f, new, o = self._parted(m.add(given, m.matmul(h, self.recurrent_kernel)))
        c = m.add(m.multiply(m.sigmoid(f), c), m.multiply(m.sigmoid(i), self.activation(new)))
        return [m.multiply(m.sigmoid(o), self.activation(c)), c]


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al., EMNLP 2014), in the form of Keras' default, ``reset_after=True``.

    With x W + b₀ and h U + b₁ parted into z, r, h̃: z ← σ(z₀ + z₁), r ← σ(r₀ + r₁),
    h ← z h + (1 − z) tanh(h̃₀ + r h̃₁). `bias` is (2, 3 units). Arguments and results as of `LSTM`.
    """

    gates = 3

    def first_bias(self) -> Any:
        return self.add_weight((2, self.gates * self.units), "zeros")

    def given(self, inputs: Any) -> Any:
        return m.add(m.matmul(inputs, self.kernel), self.bias[0])

    def step(self, given: Any, states: list[Any]) -> list[Any]:
        (h,) = states
        z, r, new = self._parted(given)
        z_h, r_h, new_h = self._parted(m.add(m.matmul(h, self.recurrent_kernel), self.bias[1]))
        z, r = m.sigmoid(m.add(z, z_h)), m.sigmoid(m.add(r, r_h))
        new = self.activation(m.add(new, m.multiply(r, new_h)))
        return [m.add(m.multiply(z, h), m.multiply(m.subtract(1.0, z), new))]


class Bidirectional(Layer):
    """A recurrent layer along the sequence, and one like it back; their results together.

    ``merge_mode``: "concat", "sum", "mul" or "ave".
    """

    def __init__(self, layer: Any, merge_mode: str = "concat", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, _Recurrent):
            raise TypeError(f"Bidirectional: expected a recurrent layer, got {layer!r}")
        if merge_mode not in ("concat", "sum", "mul", "ave"):
            raise ValueError(f"Bidirectional: merge_mode: expected 'concat', 'sum', 'mul' or 'ave', got {merge_mode!r}")
        if layer.return_state:
            raise ValueError("Bidirectional: expected a layer without return_state=True")
        self.merge_mode = merge_mode
        self.forward_layer = layer
        again = layer.recipe
        self.backward_layer = type(layer)(
            *again.args, **again.kwargs | {"go_backwards": not layer.go_backwards, "name": f"backward_{layer.name}"}
        )

    def build(self, input_shape: Any) -> None:
        """Make the parameters of both."""
        for layer in (self.forward_layer, self.backward_layer):
            layer.build_for_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return what both give together."""
        there, back = self.forward_layer(inputs), self.backward_layer(inputs)
        if self.forward_layer.return_sequences:
            back = m.flip(back, axis=1)
        if self.merge_mode == "concat":
            return m.concat([there, back], axis=-1)
        if self.merge_mode == "mul":
            return m.multiply(there, back)
        both = m.add(there, back)
        return both if self.merge_mode == "sum" else m.divide(both, 2.0)


class TimeDistributed(Layer):
    """A layer at each step of (n, steps, …) by itself."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise TypeError(f"TimeDistributed: expected a layer, got {layer!r}")
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Make the parameters of the layer."""
        self.layer.build_for_shape((None, *input_shape[2:]))

    def call(self, inputs: Any) -> Any:
        """Return the results of all steps."""
        n, steps, *rest = shape_of(inputs)
        y = self.layer(m.reshape(inputs, (n * steps, *rest)))
        return m.reshape(y, (n, steps, *shape_of(y)[1:]))
