"""The functions behind the layers, without state: `F.linear`, `F.dropout`, `F.cross_entropy`, …"""

from __future__ import annotations

import math
from typing import Any, NoReturn

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
    mish,
    one_hot,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from ..mappings.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..mappings.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from .absent import FUNCTIONS, refusal
from .attention import scaled_dot_product_attention
from .bilinear import bilinear
from .dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from .embedding_bag import embedding_bag
from .folding import fold, unfold
from .lookup import embedding
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cosine_similarity,
    cross_entropy,
    ctc_loss,
    focal_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    info_nce_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    normalize,
    nt_xent_loss,
    pairwise_distance,
    pdist,
    poisson_nll_loss,
    quantile_loss,
    sigmoid_focal_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from .norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from .padding import pad
from .pointwise import (
    glu,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    log_softmax,
    logsigmoid,
    prelu,
    rrelu,
    softmax,
    softmin,
    softplus,
)
from .sampling import affine_grid, grid_sample
from .unpooling import max_unpool1d, max_unpool2d, max_unpool3d
from .upsampling import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "flatten",
    "focal_loss",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "info_nce_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_sigmoid",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "nt_xent_loss",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "quantile_loss",
    "relu",
    "relu6",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "sigmoid_focal_loss",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unflatten",
    "unfold",
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


def unflatten(x: Any, dim: int, unflattened_size: Any) -> Any:
    """Return `x` with the axis `dim` parted into axes of the lengths `unflattened_size`, one of which may be -1.

    Raises ShapeError when they do not fit.

    >>> import pullback as pb
    >>> pb.nn.functional.unflatten(pb.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    x = operand(x)
    shape = shape_of(x)
    lengths = tuple(unflattened_size)
    if not -len(shape) <= dim < len(shape):
        raise ShapeError(f"unflatten: no axis {dim} in an array of shape {shape}")
    dim %= len(shape)
    known = -math.prod(lengths) if lengths.count(-1) == 1 else math.prod(lengths)
    rest = shape[dim] // known if lengths.count(-1) == 1 and known > 0 and shape[dim] % known == 0 else -1
    lengths = tuple(rest if n == -1 else n for n in lengths)
    if any(n < 0 for n in lengths) or math.prod(lengths) != shape[dim]:
        raise ShapeError(f"unflatten: axis {dim} of x {shape} cannot be parted into {tuple(unflattened_size)}")
    return m.reshape(x, (*shape[:dim], *lengths, *shape[dim + 1 :]))


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.nn.functional", name, FUNCTIONS)
