"""Products of matrices, and of arrays whose axes are named: the rules that lower them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..transforms.graph import Equation
from .access import Access, natural_strides, viewed
from .builder import Lowering
from .program import Product

__all__ = ["PRODUCTS"]

FLOATING = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def matmul(lowering: Lowering, equation: Equation) -> bool:
    a, b = (lowering.access(x) for x in equation.inputs)
    (symbol,) = equation.outputs
    out = lowering.new(symbol)
    lead = out.shape[:-2]
    if out.dtype not in FLOATING:
        rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
        a = _inserted(a.spread((*lead, rows, depth)), len(lead) + 2).spread((*lead, rows, depth, columns))
        b = _inserted(b.spread((*lead, depth, columns)), len(lead)).spread((*lead, rows, depth, columns))
        _summed(lowering, a, b, (len(lead) + 1,), out)
        return True
    a, b = _floating(lowering, a, out.dtype), _floating(lowering, b, out.dtype)
    _multiplied(lowering, equation, a, b, out)
    return True


def _multiplied(lowering: Lowering, equation: Equation, a: Access, b: Access, out: Access) -> None:
    """Add products of the last two axes; the axes before them are spread over those of the result."""
    lead = out.shape[:-2]
    if 1 not in b.strides[-2:] and min(b.shape[-2:]) > 1:
        tight = lowering.array(b.shape, b.dtype).whole()
        lowering.copy(b, tight)
        b = tight
    if len(a.shape) > 2 and len(b.shape) == 2:
        flat = _rows(a)
        if flat is not None:  # many matrices times one: one product with all their rows
            rows = Access(out.array, 0, (math.prod(out.shape[:-1]), out.shape[-1]), (out.shape[-1], 1))
            lowering.add(Product(equation, flat, b, rows))
            return
    a = a.spread((*lead, *a.shape[-2:]))
    b = b.spread((*lead, *b.shape[-2:]))
    lowering.add(Product(equation, a, b, out))


def _rows(a: Access) -> Access | None:
    """Return an access with all but the last axis folded into one, where the strides allow it."""
    found = viewed(a, lambda x: x.reshape(-1, x.shape[-1]), {})
    return found[0] if found else None


def _floating(lowering: Lowering, x: Access, dtype: np.dtype[Any]) -> Access:
    return x if x.dtype == dtype else lowering.point("copy", x.shape, dtype, x, common=dtype)


def _inserted(x: Access, axis: int) -> Access:
    """Return the access with an axis of length 1 before this one."""
    return Access(x.array, x.offset, (*x.shape[:axis], 1, *x.shape[axis:]), (*x.strides[:axis], 0, *x.strides[axis:]))


def _summed(lowering: Lowering, a: Access, b: Access, axes: tuple[int, ...], out: Access) -> None:
    """Multiply element by element and add up along `axes`, which the result does not have."""
    dtype, shape = out.dtype, a.shape
    if not axes:
        lowering.point("multiply", shape, dtype, a, b, common=dtype, out=out)
        return
    both = lowering.point("multiply", shape, dtype, a, b, common=dtype)
    strides = iter(out.strides)
    wide = tuple(0 if i in axes else next(strides) for i in range(len(shape)))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    lowering.fold("add", both, shape, axes, dtype, Access(out.array, out.offset, kept, wide))


def contract(lowering: Lowering, equation: Equation) -> bool:
    """Named axes: those of both that the result has, of a alone, of b alone, and those that are summed over."""
    in_a, in_b, names = (equation.static[k] for k in ("in_a", "in_b", "out"))
    a, b = (lowering.access(x) for x in equation.inputs)
    (symbol,) = equation.outputs
    shared = [n for n in in_a if n in in_b and n in names]
    summed = [n for n in in_a if n in in_b and n not in names]
    of_a, of_b = [n for n in in_a if n not in in_b], [n for n in in_b if n not in in_a]
    length = dict(zip((*in_a, *in_b), (*a.shape, *b.shape), strict=True))
    rows, columns, depth = (math.prod(length[n] for n in group) for group in (of_a, of_b, summed))
    if symbol.dtype not in FLOATING or min(rows, columns, depth) == 1:
        order = [*names, *summed]
        shape = tuple(length[n] for n in order)
        a, b = _named(a, in_a, order).spread(shape), _named(b, in_b, order).spread(shape)
        _summed(lowering, a, b, tuple(range(len(names), len(order))), lowering.new(symbol))
        return True
    lead = tuple(length[n] for n in shared)
    a, b = (_floating(lowering, x, symbol.dtype) for x in (a, b))
    a = _matrices(lowering, a, in_a, [*shared, *of_a, *summed], (*lead, rows, depth))
    b = _matrices(lowering, b, in_b, [*shared, *summed, *of_b], (*lead, depth, columns))
    product = lowering.array((*lead, rows, columns), symbol.dtype).whole()
    _multiplied(lowering, equation, a, b, product)
    found = [*shared, *of_a, *of_b]
    lengths, turned = [length[n] for n in found], [found.index(n) for n in names]
    apart = viewed(product, lambda x: x.reshape(lengths).transpose(turned), {})
    assert apart is not None, "the axes of an array without gaps can be parted and permuted"
    lowering.define(symbol, apart[0])
    return True


def _named(x: Access, names: tuple[int, ...], order: list[int]) -> Access:
    """Return the access with its axes in this order, and length 1 for those that it lacks."""
    shape = tuple(x.shape[names.index(n)] if n in names else 1 for n in order)
    return Access(x.array, x.offset, shape, tuple(x.strides[names.index(n)] if n in names else 0 for n in order))


def _matrices(
    lowering: Lowering, x: Access, names: tuple[int, ...], order: list[int], shape: tuple[int, ...]
) -> Access:
    turned = _named(x, names, order)
    found = viewed(turned, lambda v: v.reshape(shape), {})
    if found is not None:
        return found[0]
    tight = lowering.array(turned.shape, x.dtype).whole()
    lowering.copy(turned, tight)
    return Access(tight.array, 0, shape, natural_strides(shape))


PRODUCTS: dict[str, Callable[[Lowering, Equation], bool]] = {"matmul": matmul, "contract": contract}
