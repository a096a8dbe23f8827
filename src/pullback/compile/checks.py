"""Mappings that refuse some values: what they compute, and a check that stops the plan before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import result_dtype, spec_of
from ..transforms.graph import Equation
from .access import Access, Immediate, Operand
from .builder import Lowering
from .emit.scalars import can_emit
from .program import Check

__all__ = ["CHECKS", "can_check"]

Wrong = Callable[[Lowering, Access], Operand]
"""Adds what tells, element by element, whether a value is refused."""


def refusing(wrong: Wrong, scalar: str = "copy") -> Callable[[Lowering, Equation], bool]:
    """Return the rule for a scalar operation that refuses values of its first operand."""

    def rule(lowering: Lowering, equation: Equation) -> bool:
        x = lowering.access(equation.inputs[0])
        _stop_where(lowering, equation, wrong(lowering, x), x)
        (symbol,) = equation.outputs
        common = result_dtype(*map(spec_of, equation.inputs))
        operands = [lowering.operand(v) for v in equation.inputs]
        out = lowering.new(symbol)
        lowering.point(scalar, out.shape, out.dtype, *operands, common=common, out=out)
        return True

    return rule


def lengths(lowering: Lowering, equation: Equation) -> bool:
    """Lengths of sequences: 1, …, steps."""
    x = lowering.access(equation.inputs[0])
    wide = lowering.point("copy", x.shape, np.int64, x, common=np.int64)
    one = Immediate(1, np.dtype(np.int64))
    before_last = lowering.point("subtract", x.shape, np.int64, wide, one)
    lowering.add(Check(equation, before_last, equation.static["steps"]))
    lowering.define(equation.outputs[0], x)
    return True


def _stop_where(lowering: Lowering, equation: Equation, wrong: Operand, x: Access) -> None:
    """Stop the plan where a truth value of `wrong` is true."""
    one, none = (Immediate(n, np.dtype(np.int32)) for n in (1, 0))
    count = lowering.point("where", x.shape, np.int32, wrong, one, none, common=np.int32)
    if x.shape:
        count = lowering.fold("max", count, x.shape, tuple(range(len(x.shape))), np.int32)
    lowering.add(Check(equation, count, 1))


def _below_zero(lowering: Lowering, x: Access) -> Operand:
    return lowering.point("less", x.shape, np.bool_, x, Immediate(0, x.dtype), common=x.dtype)


def _outside_unit_interval(lowering: Lowering, x: Access) -> Operand:
    above = lowering.point("greater", x.shape, np.bool_, x, Immediate(1, x.dtype), common=x.dtype)
    return lowering.point("logical_or", x.shape, np.bool_, _below_zero(lowering, x), above, common=np.bool_)


def _not_finite(lowering: Lowering, x: Access) -> Operand:
    finite = lowering.point("isfinite", x.shape, np.bool_, x, common=x.dtype)
    return lowering.point("logical_not", x.shape, np.bool_, finite, common=np.bool_)


CHECKS: dict[str, Callable[[Lowering, Equation], bool]] = {
    "not_negative": refusing(_below_zero),
    "finite_check": refusing(_not_finite),
    "binary_cross_entropy": refusing(_outside_unit_interval, "binary_cross_entropy"),
    "length_check": lengths,
}


def can_check(equation: Equation) -> bool:
    """Whether the check, and the scalar operation behind it, can be emitted for these dtypes."""
    dtypes = [spec_of(x).dtype for x in equation.inputs]
    if equation.mapping.lower == "length_check":
        return dtypes[0].kind in "iu"
    name: Any = "binary_cross_entropy" if equation.mapping.lower == "binary_cross_entropy" else "copy"
    common = result_dtype(*map(spec_of, equation.inputs))
    return dtypes[0].kind == "f" and can_emit(name, dtypes, common, equation.outputs[0].dtype)
