"""Unpooling: the largest elements back at the places from which a maximum pooling took them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import dtype_of, operand, shape_of
from ..mappings.conv import hashable
from ..mappings.window import per_axis
from .module import Module

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]

Ints = int | tuple[int, ...]


def max_unpool1d(
    x: Any,
    indices: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """Return zeros with the elements of x at `indices`, where `max_pool1d(…, return_indices=True)` found them.

    x, indices: (N, C, L) or (C, L). The result has the length (L − 1)·stride − 2·padding + kernel_size, or that
    of `output_size`. Raises ShapeError or IndexError for what does not fit.

    >>> import pullback as pb
    >>> y, where = pb.max_pool1d(pb.tensor([[1.0, 3.0, 2.0, 5.0]]), 2, return_indices=True)
    >>> pb.nn.functional.max_unpool1d(y, where, 2).tolist()
    [[0.0, 3.0, 0.0, 5.0]]
    """
    return _unpooled("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Any,
    indices: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """Return zeros with the elements of images x at `indices`, as `max_unpool1d`; x: (N, C, H, W) or (C, H, W)."""
    return _unpooled("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Any,
    indices: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """Return zeros with the elements of volumes x at `indices`, as `max_unpool1d`; x: (N, C, D, H, W)."""
    return _unpooled("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    where: str, axes: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    x, indices = operand(x), operand(indices)
    shape = shape_of(x)
    if len(shape) not in (axes + 1, axes + 2) or shape_of(indices) != shape:
        raise ShapeError(
            f"{where}: expected x with {axes + 1} or {axes + 2} axes and indices of its shape, got x {shape} and "
            f"indices {shape_of(indices)}"
        )
    kernel = per_axis(where, "kernel_size", hashable(kernel_size), axes)
    steps = kernel if stride is None else per_axis(where, "stride", hashable(stride), axes)
    widths = per_axis(where, "padding", hashable(padding), axes, least=0)
    if output_size is None:
        size = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(shape[-axes:], steps, widths, kernel, strict=True))
    else:
        size = per_axis(where, "output_size", tuple(output_size)[-axes:], axes)
    lead = shape[:-axes]
    flat = (*lead, math.prod(shape[-axes:]))
    rows = np.ogrid[tuple(slice(n) for n in lead)]
    index = (*(row[..., None] for row in rows), m.reshape(indices, flat))
    empty = np.zeros((*lead, math.prod(size)), dtype_of(x))
    return m.reshape(m.index_set(empty, index, m.reshape(x, flat)), (*lead, *size))


class _MaxUnpool(Module):
    axes: int

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", hashable(kernel_size), self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", hashable(stride), self.axes)
        self.padding = per_axis(name, "padding", hashable(padding), self.axes, least=0)

    def forward(self, x: Any, indices: Any, output_size: Sequence[int] | None = None) -> Any:
        """Return zeros with the elements of x at `indices`."""
        name = type(self).__name__
        return _unpooled(name, self.axes, x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """What `MaxPool1d(…, return_indices=True)` found, back at its places; see `functional.max_unpool1d`."""

    axes = 1


class MaxUnpool2d(_MaxUnpool):
    """What `MaxPool2d(…, return_indices=True)` found, back at its places; see `functional.max_unpool1d`.

    >>> import pullback as pb
    >>> y, where = pb.nn.MaxPool2d(2, return_indices=True)(pb.tensor([[[1.0, 3.0], [2.0, 0.0]]]))
    >>> pb.nn.MaxUnpool2d(2)(y, where).tolist()
    [[[0.0, 3.0], [0.0, 0.0]]]
    """

    axes = 2


class MaxUnpool3d(_MaxUnpool):
    """What `MaxPool3d(…, return_indices=True)` found, back at its places; see `functional.max_unpool1d`."""

    axes = 3
