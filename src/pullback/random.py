"""Random numbers: counter-based streams (Philox), whose key and counter are state like any other.

A draw is a pure function of the key (the seed) and the counter (how many draws came before). Both are
cells, so a traced step finds them by itself, a checkpointed function repeats its draws, and
`get_state`/`set_state` continue a run where it stopped.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import mappings as m
from .core.cell import Cell
from .core.errors import DtypeError, PullbackError
from .core.interpret import current, interpreting, levels
from .core.spec import default_dtype, dtype_of, shape_of
from .core.value import Face, Value
from .mappings.random import (
    _dropout_mask,
    _random_integers,
    _random_normal,
    _random_permutation,
    _random_uniform,
)
from .transforms.batch import Batch
from .transforms.reverse import TAPE

__all__ = [
    "bernoulli",
    "draw_seed",
    "get_state",
    "manual_seed",
    "normal",
    "permutation",
    "randint",
    "set_state",
    "uniform",
]

Shape = int | Sequence[int]

_key = Cell(np.uint64(0), name="random.key")
_counter = Cell(np.int64(0), name="random.counter")


def manual_seed(seed: int) -> None:
    """Start the stream of random numbers anew: the same seed gives the same numbers on every platform.

    Without a call the seed is 0. Raises ValueError for a seed outside [0, 2⁶⁴), TypeError for one that is
    not an integer.

    >>> import pullback as pb
    >>> pb.random.manual_seed(1)
    >>> a = pb.random.uniform((2,)).tolist()
    >>> pb.random.manual_seed(1)
    >>> a == pb.random.uniform((2,)).tolist()
    True
    """
    set_state({"key": seed, "counter": 0})


def get_state() -> dict[str, int]:
    """Return where the stream stands, as `set_state` takes it: `{"key": …, "counter": …}`.

    >>> import pullback as pb
    >>> state = pb.random.get_state()
    >>> a = pb.random.normal(); pb.random.set_state(state)
    >>> a.item() == pb.random.normal().item()
    True
    """
    return {"key": int(_key.read()), "counter": int(_counter.read())}


def set_state(state: dict[str, int]) -> None:
    """Continue the stream where `get_state` was called. Raises ValueError for what is no such state."""
    if not isinstance(state, dict) or sorted(state) != ["counter", "key"]:
        raise ValueError(f"set_state: expected a dict with 'key' and 'counter', as get_state returns, got {state!r}")
    key, counter = (_integer("seed" if name == "key" else name, state[name]) for name in ("key", "counter"))
    if not 0 <= key < 2**64:
        raise ValueError(f"manual_seed: expected a seed in [0, 2**64), got {key}")
    if not 0 <= counter < 2**63:
        raise ValueError(f"set_state: expected a counter in [0, 2**63), got {counter}")
    _key.write(np.uint64(key))
    _counter.write(np.int64(counter))


def draw_seed() -> int:
    """Draw a seed in [0, 2⁶³) from the stream, as a Python integer (for a data loader, say)."""
    return int(_draw(_random_integers, (), np.int64, low=0, high=2**63))


def uniform(shape: Shape = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = None) -> Any:
    """Draw numbers uniformly from [low, high).

    `low` and `high` may be arrays that broadcast with `shape`; gradients flow to them. `dtype` is a real
    floating dtype (None: the default dtype). Raises ValueError when low > high, DtypeError for another
    dtype.

    >>> import pullback as pb
    >>> pb.random.uniform((2, 3)).shape
    (2, 3)
    """
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= high:
        raise ValueError(f"uniform: expected low <= high, got low={low}, high={high}")
    u = _draw(_random_uniform, _shape("uniform", shape), _floating("uniform", dtype))
    if high.__class__ in (int, float) and low.__class__ in (int, float):
        u = u if high - low == 1 else m.multiply(u, float(high - low))
        return u if low == 0 else m.add(u, float(low))
    return m.add(low, m.multiply(m.subtract(high, low), u))


def normal(shape: Shape = (), mean: Any = 0.0, std: Any = 1.0, dtype: Any = None) -> Any:
    """Draw numbers from the normal distribution with this mean and standard deviation.

    `mean` and `std` may be arrays that broadcast with `shape`; gradients flow to them. Raises ValueError
    for a negative `std`, DtypeError for a dtype that is not floating.

    >>> import pullback as pb
    >>> pb.random.normal((4,), mean=2.0).dtype
    dtype('float32')
    """
    if isinstance(std, int | float) and not std >= 0:
        raise ValueError(f"normal: expected std >= 0, got {std}")
    z = _draw(_random_normal, _shape("normal", shape), _floating("normal", dtype))
    z = z if std.__class__ in (int, float) and std == 1 else m.multiply(z, std)
    return z if mean.__class__ in (int, float) and mean == 0 else m.add(z, mean)


def randint(low: int, high: int, shape: Shape = ()) -> Any:
    """Draw int64 integers uniformly from low, …, high − 1. Raises ValueError when there are none.

    >>> import pullback as pb
    >>> pb.random.randint(5, 6, (3,)).tolist()
    [5, 5, 5]
    """
    low, high = _integer("low", low), _integer("high", high)
    if not low < high:
        raise ValueError(f"randint: expected low < high (high itself is never drawn), got low={low}, high={high}")
    if low < -(2**63) or high > 2**63:
        raise ValueError(f"randint: expected bounds that fit into int64, got low={low}, high={high}")
    return _draw(_random_integers, _shape("randint", shape), np.int64, low=low, high=high)


def bernoulli(p: Any, shape: Shape | None = None) -> Any:
    """Draw booleans that are True with probability `p` (a number, or an array that broadcasts with `shape`).

    `shape` is that of `p` when it is left out. Raises ValueError when the number `p` is not in [0, 1].

    >>> import pullback as pb
    >>> pb.random.bernoulli(1.0, (2,)).tolist()
    [True, True]
    """
    if isinstance(p, int | float) and not 0 <= p <= 1:
        raise ValueError(f"bernoulli: expected a probability p in [0, 1], got {p}")
    dtype = dtype_of(p) if hasattr(p, "dtype") else np.dtype(np.float64)
    if dtype.kind != "f":
        dtype = np.dtype(np.float64)
    u = _draw(_random_uniform, shape_of(p) if shape is None else _shape("bernoulli", shape), dtype)
    return m.less(u, p)


def permutation(n: int) -> Any:
    """Draw a random order of 0, …, n − 1 (int64).

    >>> import pullback as pb
    >>> sorted(pb.random.permutation(4).tolist())
    [0, 1, 2, 3]
    """
    n = _integer("n", n)
    if n < 0:
        raise ValueError(f"permutation: expected n >= 0, got {n}")
    return _draw(_random_permutation, (n,), np.int64)


def dropout_mask(x: Any, keep: float) -> Any:
    """Draw the mask of inverted dropout for `x`: 1/keep with probability `keep`, otherwise 0."""
    return _draw(_dropout_mask, shape_of(x), dtype_of(x), keep=keep)


def _draw(draw: Any, shape: tuple[int, ...], dtype: Any, **static: Any) -> Any:
    """Apply `draw` to the key and the counter, and count."""
    batches = [level for level in levels() if isinstance(level, Batch)]
    if any(level.randomness == "error" for level in batches):
        raise PullbackError(
            "vmap: a random draw inside a batched function is ambiguous; say what it is to mean.\n"
            "  wrong:  pb.vmap(f)(xs)\n"
            '  right:  pb.vmap(f, randomness="different")(xs)   # every example draws for itself\n'
            '          pb.vmap(f, randomness="same")(xs)        # all examples share one draw\n'
            '          randomness="error" (the default) refuses'
        )
    own = [level for level in reversed(batches) if level.randomness == "different"]
    key, counter = _key.read(), _counter.read()
    whole = (*(level.size for level in own), *shape)
    y = draw(key, counter, shape=whole, dtype=np.dtype(dtype), **static)
    for level in own:
        y = Face.new(level.key, y)
    with interpreting(_below_the_tape()):
        _counter.write(m.add(counter, 1))
    return y


def _below_the_tape() -> Any:
    stack = levels()
    return next((level.below for level in stack if level.key is TAPE), current())


def _shape(where: str, shape: Shape) -> tuple[int, ...]:
    try:
        lengths = (operator.index(shape),) if not isinstance(shape, Sequence) else tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(f"{where}: expected shape to be an integer or a tuple of integers, got {shape!r}") from None
    if any(n < 0 for n in lengths):
        raise ValueError(f"{where}: expected a shape without negative lengths, got {shape!r}")
    return lengths


def _floating(where: str, dtype: Any) -> np.dtype[Any]:
    d = default_dtype() if dtype is None else np.dtype(dtype)
    if d.kind != "f":
        raise DtypeError(f"{where}: expected a real floating dtype, got {d}")
    return d


def _integer(name: str, x: Any) -> int:
    try:
        if isinstance(x, bool | Value):
            raise TypeError
        return operator.index(x)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {x!r} ({type(x).__name__})") from None
