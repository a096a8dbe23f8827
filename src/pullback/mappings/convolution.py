"""Convolution: three mappings, each bilinear, each the transpose of the others.

With windows w over positions p, channels c of the input and o of the output (within a group):

    convolution         y[o, p] = Σ_{c, w} x[c, p + w] · weight[o, c, w]
    convolution_input   x[c, q] = Σ_{o, w} y[o, q − w] · weight[o, c, w]     (transposed convolution)
    convolution_weight  weight[o, c, w] = Σ_p x[c, p + w] · y[o, p]

so every order of derivative is a convolution again. x: (N, C, *size), weight: (O, C/groups, *kernel),
y: (N, O, *counts). Static: `stride`, `dilation` (tuples), `padding` (pairs), `groups`.

The windows are copied side by side into columns (im2col), a slab of rows that stays in the cache at a time,
and one matrix product per slab does the work. In memory the channels lie first and the examples last, so that
the copies are long and the product is one: results are views of such arrays, and what elementwise mappings
make of them keeps that order, so that the next convolution finds it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.families import bilinear, composite
from ..core.mapping import unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, ndim_of, result_dtype, shape_of
from .arithmetic import add
from .reduce import _sum
from .shape import _permute_dims, _reshape
from .slicing import STEPWISE
from .window import Pairs, inside, is_plain, padded_size, views, window_counts

__all__: list[str] = []

SLAB = 1 << 21
"""Bytes of columns that are filled before they are multiplied: about what the second-level cache holds."""

# ----------------------------------------------------------------------------------------------- kernels


def _examples_last(x: Any, padding: Pairs, dtype: Any) -> Any:
    """Return `x` as a contiguous array (channels, *padded size, examples); without a copy if it lies so."""
    moved = x.transpose(*range(1, x.ndim), 0)
    if is_plain(padding):
        return np.ascontiguousarray(moved, dtype)
    size = x.shape[2:]
    there, here = inside(size, padding)
    whole = np.zeros((x.shape[1], *padded_size(size, padding), x.shape[0]), dtype)
    whole[(slice(None), *there)] = moved[(slice(None), *here)]
    return whole


def _examples_first(y: Any) -> Any:
    """Return (channels, *size, examples) as (examples, channels, *size)."""
    return y.transpose(y.ndim - 1, *range(y.ndim - 1))


def _slabs(rows: int, row_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Part the first axis of the windows: yield (first row, stop row, rows of a full slab)."""
    step = max(1, min(rows, SLAB // max(row_bytes, 1)))
    for first in range(0, rows, step):
        yield first, min(first + step, rows), step


def _pointwise(kernel: Shape, stride: Shape) -> bool:
    return math.prod(kernel) == 1 and math.prod(stride) == 1


def _columns(
    whole: Any, kernel: Shape, stride: Shape, dilation: Shape, counts: Shape, groups: int
) -> Iterator[tuple[slice, Any]]:
    """Yield slabs of columns: which of the windows they are, and their elements as (groups, per window, windows)."""
    channels, examples = whole.shape[0], whole.shape[-1]
    height = channels // groups * math.prod(kernel)
    behind = math.prod(counts[1:]) * examples
    if _pointwise(kernel, stride):
        yield slice(0, counts[0] * behind), whole.reshape(groups, height, counts[0] * behind)
        return
    columns: Any = None
    for first, stop, step in _slabs(counts[0], channels * math.prod(kernel) * behind * whole.itemsize):
        if columns is None:
            columns = np.empty((channels, math.prod(kernel), step, *counts[1:], examples), whole.dtype)
        here = (stop - first, *counts[1:])
        for k, window in enumerate(views(kernel, stride, dilation, here, first)):
            columns[:, k, : stop - first] = whole[(slice(None), *window)]
        flat = columns.reshape(groups, height, step * behind)
        yield slice(first * behind, stop * behind), flat[:, :, : (stop - first) * behind]


def _kernel(x: Any, weight: Any, *bias: Any, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    dtype = np.result_type(x, weight, *bias)
    kernel, outputs, examples = weight.shape[2:], weight.shape[0], x.shape[0]
    counts = window_counts(x.shape[2:], kernel, stride, padding, dilation)
    whole = _examples_last(x, padding, dtype)
    y = np.empty((outputs, *counts, examples), dtype)
    flat = y.reshape(groups, outputs // groups, math.prod(counts) * examples)
    rows = _in_groups(weight, groups, dtype)
    shift = bias[0].reshape(groups, outputs // groups, 1) if bias else None
    for windows, columns in _columns(whole, kernel, stride, dilation, counts, groups):
        part = flat[:, :, windows]
        np.matmul(rows, columns, out=part)
        if shift is not None:
            part += shift
    return _examples_first(y)


def _in_groups(weight: Any, groups: int, dtype: Any) -> Any:
    outputs = weight.shape[0]
    return np.ascontiguousarray(weight, dtype).reshape(groups, outputs // groups, math.prod(weight.shape[1:]))


def _input_kernel(
    y: Any, weight: Any, *, stride: Shape, padding: Pairs, dilation: Shape, groups: int, size: Shape
) -> Any:
    dtype = np.result_type(y, weight)
    kernel, counts, examples = weight.shape[2:], y.shape[2:], y.shape[0]
    outputs, channels = weight.shape[0], weight.shape[1] * groups
    values = _examples_last(y, ((0, 0),) * len(kernel), dtype)
    values = values.reshape(groups, outputs // groups, math.prod(counts) * examples)
    rows = _in_groups(weight, groups, dtype).swapaxes(1, 2)
    lengths = padded_size(size, padding)
    if _pointwise(kernel, stride):
        whole = np.matmul(rows, values).reshape(channels, *lengths, examples)
    else:
        whole = np.zeros((channels, *lengths, examples), dtype)
        behind = math.prod(counts[1:]) * examples
        columns: Any = None
        for first, stop, step in _slabs(counts[0], channels * math.prod(kernel) * behind * whole.itemsize):
            if columns is None:
                columns = np.empty((channels, math.prod(kernel), step, *counts[1:], examples), dtype)
            flat = columns.reshape(groups, rows.shape[1], step * behind)[:, :, : (stop - first) * behind]
            # With one output per group the product is that of each pair of elements, which BLAS takes long for.
            product = np.multiply if rows.shape[2] == 1 else np.matmul
            product(rows, values[:, :, first * behind : stop * behind], out=flat)
            here = (stop - first, *counts[1:])
            for k, window in enumerate(views(kernel, stride, dilation, here, first)):
                whole[(slice(None), *window)] += columns[:, k, : stop - first]
    if is_plain(padding):
        return _examples_first(whole)
    there, here = inside(size, padding)
    if all(min(pair) >= 0 for pair in padding):
        return _examples_first(whole[(slice(None), *there)])
    x = np.zeros((channels, *size, examples), dtype)
    x[(slice(None), *here)] = whole[(slice(None), *there)]
    return _examples_first(x)


def _weight_kernel(
    x: Any, y: Any, *, stride: Shape, padding: Pairs, dilation: Shape, groups: int, kernel: Shape
) -> Any:
    dtype = np.result_type(x, y)
    channels, outputs, counts, examples = x.shape[1], y.shape[1], y.shape[2:], x.shape[0]
    whole = _examples_last(x, padding, dtype)
    values = _examples_last(y, ((0, 0),) * len(kernel), dtype)
    values = values.reshape(groups, outputs // groups, math.prod(counts) * examples)
    weight = np.empty((outputs, channels // groups, *kernel), dtype)
    total = weight.reshape(groups, outputs // groups, channels // groups * math.prod(kernel))
    for windows, columns in _columns(whole, kernel, stride, dilation, counts, groups):
        part = values[:, :, windows]
        if windows.start:
            total += np.matmul(part, columns.swapaxes(1, 2))
        else:
            np.matmul(part, columns.swapaxes(1, 2), out=total)
    return weight


# --------------------------------------------------------------------------------------------- batching
#
# An array with a batch axis alone is folded into an axis that the others do not have: the examples of x and y,
# the channels (within each group) of the rest. Two arrays with one become groups of their own.


def _merge(x: Any, axis: int, groups: int = 1) -> Any:
    """Fold the batch axis 0 into `axis`, behind its groups: (B, …, G·n, …) → (…, G·B·n, …)."""
    size, *shape = shape_of(x)
    n = shape[axis] // groups
    apart = _reshape(x, shape=(size, *shape[:axis], groups, n, *shape[axis + 1 :]))
    order = (*range(1, axis + 2), 0, *range(axis + 2, len(shape) + 2))
    return _reshape(_permute_dims(apart, axes=order), shape=(*shape[:axis], groups * size * n, *shape[axis + 1 :]))


def _part(y: Any, axis: int, size: int, groups: int = 1) -> Any:
    """Undo `_merge`."""
    shape = shape_of(y)
    n = shape[axis] // (groups * size)
    apart = _reshape(y, shape=(*shape[:axis], groups, size, n, *shape[axis + 1 :]))
    order = (axis + 1, *range(axis + 1), *range(axis + 2, len(shape) + 2))
    return _reshape(_permute_dims(apart, axes=order), shape=(size, *shape[:axis], groups * n, *shape[axis + 1 :]))


@dataclass(frozen=True)
class _Fold:
    """Where a batch axis goes, and where it is found in the result; whether these axes consist of groups."""

    into: int
    into_groups: bool
    found: int
    found_groups: bool


_EXAMPLES = _Fold(0, False, 0, False)


def _batching(mapping: Callable[[], Any], alone: tuple[_Fold, _Fold], both: tuple[int, int], found: int) -> Any:
    """Return the batch rule of one of the three.

    `alone[i]` says what happens when only array i has a batch axis; when both have one, it becomes groups: it
    goes into the axes `both` and is found in the axis `found`.
    """

    def batch(batched: Sequence[bool], xs: Sequence[Any], *, groups: int, **static: Any) -> Any:
        if batched[0] and batched[1]:
            size = shape_of(xs[0])[0]
            a, b = (_merge(x, axis) for x, axis in zip(xs, both, strict=True))
            return _part(mapping()(a, b, groups=groups * size, **static), found, size)
        i = 0 if batched[0] else 1
        fold = alone[i]
        merged = _merge(xs[i], fold.into, groups if fold.into_groups else 1)
        y = mapping()(*(merged if k == i else x for k, x in enumerate(xs)), groups=groups, **static)
        return _part(y, fold.found, shape_of(xs[i])[0], groups if fold.found_groups else 1)

    return batch


# --------------------------------------------------------------------------------------------- mappings


def _spec(x: Spec, weight: Spec, *bias: Spec, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Spec:
    counts = window_counts(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    return Spec((x.shape[0], weight.shape[0], *counts), result_dtype(x, weight, *bias))


_SETTINGS: list[tuple[Shape, Shape, dict[str, Any]]] = [
    ((2, 2, 5), (3, 2, 3), {"stride": (1,), "padding": ((1, 1),), "dilation": (1,), "groups": 1}),
    ((2, 2, 5, 4), (2, 1, 2, 3), {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2}),
    ((1, 4, 6), (4, 2, 2), {"stride": (3,), "padding": ((2, -1),), "dilation": (2,), "groups": 2}),
    ((2, 3, 2, 3), (2, 3, 1, 1), {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}),
    (
        (1, 2, 3, 2, 3),
        (2, 2, 2, 1, 2),
        {"stride": (1, 1, 2), "padding": ((0, 0), (1, 0), (0, 1)), "dilation": (1, 1, 1), "groups": 1},
    ),
    ((0, 2, 4), (2, 2, 3), {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}),
]


def _samples(rng: np.random.Generator, *wanted: str) -> list[Sample]:
    samples = []
    for x, weight, static in _SETTINGS:
        size, kernel = x[2:], weight[2:]
        counts = window_counts(size, kernel, static["stride"], static["padding"], static["dilation"])
        shapes = {"x": x, "weight": weight, "y": (x[0], weight[0], *counts), "bias": (weight[0],)}
        more = {} if "x" in wanted and "weight" in wanted else {"kernel": kernel} if "x" in wanted else {"size": size}
        samples.append(Sample(tuple(rng.normal(size=shapes[name]) for name in wanted), static | more))
    return samples


_convolution = bilinear(
    "convolution",
    _kernel,
    _spec,
    (
        lambda g, x, weight, **static: _convolution_input(g, weight, size=x.shape[2:], **static),
        lambda g, x, weight, **static: _convolution_weight(x, g, kernel=weight.shape[2:], **static),
    ),
    _batching(lambda: _convolution, (_EXAMPLES, _Fold(0, True, 1, True)), (1, 0), 1),
    arguments=("x", "weight"),
    formula=r"{x} \star {weight}",
    words="{x} convolved with {weight}",
    flops=lambda x, weight, **static: 2 * math.prod(_spec(x, weight, **static).shape) * math.prod(weight.shape[1:]),
    lower="convolution",
    onnx="Conv",
    samples=fixed(lambda rng: _samples(rng, "x", "weight")),
)

_convolution_input = bilinear(
    "convolution_input",
    _input_kernel,
    lambda y, weight, *, stride, padding, dilation, groups, size: Spec(
        (y.shape[0], weight.shape[1] * groups, *size), result_dtype(y, weight)
    ),
    (
        lambda g, y, weight, *, size, **static: _convolution(g, weight, **static),
        lambda g, y, weight, *, size, **static: _convolution_weight(g, y, kernel=weight.shape[2:], **static),
    ),
    _batching(lambda: _convolution_input, (_EXAMPLES, _Fold(1, False, 1, True)), (1, 0), 1),
    arguments=("y", "weight"),
    formula=r"{weight}^T \star {y}",
    words="{y} spread over the windows by {weight} (transposed convolution)",
    flops=lambda y, weight, **static: 2 * math.prod(y.shape) * math.prod(weight.shape[1:]),
    lower="convolution_input",
    onnx="ConvTranspose",
    samples=fixed(lambda rng: _samples(rng, "y", "weight")),
)

_convolution_weight = bilinear(
    "convolution_weight",
    _weight_kernel,
    lambda x, y, *, stride, padding, dilation, groups, kernel: Spec(
        (y.shape[1], x.shape[1] // groups, *kernel), result_dtype(x, y)
    ),
    (
        lambda g, x, y, *, kernel, **static: _convolution_input(y, g, size=x.shape[2:], **static),
        lambda g, x, y, *, kernel, **static: _convolution(x, g, **static),
    ),
    _batching(lambda: _convolution_weight, (_Fold(1, True, 1, False), _Fold(1, True, 0, True)), (1, 1), 0),
    arguments=("x", "y"),
    formula=r"{x} \star {y}",
    words="the products of {y} with the windows of {x}, added up over the examples and the windows",
    flops=lambda x, y, *, groups, kernel, **static: 2 * math.prod(y.shape) * x.shape[1] // groups * math.prod(kernel),
    lower="convolution_weight",
    onnx=unsupported("convolution_weight: it belongs to the way back, and training is not exported"),
    samples=fixed(lambda rng: _samples(rng, "x", "y")),
)


def _shifted(x: Any, weight: Any, bias: Any, **static: Any) -> Any:
    y = _convolution(x, weight, **static)
    return add(y, _reshape(bias, shape=(*shape_of(bias), *(1,) * (ndim_of(y) - 2))))


def _shifted_pullback(g: Any, y: Any, x: Any, weight: Any, bias: Any, *, needs: Sequence[bool], **static: Any) -> Any:
    return (
        _convolution_input(g, weight, size=shape_of(x)[2:], **static) if needs[0] else None,
        _convolution_weight(x, g, kernel=shape_of(weight)[2:], **static) if needs[1] else None,
        _sum(g, axis=(0, *range(2, ndim_of(g))), keepdims=False) if needs[2] else None,
    )


_convolution_bias = composite(
    "convolution_bias",
    _shifted,
    _spec,
    kernel=_kernel,
    pullback=_shifted_pullback,
    arguments=("x", "weight", "bias"),
    formula=r"{x} \star {weight} + {bias}",
    words="{x} convolved with {weight}, plus {bias}",
    lower=STEPWISE,
    onnx="Conv",
    samples=fixed(lambda rng: _samples(rng, "x", "weight", "bias")),
)
