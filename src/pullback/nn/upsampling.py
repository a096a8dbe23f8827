"""Images made larger or smaller: interpolation, and pixels traded for channels."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from .. import mappings as m
from ..core.errors import DtypeError, ShapeError
from ..core.spec import Shape, dtype_of, operand, shape_of
from ..mappings.average_pool import _adaptive_avg_pool
from ..mappings.resample import _resample
from .module import Module

__all__ = [
    "ChannelShuffle",
    "PixelShuffle",
    "PixelUnshuffle",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

_RULES = {
    "nearest": ("nearest", (1, 2, 3)),
    "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
    "area": ("area", (1, 2, 3)),
}


def interpolate(
    x: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Any:
    """Return `x` with its last axes resampled to `size`, or to ⌊length · scale_factor⌋.

    x: (N, C, L), (N, C, H, W) or (N, C, D, H, W). `mode`: "nearest", "nearest-exact", "linear" (one axis),
    "bilinear" (two), "trilinear" (three), "bicubic" (two, a = −3/4) or "area" (means of windows). With
    `align_corners` the outermost elements keep their places; without it, elements are cells whose edges do.
    `recompute_scale_factor` takes the scale from the lengths instead of `scale_factor`. Element i of "nearest"
    is taken from ⌊i · length / new length⌋. Raises ShapeError or ValueError for what does not fit together.

    >>> import pullback as pb
    >>> x = pb.tensor([[[1.0, 3.0]]])
    >>> pb.nn.functional.interpolate(x, scale_factor=2, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    >>> pb.nn.functional.interpolate(x, size=3, mode="linear", align_corners=True).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    x = operand(x)
    shape = shape_of(x)
    if mode not in _RULES:
        raise ValueError(f"interpolate: expected mode to be one of {tuple(_RULES)}, got {mode!r}")
    rule, dimensions = _RULES[mode]
    axes = len(shape) - 2
    if axes not in dimensions or min(shape[2:]) < 1:
        expected = ", ".join(str(n + 2) for n in dimensions)
        raise ShapeError(f"interpolate: mode={mode!r} is for x with {expected} axes, none of them empty, got x {shape}")
    if dtype_of(x).kind != "f":
        raise DtypeError(f"interpolate: expected floating numbers, got x of dtype {dtype_of(x)}")
    if align_corners is not None and rule not in ("linear", "cubic"):
        raise ValueError(f"interpolate: align_corners is for the linear modes and bicubic, not for mode={mode!r}")
    lengths, scales = _target(shape[2:], size, scale_factor, bool(recompute_scale_factor))
    if rule == "area":
        return _adaptive_avg_pool(x, counts=lengths)
    more = (bool(align_corners),) if rule in ("linear", "cubic") else ()
    for axis in range(1, axes + 1):
        n, new, scale = shape[-axis], lengths[-axis], scales[-axis]
        # PyTorch copies an axis whose length stays although a scale is given, in these modes (in "nearest" not
        # always, but then its gradient is that of a copy).
        if n != new or (scale is not None and rule not in ("nearest", "linear")):
            x = _resample(x, axis=-axis, rule=(rule, n, new, *more, scale), transposed=False)
    return x


def _target(size: Shape, wanted: Any, factor: Any, recompute: bool) -> tuple[Shape, tuple[float | None, ...]]:
    """Return the new lengths, and the scales to compute with (None: the ratio of the lengths)."""
    if (wanted is None) == (factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    name, value = ("size", wanted) if factor is None else ("scale_factor", factor)
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * len(size)
    if len(values) != len(size):
        raise ValueError(f"interpolate: expected {name} to be a number or {len(size)} of them, got {value!r}")
    if factor is None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor, not size")
        lengths: Shape = tuple(operator.index(n) for n in values)
        scales: tuple[float | None, ...] = (None,) * len(size)
    else:
        lengths = tuple(math.floor(n * float(s)) for n, s in zip(size, values, strict=True))
        scales = (None,) * len(size) if recompute else tuple(float(s) for s in values)
    if min(lengths) < 1:
        raise ShapeError(f"interpolate: {name}={value!r} leaves nothing of the lengths {size}")
    return lengths, scales


def pixel_shuffle(x: Any, upscale_factor: int) -> Any:
    """Return (…, C·r², H, W) as (…, C, H·r, W·r): the channels of a pixel become r × r pixels.

    (Shi et al., CVPR 2016.) Raises ShapeError unless r² divides the channels.

    >>> import pullback as pb
    >>> pb.nn.functional.pixel_shuffle(pb.reshape(pb.tensor([1.0, 2.0, 3.0, 4.0]), (4, 1, 1)), 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    x, r = operand(x), _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    shape = shape_of(x)
    if len(shape) < 3 or shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle: expected x of shape (…, C·{r * r}, H, W), got x of shape {shape}")
    *lead, channels, height, width = shape
    k = len(lead)
    apart = m.reshape(x, (*lead, channels // (r * r), r, r, height, width))
    order = (*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return m.reshape(m.permute_dims(apart, order), (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Any:
    """Return (…, C, H·r, W·r) as (…, C·r², H, W): undoes `pixel_shuffle`. Raises ShapeError unless r divides H·r, W·r.

    >>> import pullback as pb
    >>> pb.nn.functional.pixel_unshuffle(pb.zeros((1, 3, 4, 6)), 2).shape
    (1, 12, 2, 3)
    """
    x, r = operand(x), _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    shape = shape_of(x)
    if len(shape) < 3 or shape[-2] % r or shape[-1] % r:
        raise ShapeError(f"pixel_unshuffle: expected x of shape (…, C, H·{r}, W·{r}), got x of shape {shape}")
    *lead, channels, height, width = shape
    k = len(lead)
    apart = m.reshape(x, (*lead, channels, height // r, r, width // r, r))
    order = (*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return m.reshape(m.permute_dims(apart, order), (*lead, channels * r * r, height // r, width // r))


def channel_shuffle(x: Any, groups: int) -> Any:
    """Return x with its channels, `groups` groups of neighbours, dealt out in turn; x: (N, C, …).

    Zhang et al., CVPR 2018. Raises ShapeError unless C is a multiple of `groups`.

    >>> import pullback as pb
    >>> pb.nn.functional.channel_shuffle(pb.tensor([[[1.0], [2.0], [3.0], [4.0]]]), 2).tolist()
    [[[1.0], [3.0], [2.0], [4.0]]]
    """
    groups = _factor("channel_shuffle", "groups", groups)
    x = operand(x)
    shape = shape_of(x)
    if len(shape) < 3 or shape[1] % groups:
        raise ShapeError(f"channel_shuffle: expected x of shape (N, C, …) with C a multiple of {groups}, got {shape}")
    apart = m.reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return m.reshape(m.swapaxes(apart, 1, 2), shape)


def _factor(where: str, name: str, factor: Any) -> int:
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ValueError(f"{where}: expected {name} to be a positive integer, got {factor!r}")
    return factor


# ----------------------------------------------------------------------------------------------- layers


class Upsample(Module):
    """Resample the last axes to `size` or by `scale_factor`, as `nn.functional.interpolate` says.

    >>> import pullback as pb
    >>> pb.nn.Upsample(scale_factor=2, mode="bilinear")(pb.zeros((1, 3, 4, 5))).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{type(self).__name__}: expected either size or scale_factor")
        if mode not in _RULES:
            raise ValueError(f"{type(self).__name__}: expected mode to be one of {tuple(_RULES)}, got {mode!r}")
        self.size = tuple(size) if isinstance(size, list) else size
        self.scale_factor = tuple(scale_factor) if isinstance(scale_factor, list) else scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Any) -> Any:
        """Return x resampled."""
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The size or the factor, and the mode."""
        what = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images by repeating pixels.

    >>> import pullback as pb
    >>> pb.nn.UpsamplingNearest2d(scale_factor=2)(pb.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by bilinear interpolation in which the corners keep their places.

    >>> import pullback as pb
    >>> pb.nn.UpsamplingBilinear2d(size=(1, 3))(pb.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.5, 2.0]]]]
    """

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """(…, C·r², H, W) → (…, C, H·r, W·r) with r = `upscale_factor`.

    >>> import pullback as pb
    >>> pb.nn.PixelShuffle(2)(pb.zeros((1, 8, 3, 3))).shape
    (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = _factor("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Any) -> Any:
        """Return x with channels as pixels."""
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(…, C, H·r, W·r) → (…, C·r², H, W) with r = `downscale_factor`.

    >>> import pullback as pb
    >>> pb.nn.PixelUnshuffle(2)(pb.zeros((1, 2, 6, 6))).shape
    (1, 8, 3, 3)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = _factor("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Any) -> Any:
        """Return x with pixels as channels."""
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels, `groups` groups of neighbours, dealt out in turn; see `functional.channel_shuffle`."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = _factor("ChannelShuffle", "groups", groups)

    def forward(self, x: Any) -> Any:
        """Return x with its channels in another order."""
        return channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"
