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


WINDOWS = {
    "convolution": _convolution,
    "convolution_bias": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
}
