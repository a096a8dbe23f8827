"""Activations as functions, where PyTorch's arguments or names differ from the mapping's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from .. import random
from ..core.errors import DtypeError, ShapeError
from ..core.spec import dtype_of, ndim_of, operand, shape_of

__all__ = [
    "glu",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "log_softmax",
    "logsigmoid",
    "prelu",
    "rrelu",
    "softmax",
    "softmin",
    "softplus",
]

hardsigmoid = m.hard_sigmoid
hardswish = m.hard_swish
logsigmoid = m.log_sigmoid


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + e^{beta x})/beta, and x itself where beta x > `threshold`, as PyTorch does.

    (`pb.softplus` has no threshold: it does not overflow either, and is exact there.) Raises ValueError for
    beta = 0.

    >>> import pullback as pb
    >>> pb.nn.functional.softplus(pb.tensor([-1000.0, 30.0]), beta=2.0).tolist()
    [0.0, 30.0]
    """
    if not beta:
        raise ValueError("softplus: expected beta other than 0")
    x = operand(x)
    scaled = x if beta == 1 else m.multiply(x, beta)
    y = m.softplus(scaled)
    return m.where(m.greater(scaled, threshold), x, y if beta == 1 else m.divide(y, beta))


def glu(x: Any, dim: int = -1) -> Any:
    """Return a σ(b), where a and b are the halves of x along `dim` (Dauphin et al., ICML 2017).

    Raises ShapeError when the axis has no halves.

    >>> import pullback as pb
    >>> pb.nn.functional.glu(pb.tensor([3.0, 0.0])).tolist()
    [1.5]
    """
    x = operand(x)
    shape = shape_of(x)
    if not -len(shape) <= dim < len(shape) or shape[dim] % 2:
        raise ShapeError(f"glu: expected axis {dim} of x to have an even length, got x of shape {shape}")
    a, b = m.split(x, 2, axis=dim)
    return m.multiply(a, m.sigmoid(b))


def gumbel_softmax(logits: Any, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Any:
    """Return softmax((logits + G)/τ) along `dim` with G drawn from Gumbel's distribution: a sample, smoothed.

    With `hard` a one-hot sample, whose gradient is that of the smoothed one. Jang, Gu & Poole, ICLR 2017. Raises
    ValueError unless τ > 0, DtypeError for logits that are not floating.

    >>> import pullback as pb
    >>> pb.random.manual_seed(0)
    >>> pb.nn.functional.gumbel_softmax(pb.tensor([0.0, 50.0]), hard=True).tolist()
    [0.0, 1.0]
    """
    logits = operand(logits)
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: expected tau > 0, got {tau}")
    dtype = dtype_of(logits)
    if dtype.kind != "f":
        raise DtypeError(f"gumbel_softmax: expected real floating logits, got {dtype}")
    uniform = random.uniform(shape_of(logits), float(np.finfo(dtype).tiny), 1.0, dtype)
    gumbel = m.negative(m.log(m.negative(m.log(uniform))))
    y = m.softmax(m.divide(m.add(logits, gumbel), tau), axis=dim)
    if not hard:
        return y
    best = m.astype(m.equal(m.argmax(y, axis=dim, keepdims=True), _numbers_along(shape_of(y), dim)), dtype)
    return m.add(best, m.subtract(y, m.stop_gradient(y)))


def _numbers_along(shape: tuple[int, ...], dim: int) -> Any:
    """0, 1, 2, … along one axis, with axes of length 1 besides."""
    dim %= len(shape)
    return np.arange(shape[dim]).reshape(*(1,) * dim, shape[dim], *(1,) * (len(shape) - dim - 1))


def softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """Return e^x over its sum along `dim` (or `axis`): shares that add up to 1.

    >>> import pullback as pb
    >>> pb.nn.functional.softmax(pb.tensor([[0.0, 0.0], [0.0, 0.0]]), dim=1).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    return m.softmax(x, axis=dim if axis is None else axis)


def log_softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """Return the logarithm of `softmax` along `dim` (or `axis`), without overflow.

    >>> import pullback as pb
    >>> pb.nn.functional.log_softmax(pb.tensor([1000.0, 0.0]), dim=0).tolist()
    [0.0, -1000.0]
    """
    return m.log_softmax(x, axis=dim if axis is None else axis)


def softmin(x: Any, dim: int = -1) -> Any:
    """Return the softmax of −x along `dim`: the smallest number gets the largest share."""
    return m.softmax(m.negative(operand(x)), axis=dim)


def prelu(x: Any, weight: Any) -> Any:
    """Return x where it is positive, else weight · x; weight: one number, or one per channel (axis 1).

    Raises ShapeError for another number of weights.

    >>> import pullback as pb
    >>> pb.nn.functional.prelu(pb.tensor([[-2.0, -2.0]]), pb.tensor([0.5, 0.25])).tolist()
    [[-1.0, -0.5]]
    """
    x = operand(x)
    shape, want = shape_of(x), shape_of(weight)
    if want in ((), (1,)):
        return m.prelu(x, m.reshape(weight, ()))
    channels = shape[1 if len(shape) > 1 else 0] if shape else 1
    if want != (channels,):
        raise ShapeError(f"prelu: expected weight of shape (1,) or ({channels},) for x of shape {shape}, got {want}")
    return m.prelu(x, weight if len(shape) < 3 else m.reshape(weight, (channels,) + (1,) * (ndim_of(x) - 2)))


def rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """Return x where it is not negative, else a · x: in training a ~ U[lower, upper) for each element, else the middle.

    Raises ValueError when lower > upper (Xu et al., arXiv:1505.00853).

    >>> import pullback as pb
    >>> pb.nn.functional.rrelu(pb.tensor([-2.0, 1.0]), 0.25, 0.75).tolist()
    [-1.0, 1.0]
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    x = operand(x)
    if not training:
        return m.leaky_relu(x, negative_slope=(lower + upper) / 2)
    return m.prelu(x, random.uniform(shape_of(x), lower, upper, dtype_of(x)))
