"""The few operations that the engine itself needs of cotangents and tangents.

Adding two of them, scaling one by a local derivative, bringing one to the shape and dtype of its input:
these are mappings like any other, so that derivatives of derivatives come out right. They are declared
on the floor above (`mappings`), which hands them down here once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import interpret
from .mapping import Mapping
from .spec import Spec, spec_of

__all__ = [
    "add",
    "caster",
    "fit",
    "fold",
    "furnish",
    "move_axis",
    "ones",
    "own",
    "repeat",
    "reshape",
    "scale",
    "spread",
    "zeros",
]

Operation = Callable[..., Any]


_NO_STATIC: dict[str, Any] = {}
_NUMBERS = frozenset({np.float32, np.float64})  # plain numbers stay plain, whoever interprets


class _Furniture:
    add: Mapping
    multiply: Mapping
    negative: Operation
    sum: Operation
    reshape: Operation
    broadcast_to: Operation
    astype: Operation
    permute_dims: Operation


def furnish(**operations: Operation) -> None:
    """Hand the engine its mappings. Called once, by `pullback.mappings`."""
    for name, operation in operations.items():
        setattr(_Furniture, name, staticmethod(operation))


def add(a: Any, b: Any) -> Any:
    """Return a + b, where None is a symbolic zero."""
    if a is None:
        return b
    if b is None:
        return a
    kind: Any = a.__class__
    if kind in _NUMBERS and b.__class__ in _NUMBERS:
        return a + b
    return interpret._context.get().apply(_Furniture.add, (a, b), _NO_STATIC)


def scale(g: Any, factor: Any) -> Any:
    """Return g · factor; a Python factor 0, 1 or -1 costs no multiplication, and zero stays symbolic."""
    kind = factor.__class__
    if kind in _NUMBERS and g.__class__ in _NUMBERS:
        return g * factor
    if kind is float or kind is int:
        if factor == 1:
            return g
        if factor == 0:
            return None
        if factor == -1:
            return _Furniture.negative(g)
        if g.__class__ in _NUMBERS:
            return g * factor
    return interpret._context.get().apply(_Furniture.multiply, (g, factor), _NO_STATIC)


def fit(g: Any, like: Any) -> Any:
    """Return the cotangent `g` summed over the axes along which `like` was broadcast, in its dtype."""
    spec = spec_of(like)
    have = spec_of(g)
    if have.shape != spec.shape:
        lead = have.ndim - spec.ndim
        axes = tuple(range(lead)) + tuple(
            lead + i for i, n in enumerate(spec.shape) if n == 1 and have.shape[lead + i] != 1
        )
        if axes:
            g = _Furniture.sum(g, axis=axes, keepdims=False)
        g = _Furniture.reshape(g, shape=spec.shape)
    if have.dtype != spec.dtype and spec.weak is None:
        g = _Furniture.astype(g, dtype=spec.dtype)
    return g


def spread(t: Any, spec: Spec) -> Any:
    """Return the tangent `t` broadcast to the shape and cast to the dtype of `spec`."""
    have = spec_of(t)
    if have.shape != spec.shape:
        t = _Furniture.broadcast_to(t, shape=spec.shape)
    if have.dtype != spec.dtype:
        t = _Furniture.astype(t, dtype=spec.dtype)
    return t


def caster() -> Operation:
    """Return the mapping that changes the dtype, for who records it rather than applies it."""
    return _Furniture.astype


def move_axis(x: Any, source: int, destination: int) -> Any:
    """Return `x` with one axis moved, the others in order."""
    if source == destination:
        return x
    order = [i for i in range(spec_of(x).ndim) if i != source]
    order.insert(destination, source)
    return _Furniture.permute_dims(x, axes=tuple(order))


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """Return `x` in another shape of the same size."""
    return _Furniture.reshape(x, shape=shape)


def fold(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Return the sum of `x` over `axis`."""
    return _Furniture.sum(x, axis=axis, keepdims=keepdims)


def own(g: Any, taken: dict[int, Any]) -> Any:
    """Return the plain array `g` in memory that is shared with nothing, copying it if need be.

    `taken` holds, by their `id`, arrays that others have; what is returned is added.
    """
    if g.__class__ is not np.ndarray:
        return g
    if g.ndim == 0:
        return g[()]
    if g.base is not None or id(g) in taken or not g.flags.writeable:
        g = g.copy()
    taken[id(g)] = g
    return g


def repeat(x: Any, count: int) -> Any:
    """Return `x` with a new axis 0 along which it is the same `count` times."""
    return _Furniture.broadcast_to(x, shape=(count, *spec_of(x).shape))


def zeros(like: Any) -> Any:
    """Return a plain array of zeros of the spec of `like`."""
    spec = spec_of(like)
    return np.zeros(spec.shape, spec.dtype)


def ones(like: Any) -> Any:
    """Return a plain array of ones of the spec of `like`."""
    spec = spec_of(like)
    return np.ones(spec.shape, spec.dtype)
