"""Normalisation by channel, over the batch or over each example, with running statistics for evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import default_dtype, shape_of
from . import norm
from .module import Module
from .parameter import Buffer, Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class _ByChannel(Module):
    """Weight, bias and running statistics, one of each per channel."""

    ranks: tuple[int, ...]
    layouts: str
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Buffer | None
    running_var: Buffer | None
    num_batches_tracked: Buffer | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if isinstance(num_features, bool) or not isinstance(num_features, int | np.integer) or num_features < 1:
            raise ValueError(f"{name}: expected num_features to be a positive integer, got {num_features!r}")
        if not eps >= 0:
            raise ValueError(f"{name}: expected eps >= 0, got {eps!r}")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"{name}: expected momentum in [0, 1] or None, got {momentum!r}")
        self.num_features = int(num_features)
        self.eps = float(eps)
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.ones(self.num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.num_features, dtype)) if affine and bias else None
        self.running_mean = Buffer(np.zeros(self.num_features, dtype)) if track_running_stats else None
        self.running_var = Buffer(np.ones(self.num_features, dtype)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.int64(0)) if track_running_stats else None

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1, and the count of batches to 0."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.assign_(0)
            self.running_var.assign_(1)
            self.num_batches_tracked.assign_(0)

    def reset_parameters(self) -> None:
        """Set the weight to 1, the bias to 0, and reset the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.assign_(1)
        if self.bias is not None:
            self.bias.assign_(0)

    def _check(self, x: Any) -> None:
        shape = shape_of(x)
        channels = -self._behind(len(shape)) - 1
        if len(shape) not in self.ranks or shape[channels] != self.num_features:
            raise ShapeError(
                f"{self!r}: expected x of shape {self.layouts.format(C=self.num_features)} with "
                f"C = num_features = {self.num_features}, got {shape}"
            )

    def _behind(self, rank: int) -> int:
        """How many axes stand behind the channels."""
        return rank - 2

    def extra_repr(self) -> str:
        """The number of channels and the settings."""
        shown = (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )
        return f"{shown}, bias=False" if self.affine and self.bias is None else shown


class _BatchNorm(_ByChannel):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, x: Any) -> Any:
        """Normalise `x`: in training with the statistics of the batch, else with the running ones."""
        self._check(x)
        training = self.training
        if not training and self.running_mean is not None:
            return norm.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        if not training or self.num_batches_tracked is None:
            return norm.batch_norm(x, None, None, self.weight, self.bias, True, eps=self.eps)
        count = m.add(self.num_batches_tracked, 1)
        momentum: Any = self.momentum
        if momentum is None:  # the plain average of all batches so far
            assert self.running_mean is not None
            momentum = m.divide(1, m.astype(count, self.running_mean.dtype))
        y = norm.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, eps=self.eps
        )
        self.num_batches_tracked.assign_(count)
        return y


class BatchNorm1d(_BatchNorm):
    """y = (x − mean)/√(var + eps) · weight + bias, with mean and variance of each channel over the batch.

    x: (N, C) or (N, C, L), with C = `num_features`; y has the same shape. In training mean and variance are
    those of the batch, and `running_mean`, `running_var` (the unbiased variance) move towards them by
    `momentum` (None: they are the plain average of all batches); in evaluation the running ones are used,
    or, without `track_running_stats`, those of the batch. Raises ShapeError for another x, and in training
    for one value per channel (Ioffe & Szegedy, ICML 2015).

    >>> import numpy as np, pullback as pb
    >>> layer = pb.nn.BatchNorm1d(2, dtype="float64")
    >>> y = layer(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> layer.running_mean.tolist(), layer.running_var.tolist()
    ([0.2, 2.0], [1.1, 20.9])
    """

    ranks = (2, 3)
    layouts = "(N, {C}) or (N, {C}, L)"


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images: x of shape (N, C, H, W)."""

    ranks = (4,)
    layouts = "(N, {C}, H, W)"


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes: x of shape (N, C, D, H, W)."""

    ranks = (5,)
    layouts = "(N, {C}, D, H, W)"


class _InstanceNorm(_ByChannel):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def _behind(self, rank: int) -> int:
        return self.ranks[-1] - 2

    def forward(self, x: Any) -> Any:
        """Normalise `x` with its own statistics, or in evaluation with the running ones, if they are tracked."""
        self._check(x)
        shape = shape_of(x)
        alone = len(shape) == self.ranks[0]
        y = norm.instance_norm(
            m.reshape(x, (1, *shape)) if alone else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )
        return m.reshape(y, shape) if alone else y


class InstanceNorm1d(_InstanceNorm):
    """y = (x − mean)/√(var + eps) · weight + bias, with mean and variance of each channel of each example.

    x: (N, C, L) or (C, L), with C = `num_features`; y has the same shape. Weight and bias exist with
    `affine`. With `track_running_stats` evaluation uses running statistics, as in `BatchNorm1d`. Raises
    ShapeError for another x and for one value per channel (Ulyanov, Vedaldi & Lempitsky, arXiv:1607.08022).

    >>> import numpy as np, pullback as pb
    >>> np.round(np.asarray(pb.nn.InstanceNorm1d(1, eps=0)(np.array([[1.0, 3.0]]))), 6).tolist()
    [[-1.0, 1.0]]
    """

    ranks = (2, 3)
    layouts = "(N, {C}, L) or ({C}, L)"


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images: x of shape (N, C, H, W) or (C, H, W)."""

    ranks = (3, 4)
    layouts = "(N, {C}, H, W) or ({C}, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes: x of shape (N, C, D, H, W) or (C, D, H, W)."""

    ranks = (4, 5)
    layouts = "(N, {C}, D, H, W) or ({C}, D, H, W)"
