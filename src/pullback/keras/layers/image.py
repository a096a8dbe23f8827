"""Conv2D and MaxPooling2D over images with the channels last."""

from __future__ import annotations

from typing import Any

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import shape_of
from ...nn import functional as F
from ..activations import activation_of
from ..initializers import start
from .core import Function, positive
from .layer import Layer, Shape

__all__ = ["Conv2D", "MaxPooling2D"]

Pair = int | tuple[int, int]


class Conv2D(Layer):
    """Sums over windows: x (n, h, w, c) and a `kernel` (kh, kw, c, filters) give (n, h′, w′, filters).

    ``padding``: "valid" (none), or "same": zeros around, so that h′ = ⌈h / stride⌉; where their number is odd,
    the last row and column get one more.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        activation: Function = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive("Conv2D: filters", filters)
        self.kernel_size = _pair("Conv2D: kernel_size", kernel_size)
        self.strides = _pair("Conv2D: strides", strides)
        if padding not in ("valid", "same"):
            raise ValueError(f"Conv2D: padding: expected 'valid' or 'same', got {padding!r}")
        self.padding = padding
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self._initializers = (kernel_initializer, bias_initializer)

    def build(self, shape: Shape) -> Shape:
        """Make kernel and bias for images (h, w, c)."""
        _check_image(self.name, shape)
        kernel, bias = self._initializers
        self.kernel = start(kernel, (*self.kernel_size, shape[2], self.filters))
        self.bias = start(bias, (self.filters,)) if self.use_bias else None
        if self.padding == "same":
            size = tuple(-(-n // s) for n, s in zip(shape[:2], self.strides, strict=True))
        else:
            size = _windows(self.name, shape, self.kernel_size, self.strides)
        return (*size, self.filters)

    def forward(self, x: Any) -> Any:
        """Return activation(conv(x) + bias)."""
        if self.padding == "same":
            sides = zip(shape_of(x)[1:3], self.kernel_size, self.strides, strict=True)
            x = m.pad(x, ((0, 0), *(_same(n, k, s) for n, k, s in sides), (0, 0)))
        y = F.conv2d(_channels_first(x), m.permute_dims(self.kernel, (3, 2, 0, 1)), self.bias, self.strides)
        return self.activation(m.permute_dims(y, (0, 2, 3, 1)))


class MaxPooling2D(Layer):
    """The largest element of each window, channel by channel; ``strides`` is the window's size unless given."""

    def __init__(self, pool_size: Pair = (2, 2), strides: Pair | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = _pair("MaxPooling2D: pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _pair("MaxPooling2D: strides", strides)

    def build(self, shape: Shape) -> Shape:
        """The number of windows that fit."""
        _check_image(self.name, shape)
        return (*_windows(self.name, shape, self.pool_size, self.strides), shape[2])

    def forward(self, x: Any) -> Any:
        """Return the maxima (n, h′, w′, c)."""
        return m.permute_dims(F.max_pool2d(_channels_first(x), self.pool_size, self.strides), (0, 2, 3, 1))


def _channels_first(x: Any) -> Any:
    return m.permute_dims(x, (0, 3, 1, 2))


def _pair(where: str, n: Any) -> tuple[int, int]:
    both = tuple(n) if isinstance(n, tuple | list) else (n, n)
    if len(both) != 2:
        raise ValueError(f"{where}: expected an integer or two, got {n!r}")
    return positive(where, both[0]), positive(where, both[1])


def _check_image(name: str, shape: Shape) -> None:
    if len(shape) != 3:
        raise ShapeError(
            f"{name}: expected images (height, width, channels), got samples of shape {shape}: x[..., None]"
        )


def _windows(name: str, shape: Shape, window: tuple[int, int], strides: tuple[int, int]) -> Shape:
    if any(n < k for n, k in zip(shape, window, strict=False)):
        raise ShapeError(f"{name}: a window {window} does not fit into an image {shape[:2]}")
    return tuple((n - k) // s + 1 for n, k, s in zip(shape[:2], window, strides, strict=True))


def _same(n: int, k: int, s: int) -> tuple[int, int]:
    total = max((-(-n // s) - 1) * s + k - n, 0)
    return total // 2, total - total // 2
