"""Borders around sequences, images and volumes: of a constant, reflected, replicated or wrapped around."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import operand, shape_of
from ..mappings.resample import _resample
from ..mappings.slicing import FULL, _slice
from ..mappings.window import per_axis
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return `x` with a border: `pad` holds (before, after) for the last axis, then for the one before it, and so on.

    `mode`: "constant" (of `value`, 0 unless it is given; negative widths crop), "reflect" (mirrored, the edge
    not repeated), "replicate" (the edge repeated) or "circular" (the other end). Raises ShapeError when the
    widths do not fit x, ValueError for another mode.

    >>> import pullback as pb
    >>> pb.nn.functional.pad(pb.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect").tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    x = operand(x)
    shape = shape_of(x)
    try:
        widths = [operator.index(width) for width in pad]
    except TypeError:
        raise ValueError(f"pad: expected pad to be a sequence of ints, got {pad!r}") from None
    if len(widths) % 2 or len(widths) > 2 * len(shape):
        raise ShapeError(f"pad: expected a pair of widths for some of the last axes of x {shape}, got {widths}")
    if mode not in MODES:
        raise ValueError(f"pad: expected mode to be one of {MODES}, got {mode!r}")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    if mode == "constant":
        return _with_constant(x, pairs, 0 if value is None else value)
    if value is not None:
        raise ValueError(f"pad: value is for mode='constant', not for mode={mode!r}")
    for axis, (before, after) in enumerate(pairs, 1):
        n = shape[-axis]
        most = n - 1 if mode == "reflect" else n if mode == "circular" else max(before, after)
        if not 0 <= min(before, after) <= max(before, after) <= most or n < 1:
            raise ShapeError(
                f"pad: mode={mode!r} needs widths from 0 to {most} for an axis of length {n}, got ({before}, {after}) "
                f"for axis {-axis} of x {shape}"
            )
        if before or after:
            x = _resample(x, axis=-axis, rule=(mode, n, before, after), transposed=False)
    return x


def _with_constant(x: Any, pairs: Sequence[tuple[int, int]], value: float) -> Any:
    shape = shape_of(x)
    pairs = [*[(0, 0)] * (len(shape) - len(pairs)), *reversed(pairs)]
    if any(n + before + after < 0 for n, (before, after) in zip(shape, pairs, strict=True)):
        raise ShapeError(f"pad: widths {pairs} crop more than x of shape {shape} has")
    if any(min(pair) < 0 for pair in pairs):
        x = _slice(
            x,
            index=tuple(
                (max(-before, 0), n + min(after, 0), None) if min(before, after) < 0 else FULL
                for n, (before, after) in zip(shape, pairs, strict=True)
            ),
        )
        pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
    return m.pad(x, pairs, value) if any(map(any, pairs)) else x


# ----------------------------------------------------------------------------------------------- layers


class _Pad(Module):
    axes: int
    mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        count = 2 * self.axes
        if not isinstance(padding, int) and len(tuple(padding)) != count:
            raise ValueError(f"{type(self).__name__}: expected padding to be an int or {count} ints, got {padding!r}")
        values = padding if isinstance(padding, int) else tuple(padding)
        least = -(10**9) if self.mode == "constant" else 0
        self.padding = per_axis(type(self).__name__, "padding", values, count, least=least)

    def forward(self, x: Any) -> Any:
        """Return x with the border."""
        shape = shape_of(x)
        if len(shape) not in (self.axes + 1, self.axes + 2):
            names = ", ".join(("D", "H", "W")[-self.axes :] if self.axes > 1 else ("L",))
            raise ShapeError(f"{self!r}: expected x of shape (N, C, {names}) or (C, {names}), got x of shape {shape}")
        return pad(x, self.padding, self.mode, self._value())

    def _value(self) -> float | None:
        return None

    def extra_repr(self) -> str:
        """The widths."""
        return repr(self.padding)


class _Constant(_Pad):
    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def _value(self) -> float:
        return self.value

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_Constant):
    """Border of `value` around sequences (N, C, L); `padding`: an int or (left, right); negative widths crop.

    >>> import pullback as pb
    >>> pb.nn.ConstantPad1d(1, 7.0)(pb.zeros((1, 2))).tolist()
    [[7.0, 0.0, 0.0, 7.0]]
    """

    axes = 1


class ConstantPad2d(_Constant):
    """Border of `value` around images (N, C, H, W); `padding`: an int or (left, right, top, bottom).

    >>> import pullback as pb
    >>> pb.nn.ConstantPad2d((1, 0, 2, 0), 7.0)(pb.zeros((1, 2, 2))).shape
    (1, 4, 3)
    """

    axes = 2


class ConstantPad3d(_Constant):
    """Border of `value` around volumes (N, C, D, H, W); `padding`: an int or six, the last axis first.

    >>> import pullback as pb
    >>> pb.nn.ConstantPad3d(1, 7.0)(pb.zeros((1, 2, 2, 2))).shape
    (1, 4, 4, 4)
    """

    axes = 3


class _Zero(_Pad):
    mode = "constant"


class ZeroPad1d(_Zero):
    """Border of zeros around sequences (N, C, L); `padding`: an int or (left, right); negative widths crop.

    >>> import pullback as pb
    >>> pb.nn.ZeroPad1d((0, 2))(pb.ones((1, 2))).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """

    axes = 1


class ZeroPad2d(_Zero):
    """Border of zeros around images (N, C, H, W); `padding`: an int or (left, right, top, bottom).

    >>> import pullback as pb
    >>> pb.nn.ZeroPad2d(1)(pb.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    axes = 2


class ZeroPad3d(_Zero):
    """Border of zeros around volumes (N, C, D, H, W); `padding`: an int or six, the last axis first.

    >>> import pullback as pb
    >>> pb.nn.ZeroPad3d(1)(pb.ones((1, 2, 2, 2))).shape
    (1, 4, 4, 4)
    """

    axes = 3


class _Reflection(_Pad):
    mode = "reflect"


class ReflectionPad1d(_Reflection):
    """Border that mirrors sequences (N, C, L), the edge not repeated; `padding`: an int or (left, right).

    >>> import pullback as pb
    >>> pb.nn.ReflectionPad1d(2)(pb.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]]
    """

    axes = 1


class ReflectionPad2d(_Reflection):
    """Border that mirrors images (N, C, H, W); `padding`: an int or (left, right, top, bottom).

    >>> import pullback as pb
    >>> pb.nn.ReflectionPad2d(1)(pb.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    axes = 2


class ReflectionPad3d(_Reflection):
    """Border that mirrors volumes (N, C, D, H, W); `padding`: an int or six, the last axis first.

    >>> import pullback as pb
    >>> pb.nn.ReflectionPad3d(1)(pb.ones((1, 2, 2, 2))).shape
    (1, 4, 4, 4)
    """

    axes = 3


class _Replication(_Pad):
    mode = "replicate"


class ReplicationPad1d(_Replication):
    """Border that repeats the edges of sequences (N, C, L); `padding`: an int or (left, right).

    >>> import pullback as pb
    >>> pb.nn.ReplicationPad1d((2, 1))(pb.tensor([[1.0, 2.0]])).tolist()
    [[1.0, 1.0, 1.0, 2.0, 2.0]]
    """

    axes = 1


class ReplicationPad2d(_Replication):
    """Border that repeats the edges of images (N, C, H, W); `padding`: an int or (left, right, top, bottom).

    >>> import pullback as pb
    >>> pb.nn.ReplicationPad2d(1)(pb.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    axes = 2


class ReplicationPad3d(_Replication):
    """Border that repeats the edges of volumes (N, C, D, H, W); `padding`: an int or six, the last axis first.

    >>> import pullback as pb
    >>> pb.nn.ReplicationPad3d(1)(pb.ones((1, 2, 2, 2))).shape
    (1, 4, 4, 4)
    """

    axes = 3


class _Circular(_Pad):
    mode = "circular"


class CircularPad1d(_Circular):
    """Border of the other end of sequences (N, C, L); `padding`: an int or (left, right).

    >>> import pullback as pb
    >>> pb.nn.CircularPad1d(1)(pb.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 1.0, 2.0, 3.0, 1.0]]
    """

    axes = 1


class CircularPad2d(_Circular):
    """Border of the other end of images (N, C, H, W); `padding`: an int or (left, right, top, bottom).

    >>> import pullback as pb
    >>> pb.nn.CircularPad2d(1)(pb.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    axes = 2


class CircularPad3d(_Circular):
    """Border of the other end of volumes (N, C, D, H, W); `padding`: an int or six, the last axis first.

    >>> import pullback as pb
    >>> pb.nn.CircularPad3d(1)(pb.ones((1, 2, 2, 2))).shape
    (1, 4, 4, 4)
    """

    axes = 3
