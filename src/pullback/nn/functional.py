"""The functions behind the layers, without state: `F.linear`, `F.dropout`, `F.cross_entropy`, …"""

from __future__ import annotations

from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import operand, shape_of
from ..mappings import (
    celu,
    elu,
    gelu,
    hardshrink,
    hardtanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    one_hot,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from .attention import scaled_dot_product_attention
from .bilinear import bilinear
from .dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from .norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .pointwise import glu, hardsigmoid, hardswish, logsigmoid, prelu, rrelu, softmin, softplus

__all__ = [
    "alpha_dropout",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "flatten",
    "gelu",
    "glu",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


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
