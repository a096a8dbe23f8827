"""How many operations a step of each workload has in its matrix products and convolutions, forward and back.

A multiplication and an addition are two. What a definition does not need is not counted: the gradient of the data, and
the half of causal attention that is hidden. Everything else (activations, losses, optimisers, memory) is left
out, so the time that these operations take at the machine's peak is a lower bound.
"""

from __future__ import annotations

from itertools import pairwise

__all__ = ["OPERATIONS"]


def _dense(rows: int, *sizes: int, first: bool = True) -> int:
    """A chain of layers; the `first` of them has no gradient of its input."""
    layers = list(pairwise(sizes))
    return sum(2 * rows * a * b * (2 if first and i == 0 else 3) for i, (a, b) in enumerate(layers))


def _images(images: int) -> int:
    pixels = images * 28 * 28
    convolutions = 2 * pixels * 9 * 1 * 32 * 2 + 2 * pixels * 9 * 32 * 64 * 3
    return convolutions + _dense(images, 64 * 14 * 14, 128, 10, first=False)


def _letters(lines: int, length: int) -> int:
    rows = lines * length
    products = sum(_dense(rows, a, b, first=False) for a, b in ((64, 4 * 256), (256, 4 * 256), (256, 96)))
    return products - 2 * lines * 256 * 4 * 256  # the state before the first step has no gradient


def _gpt(texts: int, length: int, width: int = 128, layers: int = 4) -> int:
    rows = texts * length
    products = sum(_dense(rows, a * width, b * width, first=False) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1)))
    seen = length * (length + 1) // 2
    attention = 2 * texts * seen * width * 6  # two products forward, four back, over all heads
    return layers * (products + attention) + _dense(rows, width, 96, first=False)


OPERATIONS: dict[str, int] = {
    "W1": _dense(64, 784, 128, 10),
    "W2": _dense(32, 784, 10, 10),
    "W3": _images(64),
    "W4": _letters(32, 64),
    "W5": _gpt(16, 128),
    "W6": _dense(100, 2, 16, 16, 1),
}
