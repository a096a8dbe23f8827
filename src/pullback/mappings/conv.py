"""Convolutions as a user calls them: arguments read as PyTorch reads them, shapes checked."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

from ..core.errors import ShapeError
from ..core.spec import Shape, operand, shape_of
from .arithmetic import add
from .convolution import _convolution, _convolution_bias, _convolution_input
from .shape import _reshape
from .window import Pairs, check_counts, per_axis, window_counts

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Ints = int | tuple[int, ...]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Return the sums over windows y[o, p] = bias[o] + Σ x[c, stride·p + dilation·w − padding] · weight[o, c, w].

    x: (N, C, L), or (C, L) for one example; weight: (O, C/groups, K); bias: (O,) or None; result: (N, O, M) with
    M = ⌊(L + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1. `padding` may be "valid" (none) or "same" (as
    much as keeps the length, with stride 1). `groups` parts the channels: each part of the outputs sees its own.

    Raises ShapeError when the shapes do not fit together or no window fits, ValueError for other settings that
    make no sense.

    >>> import pullback as pb
    >>> pb.conv1d(pb.tensor([[1.0, 2.0, 4.0]]), pb.tensor([[[-1.0, 1.0]]])).tolist()
    [[1.0, 2.0]]
    """
    return _conv("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Return what `conv1d` does, over images: x (N, C, H, W) or (C, H, W), weight (O, C/groups, KH, KW).

    `stride`, `padding` and `dilation` are an int or a pair (height, width).

    >>> import pullback as pb
    >>> pb.conv2d(pb.ones((1, 1, 3, 3)), pb.ones((1, 1, 2, 2)), padding="same").tolist()
    [[[[4.0, 4.0, 2.0], [4.0, 4.0, 2.0], [2.0, 2.0, 1.0]]]]
    """
    return _conv("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Return what `conv1d` does, over volumes: x (N, C, D, H, W) or (C, D, H, W), weight (O, C/groups, KD, KH, KW).

    >>> import pullback as pb
    >>> pb.conv3d(pb.ones((1, 1, 4, 4, 4)), pb.ones((2, 1, 3, 3, 3)), stride=2, padding=1).shape
    (1, 2, 2, 2, 2)
    """
    return _conv("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Any:
    """Return the transpose of `conv1d`: each element of `x` adds its multiple of the kernel to the result.

    x: (N, O, M) or (O, M); weight: (O, C/groups, K), as the convolution from C to O channels has it; bias: (C,)
    or None; result: (N, C, L) with L = (M − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1.
    `output_padding` says which of the lengths is meant that the convolution maps to M.

    Raises ShapeError when the shapes do not fit together or nothing is left, ValueError for other settings that
    make no sense.

    >>> import pullback as pb
    >>> pb.conv_transpose1d(pb.tensor([[1.0, 2.0]]), pb.tensor([[[1.0, 10.0]]]), stride=2).tolist()
    [[1.0, 10.0, 2.0, 20.0]]
    """
    return _transposed("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Any:
    """Return the transpose of `conv2d`: x (N, O, H, W) or (O, H, W), weight (O, C/groups, KH, KW).

    >>> import pullback as pb
    >>> pb.conv_transpose2d(pb.ones((1, 2, 4, 4)), pb.ones((2, 3, 2, 2)), stride=2).shape
    (1, 3, 8, 8)
    """
    return _transposed("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Any:
    """Return the transpose of `conv3d`: x (N, O, D, H, W) or (O, D, H, W), weight (O, C/groups, KD, KH, KW).

    >>> import pullback as pb
    >>> pb.conv_transpose3d(pb.ones((2, 2, 2, 2)), pb.ones((2, 1, 3, 3, 3))).shape
    (1, 4, 4, 4)
    """
    return _transposed("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation)


# --------------------------------------------------------------------------------------------- arguments


def hashable(value: Any) -> Any:
    """Return a setting such that it can be looked up: a list as a tuple."""
    return tuple(value) if value.__class__ is list else value


@lru_cache(maxsize=1024)
def windows_of(where: str, kernel: Shape, stride: Any, padding: Any, dilation: Any) -> tuple[Shape, Pairs, Shape]:
    """Return stride, padding and dilation with an entry per axis. Raises ValueError when they make no sense."""
    axes = len(kernel)
    strides, dilations = per_axis(where, "stride", stride, axes), per_axis(where, "dilation", dilation, axes)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{where}: expected padding to be 'same', 'valid', an int or {axes} ints, got {padding!r}")
        if padding == "valid":
            return strides, ((0, 0),) * axes, dilations
        if max(strides) > 1:
            raise ValueError(f"{where}: padding='same' keeps the length, so it needs stride 1, got stride {stride}")
        totals = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
        return strides, tuple((total // 2, total - total // 2) for total in totals), dilations
    return strides, tuple((p, p) for p in per_axis(where, "padding", padding, axes, least=0)), dilations


def _check_weight(where: str, axes: int, weight: Any, bias: Any, groups: Any, *, transposed: bool) -> int:
    """Return `groups`; raises ShapeError or ValueError unless weight, bias and groups fit together."""
    kernel = shape_of(weight)
    if len(kernel) != axes + 2 or min(kernel) < 1:
        names = ", ".join("K" + n for n in _names(axes))
        order = "in, out" if transposed else "out, in"
        raise ShapeError(f"{where}: expected weight of shape ({order}/groups, {names}), got weight of shape {kernel}")
    try:
        number = operator.index(groups)
    except TypeError:
        number = 0
    if number < 1 or kernel[0] % number:
        raise ValueError(
            f"{where}: groups must be a positive integer that divides the {kernel[0]} channels of weight {kernel}, "
            f"got {groups!r}"
        )
    outputs = kernel[1] * number if transposed else kernel[0]
    if bias is not None and shape_of(bias) != (outputs,):
        raise ShapeError(f"{where}: expected bias of shape ({outputs},) for weight {kernel}, got {shape_of(bias)}")
    return number


def _names(axes: int) -> tuple[str, ...]:
    return ("D", "H", "W")[-axes:] if axes > 1 else ("L",)


def _as_examples(where: Any, x: Any, channels: int, axes: int) -> tuple[Any, bool]:
    """Return `x` with an axis of examples, and whether it had none. Raises ShapeError unless it has `channels`."""
    x = operand(x)
    shape = shape_of(x)
    if len(shape) not in (axes + 1, axes + 2) or shape[-axes - 1] != channels:
        names = ", ".join(_names(axes))
        raise ShapeError(
            f"{where}: expected x of shape (N, {channels}, {names}), or ({channels}, {names}) for one example, "
            f"got x of shape {shape}"
        )
    return (_reshape(x, shape=(1, *shape)), True) if len(shape) == axes + 1 else (x, False)


def convolve(
    where: Any, x: Any, weight: Any, bias: Any, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Any:
    """Apply the mapping; `where` is what an error names. Raises ShapeError when x does not fit."""
    kernel = shape_of(weight)
    x, single = _as_examples(where, x, kernel[1] * groups, len(stride))
    size, kernel = shape_of(x)[2:], kernel[2:]
    counts = window_counts(size, kernel, stride, padding, dilation)
    if min(counts) < 1:
        check_counts(where, counts, size, kernel, padding, dilation)
    static = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = _convolution(x, weight, **static) if bias is None else _convolution_bias(x, weight, bias, **static)
    return _reshape(y, shape=shape_of(y)[1:]) if single else y


def convolve_transposed(
    where: Any,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Shape,
    padding: Pairs,
    output_padding: Shape,
    dilation: Shape,
    groups: int,
) -> Any:
    """Apply the transposed mapping; `where` is what an error names. Raises ShapeError or ValueError."""
    kernel = shape_of(weight)
    axes = len(stride)
    x, single = _as_examples(where, x, kernel[0], axes)
    if any(m >= max(s, d) for m, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise ValueError(
            f"{where}: output_padding must be smaller than stride or dilation, got output_padding {output_padding}, "
            f"stride {stride} and dilation {dilation}"
        )
    # So much less is cropped at the end that the windows of the result are those of x exactly.
    padding = tuple((before, after - m) for (before, after), m in zip(padding, output_padding, strict=True))
    counts, size = shape_of(x)[2:], transposed_size(shape_of(x)[2:], kernel[2:], stride, padding, dilation)
    if min(size) < 1 or min(counts) < 1:
        raise ShapeError(f"{where}: nothing is left: x {shape_of(x)} and weight {kernel} give the size {size}")
    y = _convolution_input(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups, size=size)
    if bias is not None:
        y = add(y, _reshape(bias, shape=(*shape_of(bias), *(1,) * axes)))
    return _reshape(y, shape=shape_of(y)[1:]) if single else y


def transposed_size(counts: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """Return the size that has exactly `counts` windows."""
    return tuple(
        (count - 1) * s - before - after + d * (k - 1) + 1
        for count, s, (before, after), d, k in zip(counts, stride, padding, dilation, kernel, strict=True)
    )


def _conv(
    where: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    weight = operand(weight)
    groups = _check_weight(where, axes, weight, bias, groups, transposed=False)
    kernel = shape_of(weight)[2:]
    settings = windows_of(where, kernel, hashable(stride), hashable(padding), hashable(dilation))
    return convolve(where, x, weight, bias, *settings, groups)


def _transposed(
    where: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    weight = operand(weight)
    groups = _check_weight(where, axes, weight, bias, groups, transposed=True)
    if isinstance(padding, str):
        raise ValueError(f"{where}: expected padding to be an int or {axes} ints, got {padding!r}")
    kernel = shape_of(weight)[2:]
    stride, pairs, dilation = windows_of(where, kernel, hashable(stride), hashable(padding), hashable(dilation))
    more = per_axis(where, "output_padding", hashable(output_padding), axes, least=0)
    return convolve_transposed(where, x, weight, bias, stride, pairs, more, dilation, groups)
