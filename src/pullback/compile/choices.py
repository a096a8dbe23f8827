"""Which and how many: rules for positions of extremes, counts, shares of those that tie, and triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access, Immediate, Iota, Operand, viewed
from .builder import Lowering

__all__ = ["CHOICES", "can_choose"]

INT64, BOOL = np.dtype(np.int64), np.dtype(np.bool_)

Rule = Callable[[Lowering, Equation], bool]


def _folded(lowering: Lowering, operation: str, x: Operand, shape: tuple[int, ...], axis: Any, symbol: Symbol) -> None:
    """Fold int64 numbers along `axis` into the value of a symbol, whichever of its axes it keeps."""
    kept = lowering.fold(operation, x, shape, axis, INT64) if axis else x
    assert isinstance(kept, Access)
    left = kept
    if len(symbol.shape) != len(shape):
        stays = [i for i in range(len(shape)) if i not in axis]
        left = Access(kept.array, kept.offset, symbol.shape, tuple(kept.strides[i] for i in stays))
    out = lowering.new(symbol)
    if symbol.dtype == BOOL:
        lowering.point("not_equal", out.shape, BOOL, left, Immediate(0, INT64), common=INT64, out=out)
    else:
        lowering.point("copy", out.shape, out.dtype, left, common=out.dtype, out=out)


def position(extreme: str) -> Rule:
    """The first index where an element is the extreme one, or not a number, which counts as more extreme."""

    def rule(lowering: Lowering, equation: Equation) -> bool:
        x, axis = lowering.access(equation.inputs[0]), equation.static["axis"]
        if x.dtype == BOOL:
            x = lowering.point("copy", x.shape, np.uint8, x, common=np.uint8)
        most = lowering.fold(extreme, x, x.shape, axis, x.dtype)
        here: Operand = lowering.point("equal", x.shape, BOOL, x, most, common=x.dtype)
        if x.dtype.kind == "f":
            unknown = lowering.point("isnan", x.shape, BOOL, x, common=x.dtype)
            here = lowering.point("logical_or", x.shape, BOOL, here, unknown, common=BOOL)
        behind = Immediate(x.shape[axis[0]], INT64)
        found = lowering.point("where", x.shape, INT64, here, Iota(axis[0], INT64), behind, common=INT64)
        _folded(lowering, "min", found, x.shape, axis, equation.outputs[0])
        return True

    return rule


def truths(operation: str) -> Rule:
    """Elements that are not zero: whether there is one, whether all are, how many."""

    def rule(lowering: Lowering, equation: Equation) -> bool:
        x, axis = lowering.access(equation.inputs[0]), equation.static["axis"]
        true = lowering.point("not_equal", x.shape, BOOL, x, Immediate(0, x.dtype), common=x.dtype)
        one, none = Immediate(1, INT64), Immediate(0, INT64)
        numbers = lowering.point("where", x.shape, INT64, true, one, none, common=INT64)
        _folded(lowering, operation, numbers, x.shape, axis, equation.outputs[0])
        return True

    return rule


def triangle(comparison: str) -> Rule:
    """What lies below (or above) a diagonal, and 0 elsewhere."""

    def rule(lowering: Lowering, equation: Equation) -> bool:
        x = lowering.access(equation.inputs[0])
        last = len(x.shape) - 1
        row, column = Iota(last - 1, INT64), Iota(last, INT64)
        diagonal = lowering.point("add", x.shape, INT64, row, Immediate(equation.static["k"], INT64), common=INT64)
        inside = lowering.point(comparison, x.shape, BOOL, column, diagonal, common=INT64)
        out = lowering.new(equation.outputs[0])
        lowering.point("where", x.shape, x.dtype, inside, x, Immediate(0, x.dtype), common=x.dtype, out=out)
        return True

    return rule


def ties(lowering: Lowering, equation: Equation) -> bool:
    """The share of each element in the extreme one: 1 over the number of those that equal it."""
    x, y = (lowering.access(v) for v in equation.inputs)
    same = lowering.point("equal", x.shape, BOOL, x, y, common=x.dtype)
    one, none = Immediate(1, x.dtype), Immediate(0, x.dtype)
    numbers = lowering.point("where", x.shape, x.dtype, same, one, none, common=x.dtype)
    axis = equation.static["axis"]
    total = lowering.fold("add", numbers, x.shape, axis, x.dtype) if axis else numbers
    out = lowering.new(equation.outputs[0])
    lowering.point("divide", x.shape, x.dtype, numbers, total, common=x.dtype, out=out)
    return True


def diagonal(lowering: Lowering, equation: Equation) -> bool:
    """Numbers on the diagonal of matrices of zeros."""
    out = lowering.new(equation.outputs[0])
    out.array.layered = True
    offset = equation.static["offset"]
    part = viewed(out, lambda x: np.diagonal(x, offset, -2, -1), {})
    if part is None:
        return False
    lowering.copy(Immediate(0, out.dtype), out)
    lowering.copy(lowering.operand(equation.inputs[0]), part[0])
    return True


CHOICES: dict[str, Rule] = {
    "argmax": position("max"),
    "argmin": position("min"),
    "any": truths("max"),
    "all": truths("min"),
    "count_nonzero": truths("add"),
    "tril": triangle("less_equal"),
    "triu": triangle("greater_equal"),
    "tie_shares": ties,
    "diagonal_embed": diagonal,
}


def can_choose(equation: Equation) -> bool:
    """Whether the numbers have dtypes that can be divided here."""
    dtypes = {spec_of(x).dtype for x in equation.inputs}
    return equation.mapping.lower != "tie_shares" or (len(dtypes) == 1 and all(dtype.kind == "f" for dtype in dtypes))
