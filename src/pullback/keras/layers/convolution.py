"""Convolutions over samples with the channels last: Conv1D, Conv2D, Conv2DTranspose."""

from __future__ import annotations

from typing import Any

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import shape_of
from ...nn import functional as F
from ..activations import activation_of
from .core import Function, positive
from .layer import Layer
from .window import channels_first, channels_last, check_padding, check_samples, per_axis, same

__all__ = ["Conv1D", "Conv2D", "Conv2DTranspose"]

Ints = int | tuple[int, ...]


class _Conv(Layer):
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        dilation_rate: Ints = 1,
        groups: int = 1,
        activation: Function = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.filters = positive(f"{kind}: filters", filters)
        self.kernel_size = per_axis(f"{kind}: kernel_size", kernel_size, self.rank)
        self.strides = per_axis(f"{kind}: strides", strides, self.rank)
        self.dilation_rate = per_axis(f"{kind}: dilation_rate", dilation_rate, self.rank)
        self.groups = positive(f"{kind}: groups", groups)
        self.padding = check_padding(kind, padding)
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self._initializers = (kernel_initializer, bias_initializer)

    @property
    def _window(self) -> tuple[int, ...]:
        """How many elements a window reaches over."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True))

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias for samples (…, c)."""
        check_samples(self.name, input_shape, self.rank, self._window if self.padding == "valid" else ())
        channels = input_shape[-1]
        if channels % self.groups or self.filters % self.groups:
            raise ShapeError(f"{self.name}: {channels} channels and {self.filters} filters in {self.groups} groups")
        kernel, bias = self._initializers
        self.kernel = self.add_weight((*self.kernel_size, channels // self.groups, self.filters), kernel)
        self.bias = self.add_weight((self.filters,), bias) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Return activation(conv(x) + bias)."""
        if self.padding == "same":
            sides = zip(shape_of(inputs)[1:-1], self._window, self.strides, strict=True)
            inputs = m.pad(inputs, ((0, 0), *(same(*side) for side in sides), (0, 0)))
        convolve: Any = {1: F.conv1d, 2: F.conv2d}[self.rank]
        kernel = m.permute_dims(self.kernel, (self.rank + 1, self.rank, *range(self.rank)))
        y = convolve(
            channels_first(inputs), kernel, self.bias, self.strides, dilation=self.dilation_rate, groups=self.groups
        )
        return self.activation(channels_last(y))


class Conv1D(_Conv):
    """Sums over windows: x (n, steps, c) and a `kernel` (k, c, filters) give (n, steps′, filters); as `Conv2D`."""

    rank = 1


class Conv2D(_Conv):
    """Sums over windows: x (n, h, w, c) and a `kernel` (kh, kw, c, filters) give (n, h′, w′, filters).

    ``padding``: "valid" (none), or "same": zeros around, so that h′ = ⌈h / stride⌉; where their number is odd,
    the last row and column get one more. ``dilation_rate``: how far apart the elements of a window are. ``groups``:
    into how many parts the channels are divided, each with its own filters.

    >>> import pullback as pb
    >>> Conv2D(4, 3, strides=2, padding="same")(pb.ones((1, 7, 8, 3))).shape
    (1, 4, 4, 4)
    """


class Conv2DTranspose(Layer):
    """The transpose of `Conv2D`: x (n, h, w, c) and a `kernel` (kh, kw, filters, c) give (n, h′, w′, filters).

    h′ is h · stride for ``padding="same"``, and as much as the windows reach over for "valid".
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        activation: Function = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive("Conv2DTranspose: filters", filters)
        self.kernel_size = per_axis("Conv2DTranspose: kernel_size", kernel_size, 2)
        self.strides = per_axis("Conv2DTranspose: strides", strides, 2)
        self.padding = check_padding("Conv2DTranspose", padding)
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self._initializers = (kernel_initializer, bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias for images (h, w, c)."""
        check_samples(self.name, input_shape, 2)
        kernel, bias = self._initializers
        self.kernel = self.add_weight((*self.kernel_size, self.filters, input_shape[-1]), kernel)
        self.bias = self.add_weight((self.filters,), bias) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Return activation(the transposed convolution + bias)."""
        kernel = m.permute_dims(self.kernel, (3, 2, 0, 1))
        y = channels_last(F.conv_transpose2d(channels_first(inputs), kernel, None, self.strides))
        wanted, begins = [], []
        for n, k, s in zip(shape_of(inputs)[1:3], self.kernel_size, self.strides, strict=True):
            wanted.append(n * s if self.padding == "same" else n * s + max(k - s, 0))
            begins.append(max(k - s, 0) // 2 if self.padding == "same" else 0)
        short = [max(a + n - there, 0) for a, n, there in zip(begins, wanted, shape_of(y)[1:3], strict=True)]
        if any(short):  # strides that are larger than the kernel leave zeros at the end
            y = m.pad(y, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)))
        (top, left), (height, width) = begins, wanted
        y = y[:, top : top + height, left : left + width]
        return self.activation(y if self.bias is None else m.add(y, self.bias))
