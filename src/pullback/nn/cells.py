"""Recurrent cells: one step of an RNN, an LSTM or a GRU, and the parameters it has."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import default_dtype, dtype_of, shape_of
from ..mappings.recurrent import _gru_cell, _lstm_cell
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


def positive(where: str, **sizes: Any) -> None:
    """Raise ValueError unless all of these are positive integers."""
    for name, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"{where}: expected {name} to be a positive integer, got {n!r}")


def nonlinear(where: str, nonlinearity: str) -> Any:
    """Return tanh or relu. Raises ValueError for another name."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{where}: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
    return m.tanh if nonlinearity == "tanh" else m.relu


class _Cell(Module):
    """x Wᵀ + b of the input and of the state, for as many gates as the cell has."""

    gates: int
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool, dtype: Any) -> None:
        super().__init__()
        positive(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size = int(input_size)
        self.hidden_size = int(hidden_size)
        self.bias = bias
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        rows = self.gates * self.hidden_size
        self.weight_ih = Parameter(np.empty((rows, self.input_size), dtype))
        self.weight_hh = Parameter(np.empty((rows, self.hidden_size), dtype))
        self.bias_ih = Parameter(np.empty(rows, dtype)) if bias else None
        self.bias_hh = Parameter(np.empty(rows, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values, uniformly in ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _weighted(self, x: Any, h: Any) -> tuple[Any, Any]:
        return m.linear(x, self.weight_ih, self.bias_ih), m.linear(h, self.weight_hh, self.bias_hh)

    def _starting(self, x: Any, name: str, state: Any) -> Any:
        """Return the state, zeros if it is None, after checking it and `x`."""
        shape = shape_of(x)
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(
                f"{self!r}: expected x of shape (N, {self.input_size}) or ({self.input_size},), with input_size = "
                f"{self.input_size}, got {shape}"
            )
        want = (*shape[:-1], self.hidden_size)
        if state is None:
            return np.zeros(want, dtype_of(x))
        if shape_of(state) != want:
            raise ShapeError(f"{self!r}: expected {name} of shape {want} for x of shape {shape}, got {shape_of(state)}")
        return state

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h′ = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or with relu: one step of an RNN.

    x: (N, input_size) or (input_size,); hx: (N, hidden_size), zeros if left out; returns h′. `weight_ih`
    (hidden_size, input_size), `weight_hh` (hidden_size, hidden_size), `bias_ih` and `bias_hh`
    (hidden_size,). Raises ShapeError for other shapes.

    >>> import pullback as pb
    >>> pb.nn.RNNCell(4, 3)(pb.zeros((2, 4))).shape
    (2, 3)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        nonlinear("RNNCell", nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, hx: Any = None) -> Any:
        """Return the next state."""
        hx = self._starting(x, "hx", hx)
        return nonlinear("RNNCell", self.nonlinearity)(m.add(*self._weighted(x, hx)))

    def extra_repr(self) -> str:
        """The sizes and the nonlinearity."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}")


class LSTMCell(_Cell):
    """One step of an LSTM: c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′).

    (i, f, g, o) are the four parts of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh. x: (N, input_size) or (input_size,);
    hx: a pair (h, c) of (N, hidden_size) each, zeros if left out; returns (h′, c′). `weight_ih`
    (4·hidden_size, input_size), and so on (Hochreiter & Schmidhuber, Neural Computation 9, 1997). Raises
    ShapeError for other shapes.

    >>> import pullback as pb
    >>> h, c = pb.nn.LSTMCell(4, 3)(pb.zeros((2, 4)))
    >>> h.shape, c.shape
    ((2, 3), (2, 3))
    """

    gates = 4

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return the next output and state."""
        h, c = pair(self, hx)
        h, c = self._starting(x, "h", h), self._starting(x, "c", c)
        a, b = self._weighted(x, h)
        return _lstm_cell(m.add(a, b), c)


class GRUCell(_Cell):
    """One step of a GRU: h′ = (1 − z) n + z h with n = tanh(a_n + r b_n), r = σ(a_r + b_r), z = σ(a_z + b_z).

    (a_r, a_z, a_n) are the three parts of x W_ihᵀ + b_ih, and b those of h W_hhᵀ + b_hh. x: (N, input_size)
    or (input_size,); hx: (N, hidden_size), zeros if left out; returns h′. `weight_ih` (3·hidden_size,
    input_size), and so on (Cho et al., EMNLP 2014). Raises ShapeError for other shapes.

    >>> import pullback as pb
    >>> pb.nn.GRUCell(4, 3)(pb.zeros((2, 4))).shape
    (2, 3)
    """

    gates = 3

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, x: Any, hx: Any = None) -> Any:
        """Return the next state."""
        hx = self._starting(x, "hx", hx)
        return _gru_cell(*self._weighted(x, hx), hx)


def pair(module: Module, hx: Any) -> tuple[Any, Any]:
    """Return (h, c) of an LSTM. Raises TypeError for what is no pair."""
    if hx is None:
        return None, None
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        raise TypeError(
            f"{module!r}: expected hx to be a pair (h, c), got {type(hx).__name__}.\n"
            f"  wrong:  lstm(x, h)\n  right:  lstm(x, (h, c))"
        )
    return hx[0], hx[1]
