"""Normalisation of each example by itself: over the last axes, or over groups of channels."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import default_dtype, shape_of
from . import norm
from .module import Module
from .parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm", "LocalResponseNorm"]


class _OverLastAxes(Module):
    weight: Parameter | None

    def _lengths(self, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
        lengths = (normalized_shape,) if not isinstance(normalized_shape, Sequence) else tuple(normalized_shape)
        try:
            folded = tuple(map(operator.index, lengths))
        except TypeError:
            folded = ()
        if not folded or any(n < 1 for n in folded):
            raise ValueError(
                f"{type(self).__name__}: expected normalized_shape to be a positive integer or several, "
                f"got {normalized_shape!r}"
            )
        return folded

    def _check(self, x: Any) -> None:
        shape = shape_of(x)
        folded: tuple[int, ...] = self.normalized_shape
        if shape[-len(folded) :] != folded:
            raise ShapeError(
                f"{self!r}: expected x of shape (…, {', '.join(map(str, folded))}), which ends in "
                f"normalized_shape = {folded}, got {shape}"
            )


class LayerNorm(_OverLastAxes):
    """y = (x − mean)/√(var + eps) · weight + bias, with mean and variance over the last axes of x.

    x: (…, *normalized_shape); y has the same shape; weight and bias: `normalized_shape`, starting at 1 and
    0. `elementwise_affine=False` leaves out both, `bias=False` the bias. Raises ShapeError for another x
    (Ba, Kiros & Hinton, arXiv:1607.06450).

    >>> import numpy as np, pullback as pb
    >>> np.round(np.asarray(pb.nn.LayerNorm(2, eps=0, dtype="float64")(np.array([1.0, 3.0]))), 6).tolist()
    [-1.0, 1.0]
    """

    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = self._lengths(normalized_shape)
        self.eps = float(eps)
        self.elementwise_affine = elementwise_affine
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            self.weight.assign_(1)
        if self.bias is not None:
            self.bias.assign_(0)

    def forward(self, x: Any) -> Any:
        """Normalise `x` over its last axes."""
        self._check(x)
        return norm.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The shape and the settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(_OverLastAxes):
    """y = x/√(mean x² + eps) · weight over the last axes of x: a LayerNorm without mean and bias.

    x: (…, *normalized_shape); y has the same shape; weight: `normalized_shape`, starting at 1. `eps` None:
    the spacing of x's dtype at 1. Raises ShapeError for another x (Zhang & Sennrich, NeurIPS 2019).

    >>> import numpy as np, pullback as pb
    >>> pb.nn.RMSNorm(2, eps=0.0, dtype="float64")(np.array([3.0, -3.0])).tolist()
    [1.0, -1.0]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = self._lengths(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            self.weight.assign_(1)

    def forward(self, x: Any) -> Any:
        """Divide `x` by its root mean square over its last axes."""
        self._check(x)
        return norm.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The shape and the settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """y = (x − mean)/√(var + eps) · weight + bias over `num_groups` groups of neighbouring channels.

    x: (N, C, …) with C = `num_channels`; y has the same shape; weight and bias (with `affine`): (C,). Raises
    ShapeError for another x, ValueError when the channels cannot be divided (Wu & He, ECCV 2018).

    >>> import pullback as pb
    >>> pb.nn.GroupNorm(2, 6)(pb.zeros((4, 6, 5))).shape
    (4, 6, 5)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: expected num_channels to be a multiple of num_groups, got num_groups={num_groups} and "
                f"num_channels={num_channels}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = float(eps)
        self.affine = affine
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            self.weight.assign_(1)
        if self.bias is not None:
            self.bias.assign_(0)

    def forward(self, x: Any) -> Any:
        """Normalise `x` group by group."""
        shape = shape_of(x)
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise ShapeError(
                f"{self!r}: expected x of shape (N, {self.num_channels}, …) with C = num_channels = "
                f"{self.num_channels}, got {shape}"
            )
        return norm.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes and the settings."""
        shown = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{shown}, bias=False" if self.affine and self.bias is None else shown


class LocalResponseNorm(Module):
    """x / (k + α mean(x²))^β over `size` neighbouring channels; see `functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Any:
        """Return x normalised."""
        return norm.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
