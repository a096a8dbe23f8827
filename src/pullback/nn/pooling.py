"""Pooling layers: maxima and means of windows that slide over, or cover, the last axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import ShapeError
from ..core.spec import shape_of
from ..mappings.conv import hashable
from ..mappings.window import per_axis
from . import functional as F
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

Ints = int | tuple[int, ...]


class _Pool(Module):
    axes: int
    function: Callable[..., Any]

    def forward(self, x: Any) -> Any:
        """Return what becomes of the windows of x."""
        shape = shape_of(x)
        if len(shape) not in (self.axes + 1, self.axes + 2):
            names = ", ".join(("D", "H", "W")[-self.axes :] if self.axes > 1 else ("L",))
            raise ShapeError(f"{self!r}: expected x of shape (N, C, {names}) or (C, {names}), got x of shape {shape}")
        return type(self).function(x, **self._settings())

    def _settings(self) -> dict[str, Any]:
        """The arguments of the function."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def extra_repr(self) -> str:
        """The settings."""
        return ", ".join(f"{name}={value}" for name, value in self._settings().items())


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", hashable(kernel_size), self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", hashable(stride), self.axes)
        self.padding = per_axis(name, "padding", hashable(padding), self.axes, least=0)
        self.dilation = per_axis(name, "dilation", hashable(dilation), self.axes)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", hashable(kernel_size), self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", hashable(stride), self.axes)
        self.padding = per_axis(name, "padding", hashable(padding), self.axes, least=0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad


class _DividedAvgPool(_AvgPool):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


class _LPPool(_Pool):
    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.norm_type = norm_type
        self.kernel_size = per_axis(name, "kernel_size", hashable(kernel_size), self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", hashable(stride), self.axes)
        self.ceil_mode = ceil_mode


class _AdaptiveAvgPool(_Pool):
    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = hashable(output_size)


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class MaxPool1d(_MaxPool):
    """Largest element of each window of sequences (N, C, L).

    `stride` is `kernel_size` unless it is given; the border of `padding` never wins; of elements that tie the
    first gets the gradient. `ceil_mode` adds a last window that reaches beyond the end, and `return_indices`
    returns (values, positions).

    >>> import pullback as pb
    >>> pb.nn.MaxPool1d(2)(pb.zeros((2, 3, 8))).shape
    (2, 3, 4)
    """

    axes = 1
    function = F.max_pool1d


class MaxPool2d(_MaxPool):
    """Largest element of each window of images (N, C, H, W); settings as for `MaxPool1d`.

    >>> import pullback as pb
    >>> pb.nn.MaxPool2d(2)(pb.zeros((2, 3, 8, 8))).shape
    (2, 3, 4, 4)
    """

    axes = 2
    function = F.max_pool2d


class MaxPool3d(_MaxPool):
    """Largest element of each window of volumes (N, C, D, H, W); settings as for `MaxPool1d`.

    >>> import pullback as pb
    >>> pb.nn.MaxPool3d(2)(pb.zeros((2, 3, 8, 8, 8))).shape
    (2, 3, 4, 4, 4)
    """

    axes = 3
    function = F.max_pool3d


class AvgPool1d(_AvgPool):
    """Mean of each window of sequences (N, C, L).

    `stride` is `kernel_size` unless it is given; the zeros of `padding` count unless `count_include_pad=False`;
    `ceil_mode` adds a last window that reaches beyond the end.

    >>> import pullback as pb
    >>> pb.nn.AvgPool1d(2)(pb.zeros((2, 3, 8))).shape
    (2, 3, 4)
    """

    axes = 1
    function = F.avg_pool1d


class AvgPool2d(_DividedAvgPool):
    """Mean of each window of images (N, C, H, W); the sums are divided by `divisor_override` if given.

    >>> import pullback as pb
    >>> pb.nn.AvgPool2d(2)(pb.zeros((2, 3, 8, 8))).shape
    (2, 3, 4, 4)
    """

    axes = 2
    function = F.avg_pool2d


class AvgPool3d(_DividedAvgPool):
    """Mean of each window of volumes (N, C, D, H, W); the sums are divided by `divisor_override` if given.

    >>> import pullback as pb
    >>> pb.nn.AvgPool3d(2)(pb.zeros((2, 3, 8, 8, 8))).shape
    (2, 3, 4, 4, 4)
    """

    axes = 3
    function = F.avg_pool3d


class LPPool1d(_LPPool):
    """(Σ |x|^p)^(1/p) over each window of sequences (N, C, L), with p = `norm_type`.

    >>> import pullback as pb
    >>> pb.nn.LPPool1d(2, 2)(pb.zeros((2, 3, 8))).shape
    (2, 3, 4)
    """

    axes = 1
    function = F.lp_pool1d


class LPPool2d(_LPPool):
    """(Σ |x|^p)^(1/p) over each window of images (N, C, H, W), with p = `norm_type`.

    >>> import pullback as pb
    >>> pb.nn.LPPool2d(2, 2)(pb.zeros((2, 3, 8, 8))).shape
    (2, 3, 4, 4)
    """

    axes = 2
    function = F.lp_pool2d


class LPPool3d(_LPPool):
    """(Σ |x|^p)^(1/p) over each window of volumes (N, C, D, H, W), with p = `norm_type`.

    >>> import pullback as pb
    >>> pb.nn.LPPool3d(2, 2)(pb.zeros((2, 3, 8, 8, 8))).shape
    (2, 3, 4, 4, 4)
    """

    axes = 3
    function = F.lp_pool3d


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover sequences (N, C, L).

    Window i reaches from ⌊i·L/M⌋ to ⌈(i+1)·L/M⌉; None keeps the length.

    >>> import pullback as pb
    >>> pb.nn.AdaptiveAvgPool1d(3)(pb.zeros((2, 3, 8))).shape
    (2, 3, 3)
    """

    axes = 1
    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover images (N, C, H, W); an int, or one for each axis.

    >>> import pullback as pb
    >>> pb.nn.AdaptiveAvgPool2d(3)(pb.zeros((2, 3, 8, 8))).shape
    (2, 3, 3, 3)
    """

    axes = 2
    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover volumes (N, C, D, H, W); an int, or one for each axis.

    >>> import pullback as pb
    >>> pb.nn.AdaptiveAvgPool3d(3)(pb.zeros((2, 3, 8, 8, 8))).shape
    (2, 3, 3, 3, 3)
    """

    axes = 3
    function = F.adaptive_avg_pool3d


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest elements of `output_size` windows that cover sequences (N, C, L).

    >>> import pullback as pb
    >>> pb.nn.AdaptiveMaxPool1d(3)(pb.zeros((2, 3, 8))).shape
    (2, 3, 3)
    """

    axes = 1
    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest elements of `output_size` windows that cover images (N, C, H, W).

    >>> import pullback as pb
    >>> pb.nn.AdaptiveMaxPool2d(3)(pb.zeros((2, 3, 8, 8))).shape
    (2, 3, 3, 3)
    """

    axes = 2
    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest elements of `output_size` windows that cover volumes (N, C, D, H, W).

    >>> import pullback as pb
    >>> pb.nn.AdaptiveMaxPool3d(3)(pb.zeros((2, 3, 8, 8, 8))).shape
    (2, 3, 3, 3, 3)
    """

    axes = 3
    function = F.adaptive_max_pool3d
