"""Positions: what tells a layer that sees a set where in the sequence each element stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import default_dtype, operand, shape_of
from .module import Module
from .parameter import Buffer

__all__ = ["RotaryPositionalEmbedding", "SinusoidalPositionalEncoding"]


def _angles(length: int, dim: int, base: float) -> Any:
    """position / base^(2i/dim), (length, dim/2), in float64."""
    return np.arange(length)[:, None] * base ** (-np.arange(0, dim, 2) / dim)


def _even(where: str, dim: int, max_len: int) -> None:
    if dim < 2 or dim % 2:
        raise ValueError(f"{where}: expected an even number of features of at least 2, got {dim}")
    if max_len < 1:
        raise ValueError(f"{where}: expected max_len >= 1, got {max_len}")


class SinusoidalPositionalEncoding(Module):
    """y = x + P with P[t, 2i] = sin(t/base^{2i/d}) and P[t, 2i + 1] = cos(t/base^{2i/d}).

    x: (T, N, d_model), or (N, T, d_model) with `batch_first`, or (T, d_model), T ≤ `max_len`; y has the same
    shape. There is nothing to train (Vaswani et al., NeurIPS 2017). Raises ShapeError for another x.

    >>> import pullback as pb
    >>> pb.nn.SinusoidalPositionalEncoding(2)(pb.zeros((1, 1, 2))).tolist()
    [[[0.0, 1.0]]]
    """

    def __init__(
        self, d_model: int, max_len: int = 5000, base: float = 10000.0, batch_first: bool = False, dtype: Any = None
    ) -> None:
        super().__init__()
        _even("SinusoidalPositionalEncoding", d_model, max_len)
        self.d_model = d_model
        self.max_len = max_len
        self.base = base
        self.batch_first = batch_first
        angles = _angles(max_len, d_model, base)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(max_len, d_model)
        self.table = Buffer(table.astype(default_dtype() if dtype is None else np.dtype(dtype)), persistent=False)

    def forward(self, x: Any) -> Any:
        """Add the positions to `x`."""
        x = operand(x)
        shape = shape_of(x)
        axis = 1 if self.batch_first and len(shape) == 3 else 0
        if len(shape) not in (2, 3) or shape[-1] != self.d_model or shape[axis] > self.max_len:
            layout = "(N, T, {0})" if self.batch_first else "(T, N, {0})"
            raise ShapeError(
                f"{self!r}: expected x of shape {layout.format(self.d_model)} with T ≤ max_len = {self.max_len}, "
                f"got {shape}"
            )
        positions = m.getitem(self.table, slice(0, shape[axis]))
        if len(shape) == 3 and axis == 0:
            positions = m.reshape(positions, (shape[0], 1, self.d_model))
        return m.add(x, positions)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.d_model}, max_len={self.max_len}, batch_first={self.batch_first}"


class RotaryPositionalEmbedding(Module):
    """Turn each pair of features (x_{2i}, x_{2i+1}) at position t by the angle t/base^{2i/d}.

    x: (…, T, dim), such as queries and keys by head, T + `offset` ≤ `max_len`; y has the same shape. Products
    of turned queries and keys depend on the distance of their positions only (Su et al., arXiv:2104.09864).
    Raises ShapeError for another x.

    >>> import numpy as np, pullback as pb
    >>> turn = pb.nn.RotaryPositionalEmbedding(2, dtype="float64")
    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> np.allclose(turn(x), [[1, 0], [np.cos(1), np.sin(1)]])
    True
    """

    def __init__(self, dim: int, max_len: int = 4096, base: float = 10000.0, dtype: Any = None) -> None:
        super().__init__()
        _even("RotaryPositionalEmbedding", dim, max_len)
        self.dim = dim
        self.max_len = max_len
        self.base = base
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        angles = _angles(max_len, dim, base)
        self.cos = Buffer(np.cos(angles).astype(dtype), persistent=False)
        self.sin = Buffer(np.sin(angles).astype(dtype), persistent=False)

    def forward(self, x: Any, offset: int = 0) -> Any:
        """Turn `x`, whose first element stands at position `offset`."""
        x = operand(x)
        shape = shape_of(x)
        if len(shape) < 2 or shape[-1] != self.dim or offset < 0 or shape[-2] + offset > self.max_len:
            raise ShapeError(
                f"{self!r}: expected x of shape (…, T, {self.dim}) with T + offset ≤ max_len = {self.max_len}, got "
                f"{shape} and offset = {offset}"
            )
        place = slice(offset, offset + shape[-2])
        cos, sin = m.getitem(self.cos, place), m.getitem(self.sin, place)
        a, b = m.unstack(m.reshape(x, (*shape[:-1], self.dim // 2, 2)), axis=-1)
        turned = m.stack(
            [m.subtract(m.multiply(a, cos), m.multiply(b, sin)), m.add(m.multiply(a, sin), m.multiply(b, cos))], axis=-1
        )
        return m.reshape(turned, shape)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.dim}, max_len={self.max_len}, base={self.base}"
