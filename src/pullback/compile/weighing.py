"""Interpolation, borders, and means of windows that cover an axis: the rules for fixed weighted sums along axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import spec_of
from ..transforms.graph import Equation
from .access import Access, Immediate, natural_strides, viewed
from .builder import Lowering, followed_order
from .program import Special

__all__ = ["WEIGHTS", "can_weigh"]

Table = tuple[int, Any, Any]


def weighted(lowering: Lowering, equation: Equation) -> bool:
    from .emit.weighted import Weighted

    x = lowering.access(equation.inputs[0])
    (symbol,) = equation.outputs
    tables = _tables(equation)
    if all(_even(index, weights) for _, index, weights in tables):
        _means(lowering, x, tables, lowering.new(symbol, followed_order([x], x.shape)))
        return True
    for place, (axis, index, weights) in enumerate(tables):
        shape = (*x.shape[:axis], index.shape[1], *x.shape[axis + 1 :])
        order = followed_order([x], x.shape)
        out = lowering.array(shape, x.dtype, order=order).whole()
        if place == len(tables) - 1:
            out = lowering.new(symbol, order)
        constants = [lowering.constant(index.astype(np.int64)).whole()]
        if weights is not None:
            constants.append(lowering.constant(weights.astype(x.dtype)).whole())
        partial = bool((index < 0).any())
        settings = Weighted(shape, axis, len(index), out.strides, x.strides, x.dtype, weights is not None, partial)
        lowering.add(Special(equation, "weighted", (settings,), (out,), (x, *constants)))
        x = out
    return True


def _tables(equation: Equation) -> list[Table]:
    assert equation.mapping.tables is not None, equation.mapping.name
    found: list[Table] = equation.mapping.tables(*map(spec_of, equation.inputs), **equation.static)
    return found


def _even(index: Any, weights: Any) -> bool:
    """Whether each element is the mean of a run, and the runs follow each other."""
    terms, length = index.shape
    if weights is None or terms == 1 or not np.array_equal(index.T.ravel(), np.arange(terms * length)):
        return False
    return bool((weights == 1 / terms).all())


def _means(lowering: Lowering, x: Access, tables: list[Table], out: Access) -> None:
    """Fold the runs of all axes at once."""
    runs = {axis: len(index) for axis, index, _ in tables}
    parted: list[int] = []
    folded = []
    for axis, n in enumerate(x.shape):
        if axis in runs:
            parted += [n // runs[axis], runs[axis]]
            folded.append(len(parted) - 1)
        else:
            parted.append(n)
    apart = viewed(x, lambda v: v.reshape(parted), {})
    if apart is None:
        tight = lowering.array(x.shape, x.dtype).whole()
        lowering.copy(x, tight)
        apart = [Access(tight.array, 0, tuple(parted), natural_strides(tuple(parted)))]
    total = lowering.fold("add", apart[0], tuple(parted), tuple(folded), x.dtype)
    stays = [i for i in range(len(parted)) if i not in folded]
    total = Access(total.array, total.offset, out.shape, tuple(total.strides[i] for i in stays))
    count = Immediate(float(math.prod(runs.values())), x.dtype)
    lowering.point("divide", out.shape, x.dtype, total, count, common=x.dtype, out=out)


WEIGHTS: dict[str, Callable[[Lowering, Equation], bool]] = {"weighted": weighted}


def can_weigh(equation: Equation) -> bool:
    """Whether the numbers can be weighed: floating-point ones, and whole ones that are only moved or added."""
    dtype = spec_of(equation.inputs[0]).dtype
    if dtype.kind == "f":
        return True
    return all(weights is None and (dtype.kind != "b" or len(index) == 1) for _, index, weights in _tables(equation))
