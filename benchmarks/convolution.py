"""Convolutions of images, forward and back, beside im2col in NumPy as somebody writes it who knows both."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import BY_HAND, INSTALL, is_installed
from .measure import Sample, interleaved

TITLE = "Two 3×3 convolutions with relu between them, padding 1, float32, one thread: value and all gradients"
SIZES = {
    "64 images 8×8, 16 channels": (64, 16, 8),
    "64 images 16×16, 32 channels": (64, 32, 16),
    "16 images 32×32, 32 channels": (16, 32, 32),
}
BLOCK = 5
GOALS = [Goal(words, 1.0, times=BY_HAND) for words in SIZES]

Array = np.ndarray[Any, Any]
Step = Callable[[], tuple[Array, ...]]


def figures(settings: Settings) -> list[Figure]:
    """One process per size, every library told to use one thread."""
    present = [c for c in settings.contenders if c in STEPS and is_installed(c)]
    rounds = 3 if settings.quick else 21
    result = []
    for words, size in SIZES.items():
        done = run("benchmarks.convolution:timings", one_thread=True, contenders=present, size=size, rounds=rounds)
        for c in settings.contenders:
            if c in present:
                note = "" if c == BY_HAND else f"within {done['apart'][c]:.0e}"
                result.append(figure(words, c, "µs", done["samples"][c]["µs"], note))
            elif c in STEPS:
                result.append(missing(words, c, "µs", INSTALL))
    return result


def timings(contenders: list[str], size: list[int], rounds: int) -> dict[str, Any]:
    """The microseconds of forward and back of each contender, after comparing the value and the gradients.

    `apart` is the largest difference to NumPy by hand, relative to the largest element.
    """
    arrays = problem(*size)
    steps = {c: STEPS[c](*arrays) for c in dict.fromkeys([BY_HAND, *contenders])}
    found = {c: [np.array(a) for a in step()] for c, step in steps.items()}
    apart = {
        c: max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found[c], found[BY_HAND], strict=True))
        for c in contenders
    }
    for c, difference in apart.items():
        if not difference < 1e-4:
            raise ArithmeticError(f"{c} computes another convolution than NumPy by hand: {difference:.1e} apart")

    def block(c: str) -> Callable[[], Sample]:
        def sample() -> Sample:
            begin = perf_counter()
            for _ in range(BLOCK):
                steps[c]()
            return {"µs": (perf_counter() - begin) / BLOCK * 1e6}

        return sample

    return {"samples": interleaved({c: block(c) for c in contenders}, rounds), "apart": apart}


def problem(images: int, channels: int, length: int) -> tuple[Array, ...]:
    """The images, the weights of both convolutions, and the gradient that comes back to the result."""
    rng = np.random.default_rng(0)
    shapes = [(images, channels, length, length), (channels, channels, 3, 3), (channels, channels, 3, 3)]
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in [*shapes, shapes[0]])


def by_hand(x: Array, w1: Array, w2: Array, g: Array) -> Step:
    """NumPy: im2col image by image into memory that is there already, and products by BLAS."""
    first, second = (Im2col(x.shape, w) for w in (w1, w2))

    def step() -> tuple[Array, ...]:
        h = first.forward(x)
        active = h > 0
        np.multiply(h, active, out=h)
        y = second.forward(h)
        dh, dw2 = second.back(g)
        dx, dw1 = first.back(np.multiply(dh, active, out=dh))
        return y, dx, dw1, dw2

    return step


class Im2col:
    """y = conv(x, w) with padding 1 and stride 1, and its gradients; every large array is allocated once."""

    def __init__(self, shape: tuple[int, ...], w: Array) -> None:
        n, c, height, width = shape
        self.w = w.reshape(len(w), -1)
        self.kernel = w.shape
        self.padded = np.zeros((n, c, height + 2, width + 2), w.dtype)
        self.columns = np.empty((n, c, 3, 3, height, width), w.dtype)
        self.slopes = np.empty_like(self.columns)
        self.y = np.empty((n, len(w), height, width), w.dtype)
        self.dx = np.empty_like(self.padded)

    def forward(self, x: Array) -> Array:
        """Keep the columns for the way back."""
        n, c, height, width = x.shape
        self.padded[:, :, 1:-1, 1:-1] = x
        for i in range(3):
            for j in range(3):
                self.columns[:, :, i, j] = self.padded[:, :, i : i + height, j : j + width]
        np.matmul(self.w, self.columns.reshape(n, c * 9, -1), out=self.y.reshape(n, len(self.w), -1))
        return self.y

    def back(self, g: Array) -> tuple[Array, Array]:
        """Return the gradients of x and w."""
        n, outputs, height, width = g.shape
        rows = g.reshape(n, outputs, -1)
        columns = self.columns.reshape(n, -1, height * width)
        dw = np.matmul(rows, columns.swapaxes(1, 2)).sum(axis=0)
        np.matmul(self.w.T, rows, out=self.slopes.reshape(n, -1, height * width))
        self.dx[...] = 0
        for i in range(3):
            for j in range(3):
                self.dx[:, :, i : i + height, j : j + width] += self.slopes[:, :, i, j]
        return self.dx[:, :, 1:-1, 1:-1], dw.reshape(self.kernel)


def pullback(x: Array, w1: Array, w2: Array, g: Array) -> Step:
    """Eager."""
    import pullback as pb
    from pullback.nn import functional as F

    leaves = [pb.tensor(a, requires_grad=True) for a in (x, w1, w2)]
    images, first, second = leaves

    def step() -> tuple[Array, ...]:
        for leaf in leaves:
            leaf.grad = None
        y = F.conv2d(F.relu(F.conv2d(images, first, padding=1)), second, padding=1)
        y.backward(g)
        return np.asarray(y), *(np.asarray(leaf.grad) for leaf in leaves)

    return step


def torch(x: Array, w1: Array, w2: Array, g: Array) -> Step:
    """Eager, the same lines as for pullback."""
    import torch
    from torch.nn import functional as F

    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w1, w2)]
    images, first, second = leaves
    back = torch.tensor(g)

    def step() -> tuple[Array, ...]:
        for leaf in leaves:
            leaf.grad = None
        y = F.conv2d(F.relu(F.conv2d(images, first, padding=1)), second, padding=1)
        y.backward(back)
        return y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)

    return step


STEPS: dict[str, Callable[..., Step]] = {"pullback": pullback, BY_HAND: by_hand, "torch": torch}
