"""Oracles for what slides windows over an array: loops over every single product, as the definition says."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["WINDOWS"]


def _window_products(
    size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int, outputs: int, channels: int
) -> Any:
    """Every (o, c, w, p, q) that convolution multiplies: output, channel in its group, tap, window, input element."""
    counts = [
        (n + sum(pad) - d * (k - 1) - 1) // s + 1
        for n, k, s, pad, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    for o, c, w, p in itertools.product(
        range(outputs), range(channels // groups), np.ndindex(*kernel), np.ndindex(*counts)
    ):
        q = tuple(i * s + j * d - pad[0] for i, j, s, d, pad in zip(p, w, stride, dilation, padding, strict=True))
        if all(0 <= i < n for i, n in zip(q, size, strict=True)):
            yield o, o // (outputs // groups) * (channels // groups) + c, c, w, p, q


def _convolution(x: Any, weight: Any, bias: Any = None, **static: Any) -> Any:
    sizes = x.shape[2:], weight.shape[2:]
    counts = [
        (n + sum(pad) - d * (k - 1) - 1) // s + 1
        for n, k, s, pad, d in zip(*sizes, *(static[a] for a in ("stride", "padding", "dilation")), strict=True)
    ]
    y = np.zeros((x.shape[0], weight.shape[0], *counts))
    for o, channel, c, w, p, q in _window_products(*sizes, **static, outputs=weight.shape[0], channels=x.shape[1]):
        y[(slice(None), o, *p)] += x[(slice(None), channel, *q)] * weight[(o, c, *w)]
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(counts))


def _convolution_input(y: Any, weight: Any, *, size: Any, groups: int, **static: Any) -> Any:
    channels = weight.shape[1] * groups
    x = np.zeros((y.shape[0], channels, *size))
    for o, channel, c, w, p, q in _window_products(
        size, weight.shape[2:], **static, groups=groups, outputs=weight.shape[0], channels=channels
    ):
        x[(slice(None), channel, *q)] += y[(slice(None), o, *p)] * weight[(o, c, *w)]
    return x


def _convolution_weight(x: Any, y: Any, *, kernel: Any, groups: int, **static: Any) -> Any:
    weight = np.zeros((y.shape[1], x.shape[1] // groups, *kernel))
    for o, channel, c, w, p, q in _window_products(
        x.shape[2:], kernel, **static, groups=groups, outputs=y.shape[1], channels=x.shape[1]
    ):
        weight[(o, c, *w)] += x[(slice(None), channel, *q)] @ y[(slice(None), o, *p)]
    return weight


def _windows(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Go through the windows: where each stands, and for each of its elements the number and, inside, the place."""
    lead = x.ndim - len(kernel)
    size = x.shape[lead:]
    counts = [
        (n + sum(pad) - d * (k - 1) - 1) // s + 1
        for n, k, s, pad, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    for outer in np.ndindex(*x.shape[:lead], *counts):
        places = []
        for number, w in enumerate(np.ndindex(*kernel)):
            q = tuple(
                i * s + j * d - pad[0]
                for i, j, s, d, pad in zip(outer[lead:], w, stride, dilation, padding, strict=True)
            )
            if all(0 <= i < n for i, n in zip(q, size, strict=True)):
                places.append((number, (*outer[:lead], *q)))
        yield (*x.shape[:lead], *counts), outer, places


def _per_window(x: Any, dtype: Any, of: Any, static: Any) -> Any:
    y: Any = None
    for shape, outer, places in _windows(x, **static):
        y = np.zeros(shape, dtype) if y is None else y
        y[outer] = of(outer, places)
    return y if y is not None else np.zeros((*x.shape[:-1], 2), dtype)


def _max_choice(x: Any, **static: Any) -> Any:
    dtype = np.uint8
    return _per_window(x, dtype, lambda _, places: max(places, key=lambda place: x[place[1]])[0], static)


def _max_pool(x: Any, **static: Any) -> Any:
    return _per_window(x, x.dtype, lambda _, places: max(x[place] for _, place in places), static)


def _window_pick(x: Any, choice: Any, **static: Any) -> Any:
    return _per_window(x, x.dtype, lambda outer, places: x[dict(places)[int(choice[outer])]], static)


def _window_place(g: Any, choice: Any, *, size: Any, **static: Any) -> Any:
    x = np.zeros((*g.shape[: g.ndim - len(size)], *size))
    for _, outer, places in _windows(x, **static):
        x[dict(places)[int(choice[outer])]] += g[outer]
    return x


def _window_positions(choice: Any, *, size: Any, **static: Any) -> Any:
    x = np.empty((*choice.shape[: choice.ndim - len(size)], *size))
    return _per_window(
        x,
        np.int64,
        lambda outer, places: np.ravel_multi_index(dict(places)[int(choice[outer])][-len(size) :], size),
        static,
    )


def _shares(x: Any, kernel: Any, stride: Any, padding: Any, counted: Any, divisor: Any) -> Any:
    """Every (window, element, share of the element in the mean of the window)."""
    static = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": (1,) * len(kernel)}
    lead = x.ndim - len(kernel)
    for shape, outer, places in _windows(x, **static):
        total = 1
        for i, k, s, (before, _), (low, high), n in zip(
            outer[lead:], kernel, stride, padding, counted, x.shape[lead:], strict=True
        ):
            total *= sum(-low <= i * s - before + j < n + high for j in range(k))
        for _, place in places:
            yield shape, outer, place, 1 / (divisor or total)


def _avg_pool(x: Any, **static: Any) -> Any:
    y: Any = None
    for shape, outer, place, share in _shares(x, **static):
        y = np.zeros(shape) if y is None else y
        y[outer] += x[place] * share
    return y if y is not None else np.zeros((*x.shape[:-1], 3))


def _avg_pool_back(g: Any, *, size: Any, **static: Any) -> Any:
    x = np.zeros((*g.shape[: g.ndim - len(size)], *size))
    for _, outer, place, share in _shares(x, **static):
        x[place] += g[outer] * share
    return x


def _covering(x: Any, counts: Any) -> Any:
    """Every (window, the part of the array that it is) of so many windows that they cover the last axes."""
    lead = x.ndim - len(counts)
    for window in np.ndindex(*counts):
        part = [
            slice(int(np.floor(i * n / m)), int(np.ceil((i + 1) * n / m)))
            for i, n, m in zip(window, x.shape[lead:], counts, strict=True)
        ]
        yield (..., *window), (..., *part)


def _adaptive_avg_pool(x: Any, *, counts: Any) -> Any:
    y = np.zeros((*x.shape[: x.ndim - len(counts)], *counts))
    for window, part in _covering(x, counts):
        y[window] = x[part].mean(axis=tuple(range(-len(counts), 0)))
    return y


def _adaptive_avg_pool_back(g: Any, *, size: Any) -> Any:
    x = np.zeros((*g.shape[: g.ndim - len(size)], *size))
    for window, part in _covering(x, g.shape[g.ndim - len(size) :]):
        count = np.prod(x[part].shape[x.ndim - len(size) :])
        x[part] += np.asarray(g[window])[(..., *(None,) * len(size))] / count
    return x


def _adaptive_max_positions(x: Any, *, counts: Any) -> Any:
    size = x.shape[x.ndim - len(counts) :]
    y = np.zeros((*x.shape[: x.ndim - len(counts)], *counts), np.int64)
    for window, part in _covering(x, counts):
        inner = np.full(x.shape, -np.inf)
        inner[part] = x[part]
        y[window] = inner.reshape(*x.shape[: x.ndim - len(counts)], int(np.prod(size))).argmax(-1)
    return y


def _resampling_matrix(rule: Any) -> Any:
    """The weights of a rule as a matrix, from the definition of each rule, element by element."""
    kind, n, *rest = rule
    if kind in ("reflect", "replicate", "circular"):
        before, after = rest
        values = np.pad(np.arange(n), (before, after), {"replicate": "edge", "circular": "wrap"}.get(kind, kind))
        return np.eye(n)[values]
    m, scale = rest[0], rest[-1]
    matrix = np.zeros((m, n))
    for i in range(m):
        step = 1 / scale if scale else n / m
        if kind.startswith("nearest"):
            matrix[i, min(int((i + 0.5 * (kind != "nearest")) * step), n - 1)] = 1
            continue
        at = i * (n - 1) / max(m - 1, 1) if rest[1] else (i + 0.5) * step - 0.5
        reach, weight = (1, _triangle) if kind == "linear" else (2, _keys)
        at = max(at, 0.0) if kind == "linear" else at
        for j in range(int(np.floor(at)) - reach + 1, int(np.floor(at)) + reach + 1):
            matrix[i, min(max(j, 0), n - 1)] += weight(abs(at - j))
    return matrix


def _triangle(x: float) -> float:
    return max(1 - x, 0.0)


def _keys(x: float) -> float:
    a = -0.75
    return (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * (x**3 - 5 * x**2 + 8 * x - 4)


def _resample(x: Any, *, axis: int, rule: Any, transposed: bool) -> Any:
    matrix = _resampling_matrix(rule)
    return np.moveaxis(np.tensordot(matrix.T if transposed else matrix, x, (1, axis)), 0, axis)


WINDOWS: dict[str, Any] = {
    "resample": _resample,
    "embedding": lambda weight, indices: (
        np.stack([weight[int(i)] for i in np.ravel(indices)]).reshape(*np.shape(indices), weight.shape[1])
        if np.size(indices)
        else np.zeros((*np.shape(indices), weight.shape[1]))
    ),
    "sequence_lengths": lambda lengths, *, steps: np.clip(lengths, 1, steps),
    "embedding_indices": lambda indices, *, count: np.clip(indices, 0, count - 1),
    "convolution": _convolution,
    "convolution_bias": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
    "max_choice": _max_choice,
    "max_pool": _max_pool,
    "window_pick": _window_pick,
    "window_place": _window_place,
    "window_positions": _window_positions,
    "avg_pool": _avg_pool,
    "avg_pool_back": _avg_pool_back,
    "adaptive_avg_pool": _adaptive_avg_pool,
    "adaptive_avg_pool_back": _adaptive_avg_pool_back,
    "adaptive_max_positions": _adaptive_max_positions,
}
