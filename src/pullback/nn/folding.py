"""Windows of images as columns of a matrix, and their sum back into images."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import Shape, dtype_of, operand, shape_of
from ..mappings.conv import hashable
from ..mappings.window import check_counts, per_axis, window_counts
from .module import Module

__all__ = ["Fold", "Unfold"]

Ints = int | tuple[int, ...]


@lru_cache(maxsize=256)
def _places(
    where: str, size: Shape, kernel: Shape, dilation: Shape, padding: Shape, stride: Shape
) -> tuple[Any, Shape, int, int]:
    """Which pixel of the padded image each element of each window is, window by window; its size; K; and L."""
    pairs = tuple((p, p) for p in padding)
    counts = window_counts(size, kernel, stride, pairs, dilation)
    check_counts(where, counts, size, kernel, pairs, dilation)
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    along = [
        (np.arange(k) * d)[:, None] + np.arange(count) * s
        for k, d, count, s in zip(kernel, dilation, counts, stride, strict=True)
    ]
    pixels = along[0][:, None, :, None] * padded[1] + along[1][None, :, None, :]
    return pixels.reshape(-1), padded, math.prod(kernel), math.prod(counts)


def unfold(x: Any, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Any:
    """Return the windows of images as columns: (N, C, H, W) → (N, C·|kernel|, L), or without N.

    Column l is window l, counted row by row; its elements are ordered by channel, then by row and column. The
    border of `padding` is 0. Raises ShapeError when no window fits.

    >>> import pullback as pb
    >>> pb.nn.functional.unfold(pb.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]
    """
    settings = _settings("unfold", kernel_size, dilation, padding, stride)
    x = operand(x)
    shape = shape_of(x)
    if len(shape) not in (3, 4):
        raise ShapeError(f"unfold: expected x of shape (N, C, H, W) or (C, H, W), got {shape}")
    *lead, channels, height, width = shape
    pixels, padded, elements, count = _places("unfold", (height, width), *settings)
    (rows, columns) = settings[2]
    if rows or columns:
        x = m.pad(x, [(0, 0)] * (len(shape) - 2) + [(rows, rows), (columns, columns)])
    flat = m.reshape(x, (*lead, channels, math.prod(padded)))
    return m.reshape(m.take(flat, pixels, axis=len(shape) - 2), (*lead, channels * elements, count))


def fold(x: Any, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Any:
    """Return the sum of windows in images, the transpose of `unfold`: (N, C·|kernel|, L) → (N, C, H, W).

    H, W: `output_size`. Raises ShapeError unless x has as many columns as such an image has windows.

    >>> import pullback as pb
    >>> pb.nn.functional.fold(pb.ones((4, 2)), (2, 3), 2).tolist()
    [[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]
    """
    settings = _settings("fold", kernel_size, dilation, padding, stride)
    size = per_axis("fold", "output_size", hashable(output_size), 2)
    x = operand(x)
    shape = shape_of(x)
    pixels, padded, elements, count = _places("fold", size, *settings)
    if len(shape) not in (2, 3) or shape[-2] % elements or shape[-1] != count:
        raise ShapeError(
            f"fold: expected x of shape (N, C·{elements}, {count}) or (C·{elements}, {count}) for output_size {size} "
            f"and kernel_size {settings[0]}, got {shape}"
        )
    lead, channels = shape[:-2], shape[-2] // elements
    columns = m.reshape(x, (*lead, channels, elements * count))
    empty = np.zeros((*lead, channels, math.prod(padded)), dtype_of(x))
    image = m.reshape(m.index_add(empty, (..., pixels), columns), (*lead, channels, *padded))
    top, left = settings[2]
    return m.getitem(image, (..., slice(top, top + size[0]), slice(left, left + size[1])))


def _settings(where: str, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> tuple[Shape, ...]:
    """Kernel, dilation, padding and stride, for two axes each."""
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return tuple(per_axis(where, name, hashable(x), 2, least=int(name != "padding")) for name, x in given.items())


class Unfold(Module):
    """The windows of images as columns; see `functional.unfold`.

    >>> import pullback as pb
    >>> pb.nn.Unfold(3, padding=1)(pb.zeros((2, 4, 5, 6))).shape
    (2, 36, 30)
    """

    def __init__(self, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> None:
        super().__init__()
        _settings("Unfold", kernel_size, dilation, padding, stride)
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, x: Any) -> Any:
        """Return the columns."""
        return unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Unfold):
    """The sum of windows in images of `output_size`; see `functional.fold`.

    >>> import pullback as pb
    >>> pb.nn.Fold((5, 6), 3, padding=1)(pb.zeros((2, 36, 30))).shape
    (2, 4, 5, 6)
    """

    def __init__(
        self, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = per_axis("Fold", "output_size", hashable(output_size), 2)

    def forward(self, x: Any) -> Any:
        """Return the images."""
        return fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
