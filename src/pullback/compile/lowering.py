"""From equations to instructions: each `lower` facet is the name of a rule here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.spec import Shape, Spec, result_dtype, spec_of
from ..transforms.graph import Equation, Graph, Symbol
from .access import Access, Array, Immediate, Iota, Operand, viewed
from .emit.scalars import can_emit
from .expand import expanded
from .program import Call, Check, Fold, Instruction, Point, Product, Program, RowMove

__all__ = ["RULES", "lowered"]

Rule = Callable[["Lowering", Equation], bool]

NUMBERS = frozenset(
    map(np.dtype, ["float32", "float64", "bool", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))])
)
"""The dtypes that have machine types."""


class Lowering:
    """A program in the making: which access stands for which symbol, and the instructions so far."""

    def __init__(self) -> None:
        self.accesses: dict[int, Access] = {}
        self.instructions: list[Instruction] = []
        self.constants: list[Array] = []
        self.count = 0
        self.source: Equation | None = None

    def array(self, shape: Shape, dtype: Any, role: str = "temporary", data: Any = None) -> Array:
        """Return a new array."""
        self.count += 1
        return Array(self.count - 1, tuple(shape), np.dtype(dtype), role, data=data)

    def operand(self, x: Any) -> Operand:
        """Return the operand for an input of an equation: its access, or a number."""
        if isinstance(x, Symbol):
            return self.accesses[x.index]
        if np.ndim(x) == 0:
            spec = spec_of(x)
            return Immediate(x.item() if isinstance(x, np.generic | np.ndarray) else x, spec.dtype)
        return self.constant(x).whole()

    def access(self, x: Any) -> Access:
        """Return the access to an input of an equation; a number becomes a constant array."""
        return self.accesses[x.index] if isinstance(x, Symbol) else self.constant(x).whole()

    def constant(self, x: Any) -> Array:
        """Return an array with fixed contents."""
        data = np.array(x, order="C", dtype=np.asarray(x).dtype.newbyteorder("="))
        found = self.array(data.shape, data.dtype, "constant", data)
        self.constants.append(found)
        return found

    def define(self, symbol: Symbol, access: Access) -> None:
        """Say where the value of a symbol lies."""
        assert access.shape == symbol.spec.shape, (symbol, access)
        self.accesses[symbol.index] = access

    def new(self, symbol: Symbol) -> Access:
        """Return a new array for the value of a symbol."""
        access = self.array(symbol.spec.shape, symbol.spec.dtype).whole()
        self.define(symbol, access)
        return access

    def add(self, instruction: Instruction) -> None:
        """Add an instruction, unless it writes nothing."""
        if not isinstance(instruction, Point) or math.prod(instruction.shape):
            self.instructions.append(instruction)

    def point(
        self,
        name: str,
        shape: Shape,
        dtype: Any,
        *operands: Operand,
        common: Any = None,
        out: Access | None = None,
        **static: Any,
    ) -> Access:
        """Add a scalar operation, and return where its results lie."""
        out = self.array(shape, dtype).whole() if out is None else out
        spread = tuple(x.spread(shape) if isinstance(x, Access) else x for x in operands)
        common = np.result_type(*(x.dtype for x in operands)) if common is None else common
        self.add(Point(self.source, name, shape, spread, out, np.dtype(common), static))
        return out

    def fold(
        self, operation: str, x: Operand, shape: Shape, axes: tuple[int, ...], dtype: Any, out: Access | None = None
    ) -> Access:
        """Add a fold whose result keeps the folded axes with length 1, and return where it lies."""
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
        out = self.array(kept, dtype).whole() if out is None else out
        spread = x.spread(shape) if isinstance(x, Access) else x
        moving = tuple(0 if i in axes else s for i, s in enumerate(out.strides))
        self.add(Fold(self.source, operation, shape, spread, Access(out.array, out.offset, shape, moving), axes))
        return out

    def handed_back(self, symbol: Symbol) -> Access:
        """Return where a result lies: in an array of its own, which outlives the run."""
        access = self.accesses[symbol.index]
        array = access.array
        if array.role != "temporary" or access != array.whole() or array.pieces or array.layered or array.size == 1:
            array = self.array(symbol.shape, symbol.dtype)
            self.copy(access, array.whole())
        array.role = "output"
        return array.whole()

    def copy(self, x: Operand, out: Access) -> None:
        """Add a copy into a part of an array."""
        self.point("copy", out.shape, out.dtype, x, common=out.dtype, out=out)


def lowered(graph: Graph) -> Program:
    """Return the program of a graph."""
    equations, standing = expanded(graph, is_native)
    lowering = Lowering()
    inputs = []
    for symbol in graph.inputs:
        inputs.append(lowering.array(symbol.shape, symbol.dtype, "input"))
        lowering.define(symbol, inputs[-1].whole())
    reads: dict[Cell, Array] = {}
    for cell, symbol in graph.reads.items():
        reads[cell] = lowering.array(symbol.shape, symbol.dtype, "cell", cell)
        lowering.define(symbol, reads[cell].whole())
    same = _Duplicates(lowering)
    for equation in equations:
        lowering.source = equation
        if same.found(equation):
            continue
        rule = _rule(equation) if is_native(equation) else None
        if rule is None or not rule(lowering, equation):
            call(lowering, equation)
    lowering.source = None

    def handed_back(x: Any) -> Any:
        while isinstance(x, Symbol) and x.index in standing:
            x = standing[x.index]
        return lowering.handed_back(x) if isinstance(x, Symbol) else x

    outputs = [handed_back(x) for x in graph.outputs]
    writes = {cell: handed_back(x) for cell, x in graph.writes.items()}
    return Program(lowering.instructions, inputs, reads, outputs, writes, lowering.constants)


class _Duplicates:
    """Equations that compute once more what is known already."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.known: dict[Any, Equation] = {}

    def found(self, equation: Equation) -> bool:
        """Let the results of an equal equation stand for those of this one, if there is one."""
        if not equation.mapping.spec or not isinstance(equation.mapping.lower, str):
            return False  # what has no rule may have an effect, such as an error of its own
        try:
            key = (equation.mapping, tuple(map(self._key, equation.inputs)), tuple(sorted(equation.static.items())))
            earlier = self.known.setdefault(key, equation)
        except TypeError:
            return False
        if earlier is equation:
            return False
        for symbol, other in zip(equation.outputs, earlier.outputs, strict=True):
            self.lowering.define(symbol, self.lowering.accesses[other.index])
        return True

    def _key(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            access = self.lowering.accesses[x.index]
            return access.array.number, access.offset, access.shape, access.strides
        if np.ndim(x) == 0:
            return type(x), np.asarray(x).tobytes()
        return id(x)


def is_native(equation: Equation) -> bool:
    """Whether there is a rule for an equation, and it takes these dtypes and sizes."""
    name = equation.mapping.lower
    if not isinstance(name, str) or (name not in RULES and not elementwise(equation)):
        return False
    specs = [*(spec_of(x) for x in equation.inputs), *(s.spec for s in equation.outputs)]
    if any(s.dtype not in NUMBERS or not s.size for s in specs):
        return False
    if equation.mapping.family == "elementwise":
        return elementwise(equation)
    condition = CONDITIONS.get(name)
    return condition is None or condition(equation)


def _rule(equation: Equation) -> Rule | None:
    return point if equation.mapping.family == "elementwise" else RULES.get(equation.mapping.lower)


def elementwise(equation: Equation) -> bool:
    """Whether the scalar operation of an elementwise mapping can be emitted for these dtypes."""
    mapping = equation.mapping
    if mapping.family != "elementwise" or not isinstance(mapping.lower, str):
        return False
    specs = [spec_of(x) for x in equation.inputs]
    common = result_dtype(*specs)
    return can_emit(mapping.lower, [s.dtype for s in specs], common, equation.outputs[0].dtype)


# ---------------------------------------------------------------------------------------------- the rules


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
    out = lowering.new(symbol)
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
    table, positions = lowering.access(equation.inputs[0]), lowering.access(equation.inputs[1])
    (symbol,) = equation.outputs
    positions, table = _tight(lowering, positions), _tight(lowering, table)
    lowering.add(Check(equation, positions, table.shape[0]))
    lowering.add(RowMove(equation, table, positions, lowering.new(symbol), scatter=False))
    return True


def scatter_add(lowering: Lowering, equation: Equation) -> bool:
    rows, positions = lowering.access(equation.inputs[0]), lowering.access(equation.inputs[1])
    (symbol,) = equation.outputs
    rows, positions = _tight(lowering, rows), _tight(lowering, positions)
    lowering.add(Check(equation, positions, symbol.shape[0]))
    lowering.add(RowMove(equation, lowering.new(symbol), positions, rows, scatter=True))
    return True


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


CONDITIONS: dict[str, Callable[[Equation], bool]] = {
    "matmul": _same_dtypes,
    "mean": lambda equation: spec_of(equation.inputs[0]).dtype.kind == "f",
    "gather": _by_rows,
    "scatter_add": _by_rows,
    "take_along": _one_each,
    "put_along": _one_each,
}
"""What a rule needs besides dtypes that have machine types."""
