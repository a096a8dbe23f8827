"""Recurrent layers over whole sequences: several layers, both directions, sequences of different lengths."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.errors import DtypeError, ShapeError
from ..core.spec import default_dtype, dtype_of, ndim_of, operand, shape_of
from ..core.value import Value
from ..mappings.linear import _linear
from ..mappings.recurrent import _gru_cell, _lstm_cell, _sequence_lengths, check_lengths
from ..mappings.stack import _stack, _unstack
from ..transforms.reverse import TAPE
from . import init
from .cells import nonlinear, pair, positive
from .dropout import check_probability, dropout
from .module import Module
from .packed import PackedSequence, packed_like, pad_packed_sequence
from .parameter import Parameter

__all__ = ["GRU", "LSTM", "RNN"]

State = tuple[Any, ...]


class _Recurrent(Module):
    """What the layers share: parameters by layer and direction, and the walk along the sequence."""

    gates: int
    states: tuple[str, ...] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout_p: float,
        bidirectional: bool,
        proj_size: int,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        positive(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_probability(name, dropout_p)
        if isinstance(proj_size, bool) or not isinstance(proj_size, int) or not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: expected proj_size to be 0 or less than hidden_size, got {proj_size!r}")
        self.input_size = int(input_size)
        self.hidden_size = int(hidden_size)
        self.num_layers = int(num_layers)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout_p
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        rows = self.gates * self.hidden_size
        out = proj_size or self.hidden_size
        for layer in range(self.num_layers):
            width = self.input_size if layer == 0 else out * self._directions
            for end in self._endings(layer):
                self._hold("weight_ih" + end, (rows, width), dtype)
                self._hold("weight_hh" + end, (rows, out), dtype)
                if bias:
                    self._hold("bias_ih" + end, (rows,), dtype)
                    self._hold("bias_hh" + end, (rows,), dtype)
                if proj_size:
                    self._hold("weight_hr" + end, (proj_size, self.hidden_size), dtype)
        self.reset_parameters()

    def _hold(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        setattr(self, name, Parameter(np.empty(shape, dtype)))

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _endings(self, layer: int) -> list[str]:
        """The endings of the names of the parameters of one layer, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def reset_parameters(self) -> None:
        """Draw new starting values, uniformly in ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    # -------------------------------------------------------------------------------- the sequence

    def _run(self, x: Any, initial: tuple[Any, ...], lengths: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the outputs of the last layer and the final states, stacked over layers and directions."""
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ValueError(f"{self!r}: a PackedSequence has its own lengths; leave `lengths` out")
            padded, own = pad_packed_sequence(x, self.batch_first)
            y, final = self._run(padded, initial, own)
            return packed_like(y, x, self.batch_first), final
        x = operand(x)
        alone = ndim_of(x) == 2
        shape = self._checked(x)
        if alone:
            x = m.reshape(x, (shape[0], 1, shape[1]))
        elif self.batch_first:
            x = m.permute_dims(x, (1, 0, 2))
        steps, size, _ = shape_of(x)
        starts = [
            self._initial(name, h, size, alone, dtype_of(x)) for name, h in zip(self.states, initial, strict=True)
        ]
        present = _present(self, lengths, steps, size, alone)
        finals: list[list[Any]] = [[] for _ in self.states]
        for layer in range(self.num_layers):
            outputs = []
            for direction, end in enumerate(self._endings(layer)):
                at = layer * self._directions + direction
                ys, state = self._walk(x, end, tuple(start[at] for start in starts), present, direction == 1)
                outputs.append(_stack(*ys, axis=0))
                for held, h in zip(finals, state, strict=True):
                    held.append(h)
            x = outputs[0] if len(outputs) == 1 else m.concat(outputs, axis=2)
            if self.dropout and layer + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training)
        stacked = tuple(_stack(*held, axis=0) for held in finals)
        if alone:
            return m.reshape(x, (steps, -1)), tuple(m.reshape(h, (len(finals[0]), -1)) for h in stacked)
        return (m.permute_dims(x, (1, 0, 2)) if self.batch_first else x), stacked

    def _walk(self, x: Any, end: str, state: State, present: Any, backwards: bool) -> tuple[list[Any], State]:
        """Step along the sequence in one direction; return the output of every step, in its place, and the state."""
        weight = getattr(self, "weight_hh" + end)
        bias = getattr(self, "bias_hh" + end) if self.bias else None
        projection = getattr(self, "weight_hr" + end) if self.proj_size else None
        weighted = _unstack(self._weighted_inputs(x, end), axis=0)
        order = range(len(weighted))
        ys: list[Any] = [None] * len(weighted)
        for t in reversed(order) if backwards else order:
            new = self._step(weighted[t], state, weight, bias, projection)
            if present is None:
                ys[t] = new[0]
            else:  # behind its end a sequence keeps its state, and puts out zeros
                new = tuple(m.where(present[t], h, old) for h, old in zip(new, state, strict=True))
                ys[t] = m.where(present[t], new[0], 0)
            state = new
        return ys, state

    def _weighted_inputs(self, x: Any, end: str) -> Any:
        """x W_ihᵀ + b_ih of all steps in one product; both biases where they are only ever added."""
        weight = getattr(self, "weight_ih" + end)
        if not self.bias:
            return _linear(x, weight)
        return _linear(x, weight, m.add(getattr(self, "bias_ih" + end), getattr(self, "bias_hh" + end)))

    def _step(self, weighted: Any, state: State, weight: Any, bias: Any, projection: Any) -> State:
        raise NotImplementedError(f"{type(self).__name__}._step")  # an abstract method

    # -------------------------------------------------------------------------------------- checks

    def _checked(self, x: Any) -> tuple[int, ...]:
        shape = shape_of(x)
        if len(shape) not in (2, 3) or shape[-1] != self.input_size:
            layout = "(N, T, {0})" if self.batch_first else "(T, N, {0})"
            raise ShapeError(
                f"{self!r}: expected x of shape {layout.format(self.input_size)} or (T, {self.input_size}), with "
                f"input_size = {self.input_size}, got {shape}"
            )
        if not shape[1 if self.batch_first and len(shape) == 3 else 0]:
            raise ShapeError(f"{self!r}: expected at least one step, got x of shape {shape}")
        if dtype_of(x).kind != "f":
            raise DtypeError(f"{self!r}: expected a real floating x, got {dtype_of(x)}")
        return shape

    def _initial(self, name: str, h: Any, size: int, alone: bool, dtype: Any) -> Any:
        """Return the initial states of all layers and directions, zeros where none are given."""
        count = self.num_layers * self._directions
        width = self.proj_size if name == "h" and self.proj_size else self.hidden_size
        if h is None:
            return [np.zeros((size, width), dtype)] * count
        want = (count, width) if alone else (count, size, width)
        if shape_of(h) != want:
            raise ShapeError(f"{self!r}: expected {name}_0 of shape {want}, got {shape_of(h)}")
        return _unstack(m.reshape(h, (count, size, width)) if alone else h, axis=0)

    def extra_repr(self) -> str:
        """The sizes and what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"num_layers={self.num_layers}"] if self.num_layers != 1 else []
        parts += ["bias=False"] if not self.bias else []
        parts += ["batch_first=True"] if self.batch_first else []
        parts += [f"dropout={self.dropout}"] if self.dropout else []
        parts += ["bidirectional=True"] if self.bidirectional else []
        parts += [f"proj_size={self.proj_size}"] if self.proj_size else []
        return ", ".join(parts)


def _present(module: Module, lengths: Any, steps: int, size: int, alone: bool) -> Any:
    """Return for every step which sequences have not ended, (N, 1) each; None where none ends early."""
    if lengths is None:
        return None
    if alone:
        raise ShapeError(f"{module!r}: lengths belong to a batch of sequences, x is a single one of shape (T, F)")
    if not isinstance(lengths, Value):
        lengths = np.asarray(lengths)
    if shape_of(lengths) != (size,):
        raise ShapeError(f"{module!r}: expected lengths of shape ({size},), one per sequence, got {shape_of(lengths)}")
    if dtype_of(lengths).kind not in "iu":
        raise DtypeError(f"{module!r}: expected integer lengths, got {dtype_of(lengths)}")
    known = _plain(lengths)
    if known is None:  # in a traced step the check is recorded, and runs when the numbers are there
        lengths = _sequence_lengths(lengths, steps=steps)
    else:
        try:
            check_lengths(known, steps)
        except ShapeError as error:
            raise ShapeError(f"{module!r}: {error}") from None
        if known.size and known.min() == steps:
            return None
    return _unstack(m.less(np.arange(steps).reshape(steps, 1, 1), m.reshape(lengths, (1, size, 1))), axis=0)


def _plain(x: Any) -> Any:
    """The numbers of `x` if they are known now, else None (in a traced step, in vmap)."""
    while isinstance(x, Value) and x._owner is TAPE:
        x = x._payload.read() if isinstance(x._payload, Cell) else x._payload
    return None if isinstance(x, Value) else x


class RNN(_Recurrent):
    """hₜ = tanh(xₜ W_ihᵀ + b_ih + hₜ₋₁ W_hhᵀ + b_hh), or with relu, along a sequence.

    x: (T, N, input_size), or (N, T, input_size) with `batch_first`, or (T, input_size). hx: the initial
    states (num_layers·directions, N, hidden_size), zeros if left out. `lengths`: (N,) integers in 1 … T;
    behind its end a sequence puts out zeros, and its last state is that at its end; the backward direction
    begins there. A `PackedSequence` in the place of x comes back as one. Returns the outputs of the last
    layer, (T, N, directions·hidden_size), and the final states h_n of all layers. Each layer but the last is
    followed by `dropout`. Parameters of layer k: `weight_ih_lk`, `weight_hh_lk`, `bias_ih_lk`, `bias_hh_lk`,
    and with the ending `_reverse` those of the backward direction. Raises ShapeError for other shapes and
    lengths.

    >>> import pullback as pb
    >>> y, h = pb.nn.RNN(4, 3, num_layers=2)(pb.zeros((5, 2, 4)))
    >>> y.shape, h.shape
    ((5, 2, 3), (2, 2, 3))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
    ) -> None:
        nonlinear("RNN", nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype)
        self.nonlinearity = nonlinearity

    def _step(self, weighted: Any, state: State, weight: Any, bias: Any, projection: Any) -> State:
        return (nonlinear("RNN", self.nonlinearity)(m.add(weighted, _linear(state[0], weight))),)

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """Return the outputs of all steps and the final states."""
        y, (h,) = self._run(x, (hx,), lengths)
        return y, h


class LSTM(_Recurrent):
    """A long short-term memory along a sequence: `LSTMCell` step by step.

    As `RNN`, with a pair of states: hx is (h_0, c_0) or None, and the layer returns y, (h_n, c_n). The
    parameters have four parts: input, forget, cell and output gate. With `proj_size` the output is
    h W_hrᵀ, of that size (Hochreiter & Schmidhuber, Neural Computation 9, 1997; Sak et al., 2014).

    >>> import pullback as pb
    >>> y, (h, c) = pb.nn.LSTM(4, 3, batch_first=True, bidirectional=True)(pb.zeros((2, 5, 4)), lengths=[5, 2])
    >>> y.shape, h.shape, c.shape
    ((2, 5, 6), (2, 2, 3), (2, 2, 3))
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, dtype
        )

    def _step(self, weighted: Any, state: State, weight: Any, bias: Any, projection: Any) -> State:
        h, c = state
        h, c = _lstm_cell(m.add(weighted, _linear(h, weight)), c)
        return (h if projection is None else _linear(h, projection)), c

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """Return the outputs of all steps and the final states."""
        y, (h, c) = self._run(x, pair(self, hx), lengths)
        return y, (h, c)


class GRU(_Recurrent):
    """A gated recurrent unit along a sequence: `GRUCell` step by step.

    As `RNN`; the parameters have three parts: reset, update and new gate (Cho et al., EMNLP 2014).

    >>> import pullback as pb
    >>> y, h = pb.nn.GRU(4, 3)(pb.zeros((5, 2, 4)))
    >>> y.shape, h.shape
    ((5, 2, 3), (1, 2, 3))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype)

    def _weighted_inputs(self, x: Any, end: str) -> Any:
        weight = getattr(self, "weight_ih" + end)
        return _linear(x, weight, getattr(self, "bias_ih" + end)) if self.bias else _linear(x, weight)

    def _step(self, weighted: Any, state: State, weight: Any, bias: Any, projection: Any) -> State:
        (h,) = state
        return (_gru_cell(weighted, _linear(h, weight) if bias is None else _linear(h, weight, bias), h),)

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """Return the outputs of all steps and the final states."""
        y, (h,) = self._run(x, (hx,), lengths)
        return y, h
