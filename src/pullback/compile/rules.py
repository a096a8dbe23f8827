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
from .access import Access, Immediate, Iota, viewed
from .builder import Lowering, followed_order
from .checks import CHECKS, can_check
from .choices import CHOICES, can_choose
from .convolutions import CONVOLUTIONS
from .draws import DRAWS, is_drawn
from .pools import POOLS
from .program import Call, Check, Product, RowMove

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
        lowering.define(equation.outputs[0], positions)
        return True

    return rule


def gather(lowering: Lowering, equation: Equation) -> bool:
    table = lowering.access(equation.inputs[0])
    positions = _counted(lowering, equation.inputs[1], table.shape[0])
    (symbol,) = equation.outputs
    positions, table = _tight(lowering, positions), _tight(lowering, table)
    lowering.add(Check(equation, positions, table.shape[0]))
    lowering.add(RowMove(equation, table, positions, lowering.new(symbol), scatter=False))
    return True


def scatter_add(lowering: Lowering, equation: Equation) -> bool:
    rows = lowering.access(equation.inputs[0])
    (symbol,) = equation.outputs
    positions = _counted(lowering, equation.inputs[1], symbol.shape[0])
    rows, positions = _tight(lowering, rows), _tight(lowering, positions)
    lowering.add(Check(equation, positions, symbol.shape[0]))
    lowering.add(RowMove(equation, lowering.new(symbol), positions, rows, scatter=True))
    return True


def _counted(lowering: Lowering, positions: Any, n: int) -> Access:
    """Return positions; of those that are known, a negative one is counted from the front.

    Others that are negative stop the plan, and the graph runs eagerly: they cannot be told from wrong ones there.
    """
    if not isinstance(positions, Symbol):
        positions = np.where(np.less(positions, 0), np.add(positions, n, dtype=np.int64), positions)
    return lowering.access(positions)


def _tight(lowering: Lowering, x: Access) -> Access:
    """Return the same numbers without gaps, copied if need be."""
    if x.contiguous:
        return x
    tight = lowering.array(x.shape, x.dtype).whole()
    lowering.copy(x, tight)
    return tight


def one_hot(lowering: Lowering, equation: Equation) -> bool:
    (symbol,) = equation.outputs
    x = lowering.access(equation.inputs[0])
    lowering.add(Check(equation, x, equation.static["num_classes"]))
    labels = Access(x.array, x.offset, (*x.shape, 1), (*x.strides, 0))
    index = Iota(len(x.shape), x.dtype)
    hot = lowering.point("equal", symbol.shape, np.bool_, labels, index, common=x.dtype)
    lowering.point("copy", symbol.shape, symbol.dtype, hot, common=symbol.dtype, out=lowering.new(symbol))
    return True


def take_along(lowering: Lowering, equation: Equation) -> bool:
    """One element chosen in each row: the sum of the row where its number is the chosen one, and 0 elsewhere."""
    x, indices = lowering.access(equation.inputs[0]), lowering.access(equation.inputs[1])
    (symbol,) = equation.outputs
    axis = equation.static["axis"] + len(x.shape)
    lowering.add(Check(equation, indices, x.shape[axis]))
    hot = lowering.point("equal", x.shape, np.bool_, indices, Iota(axis, indices.dtype), common=indices.dtype)
    chosen = lowering.point("where", x.shape, x.dtype, hot, x, Immediate(0, x.dtype), common=x.dtype)
    lowering.fold("add", chosen, x.shape, (axis,), x.dtype, lowering.new(symbol))
    return True


def put_along(lowering: Lowering, equation: Equation) -> bool:
    g, indices = lowering.access(equation.inputs[0]), lowering.access(equation.inputs[1])
    (symbol,) = equation.outputs
    axis = equation.static["axis"] + len(symbol.shape)
    lowering.add(Check(equation, indices, symbol.shape[axis]))
    hot = lowering.point("equal", symbol.shape, np.bool_, indices, Iota(axis, indices.dtype), common=indices.dtype)
    zero = Immediate(0, symbol.dtype)
    out = lowering.new(symbol)
    lowering.point("where", symbol.shape, symbol.dtype, hot, g, zero, common=symbol.dtype, out=out)
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
    **CHECKS,
    **CHOICES,
    "view": view,
    "convert": convert,
    "sum": folding("add"),
    "max": folding("max"),
    "min": folding("min"),
    "mean": mean,
    "matmul": matmul,
    "class_check": checked("classes"),
    "row_check": checked("count"),
    "gather": gather,
    "scatter_add": scatter_add,
    "one_hot": one_hot,
    "take_along": take_along,
    "put_along": put_along,
    "stack": stack,
    "concat": concat,
    "embed": embed,
    "slice_set": slice_set,
}
"""What each name in a `lower` facet stands for; the scalar operations of elementwise mappings are emitted."""


def _by_rows(equation: Equation) -> bool:
    return equation.static["axes"] == (0,) and spec_of(equation.inputs[1]).dtype.kind in "iu"


def _one_each(equation: Equation) -> bool:
    indices = spec_of(equation.inputs[1])
    axis = equation.static["axis"]
    other = spec_of(equation.inputs[0]) if "shape" not in equation.static else equation.outputs[0].spec
    around = [i for i in range(-len(indices.shape), 0) if i != axis]
    return indices.shape[axis] == 1 and all(indices.shape[i] == other.shape[i] for i in around)


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
    "mean": lambda equation: spec_of(equation.inputs[0]).dtype.kind == "f",
    "gather": _by_rows,
    "scatter_add": _by_rows,
    "take_along": _one_each,
    "put_along": _one_each,
}
"""What a rule needs besides dtypes that have machine types."""
