"""Dropout: of elements, of whole channels, and the kind that keeps mean and variance; functions, then layers."""

from __future__ import annotations

import math
from typing import Any

from .. import mappings as m
from .. import random
from ..core.errors import DtypeError, ShapeError
from ..core.spec import Spec, dtype_of, operand, shape_of
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


def check_probability(where: str, p: Any) -> None:
    """Raise ValueError unless `p` is a number in [0, 1]."""
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"{where}: expected a probability p in [0, 1], got {p!r}")


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each element to 0 with probability `p` and scale the others by 1/(1 − p); else return x.

    Raises ValueError unless 0 ≤ p ≤ 1, DtypeError for x that is not floating.

    >>> import pullback as pb
    >>> pb.nn.functional.dropout(pb.tensor([1.0, 2.0]), 0.5, training=False).tolist()
    [1.0, 2.0]
    """
    x = _real("dropout", x, p)
    return x if not training or p == 0 else m.multiply(x, random.dropout_mask(x, 1.0 - p))


def dropout1d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each channel of x, (N, C, L) or (C, L), to 0 with probability `p` and scale the others by 1/(1 − p).

    Raises ShapeError for another x, and as `dropout` does.
    """
    return _channels("dropout1d", x, p, training, (2, 3), 1)


def dropout2d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each channel of x, (N, C, H, W) or (N, C, L), to 0 with probability `p` and scale the others by 1/(1 − p).

    Raises ShapeError for another x, and as `dropout` does (Tompson et al., CVPR 2015).
    """
    return _channels("dropout2d", x, p, training, (3, 4), len(shape_of(x)) - 2)


def dropout3d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each channel of x, (N, C, D, H, W) or (C, D, H, W), to 0 with probability `p`, the others times 1/(1 − p).

    Raises ShapeError for another x, and as `dropout` does.
    """
    return _channels("dropout3d", x, p, training, (4, 5), 3)


def alpha_dropout(x: Any, p: float = 0.5, training: bool = False) -> Any:
    """Set each element to the limit −λα of SELU with probability `p`, then restore mean 0 and variance 1.

    Raises as `dropout` does (Klambauer et al., arXiv:1706.02515).

    >>> import pullback as pb
    >>> pb.nn.functional.alpha_dropout(pb.tensor([1.0, 2.0]), 0.5).tolist()
    [1.0, 2.0]
    """
    x = _real("alpha_dropout", x, p)
    return _alpha(x, p, training, shape_of(x))


def feature_alpha_dropout(x: Any, p: float = 0.5, training: bool = False) -> Any:
    """Do as `alpha_dropout` with whole channels of x, (N, C, …). Raises ShapeError for another x."""
    x = _real("feature_alpha_dropout", x, p)
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"feature_alpha_dropout: expected x of shape (N, C, …), got {shape}")
    return _alpha(x, p, training, shape[:2] + (1,) * (len(shape) - 2))


def _alpha(x: Any, p: float, training: bool, chosen: tuple[int, ...]) -> Any:
    if not training or p == 0:
        return x
    if p == 1:
        return m.multiply(x, 0)
    scale = 1 / math.sqrt((1 - p) * (1 + p * _LIMIT**2))
    kept = m.astype(random.bernoulli(1.0 - p, chosen), dtype_of(x))
    filled = m.multiply(m.subtract(1, kept), scale * _LIMIT)
    return m.add(m.add(m.multiply(x, m.multiply(kept, scale)), filled), -scale * _LIMIT * p)


_LIMIT = -1.7580993408473766  # −λα of SELU


def _real(where: str, x: Any, p: float) -> Any:
    check_probability(where, p)
    x = operand(x)
    if dtype_of(x).kind != "f":
        raise DtypeError(f"{where}: expected a real floating x, got {dtype_of(x)}")
    return x


def _channels(where: str, x: Any, p: float, training: bool, ranks: tuple[int, ...], behind: int) -> Any:
    x = _real(where, x, p)
    shape = shape_of(x)
    if len(shape) not in ranks:
        raise ShapeError(f"{where}: expected x with {ranks[0]} or {ranks[1]} axes, got shape {shape}")
    if not training or p == 0:
        return x
    kept = shape[: len(shape) - behind] + (1,) * behind
    return m.multiply(x, random.dropout_mask(Spec(kept, dtype_of(x)), 1.0 - p))


class _Dropout(Module):
    drop: Any

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(type(self).__name__, p)
        self.p = p

    def forward(self, x: Any) -> Any:
        """Drop from `x`, if training."""
        return type(self).drop(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Dropout(_Dropout):
    """In training, set each element to 0 with probability `p` and scale the others by 1/(1 − p).

    In evaluation mode the identity (Srivastava et al., JMLR 15, 2014, in the inverted form). `inplace`
    changes nothing: values are never overwritten. Raises ValueError unless 0 ≤ p ≤ 1.

    >>> import pullback as pb
    >>> pb.nn.Dropout(0.5).eval()(pb.tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    drop = staticmethod(dropout)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels: x of shape (N, C, L) or (C, L)."""

    drop = staticmethod(dropout1d)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels: x of shape (N, C, H, W) or (N, C, L) (Tompson et al., CVPR 2015)."""

    drop = staticmethod(dropout2d)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels: x of shape (N, C, D, H, W) or (C, D, H, W)."""

    drop = staticmethod(dropout3d)


class AlphaDropout(_Dropout):
    """`Dropout` for networks of SELUs: mean 0 and variance 1 stay (Klambauer et al., arXiv:1706.02515)."""

    drop = staticmethod(alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels: x of shape (N, C, …)."""

    drop = staticmethod(feature_alpha_dropout)
