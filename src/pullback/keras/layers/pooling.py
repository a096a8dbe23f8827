"""Maxima and means of windows, and of whole samples, with the channels last."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import mappings as m
from ...core.spec import dtype_of, ndim_of, shape_of
from ...nn import functional as F
from .layer import Layer
from .window import channels_first, channels_last, check_padding, check_samples, per_axis, same

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "UpSampling2D",
]

Ints = int | tuple[int, ...]


class _Pooling(Layer):
    rank = 2

    def __init__(
        self, pool_size: Ints = 2, strides: Ints | None = None, padding: str = "valid", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = per_axis(f"{kind}: pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else per_axis(f"{kind}: strides", strides, self.rank)
        self.padding = check_padding(kind, padding)

    def build(self, input_shape: Any) -> None:
        """Check that the windows fit."""
        check_samples(self.name, input_shape, self.rank, self.pool_size if self.padding == "valid" else ())

    def _border(self, x: Any) -> tuple[tuple[int, int], ...]:
        """What has to be put around, axis by axis."""
        sides = zip(shape_of(x)[1:-1], self.pool_size, self.strides, strict=True)
        return ((0, 0), *(same(*side) if self.padding == "same" else (0, 0) for side in sides), (0, 0))


class MaxPooling2D(_Pooling):
    """The largest element of each window, channel by channel; ``strides`` is the window's size unless given.

    ``padding``: "valid" leaves out what fills no window; with "same" windows reach over the border, h′ = ⌈h / stride⌉.

    >>> import pullback as pb
    >>> MaxPooling2D(2)(pb.ones((1, 5, 4, 3))).shape, MaxPooling2D(2, padding="same")(pb.ones((1, 5, 4, 3))).shape
    ((1, 2, 2, 3), (1, 3, 2, 3))
    """

    def call(self, inputs: Any) -> Any:
        """Return the maxima (n, …, c)."""
        border = self._border(inputs)
        if any(map(any, border)):
            inputs = m.pad(inputs, border, constant_values=-np.inf)
        pool: Any = {1: F.max_pool1d, 2: F.max_pool2d}[self.rank]
        return channels_last(pool(channels_first(inputs), self.pool_size, self.strides))


class MaxPooling1D(MaxPooling2D):
    """The largest element of each window of (n, steps, c), as `MaxPooling2D`."""

    rank = 1


class AveragePooling2D(_Pooling):
    """The mean of each window, channel by channel; as `MaxPooling2D`. What lies outside does not count."""

    def call(self, inputs: Any) -> Any:
        """Return the means (n, …, c)."""
        border = self._border(inputs)
        pool: Any = {1: F.avg_pool1d, 2: F.avg_pool2d}[self.rank]
        if not any(map(any, border)):
            return channels_last(pool(channels_first(inputs), self.pool_size, self.strides))
        ones = np.ones((1, *shape_of(inputs)[1:-1], 1), dtype_of(inputs))
        share = channels_last(pool(channels_first(np.pad(ones, border)), self.pool_size, self.strides))
        return m.divide(
            channels_last(pool(channels_first(m.pad(inputs, border)), self.pool_size, self.strides)), share
        )


class AveragePooling1D(AveragePooling2D):
    """The mean of each window of (n, steps, c), as `AveragePooling2D`."""

    rank = 1


class _Global(Layer):
    rank = 2

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def build(self, input_shape: Any) -> None:
        """Check the number of axes."""
        check_samples(self.name, input_shape, self.rank)


class GlobalAveragePooling2D(_Global):
    """The mean of each channel of a sample: (n, h, w, c) becomes (n, c)."""

    def call(self, inputs: Any) -> Any:
        """Return the means."""
        return m.mean(inputs, axis=tuple(range(1, ndim_of(inputs) - 1)), keepdims=self.keepdims)


class GlobalAveragePooling1D(GlobalAveragePooling2D):
    """The mean of each channel of a sequence: (n, steps, c) becomes (n, c)."""

    rank = 1


class GlobalMaxPooling2D(_Global):
    """The largest element of each channel of a sample: (n, h, w, c) becomes (n, c)."""

    def call(self, inputs: Any) -> Any:
        """Return the maxima."""
        return m.max(inputs, axis=tuple(range(1, ndim_of(inputs) - 1)), keepdims=self.keepdims)


class GlobalMaxPooling1D(GlobalMaxPooling2D):
    """The largest element of each channel of a sequence: (n, steps, c) becomes (n, c)."""

    rank = 1


class UpSampling2D(Layer):
    """Each pixel ``size`` times: (n, h, w, c) becomes (n, h · size, w · size, c)."""

    def __init__(self, size: Ints = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = per_axis("UpSampling2D: size", size, 2)

    def build(self, input_shape: Any) -> None:
        """Check the number of axes."""
        check_samples(self.name, input_shape, 2)

    def call(self, inputs: Any) -> Any:
        """Return the larger images."""
        n, height, width, channels = shape_of(inputs)
        down, across = self.size
        cells = m.reshape(inputs, (n, height, 1, width, 1, channels))
        wide = m.broadcast_to(cells, (n, height, down, width, across, channels))
        return m.reshape(wide, (n, height * down, width * across, channels))
