"""Average pooling: the mean of each window, over windows of one size or over as many as are asked for.

All four mappings are linear, work on the last axes, and do one axis after the other.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.families import linear
from ..core.mapping import unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec
from .maximum_pool import adaptive_bounds, covered_size
from .window import Pairs, bordered, inside, padded_size, window_counts

__all__: list[str] = []

WAY_BACK = unsupported("it belongs to the way back, and training is not exported")

# ----------------------------------------------------------------------------------------------- kernels


def _along(axis: int, ndim: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,) + (slice(None),) * (ndim - axis - 1)


def _window_sums(x: Any, kernel: Shape, stride: Shape, padding: Pairs, counts: Shape) -> Any:
    y = bordered(x, padding, 0)
    lead = x.ndim - len(kernel)
    for a, (k, s, count) in enumerate(zip(kernel, stride, counts, strict=True)):
        views = [y[_along(lead + a, x.ndim, slice(i, i + s * (count - 1) + 1, s))] for i in range(k)]
        y = views[0]
        if k > 1:
            y = y + views[1]
            for view in views[2:]:
                y += view
    return y


def _spread_sums(g: Any, kernel: Shape, stride: Shape, padding: Pairs, size: Shape) -> Any:
    lead = g.ndim - len(kernel)
    lengths = padded_size(size, padding)
    for a, (k, s, length) in enumerate(zip(kernel, stride, lengths, strict=True)):
        axis = lead + a
        count = g.shape[axis]
        whole: Any = np.zeros_like(g, shape=(*g.shape[:axis], length, *g.shape[axis + 1 :]), subok=False)
        for i in range(k):
            whole[_along(axis, g.ndim, slice(i, i + s * (count - 1) + 1, s))] += g
        g = whole
    there, here = inside(size, padding)
    if all(after >= 0 for _, after in padding):
        return g[(..., *there)]
    x: Any = np.zeros_like(g, shape=(*g.shape[:lead], *size), subok=False)
    x[(..., *here)] = g[(..., *there)]
    return x


@lru_cache(maxsize=256)
def _divisors(
    size: Shape, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs, counts: Shape, divisor: int | None
) -> Any:
    """Return by what the sums are divided: a number, or an array of the shape `counts` where windows differ."""
    if divisor is not None:
        return float(divisor)
    total = np.ones(())
    for n, k, s, (before, _), (counted_before, counted_after), count in zip(
        size, kernel, stride, padding, counted, counts, strict=True
    ):
        start = s * np.arange(count) - before
        inner = np.minimum(start + k, n + counted_after) - np.maximum(start, -counted_before)
        total = total[..., None] * inner
    if total.size and (total == total.flat[0]).all():
        return float(total.flat[0])
    total.flags.writeable = False
    return total


def _means(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs, divisor: int | None) -> Any:
    size = x.shape[x.ndim - len(kernel) :]
    counts = window_counts(size, kernel, stride, padding, (1,) * len(kernel))
    sums = _window_sums(x, kernel, stride, padding, counts)
    return _divided(sums, _divisors(size, kernel, stride, padding, counted, counts, divisor), x.dtype)


def _divided(x: Any, divisors: Any, dtype: Any) -> Any:
    return np.divide(x, divisors if isinstance(divisors, float) else divisors.astype(dtype))


def _means_back(
    g: Any, *, kernel: Shape, stride: Shape, padding: Pairs, counted: Pairs, divisor: int | None, size: Shape
) -> Any:
    counts = g.shape[g.ndim - len(kernel) :]
    divisors = _divisors(size, kernel, stride, padding, counted, counts, divisor)
    return _spread_sums(_divided(g, divisors, g.dtype), kernel, stride, padding, size)


def _adaptive_means(x: Any, *, counts: Shape) -> Any:
    lead = x.ndim - len(counts)
    for axis, count in enumerate(counts, lead):
        y = np.empty_like(x, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]), subok=False)
        for i, (start, stop) in enumerate(adaptive_bounds(x.shape[axis], count)):
            part = x[_along(axis, x.ndim, slice(start, stop))]
            np.add.reduce(part, axis=axis, keepdims=True, out=y[_along(axis, x.ndim, slice(i, i + 1))])
            y[_along(axis, x.ndim, slice(i, i + 1))] /= stop - start
        x = y
    return x


def _adaptive_means_back(g: Any, *, size: Shape) -> Any:
    lead = g.ndim - len(size)
    for axis, length in enumerate(size, lead):
        x = np.zeros_like(g, shape=(*g.shape[:axis], length, *g.shape[axis + 1 :]), subok=False)
        for i, (start, stop) in enumerate(adaptive_bounds(length, g.shape[axis])):
            x[_along(axis, g.ndim, slice(start, stop))] += g[_along(axis, g.ndim, slice(i, i + 1))] / (stop - start)
        g = x
    return g


def _mean_tables(x: Spec, *, counts: Shape) -> list[tuple[int, Any, Any]]:
    lead = x.ndim - len(counts)
    return [(axis, *_mean_table(x.shape[axis], count)) for axis, count in enumerate(counts, lead)]


@lru_cache(maxsize=256)
def _mean_table(n: int, count: int) -> tuple[Any, Any]:
    """Return which elements are in each window, (terms, count), -1 for none, and their shares."""
    starts, stops = np.array(adaptive_bounds(n, count)).reshape(count, 2).T
    index = starts + np.arange(int((stops - starts).max(initial=1)))[:, None]
    return np.where(index < stops, index, -1), np.broadcast_to(1 / (stops - starts), index.shape)


def _mean_tables_back(g: Spec, *, size: Shape) -> list[tuple[int, Any, Any]]:
    lead = g.ndim - len(size)
    return [(axis, *_mean_table_back(length, g.shape[axis])) for axis, length in enumerate(size, lead)]


@lru_cache(maxsize=256)
def _mean_table_back(n: int, count: int) -> tuple[Any, Any]:
    """Return which windows each element is in, (terms, n), -1 for none, and its shares in them."""
    windows = [[i for i, (start, stop) in enumerate(adaptive_bounds(n, count)) if start <= j < stop] for j in range(n)]
    terms = max(map(len, windows), default=1)
    index = np.array([w + [-1] * (terms - len(w)) for w in windows]).reshape(n, terms).T
    starts, stops = np.array(adaptive_bounds(n, count)).T
    return index, 1 / (stops - starts)[index]


# --------------------------------------------------------------------------------------------- mappings


def _averaged(x: Spec, kernel: Shape, stride: Shape, padding: Pairs) -> Spec:
    lead = x.ndim - len(kernel)
    return Spec((*x.shape[:lead], *window_counts(x.shape[lead:], kernel, stride, padding, (1,) * len(kernel))), x.dtype)


def _with_size(x: Spec, size: Shape) -> Spec:
    return Spec((*x.shape[: x.ndim - len(size)], *size), x.dtype)


_WINDOWS: list[tuple[Shape, dict[str, Any]]] = [
    ((2, 3, 6), {"kernel": (2,), "stride": (2,), "padding": ((0, 0),), "counted": ((0, 0),), "divisor": None}),
    (
        (2, 5, 4),
        {
            "kernel": (3, 2),
            "stride": (2, 1),
            "padding": ((1, 1), (1, 0)),
            "counted": ((1, 1), (1, 1)),
            "divisor": None,
        },
    ),
    ((2, 6), {"kernel": (3,), "stride": (2,), "padding": ((1, 2),), "counted": ((0, 0),), "divisor": None}),
    ((7,), {"kernel": (3,), "stride": (2,), "padding": ((1, -1),), "counted": ((1, 1),), "divisor": 5}),
    ((0, 4), {"kernel": (2,), "stride": (1,), "padding": ((0, 0),), "counted": ((0, 0),), "divisor": None}),
]
_COVERED: list[tuple[Shape, Shape]] = [
    ((2, 3, 7), (3,)),
    ((2, 4, 6), (2, 4)),
    ((4,), (1,)),
    ((1, 3, 2, 4), (2, 3, 3)),
    ((0, 4), (2,)),
]

_avg_pool = linear(
    "avg_pool",
    _means,
    lambda x, *, kernel, stride, padding, counted, divisor: _averaged(x, kernel, stride, padding),
    lambda g, x, **static: _avg_pool_back(g, size=x.shape[x.ndim - len(static["kernel"]) :], **static),
    lambda batched, xs, **static: _avg_pool(xs[0], **static),
    formula=r"\operatorname{{mean}}_w {x}",
    words="the mean of each window of {x}",
    flops=lambda x, **static: _averaged(x, *_first_three(static)).size * math.prod(static["kernel"]),
    lower="avg_pool",
    onnx="AveragePool",
    samples=fixed(lambda rng: [Sample((rng.normal(size=shape),), static) for shape, static in _WINDOWS]),
)

_avg_pool_back = linear(
    "avg_pool_back",
    _means_back,
    lambda g, *, size, **static: _with_size(g, size),
    lambda t, g, *, size, **static: _avg_pool(t, **static),
    lambda batched, xs, **static: _avg_pool_back(xs[0], **static),
    arguments=("g",),
    formula=r"\operatorname{{mean}}_w^T {g}",
    words="{g} shared out evenly over the windows",
    lower="avg_pool_back",
    onnx=WAY_BACK,
    samples=fixed(
        lambda rng: [
            Sample(
                (rng.normal(size=_averaged(Spec(shape, np.dtype(float)), *_first_three(static)).shape),),
                static | {"size": shape[len(shape) - len(static["kernel"]) :]},
            )
            for shape, static in _WINDOWS
        ]
    ),
)


def _first_three(static: dict[str, Any]) -> tuple[Any, Any, Any]:
    return static["kernel"], static["stride"], static["padding"]


_adaptive_avg_pool = linear(
    "adaptive_avg_pool",
    _adaptive_means,
    lambda x, *, counts: _with_size(x, counts),
    lambda g, x, *, counts: _adaptive_avg_pool_back(g, size=x.shape[x.ndim - len(counts) :]),
    lambda batched, xs, *, counts: _adaptive_avg_pool(xs[0], counts=counts),
    formula=r"\operatorname{{mean}}_w {x}",
    words="the means of so many windows that they cover {x}",
    flops=lambda x, *, counts: covered_size(x, counts),
    lower="weighted",
    tables=_mean_tables,
    onnx=unsupported("adaptive_avg_pool: ONNX has windows of one size only"),
    samples=fixed(lambda rng: [Sample((rng.normal(size=shape),), {"counts": counts}) for shape, counts in _COVERED]),
)

_adaptive_avg_pool_back = linear(
    "adaptive_avg_pool_back",
    _adaptive_means_back,
    lambda g, *, size: _with_size(g, size),
    lambda t, g, *, size: _adaptive_avg_pool(t, counts=g.shape[g.ndim - len(size) :]),
    lambda batched, xs, *, size: _adaptive_avg_pool_back(xs[0], size=size),
    arguments=("g",),
    formula=r"\operatorname{{mean}}_w^T {g}",
    words="{g} shared out evenly over the windows that cover an array",
    lower="weighted",
    tables=_mean_tables_back,
    onnx=WAY_BACK,
    samples=fixed(
        lambda rng: [
            Sample(
                (rng.normal(size=(*shape[: len(shape) - len(counts)], *counts)),),
                {"size": shape[len(shape) - len(counts) :]},
            )
            for shape, counts in _COVERED
        ]
    ),
)
