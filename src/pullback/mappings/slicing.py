"""Slicing: a rectangular part of an array, an array placed in zeros, and a part replaced.

An index is static and hashable: a tuple whose entries are ints, None (a new axis) and triples
`(start, stop, step)` for slices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..core import space
from ..core.families import linear
from ..core.joint import jointly_linear
from ..core.mapping import unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, shape_of

__all__: list[str] = []

FULL = (None, None, None)
STEPWISE = unsupported("lowered through its body")
NO_OPERATOR = unsupported("ONNX has no single operator for it")


@lru_cache(maxsize=4096)
def to_index(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the static form of an index as NumPy reads it."""
    return tuple(slice(*entry) if entry.__class__ is tuple else entry for entry in index)


@lru_cache(maxsize=4096)
def sliced_shape(shape: Shape, index: tuple[Any, ...]) -> Shape:
    """Return the shape of a part. Raises IndexError when the index does not fit the shape."""
    return np.broadcast_to(np.empty((), np.bool_), shape)[to_index(index)].shape


def _embedded(g: Any, *, index: tuple[Any, ...], shape: Shape) -> Any:
    whole = np.zeros(shape, g.dtype)
    whole[to_index(index)] = g
    return whole


def _replaced(x: Any, values: Any, *, index: tuple[Any, ...]) -> Any:
    whole = np.array(x)
    whole[to_index(index)] = values
    return whole


_slice = linear(
    "slice",
    lambda x, *, index: x[to_index(index)],
    lambda x, *, index: Spec(sliced_shape(x.shape, index), x.dtype),
    lambda g, x, *, index: _embed(g, index=index, shape=x.shape),
    lambda batched, xs, *, index: _slice(xs[0], index=(FULL, *index)),
    formula=r"{x}[\ldots]",
    words="a part of {x}",
    lower="view",
    onnx="Slice",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 3)),), {"index": (1,)}),
            Sample((rng.normal(size=(4, 3)),), {"index": ((1, None, 2), -1)}),
            Sample((rng.normal(size=(4, 3)),), {"index": ((None, None, -1), None, (0, 2, None))}),
            Sample((rng.normal(size=()),), {"index": (None,)}),
            Sample((rng.normal(size=(0, 3)),), {"index": (FULL, 2)}),
        ]
    ),
)

_embed = linear(
    "embed",
    _embedded,
    lambda g, *, index, shape: Spec(shape, g.dtype),
    lambda t, g, *, index, shape: _slice(t, index=index),
    lambda batched, xs, *, index, shape: _embed(
        xs[0], index=(FULL, *index), shape=(shape_of(xs[0])[0], *shape)
    ),
    arguments=("g",),
    formula=r"\operatorname{{embed}}({g})",
    words="{g} placed in an array of zeros",
    lower="embed",
    onnx="Pad",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3,)),), {"index": (1,), "shape": (4, 3)}),
            Sample((rng.normal(size=(2,)),), {"index": ((1, None, 2), -1), "shape": (4, 3)}),
            Sample((rng.normal(size=(2, 1)),), {"index": ((None, None, -1), None), "shape": (2,)}),
            Sample((rng.normal(size=(0,)),), {"index": ((1, 1, None),), "shape": (3,)}),
            Sample((rng.normal(size=()),), {"index": (1,), "shape": (3,)}),
        ]
    ),
)


def _slice_set_transpose(g: Any, specs: Any, *, needs: Any, index: tuple[Any, ...]) -> Any:
    return (
        _slice_set(g, np.zeros(specs[1].shape, g.dtype), index=index) if needs[0] else None,
        _slice(g, index=index) if needs[1] else None,
    )


def _slice_set_batch(batched: Any, xs: Any, *, index: tuple[Any, ...]) -> Any:
    x, values = repeated(batched, xs)
    return _slice_set(x, values, index=(FULL, *index))


def repeated(batched: Any, xs: Any) -> list[Any]:
    """Return all of `xs` with a batch axis 0, those without one repeated along it."""
    size = next(shape_of(x)[0] for x, is_batched in zip(xs, batched, strict=True) if is_batched)
    return [x if is_batched else space.repeat(x, size) for x, is_batched in zip(xs, batched, strict=True)]


_slice_set = jointly_linear(
    "slice_set",
    _replaced,
    lambda x, values, *, index: Spec(x.shape, x.dtype),
    _slice_set_transpose,
    _slice_set_batch,
    arguments=("x", "values"),
    formula=r"{x}[\ldots \leftarrow {values}]",
    words="{x} with a part replaced by {values}",
    lower="slice_set",
    onnx="ScatterND",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 3)), rng.normal(size=(3,))), {"index": (1,)}),
            Sample((rng.normal(size=(4, 3)), rng.normal(size=(2,))), {"index": ((1, None, 2), -1)}),
            Sample((rng.normal(size=(2,)), rng.normal(size=(2, 1))), {"index": ((None, None, -1), None)}),
            Sample((rng.normal(size=(3,)), rng.normal(size=())), {"index": (0,)}),
            Sample((rng.normal(size=(3,)), rng.normal(size=(0,))), {"index": ((1, 1, None),)}),
        ]
    ),
)
