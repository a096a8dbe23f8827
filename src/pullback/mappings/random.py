"""Random draws: pure functions of a key and a counter (Philox4x64-10, Salmon et al., SC 2011).

The same key and counter give the same numbers on every platform; another counter gives independent ones,
because it sets the highest word of Philox's 256-bit counter, whose lower words count the numbers drawn.
`pullback.random` keeps the key and the counter, and hands them in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.families import irregular
from ..core.mapping import NOTHING, Mapping, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec

__all__: list[str] = []

STREAM = 2
"""The second-highest word of the counter. `pullback.data` orders its items with 0 and 1 there, so that a
loader and a draw of the same seed never see the same numbers."""


def generator(key: Any, counter: Any) -> np.random.Generator:
    """Return NumPy's generator at the beginning of the numbers that belong to `key` and `counter`."""
    return np.random.Generator(np.random.Philox(key=int(key), counter=[0, 0, STREAM, int(counter)]))


_REAL = (np.float32, np.float64)


def _draw(
    name: str,
    sample: Callable[..., Any],
    words: str,
    formula: str,
    dtypes: tuple[Any, ...] = _REAL,
    **example: Any,
) -> Mapping:
    """Declare one distribution; `sample(generator, shape, dtype, **static)` draws from it."""

    def evaluate(key: Any, counter: Any, *, shape: tuple[int, ...], dtype: Any, **static: Any) -> Any:
        return np.asarray(sample(generator(key, counter), shape, dtype, **static))[()]

    return irregular(
        name,
        evaluate,
        spec=lambda key, counter, *, shape, dtype, **static: Spec(shape, np.dtype(dtype)),
        batch=unsupported(f"{name}: one key and one counter serve a whole batch; vmap's randomness= says how"),
        arguments=("key", "counter"),
        uses=NOTHING,
        differentiable=False,
        words=words,
        formula=formula,
        lower=name,
        onnx=unsupported(f"{name}: ONNX's random operators take no key and counter"),
        samples=fixed(
            lambda rng: [
                Sample((np.uint64(7), np.int64(3)), {"shape": shape, "dtype": np.dtype(dtype)} | example)
                for shape in ((2, 3), (4,))
                for dtype in dtypes
            ]
        ),
    )


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    return rng.random(shape, dtype) if dtype in _REAL else rng.random(shape, np.float32).astype(dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype in _REAL:
        return rng.standard_normal(shape, dtype)
    return rng.standard_normal(shape, np.float32).astype(dtype)


def _permutation(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    return rng.permuted(np.broadcast_to(np.arange(shape[-1], dtype=dtype), shape).copy(), axis=-1)


def _mask(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, *, keep: float) -> Any:
    if keep == 0.0:
        return np.zeros(shape, dtype)
    return (rng.random(shape, np.float32) < keep) * np.dtype(dtype).type(1 / keep)


_random_uniform = _draw(
    "random_uniform",
    _uniform,
    "numbers drawn uniformly from [0, 1)",
    r"u \sim \mathcal{{U}}[0, 1)",
)
_random_normal = _draw(
    "random_normal", _normal, "numbers drawn from the standard normal distribution", r"z \sim \mathcal{{N}}(0, 1)"
)
_random_integers = _draw(
    "random_integers",
    lambda rng, shape, dtype, *, low, high: rng.integers(low, high, shape, dtype),
    "integers drawn uniformly",
    r"i \sim \mathcal{{U}}\{{low, \dots, high - 1\}}",
    (np.int64,),
    low=-3,
    high=9,
)
_random_permutation = _draw(
    "random_permutation",
    _permutation,
    "a random order along the last axis",
    r"\pi \sim \mathcal{{U}}(S_n)",
    (np.int64,),
)
_dropout_mask = _draw(
    "dropout_mask",
    _mask,
    "a mask that is 1/keep with probability keep, and otherwise 0",
    r"\frac{{1}}{{k}} \cdot \mathcal{{B}}(k)",
    keep=0.75,
)
