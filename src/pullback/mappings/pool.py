"""Pooling as a user calls it: arguments read as PyTorch reads them, shapes checked."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from ..core.errors import DtypeError, ShapeError
from ..core.spec import Shape, dtype_of, operand, shape_of
from .along import _take_along
from .arithmetic import multiply
from .average_pool import _adaptive_avg_pool, _avg_pool
from .conv import hashable
from .exponential import pow
from .maximum_pool import _adaptive_max_positions, _max_choice, _max_pool, _window_positions
from .rounding import abs
from .shape import _reshape
from .window import Pairs, check_counts, per_axis, window_counts

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Ints = int | tuple[int, ...]

# ---------------------------------------------------------------------------------------------- maximum


def max_pool1d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of the last axis; x: (N, C, L) or (C, L).

    `stride` is `kernel_size` unless it is given. The border of `padding` never wins. Of elements that tie the
    first gets the gradient, and NaN wins. `ceil_mode` adds a last window that reaches beyond the end;
    `return_indices` also returns where the elements lie. Raises ShapeError when no window fits, ValueError for
    a padding of more than half the kernel.

    >>> import pullback as pb
    >>> pb.max_pool1d(pb.tensor([[1.0, 3.0, 2.0, 5.0]]), 2).tolist()
    [[3.0, 5.0]]
    """
    return _maximum("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of the last two axes, as `max_pool1d`; x: (N, C, H, W) or (C, H, W).

    Indices count the elements of an image (H, W) row by row.

    >>> import pullback as pb
    >>> y, indices = pb.max_pool2d(pb.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2, return_indices=True)
    >>> y.tolist(), indices.tolist()
    ([[[3.0]]], [[[1]]])
    """
    return _maximum("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of the last three axes, as `max_pool1d`.

    >>> import pullback as pb
    >>> pb.max_pool3d(pb.ones((1, 2, 4, 4, 4)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _maximum("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---------------------------------------------------------------------------------------------- average


def avg_pool1d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the mean of each window of the last axis; x: (N, C, L) or (C, L).

    `stride` is `kernel_size` unless it is given. The zeros of `padding` count as elements unless
    `count_include_pad=False`; what `ceil_mode` adds beyond them never does. Raises ShapeError when no window
    fits, ValueError for a padding of more than half the kernel.

    >>> import pullback as pb
    >>> pb.avg_pool1d(pb.tensor([[1.0, 3.0, 2.0, 5.0]]), 2).tolist()
    [[2.0, 3.5]]
    """
    return _average("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of the last two axes, as `avg_pool1d`; x: (N, C, H, W) or (C, H, W).

    The sums are divided by `divisor_override` if it is given.

    >>> import pullback as pb
    >>> pb.avg_pool2d(pb.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2).tolist()
    [[[1.5]]]
    """
    return _average("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    x: Any,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of the last three axes, as `avg_pool2d`.

    >>> import pullback as pb
    >>> pb.avg_pool3d(pb.ones((1, 2, 4, 4, 4)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _average("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(x: Any, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False) -> Any:
    """Return (Σ |x|^p)^(1/p) over each window of the last axis, p being `norm_type`.

    >>> import pullback as pb
    >>> pb.lp_pool1d(pb.tensor([[3.0, 4.0]]), 2, 2).tolist()
    [[5.0]]
    """
    return _power("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(x: Any, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False) -> Any:
    """Return (Σ |x|^p)^(1/p) over each window of the last two axes, p being `norm_type`.

    >>> import pullback as pb
    >>> pb.lp_pool2d(pb.ones((1, 4, 4)), 2, 2).tolist()
    [[[2.0, 2.0], [2.0, 2.0]]]
    """
    return _power("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(x: Any, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False) -> Any:
    """Return (Σ |x|^p)^(1/p) over each window of the last three axes, p being `norm_type`.

    >>> import pullback as pb
    >>> pb.lp_pool3d(pb.ones((1, 2, 4, 2)), 3, 2).numpy().round(6).tolist()
    [[[[2.0], [2.0]]]]
    """
    return _power("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


# --------------------------------------------------------------------------------------------- adaptive


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """Return the means of `output_size` windows that cover the last axis: window i from ⌊i·L/M⌋ to ⌈(i+1)·L/M⌉.

    x: (N, C, L) or (C, L). Raises ShapeError for an axis without elements.

    >>> import pullback as pb
    >>> pb.adaptive_avg_pool1d(pb.tensor([[1.0, 2.0, 6.0]]), 2).tolist()
    [[1.5, 4.0]]
    """
    return _covering("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """Return the means of H' × W' windows that cover the last two axes.

    `output_size` is an int, or a pair in which None keeps the length.

    >>> import pullback as pb
    >>> pb.adaptive_avg_pool2d(pb.ones((1, 2, 5, 7)), (1, None)).shape
    (1, 2, 1, 7)
    """
    return _covering("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Any) -> Any:
    """Return the means of D' × H' × W' windows that cover the last three axes.

    >>> import pullback as pb
    >>> pb.adaptive_avg_pool3d(pb.ones((1, 2, 5, 7, 3)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _covering("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of `output_size` windows that cover the last axis.

    The windows are those of `adaptive_avg_pool1d`; of elements that tie the first gets the gradient.

    >>> import pullback as pb
    >>> pb.adaptive_max_pool1d(pb.tensor([[1.0, 2.0, 6.0]]), 2).tolist()
    [[2.0, 6.0]]
    """
    return _covering_maximum("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of H' × W' windows that cover the last two axes.

    >>> import pullback as pb
    >>> pb.adaptive_max_pool2d(pb.ones((1, 2, 5, 7)), 3).shape
    (1, 2, 3, 3)
    """
    return _covering_maximum("adaptive_max_pool2d", 2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of D' × H' × W' windows that cover the last three axes.

    >>> import pullback as pb
    >>> pb.adaptive_max_pool3d(pb.ones((1, 2, 5, 7, 3)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _covering_maximum("adaptive_max_pool3d", 3, x, output_size, return_indices)


# --------------------------------------------------------------------------------------------- arguments


def _images(where: str, axes: int, x: Any) -> tuple[Any, Shape]:
    """Return `x` and the lengths of its last axes; raises ShapeError or DtypeError unless it can be pooled."""
    x = operand(x)
    shape = shape_of(x)
    names = ", ".join(("D", "H", "W")[-axes:] if axes > 1 else ("L",))
    if len(shape) not in (axes + 1, axes + 2):
        raise ShapeError(f"{where}: expected x of shape (N, C, {names}) or (C, {names}), got x of shape {shape}")
    if dtype_of(x).kind not in "fiu":
        raise DtypeError(f"{where}: expected real numbers, got x of dtype {dtype_of(x)}")
    return x, shape[-axes:]


@lru_cache(maxsize=1024)
def _windows(
    where: str, size: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Shape, Shape, Pairs, Pairs, Shape]:
    """Return kernel, stride, padding such that the windows end with it, padding as given, and dilation."""
    axes = len(size)
    kernel = per_axis(where, "kernel_size", kernel_size, axes)
    strides = kernel if stride is None else per_axis(where, "stride", stride, axes)
    dilations = per_axis(where, "dilation", dilation, axes)
    widths = per_axis(where, "padding", padding, axes, least=0)
    if any(2 * p > k for p, k in zip(widths, kernel, strict=True)):
        raise ValueError(f"{where}: padding must be at most half of kernel_size {kernel}, got {padding}")
    given = tuple((p, p) for p in widths)
    counts = list(window_counts(size, kernel, strides, given, dilations))
    check_counts(where, tuple(counts), size, kernel, given, dilations)
    pairs = []
    for n, p, k, s, d, count in zip(size, widths, kernel, strides, dilations, counts, strict=True):
        rest = n + 2 * p - d * (k - 1) - 1 - (count - 1) * s
        if ceil_mode and rest and count * s < n + p:  # a further window, which must not begin beyond the input
            count += 1
        pairs.append((p, (count - 1) * s + d * (k - 1) + 1 - n - p))
    return kernel, strides, tuple(pairs), given, dilations


def _maximum(
    where: str,
    axes: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, size = _images(where, axes, x)
    kernel, strides, pairs, _, dilations = _windows(
        where, size, hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), bool(ceil_mode)
    )
    static = {"kernel": kernel, "stride": strides, "padding": pairs, "dilation": dilations}
    y = _max_pool(x, **static)
    return (y, _window_positions(_max_choice(x, **static), size=size, **static)) if return_indices else y


def _average(
    where: str,
    axes: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    x, size = _images(where, axes, x)
    if dtype_of(x).kind != "f":
        raise DtypeError(f"{where}: expected floating numbers, got x of dtype {dtype_of(x)}")
    if divisor == 0:
        raise ValueError(f"{where}: divisor_override must not be 0")
    kernel, strides, pairs, given, _ = _windows(
        where, size, hashable(kernel_size), hashable(stride), hashable(padding), 1, bool(ceil_mode)
    )
    counted = given if count_include_pad else ((0, 0),) * axes
    return _avg_pool(x, kernel=kernel, stride=strides, padding=pairs, counted=counted, divisor=divisor)


def _power(where: str, axes: int, x: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    if not p > 0:
        raise ValueError(f"{where}: norm_type must be positive, got {p!r}")
    kernel = per_axis(where, "kernel_size", hashable(kernel_size), axes)
    means = _average(where, axes, pow(abs(operand(x)), float(p)), kernel, stride, 0, ceil_mode, True, None)
    return pow(multiply(means, float(math.prod(kernel))), 1 / p)


def _lengths(where: str, axes: int, size: Shape, output_size: Any) -> Shape:
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,)
    if len(wanted) == 1:
        wanted *= axes
    if len(wanted) != axes:
        raise ValueError(f"{where}: expected output_size to be an int or {axes} of them, got {output_size!r}")
    if 0 in size:
        raise ShapeError(f"{where}: an axis of length 0 cannot be covered with windows (size {size})")
    lengths = tuple(n if m is None else m for n, m in zip(size, wanted, strict=True))
    return per_axis(where, "output_size", lengths, axes)


def _covering(where: str, axes: int, x: Any, output_size: Any) -> Any:
    x, size = _images(where, axes, x)
    if dtype_of(x).kind != "f":
        raise DtypeError(f"{where}: expected floating numbers, got x of dtype {dtype_of(x)}")
    return _adaptive_avg_pool(x, counts=_lengths(where, axes, size, output_size))


def _covering_maximum(where: str, axes: int, x: Any, output_size: Any, return_indices: bool) -> Any:
    x, size = _images(where, axes, x)
    counts = _lengths(where, axes, size, output_size)
    lead = shape_of(x)[:-axes]
    positions = _adaptive_max_positions(x, counts=counts)
    rows = _reshape(x, shape=(*lead, math.prod(size)))
    picked = _take_along(rows, _reshape(positions, shape=(*lead, math.prod(counts))), axis=-1)
    y = _reshape(picked, shape=(*lead, *counts))
    return (y, positions) if return_indices else y
