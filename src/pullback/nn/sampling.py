"""Images read at any places: a grid of places, and the values between the pixels there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import Shape, dtype_of, operand, shape_of

__all__ = ["affine_grid", "grid_sample"]


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool = False) -> Any:
    """Return the places that an affine map sends the pixels of an image to, for `grid_sample`.

    theta: (N, 2, 3) for `size` (N, C, H, W), result (N, H, W, 2); or (N, 3, 4) for (N, C, D, H, W), result
    (N, D, H, W, 3). A place is (x, y) or (x, y, z), from −1 to 1 across the image: between the middles of the outer
    pixels with `align_corners`, else between their edges (Jaderberg et al., NeurIPS 2015). Raises ShapeError.

    >>> import pullback as pb
    >>> same = pb.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> pb.nn.functional.affine_grid(same, (1, 1, 1, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    theta = operand(theta)
    lengths = tuple(size)[2:]
    axes = len(lengths)
    if axes not in (2, 3) or shape_of(theta) != (size[0], axes, axes + 1):
        raise ShapeError(
            f"affine_grid: expected theta (N, 2, 3) and size (N, C, H, W), or (N, 3, 4) and (N, C, D, H, W), got "
            f"theta {shape_of(theta)} and size {tuple(size)}"
        )
    along = [_middles(n, align_corners) for n in lengths]
    places = np.stack([*np.meshgrid(*along, indexing="ij")[::-1], np.ones(lengths)], axis=-1)
    rows = places.reshape(1, -1, axes + 1).astype(dtype_of(theta))
    return m.reshape(m.matmul(rows, m.matrix_transpose(theta)), (size[0], *lengths, axes))


def _middles(n: int, align_corners: bool) -> Any:
    if align_corners:
        return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return (2 * np.arange(n) + 1) / n - 1


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Any:
    """Return the values of images at the places of a grid, interpolated between pixels.

    input: (N, C, H, W) with grid (N, …, 2) of places (x, y), result (N, C, …); or (N, C, D, H, W) with places
    (x, y, z). Places are those of `affine_grid`. `mode`: "bilinear" (of volumes: trilinear) or "nearest".
    `padding_mode`: what lies outside, "zeros", "border" (the nearest pixel) or "reflection". Gradients flow to the
    images, and between pixels to the places. Raises ShapeError or ValueError for what does not fit.

    >>> import pullback as pb
    >>> image = pb.tensor([[[[0.0, 10.0]]]])
    >>> pb.nn.functional.grid_sample(image, pb.tensor([[[[0.0, 0.0], [0.25, 0.0]]]])).tolist()
    [[[[5.0, 7.5]]]]
    """
    x, grid = operand(input), operand(grid)
    shape, places = shape_of(x), shape_of(grid)
    axes = len(shape) - 2
    if axes not in (2, 3) or len(places) != axes + 2 or places[0] != shape[0] or places[-1] != axes:
        raise ShapeError(
            f"grid_sample: expected input (N, C, H, W) and grid (N, H', W', 2), or (N, C, D, H, W) and "
            f"(N, D', H', W', 3), got input {shape} and grid {places}"
        )
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"grid_sample: expected mode 'bilinear' or 'nearest', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"grid_sample: expected padding_mode 'zeros', 'border' or 'reflection', got {padding_mode!r}")
    size, count = shape[2:], math.prod(places[1:-1])
    rows = m.unstack(m.reshape(grid, (shape[0], count, axes)), axis=2)[::-1]  # in the order of the axes
    at = [
        _inside(_pixels(row, n, align_corners), n, padding_mode, align_corners)
        for row, n in zip(rows, size, strict=True)
    ]
    flat = m.reshape(x, (*shape[:2], math.prod(size)))
    if mode == "nearest":
        y = _read(flat, [m.round(p) for p in at], size)
    else:
        low = [m.floor(p) for p in at]
        y = None
        for corner in itertools.product((0, 1), repeat=axes):
            share = None
            for p, first, side in zip(at, low, corner, strict=True):
                part = m.subtract(p, first) if side else m.subtract(m.add(first, 1), p)
                share = part if share is None else m.multiply(share, part)
            values = _read(flat, [m.add(first, side) for first, side in zip(low, corner, strict=True)], size)
            term = m.multiply(values, m.expand_dims(share, axis=1))
            y = term if y is None else m.add(y, term)
    return m.reshape(y, (*shape[:2], *places[1:-1]))


def _pixels(row: Any, n: int, align_corners: bool) -> Any:
    """From −1 … 1 to the numbers of the pixels, with fractions."""
    shifted = m.add(row, 1)
    if align_corners:
        return m.multiply(m.divide(shifted, 2), n - 1)
    return m.divide(m.subtract(m.multiply(shifted, n), 1), 2)


def _inside(p: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    if padding_mode == "zeros":
        return p
    if padding_mode == "reflection":
        least, span = (0.0, n - 1) if align_corners else (-0.5, n)
        if not span:
            return m.multiply(p, 0)
        apart = m.abs(m.subtract(p, least))
        turns = m.stop_gradient(m.floor(m.divide(apart, span)))
        rest = m.subtract(apart, m.multiply(turns, span))
        even = m.equal(m.remainder(turns, 2), 0)
        p = m.add(m.where(even, rest, m.subtract(span, rest)), least)
    return m.clip(p, 0, n - 1)


def _read(flat: Any, at: list[Any], size: Shape) -> Any:
    """The pixels (N, C, count) at whole numbers, (N, count) per axis; 0 outside."""
    there, number = None, None
    for p, n in zip(at, size, strict=True):
        fits = m.logical_and(m.greater_equal(p, 0), m.less_equal(p, n - 1))
        there = fits if there is None else m.logical_and(there, fits)
        place = m.astype(m.clip(m.stop_gradient(p), 0, n - 1), np.int64)
        number = place if number is None else m.add(m.multiply(number, n), place)
    (examples, channels), count = shape_of(flat)[:2], shape_of(number)[1]
    index = m.broadcast_to(m.expand_dims(number, axis=1), (examples, channels, count))
    values = m.take_along_axis(flat, index, axis=2)
    return m.where(m.expand_dims(there, axis=1), values, 0)
