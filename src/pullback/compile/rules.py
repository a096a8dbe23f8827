"""What each name in a `lower` facet stands for: one rule a name, which adds instructions to a program.

The scalar operations of elementwise mappings are emitted by their own names and need no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Spec, result_dtype, spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access, Immediate, viewed
from .builder import Lowering, followed_order
from .checks import CHECKS, can_check
from .choices import CHOICES, can_choose
from .convolutions import CONVOLUTIONS
from .draws import DRAWS, is_drawn
from .picking import PICKS, can_pick
from .pools import POOLS
from .program import Call, Check, Product

__all__ = ["CONDITIONS", "RULES", "Rule", "call", "point"]

Rule = Callable[[Lowering, Equation], bool]


def call(lowering: Lowering, equation: Equation) -> bool:
    """Run the mapping's own evaluation."""
    inputs = tuple(lowering.accesses[x.index] if isinstance(x, Symbol) else x for x in equation.inputs)
    outs = tuple(lowering.new(symbol) for symbol in equation.outputs)
    lowering.add(Call(equation, equation.mapping, inputs, outs, equation.static, equation.several))
    return True


def point(lowering: Lowering, equation: Equation) -> bool:
    specs = [spec_of(x) for x in equation.inputs]
    operands = [lowering.operand(x) for x in equation.inputs]
    (symbol,) = equation.outputs
    out = lowering.new(symbol, followed_order(operands, symbol.shape))
    name = str(equation.mapping.lower)
    lowering.point(name, out.shape, out.dtype, *operands, common=result_dtype(*specs), out=out, **equation.static)
    return True


def view(lowering: Lowering, equation: Equation) -> bool:
    access = lowering.access(equation.inputs[0])
    found = viewed(access, equation.mapping.evaluate, equation.static)
    if found is None:
        tight = lowering.array(access.shape, access.dtype).whole()
        lowering.copy(access, tight)
        found = viewed(tight, equation.mapping.evaluate, equation.static)
        assert found is not None, f"{equation.mapping.name} copies an array without gaps"
    for symbol, part in zip(equation.outputs, found, strict=True):
        lowering.define(symbol, part)
    return True


def convert(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    x = lowering.operand(equation.inputs[0])
    lowering.point("copy", symbol.shape, symbol.dtype, x, common=symbol.dtype, out=lowering.new(symbol))
    return True


def folding(operation: str) -> Rule:
    def rule(lowering: Lowering, equation: Equation) -> bool:
        (symbol,) = equation.outputs
        x = lowering.access(equation.inputs[0])
        axis: tuple[int, ...] = equation.static["axis"]
        _folded(lowering, operation, x, axis, symbol)
        return True

    return rule


def _folded(lowering: Lowering, operation: str, x: Access, axis: tuple[int, ...], symbol: Symbol) -> None:
    if not axis:
        lowering.point("copy", symbol.shape, symbol.dtype, x, common=symbol.dtype, out=lowering.new(symbol))
        return
    out = lowering.new(symbol)
    kept = tuple(1 if i in axis else n for i, n in enumerate(x.shape))
    strides = iter(out.strides if len(out.shape) != len(x.shape) else ())
    if len(out.shape) == len(x.shape):
        wide = out
    else:
        wide = Access(out.array, 0, kept, tuple(0 if i in axis else next(strides) for i in range(len(kept))))
    lowering.fold(operation, x, x.shape, axis, symbol.dtype, wide)


def mean(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    x = lowering.access(equation.inputs[0])
    axis: tuple[int, ...] = equation.static["axis"]
    count = math.prod(x.shape[a] for a in axis)
    total = Symbol(-1, Spec(symbol.shape, symbol.dtype))
    _folded(lowering, "add", x, axis, total)
    number = Immediate(float(count), symbol.dtype)
    lowering.point("divide", symbol.shape, symbol.dtype, lowering.accesses.pop(-1), number, out=lowering.new(symbol))
    return True


def matmul(lowering: Lowering, equation: Equation) -> bool:
    a, b = (lowering.access(x) for x in equation.inputs)
    (symbol,) = equation.outputs
    out = lowering.new(symbol)
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
            return True
    a = a.spread((*lead, *a.shape[-2:]))
    b = b.spread((*lead, *b.shape[-2:]))
    lowering.add(Product(equation, a, b, out))
    return True


def _rows(a: Access) -> Access | None:
    """Return an access with all but the last axis folded into one, where the strides allow it."""
    found = viewed(a, lambda x: x.reshape(-1, x.shape[-1]), {})
    return found[0] if found else None


def checked(bound: str) -> Rule:
    def rule(lowering: Lowering, equation: Equation) -> bool:
        positions = lowering.access(equation.inputs[0])
        lowering.add(Check(equation, positions, equation.static[bound]))
        lowering.counted.add((positions, equation.static[bound]))
        lowering.define(equation.outputs[0], positions)
        return True

    return rule


def stack(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    out, axis = lowering.new(symbol), equation.static["axis"]
    out.array.pieces = True
    for i, x in enumerate(equation.inputs):
        offset = out.offset + i * out.strides[axis]
        shape = out.shape[:axis] + out.shape[axis + 1 :]
        strides = out.strides[:axis] + out.strides[axis + 1 :]
        lowering.copy(lowering.operand(x), Access(out.array, offset, shape, strides))
    return True


def concat(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    out, axis = lowering.new(symbol), equation.static["axis"]
    out.array.pieces = True
    start = 0
    for x in equation.inputs:
        shape = spec_of(x).shape
        lowering.copy(lowering.operand(x), Access(out.array, start * out.strides[axis], shape, out.strides))
        start += shape[axis]
    return True


def embed(lowering: Lowering, equation: Equation) -> bool:
    """A part in an array of zeros."""
    (symbol,) = equation.outputs
    out = lowering.new(symbol)
    out.array.layered = True
    part = viewed(out, _part, {"index": equation.static["index"]})
    if part is None:
        return False
    lowering.copy(Immediate(0, symbol.dtype), out)
    lowering.copy(lowering.operand(equation.inputs[0]), part[0])
    return True


def slice_set(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    out = lowering.new(symbol)
    out.array.layered = True
    part = viewed(out, _part, {"index": equation.static["index"]})
    if part is None:
        return False
    lowering.copy(lowering.operand(equation.inputs[0]), out)
    lowering.copy(lowering.operand(equation.inputs[1]), part[0])
    return True


def _part(x: Any, *, index: tuple[Any, ...]) -> Any:
    return x[tuple(slice(*entry) if entry.__class__ is tuple else entry for entry in index)]


RULES: dict[Any, Rule] = {
    **CONVOLUTIONS,
    **POOLS,
    **DRAWS,
    **CHECKS,
    **CHOICES,
    **PICKS,
    "view": view,
    "convert": convert,
    "sum": folding("add"),
    "max": folding("max"),
    "min": folding("min"),
    "mean": mean,
    "matmul": matmul,
    "class_check": checked("classes"),
    "row_check": checked("count"),
    "stack": stack,
    "concat": concat,
    "embed": embed,
    "slice_set": slice_set,
}
"""What each name in a `lower` facet stands for; the scalar operations of elementwise mappings are emitted."""


def _same_dtypes(equation: Equation) -> bool:
    dtypes = {spec_of(x).dtype for x in equation.inputs} | {s.dtype for s in equation.outputs}
    return len(dtypes) == 1 and dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}


def _floating(x: Any) -> bool:
    return spec_of(x).dtype.kind == "f"


CONDITIONS: dict[str, Callable[[Equation], bool]] = {
    "matmul": _same_dtypes,
    **dict.fromkeys(CONVOLUTIONS, _same_dtypes),
    **dict.fromkeys(["max_pool", "max_choice", "avg_pool", "avg_pool_back"], lambda e: _floating(e.inputs[0])),
    "window_place": lambda e: _floating(e.inputs[0]),
    **dict.fromkeys(DRAWS, is_drawn),
    **dict.fromkeys(CHECKS, can_check),
    **dict.fromkeys(CHOICES, can_choose),
    **dict.fromkeys(PICKS, can_pick),
    "mean": lambda equation: spec_of(equation.inputs[0]).dtype.kind == "f",
}
"""What a rule needs besides dtypes that have machine types."""
