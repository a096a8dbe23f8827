"""The functions behind the layers, without state: `F.linear`, `F.dropout`, `F.cross_entropy`, …"""

from __future__ import annotations

from typing import Any

from .. import mappings as m
from .. import random
from ..core.errors import DtypeError, ShapeError
from ..core.spec import dtype_of, operand, shape_of
from ..mappings import (
    elu,
    gelu,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    one_hot,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from .norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "group_norm",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "rms_norm",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each element to 0 with probability `p` and scale the others by 1/(1 − p); else return x.

    Raises ValueError unless 0 ≤ p ≤ 1, DtypeError for x that is not floating.

    >>> import pullback as pb
    >>> pb.nn.functional.dropout(pb.tensor([1.0, 2.0]), 0.5, training=False).tolist()
    [1.0, 2.0]
    """
    check_probability("dropout", p)
    x = operand(x)
    if not training or p == 0:
        return x
    if dtype_of(x).kind != "f":
        raise DtypeError(f"dropout: expected a real floating x, got {dtype_of(x)}")
    return m.multiply(x, random.dropout_mask(x, 1.0 - p))


def check_probability(where: str, p: Any) -> None:
    """Raise ValueError unless `p` is a number in [0, 1]."""
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"{where}: expected a probability p in [0, 1], got {p!r}")


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return `x` with the axes from `start_dim` to `end_dim` folded into one. Raises ShapeError for other axes.

    >>> import pullback as pb
    >>> pb.nn.functional.flatten(pb.zeros((2, 3, 4)), start_dim=1).shape
    (2, 12)
    """
    x = operand(x)
    shape = shape_of(x)
    ndim = max(len(shape), 1)
    if not (-ndim <= start_dim < ndim and -ndim <= end_dim < ndim and start_dim % ndim <= end_dim % ndim):
        raise ShapeError(f"flatten: no axes from {start_dim} to {end_dim} in an array of shape {shape}")
    start, end = start_dim % ndim, end_dim % ndim
    length = 1
    for n in shape[start : end + 1]:
        length *= n
    return m.reshape(x, (*shape[:start], length, *shape[end + 1 :]))
