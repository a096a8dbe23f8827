"""Maximum pooling: the largest element of each window, the choice that makes it so, and the way back.

A choice is the number of an element within its window, in row order. Picking by a choice and placing by it are
transposes of each other; the maximum is what picking by the best choice gives. All of them work on the last axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.families import composite, irregular
from ..core.joint import jointly_linear
from ..core.mapping import INPUTS, NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, shape_of
from .slicing import NO_OPERATOR, repeated
from .window import Pairs, bordered, inside, padded_size, views, window_counts

__all__: list[str] = []

# ----------------------------------------------------------------------------------------------- kernels


def lowest(dtype: np.dtype[Any]) -> Any:
    """Return what is not larger than anything of this dtype."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def _maximum(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    axes = len(kernel)
    counts = window_counts(x.shape[x.ndim - axes :], kernel, stride, padding, dilation)
    y = bordered(x, padding, lowest(x.dtype))
    for axis, (k, s, d, count) in enumerate(zip(kernel, stride, dilation, counts, strict=True)):
        behind = (slice(None),) * (axes - 1 - axis)
        views = [y[(..., slice(i * d, i * d + s * (count - 1) + 1, s), *behind)] for i in range(k)]
        y = views[0]
        if k > 1:
            y = np.maximum(y, views[1])
            for view in views[2:]:
                np.maximum(y, view, out=y)
    return y


def _number_type(kernel: Shape) -> np.dtype[Any]:
    """The smallest dtype that holds the number of an element within a window."""
    return np.dtype(np.min_scalar_type(math.prod(kernel) - 1))


@lru_cache(maxsize=256)
def _first_inside(kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, counts: Shape) -> Any:
    """Return, for each window, the number of its first element that does not lie in the border."""
    number = np.zeros((), np.int64)
    for k, s, (before, _), d, count in zip(kernel, stride, padding, dilation, counts, strict=True):
        outside = before - s * np.arange(count)
        number = number[..., None] * k + np.clip(-(-outside // d), 0, k - 1)
    return number.astype(_number_type(kernel))


def _best(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    counts = window_counts(x.shape[x.ndim - len(kernel) :], kernel, stride, padding, dilation)
    best = _maximum(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    whole = bordered(x, padding, lowest(x.dtype))
    numbers = _number_type(kernel)
    choice = np.full_like(best, np.iinfo(numbers).max, numbers, subok=False)
    for number, window in enumerate(views(kernel, stride, dilation, counts)):
        view = whole[(..., *window)]
        hit = view == best
        if x.dtype.kind == "f":
            hit |= np.isnan(view)
        other = np.subtract(hit, numbers.type(1), dtype=numbers)  # 0 at a hit, else all bits
        np.minimum(choice, np.bitwise_or(other, numbers.type(number), out=other), out=choice)
    # Only where everything is -inf does the border tie.
    return np.maximum(choice, _first_inside(kernel, stride, padding, dilation, counts), out=choice)


def _only(values: Any, mask: Any) -> Any:
    """Return the values where `mask` holds, else 0. Without a branch: which of them hold is as good as random."""
    bits = _BITS.get(values.dtype.itemsize)
    if bits is None:
        return np.where(mask, values, values.dtype.type(0))
    return np.bitwise_and(values.view(bits), np.negative(mask.view(np.int8))).view(values.dtype)


_BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def _picked(x: Any, choice: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    counts = choice.shape[choice.ndim - len(kernel) :]
    whole = bordered(x, padding, 0)
    y = np.zeros_like(x, shape=choice.shape, subok=False)
    for number, window in enumerate(views(kernel, stride, dilation, counts)):
        y += _only(whole[(..., *window)], choice == number)
    return y


def _placed(g: Any, choice: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, size: Shape) -> Any:
    lead = g.ndim - len(size)
    counts = g.shape[lead:]
    whole: Any = np.zeros_like(g, shape=(*g.shape[:lead], *padded_size(size, padding)), subok=False)
    overlapping = any(d * (k - 1) >= s for k, s, d in zip(kernel, stride, dilation, strict=True))
    for number, window in enumerate(views(kernel, stride, dilation, counts)):
        view = whole[(..., *window)]
        if overlapping:
            view += _only(g, choice == number)
        else:
            view[...] = _only(g, choice == number)
    there, here = inside(size, padding)
    if all(after >= 0 for _, after in padding):
        return whole[(..., *there)]
    x: Any = np.zeros_like(g, shape=(*g.shape[:lead], *size), subok=False)
    x[(..., *here)] = whole[(..., *there)]
    return x


@lru_cache(maxsize=256)
def _places(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, counts: Shape) -> Any:
    """Return where the elements of the windows lie in the flattened axes: (taps, *counts)."""
    place = np.zeros((1,) * 2 * len(size), np.int64)
    axes = len(size)
    for a, (n, k, s, (before, _), d, count) in enumerate(
        zip(size, kernel, stride, padding, dilation, counts, strict=True)
    ):
        along = d * np.arange(k)[:, None] + s * np.arange(count) - before
        shape = [1] * 2 * axes
        shape[a], shape[axes + a] = k, count
        place = place * n + along.reshape(shape)
    return place.reshape(math.prod(kernel), *counts)


def _located(choice: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, size: Shape) -> Any:
    counts = choice.shape[choice.ndim - len(size) :]
    places = _places(size, kernel, stride, padding, dilation, counts)
    windows = np.ogrid[tuple(slice(count) for count in counts)]
    return places[(choice, *windows)]


# --------------------------------------------------------------------------------------------- mappings

_WINDOWS: list[tuple[Shape, dict[str, Any]]] = [
    ((2, 3, 6), {"kernel": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)}),
    ((2, 5, 4), {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (1, 0)), "dilation": (1, 2)}),
    ((7,), {"kernel": (3,), "stride": (2,), "padding": ((1, -1),), "dilation": (1,)}),
    (
        (1, 4, 2, 3),
        {"kernel": (2, 2, 2), "stride": (2, 1, 1), "padding": ((0, 0), (0, 0), (1, 1)), "dilation": (1, 1, 1)},
    ),
    ((0, 2, 4), {"kernel": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)}),
]


def _apart(rng: np.random.Generator, shape: Shape) -> Any:
    """Numbers no two of which are near each other."""
    return (rng.permutation(math.prod(shape)) + rng.uniform(0.2, 0.8)).reshape(shape) / 8 - 1


def _counts(shape: Shape, static: dict[str, Any]) -> Shape:
    lead = len(shape) - len(static["kernel"])
    return (*shape[:lead], *window_counts(shape[lead:], **static))


def _choices(rng: np.random.Generator, shape: Shape, static: dict[str, Any]) -> Any:
    return _best(rng.normal(size=shape), **static)


def _size(shape: Shape, static: dict[str, Any]) -> dict[str, Any]:
    return static | {"size": shape[len(shape) - len(static["kernel"]) :]}


_max_choice = irregular(
    "max_choice",
    _best,
    spec=lambda x, **static: Spec(_counts(x.shape, static), _number_type(static["kernel"])),
    batch=lambda batched, xs, **static: _max_choice(xs[0], **static),
    differentiable=False,
    uses=NOTHING,
    formula=r"\operatorname{{argmax}}_w {x}",
    words="which element of each window of {x} is the largest",
    lower="max_choice",
    onnx=NO_OPERATOR,
    samples=fixed(lambda rng: [Sample((_apart(rng, shape),), static) for shape, static in _WINDOWS]),
)

_window_pick = jointly_linear(
    "window_pick",
    _picked,
    lambda x, choice, **static: Spec(choice.shape, x.dtype),
    lambda g, specs, choice, *, needs, **static: (
        _window_place(g, choice, size=specs[0].shape[specs[0].ndim - len(static["kernel"]) :], **static),
    ),
    lambda batched, xs, **static: _window_pick(*repeated(batched, xs), **static),
    count=1,
    arguments=("x", "choice"),
    formula="{x}_{{{choice}}}",
    words="of each window of {x} the element that {choice} names",
    lower="window_pick",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=shape), _choices(rng, shape, static)), static) for shape, static in _WINDOWS
        ]
    ),
)

_window_place = jointly_linear(
    "window_place",
    _placed,
    lambda g, choice, *, size, **static: Spec((*g.shape[: g.ndim - len(size)], *size), g.dtype),
    lambda t, specs, choice, *, needs, size, **static: (_window_pick(t, choice, **static),),
    lambda batched, xs, **static: _window_place(*repeated(batched, xs), **static),
    count=1,
    arguments=("g", "choice"),
    formula=r"\sum_{{{choice}}} {g}",
    words="{g} added up at those elements of the windows that {choice} names",
    lower="window_place",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=_counts(shape, static)), _choices(rng, shape, static)), _size(shape, static))
            for shape, static in _WINDOWS
        ]
    ),
)

_window_positions = irregular(
    "window_positions",
    _located,
    spec=lambda choice, **static: Spec(choice.shape, np.dtype(np.int64)),
    batch=lambda batched, xs, **static: _window_positions(xs[0], **static),
    differentiable=False,
    uses=NOTHING,
    arguments=("choice",),
    formula=r"\operatorname{{position}}({choice})",
    words="where the elements of the windows that {choice} names lie in the flattened input",
    lower="window_positions",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [Sample((_choices(rng, shape, static),), _size(shape, static)) for shape, static in _WINDOWS]
    ),
)


def _maximum_pullback(g: Any, y: Any, x: Any, *, needs: Any, **static: Any) -> Sequence[Any]:
    size = shape_of(x)[len(shape_of(x)) - len(static["kernel"]) :]
    return (_window_place(g, _max_choice(x, **static), size=size, **static),)


_max_pool = composite(
    "max_pool",
    lambda x, **static: _window_pick(x, _max_choice(x, **static), **static),
    lambda x, **static: Spec(_counts(x.shape, static), x.dtype),
    kernel=_maximum,
    pullback=_maximum_pullback,
    batch=lambda batched, xs, **static: _max_pool(xs[0], **static),
    uses=INPUTS,
    formula=r"\max_w {x}",
    words="the largest element of each window of {x}",
    kink="of elements that tie in a window the first gets the gradient, as in PyTorch",
    flops=lambda x, **static: math.prod(_counts(x.shape, static)) * math.prod(static["kernel"]),
    lower="max_pool",
    onnx="MaxPool",
    samples=fixed(lambda rng: [Sample((_apart(rng, shape),), static) for shape, static in _WINDOWS]),
)

# --------------------------------------------------------------------------------------------- adaptive


@lru_cache(maxsize=256)
def adaptive_bounds(n: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return where the `count` windows that cover an axis of length `n` begin and end: ⌊i·n/count⌋, ⌈(i+1)·n/count⌉."""
    return tuple((i * n // count, -(-(i + 1) * n // count)) for i in range(count))


def covered_size(x: Spec, counts: Shape) -> int:
    """Return how many elements all the windows that cover the last axes of `x` have together."""
    lead = x.ndim - len(counts)
    lengths = (
        sum(stop - start for start, stop in adaptive_bounds(n, count))
        for n, count in zip(x.shape[lead:], counts, strict=True)
    )
    return math.prod(x.shape[:lead]) * math.prod(lengths)


def _adaptive_best(x: Any, *, counts: Shape) -> Any:
    lead = x.ndim - len(counts)
    size = x.shape[lead:]
    bounds = [adaptive_bounds(n, count) for n, count in zip(size, counts, strict=True)]
    position = np.empty((*x.shape[:lead], *counts), np.int64)
    numbers = np.arange(math.prod(size)).reshape(size)
    for window in np.ndindex(*counts):
        part = tuple(slice(*along[i]) for along, i in zip(bounds, window, strict=True))
        inner = numbers[part].ravel()
        best = x[(..., *part)].reshape(*x.shape[:lead], inner.size).argmax(axis=-1)
        position[(..., *window)] = inner[best]
    return position


_adaptive_max_positions = irregular(
    "adaptive_max_positions",
    _adaptive_best,
    spec=lambda x, *, counts: Spec((*x.shape[: x.ndim - len(counts)], *counts), np.dtype(np.int64)),
    batch=lambda batched, xs, *, counts: _adaptive_max_positions(xs[0], counts=counts),
    differentiable=False,
    uses=NOTHING,
    formula=r"\operatorname{{argmax}}_w {x}",
    words="where the largest elements of the windows that cover {x} lie in its flattened last axes",
    flops=lambda x, *, counts: covered_size(x, counts),
    lower="adaptive_max_positions",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((_apart(rng, shape),), {"counts": counts})
            for shape, counts in (((2, 3, 7), (3,)), ((2, 5, 4), (2, 4)), ((4,), (1,)), ((1, 3, 2, 4), (2, 2, 3)))
        ]
    ),
)
