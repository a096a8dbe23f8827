"""What each name in a `lower` facet stands for: one rule a name, which adds instructions to a program.

The scalar operations of elementwise mappings are emitted by their own names and need no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import result_dtype, spec_of
from ..transforms.graph import Equation, Symbol
from .access import Access, Immediate, viewed
from .branching import BRANCHES, has_one_predicate
from .builder import Lowering, followed_order
from .checks import CHECKS, can_check
from .choices import CHOICES, can_choose
from .convolutions import CONVOLUTIONS
from .draws import DRAWS, is_drawn
from .folding import FOLDS, can_fold
from .looping import LOOPS, has_steps
from .multiplying import PRODUCTS
from .picking import PICKS, can_pick
from .pools import POOLS, can_pool
from .program import Call, Check
from .weighing import WEIGHTS, can_weigh

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


def checked(bound: str) -> Rule:
    def rule(lowering: Lowering, equation: Equation) -> bool:
        positions = lowering.access(equation.inputs[0])
        lowering.add(Check(equation, positions, equation.static[bound]))
        lowering.counted.add((positions, equation.static[bound]))
        lowering.define(equation.outputs[0], positions)
        return True

    return rule


def together(lowering: Lowering, equation: Equation) -> bool:
    for symbol, x in zip(equation.outputs, equation.inputs, strict=True):
        lowering.define(symbol, lowering.access(x))
    return True


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
    **BRANCHES,
    **CHECKS,
    **CHOICES,
    **LOOPS,
    **FOLDS,
    **PICKS,
    **PRODUCTS,
    **WEIGHTS,
    "view": view,
    "convert": convert,
    "class_check": checked("classes"),
    "row_check": checked("count"),
    "together": together,
    "stack": stack,
    "concat": concat,
    "embed": embed,
    "slice_set": slice_set,
}
"""What each name in a `lower` facet stands for; the scalar operations of elementwise mappings are emitted."""


def _same_dtypes(equation: Equation) -> bool:
    dtypes = {spec_of(x).dtype for x in equation.inputs} | {s.dtype for s in equation.outputs}
    return len(dtypes) == 1 and dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}


CONDITIONS: dict[str, Callable[[Equation], bool]] = {
    **dict.fromkeys(CONVOLUTIONS, _same_dtypes),
    **dict.fromkeys(POOLS, can_pool),
    **dict.fromkeys(DRAWS, is_drawn),
    **dict.fromkeys(CHECKS, can_check),
    **dict.fromkeys(CHOICES, can_choose),
    **dict.fromkeys(LOOPS, has_steps),
    **dict.fromkeys(BRANCHES, has_one_predicate),
    **dict.fromkeys(FOLDS, can_fold),
    **dict.fromkeys(PICKS, can_pick),
    **dict.fromkeys(WEIGHTS, can_weigh),
}
"""What a rule needs besides dtypes that have machine types."""
