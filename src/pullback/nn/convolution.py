"""Convolutional layers in one, two and three dimensions, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import Shape, default_dtype, shape_of
from ..mappings.conv import convolve, convolve_transposed, hashable, transposed_size, windows_of
from ..mappings.window import Pairs, per_axis
from . import init
from .module import Module
from .padding import MODES, pad
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Ints = int | tuple[int, ...]


class _Convolution(Module):
    """What the convolutions share: the settings, read once, and weight and bias."""

    axes: int
    bias: Parameter | None
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        for what, n in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
                raise ValueError(f"{name}: expected {what} to be a positive integer, got {n!r}")
        for what, n in (("in_channels", in_channels), ("out_channels", out_channels)):
            if n % groups:
                raise ValueError(f"{name}: {what} must be divisible by groups, got {what}={n} and groups={groups}")
        modes = ("zeros",) if self.transposed else ("zeros", *MODES[1:])
        if padding_mode not in modes:
            raise ValueError(f"{name}: expected padding_mode to be one of {modes}, got {padding_mode!r}")
        self.in_channels = int(in_channels)
        self.out_channels = int(out_channels)
        self.groups = int(groups)
        self.kernel_size = per_axis(name, "kernel_size", hashable(kernel_size), self.axes)
        self.padding_mode = padding_mode
        stride, pairs, dilation = windows_of(
            name, self.kernel_size, hashable(stride), hashable(padding), hashable(dilation)
        )
        self.stride, self.dilation = stride, dilation
        self.padding: str | Shape = padding if isinstance(padding, str) else tuple(before for before, _ in pairs)
        self._pairs: Pairs = pairs
        ends = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.weight = Parameter(np.empty((ends[0], ends[1] // self.groups, *self.kernel_size), dtype))
        self.bias = Parameter(np.empty(self.out_channels, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values: uniformly in ±1/√fan_in."""
        bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Any:
        """Return the convolution of x."""
        padding = self._pairs
        if self.padding_mode != "zeros":
            x = pad(x, [width for pair in reversed(padding) for width in pair], self.padding_mode)
            padding = ((0, 0),) * self.axes
        return convolve(self, x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The sizes and settings of the layer, those that differ from the defaults."""
        shown = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        none = (0,) * self.axes
        for name, default in (("padding", none), ("dilation", (1,) * self.axes), ("output_padding", none)):
            value = getattr(self, name, default)
            if value != default:
                shown += f", {name}={value!r}"
        if self.groups != 1:
            shown += f", groups={self.groups}"
        if self.bias is None:
            shown += ", bias=False"
        return shown if self.padding_mode == "zeros" else f"{shown}, padding_mode={self.padding_mode!r}"


class _Plain(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype
        )


class Conv1d(_Plain):
    """Convolution of sequences (N, C, L) → (N, O, M): sums over windows, as `nn.functional.conv1d` says.

    `weight` has shape (out_channels, in_channels/groups, K), `bias` (out_channels,); both start uniformly in
    ±1/√fan_in. `padding` is a width, "same" or "valid"; `padding_mode` "zeros", "reflect", "replicate" or
    "circular". Raises ShapeError for an x with other channels or too short.

    >>> import pullback as pb
    >>> pb.nn.Conv1d(4, 8, 3, padding="same")(pb.zeros((2, 4, 10))).shape
    (2, 8, 10)
    """

    axes = 1


class Conv2d(_Plain):
    """Convolution of images (N, C, H, W) → (N, O, H', W'); settings as for `Conv1d`, an int or a pair each.

    >>> import pullback as pb
    >>> layer = pb.nn.Conv2d(3, 16, 3, stride=2, padding=1)
    >>> layer
    Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> layer(pb.zeros((2, 3, 8, 8))).shape
    (2, 16, 4, 4)
    """

    axes = 2


class Conv3d(_Plain):
    """Convolution of volumes (N, C, D, H, W) → (N, O, D', H', W'); settings as for `Conv1d`, an int or three each.

    >>> import pullback as pb
    >>> pb.nn.Conv3d(1, 2, (1, 3, 3))(pb.zeros((2, 1, 4, 8, 8))).shape
    (2, 2, 4, 6, 6)
    """

    axes = 3


class _Transposed(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(f"{type(self).__name__}: expected padding to be an int or {self.axes} of them")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype
        )
        name = type(self).__name__
        self.output_padding = per_axis(name, "output_padding", hashable(output_padding), self.axes, least=0)

    def forward(self, x: Any, output_size: Sequence[int] | None = None) -> Any:
        """Return the transposed convolution of x; `output_size` chooses among the possible sizes of the result."""
        more = self.output_padding if output_size is None else self._more(shape_of(x), tuple(output_size))
        return convolve_transposed(
            self, x, self.weight, self.bias, self.stride, self._pairs, more, self.dilation, self.groups
        )

    def _more(self, shape: Shape, wanted: Shape) -> Shape:
        """Return the output_padding that gives the size `wanted`."""
        least = transposed_size(shape[-self.axes :], self.kernel_size, self.stride, self._pairs, self.dilation)
        more = tuple(n - low for n, low in zip(wanted[-self.axes :], least, strict=False))
        if len(more) != self.axes or any(not 0 <= m < s for m, s in zip(more, self.stride, strict=True)):
            most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            raise ShapeError(f"{self!r}: expected output_size between {least} and {most}, got {wanted}")
        return more


class ConvTranspose1d(_Transposed):
    """Transposed convolution (N, C, M) → (N, O, L), the way back of a `Conv1d` from O to C channels as a layer.

    L = (M − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1. `weight` has shape
    (in_channels, out_channels/groups, K), `bias` (out_channels,); both start uniformly in ±1/√fan_in, with
    fan_in = out_channels/groups·K as PyTorch counts it. Raises ShapeError for an x with other channels.

    >>> import pullback as pb
    >>> pb.nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1)(pb.zeros((3, 4, 5))).shape
    (3, 2, 10)
    """

    axes = 1


class ConvTranspose2d(_Transposed):
    """Transposed convolution of images (N, C, H, W) → (N, O, H', W'); settings as for `ConvTranspose1d`.

    >>> import pullback as pb
    >>> up = pb.nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1)
    >>> up(pb.zeros((1, 8, 5, 5))).shape, up(pb.zeros((1, 8, 5, 5)), output_size=(10, 10)).shape
    ((1, 4, 9, 9), (1, 4, 10, 10))
    """

    axes = 2


class ConvTranspose3d(_Transposed):
    """Transposed convolution of volumes (N, C, D, H, W) → (N, O, D', H', W'); settings as for `ConvTranspose1d`.

    >>> import pullback as pb
    >>> pb.nn.ConvTranspose3d(2, 1, 2, stride=2)(pb.zeros((1, 2, 2, 2, 2))).shape
    (1, 1, 4, 4, 4)
    """

    axes = 3
