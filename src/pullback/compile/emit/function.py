"""A function of emitted code, written as LLVM text: values in single assignment, loops that carry values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .types import BOOL, FLOAT, I64, PTR, Operand, Type, constant

__all__ = ["Function", "Loop", "Module", "Repeat"]

CONTRACT = "contract"
REASSOCIATE = "reassoc contract"


class Module:
    """Functions that are compiled together, with what they declare. `text()` is the whole of it."""

    def __init__(self, vector_bits: int, family: str = "") -> None:
        self.vector_bits = vector_bits
        self.family = family
        """`x86` or `arm` where code for that processor alone may be written (pauses, how denormals are treated)."""
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, None] = {}
        self.tables: dict[str, None] = {}
        self.names: dict[object, str] = {}

    def declare(self, line: str) -> None:
        """Declare an intrinsic or an outside function; saying it twice does no harm."""
        self.declarations[line] = None

    def table(self, line: str) -> None:
        """Add a global constant."""
        self.tables[line] = None

    def lanes(self, type: Type) -> int:
        """Return how many values of `type` fill a register of this target; 1 where it is scalar."""
        return max(1, self.vector_bits // max(type.bits, 8)) if self.vector_bits else 1

    def text(self) -> str:
        """Return the module as LLVM assembly."""
        width = f'"prefer-vector-width"="{self.vector_bits}" ' if self.vector_bits else ""
        attributes = (
            f'attributes #0 = {{ nounwind {width}"no-trapping-math"="true" }}',
            f'attributes #1 = {{ nounwind noinline {width}"no-trapping-math"="true" }}',
            '!0 = distinct !{!0, !1}',
            '!1 = !{!"llvm.loop.unroll.disable"}',
        )
        bodies = (function.text() for function in self.functions.values())
        return "\n".join([*self.tables, *self.declarations, *bodies, *attributes, ""])


@dataclass
class Loop:
    """A loop being written: its index, what it carries in (`carried`), and what it carries on (`next`).

    After the loop `results` holds the carried values as they left it.
    """

    index: Operand
    carried: list[Operand]
    next: list[Operand] = field(default_factory=list)
    results: list[Operand] = field(default_factory=list)


@dataclass
class Repeat:
    """A repetition being written: whether its body runs once more."""

    again: Operand | None = None


class Function:
    """Writes one function, instruction by instruction. Every method that computes returns an Operand."""

    def __init__(
        self, module: Module, name: str, parameters: Sequence[tuple[Type, str]], internal: bool = True
    ) -> None:
        assert name not in module.functions, name
        self.module = module
        self.name = name
        self.parameters = tuple(parameters)
        self.internal = internal
        self.lines: list[str] = []
        self.block = "entry"
        self._count = 0
        module.functions[name] = self

    def text(self) -> str:
        """Return the function as LLVM assembly."""
        parameters = ", ".join(f"{type} %{name}" for type, name in self.parameters)
        head = f"define {'internal ' if self.internal else ''}void @{self.name}({parameters}) #{int(self.internal)} {{"
        return "\n".join([head, "entry:", *self.lines, "  ret void", "}"])

    # ------------------------------------------------------------------------------ the bare instruction

    def value(self, type: Type, right: str) -> Operand:
        """Write `%new = right` and return the new value."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {right}")
        return Operand(name, type)

    def do(self, line: str) -> None:
        """Write an instruction without a result."""
        self.lines.append("  " + line)

    def argument(self, name: str) -> Operand:
        """Return a parameter."""
        return Operand("%" + name, next(type for type, known in self.parameters if known == name))

    def intrinsic(self, name: str, type: Type, *arguments: Operand, flags: str = "") -> Operand:
        """Call `llvm.<name>` overloaded on the first argument's type."""
        full = f"@llvm.{name}.{arguments[0].type.suffix}"
        self.module.declare(f"declare {type} {full}({', '.join(str(a.type) for a in arguments)})")
        call = f"call {flags + ' ' if flags else ''}{type} {full}({', '.join(a.typed for a in arguments)})"
        return self.value(type, call)

    def call(self, function: str, *arguments: Operand) -> None:
        """Call another function of the module; it has no result."""
        self.do(f"call void @{function}({', '.join(a.typed for a in arguments)})")

    # --------------------------------------------------------------------------------------- control flow

    @contextmanager
    def loop(
        self, start: Operand | int, stop: Operand | int, step: int = 1, carried: Sequence[Operand] = ()
    ) -> Iterator[Loop]:
        """Write a loop that runs at least once over `start, start + step, … < stop`, carrying values along.

        The body sets `loop.next`, one value for each carried one; without it they are carried unchanged.
        """
        head, tail, end = self._label("loop"), self._label("latch"), self._label("end")
        before = self.block
        self._count += 1
        index = Operand(f"%i{self._count}", I64)
        phis = []
        for value in carried:
            self._count += 1
            phis.append(Operand(f"%c{self._count}", value.type))
        self._jump(head)
        at = len(self.lines)
        self.lines.append("")
        loop = Loop(index, list(phis))
        yield loop
        following = loop.next or phis
        assert len(following) == len(phis), "a loop carries on as many values as it was given"
        self._jump(tail)
        self.lines.append(f"  {index}n = add nuw nsw i64 {index}, {step}")
        self.lines.append(f"  {index}t = icmp ult i64 {index}n, {stop}")
        self.lines.append(f"  br i1 {index}t, label %{head}, label %{end}, !llvm.loop !0")
        lines = [f"  {index} = phi i64 [{start}, %{before}], [{index}n, %{tail}]"]
        for phi, value, after in zip(phis, carried, following, strict=True):
            lines.append(f"  {phi} = phi {phi.type} [{value}, %{before}], [{after}, %{tail}]")
        self.lines[at] = "\n".join(lines)
        self.lines.append(f"{end}:")
        self.block = end
        loop.results = list(following)

    @contextmanager
    def repeat(self) -> Iterator[Repeat]:
        """Write what runs once, and again as long as `again` holds, which the body sets."""
        head, end = self._label("again"), self._label("done")
        self._jump(head)
        repeat = Repeat()
        yield repeat
        assert repeat.again is not None, "a repetition says when it goes on"
        self.do(f"br i1 {repeat.again}, label %{head}, label %{end}, !llvm.loop !0")
        self.lines.append(f"{end}:")
        self.block = end

    @contextmanager
    def when(self, condition: Operand) -> Iterator[None]:
        """Write code that runs where the scalar `condition` holds. Nothing computed in it may be used after it."""
        inside, after = self._label("when"), self._label("after")
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        self.lines.append(f"{inside}:")
        self.block = inside
        yield
        self._jump(after)

    def either(self, condition: Operand, then: Callable[[], Operand], otherwise: Callable[[], Operand]) -> Operand:
        """Return what `then` writes where the scalar `condition` holds, else what `otherwise` writes."""
        return self.either_all(condition, lambda: [then()], lambda: [otherwise()])[0]

    def either_all(
        self, condition: Operand, then: Callable[[], Sequence[Operand]], otherwise: Callable[[], Sequence[Operand]]
    ) -> list[Operand]:
        """Return the values that `then` writes where the scalar `condition` holds, else those of `otherwise`."""
        first, second, after = self._label("then"), self._label("else"), self._label("joined")
        self.do(f"br i1 {condition}, label %{first}, label %{second}")
        ends = []
        for label, write in ((first, then), (second, otherwise)):
            self.lines.append(f"{label}:")
            self.block = label
            ends.append((write(), self.block))
            self.do(f"br label %{after}")
        self.lines.append(f"{after}:")
        self.block = after
        (ones, one), (others, other) = ends
        pairs = zip(ones, others, strict=True)
        return [self.value(x.type, f"phi {x.type} [{x}, %{one}], [{y}, %{other}]") for x, y in pairs]

    def _label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}.{self._count}"

    def _jump(self, label: str) -> None:
        self.lines.append(f"  br label %{label}")
        self.lines.append(f"{label}:")
        self.block = label

    # -------------------------------------------------------------------------------- indices and memory

    def index(self, number: int) -> Operand:
        """Return a literal index."""
        return Operand(str(number), I64)

    def plus(self, a: Operand | int, b: Operand | int) -> Operand:
        """Return the sum of two indices; literals are folded."""
        x, y = _index(a), _index(b)
        if x.text == "0":
            return y
        if y.text == "0":
            return x
        if _literal(x) and _literal(y):
            return self.index(int(x.text) + int(y.text))
        return self.value(I64, f"add nsw i64 {x}, {y}")

    def times(self, a: Operand | int, b: Operand | int) -> Operand:
        """Return the product of two indices; literals are folded."""
        x, y = _index(a), _index(b)
        if "0" in (x.text, y.text):
            return self.index(0)
        if x.text == "1":
            return y
        if y.text == "1":
            return x
        if _literal(x) and _literal(y):
            return self.index(int(x.text) * int(y.text))
        return self.value(I64, f"mul nsw i64 {x}, {y}")

    def at(self, base: Operand, offset: Operand | int, element: Type = FLOAT) -> Operand:
        """Return the address of element `offset` after `base`."""
        offset = _index(offset)
        if offset.text == "0":
            return base
        return self.value(PTR, f"getelementptr inbounds {element.of(1)}, ptr {base}, i64 {offset}")

    def load(self, type: Type, address: Operand, lanes: int | None = None) -> Operand:
        """Load consecutive values; of a vector only the first `lanes`, the others are zero and are not touched."""
        size = type.bits // 8
        if lanes is None or lanes == type.lanes:
            return self.value(type, f"load {type}, ptr {address}, align {size}")
        mask = self.mask(type.lanes, lanes)
        name = f"@llvm.masked.load.{type.suffix}.p0"
        self.module.declare(f"declare {type} {name}(ptr, i32, {mask.type}, {type})")
        return self.value(type, f"call {type} {name}(ptr {address}, i32 {size}, {mask.typed}, {type} zeroinitializer)")

    def store(self, value: Operand, address: Operand, lanes: int | None = None) -> None:
        """Store consecutive values; of a vector only the first `lanes`."""
        size = value.type.bits // 8
        if lanes is None or lanes == value.type.lanes:
            self.do(f"store {value.typed}, ptr {address}, align {size}")
            return
        mask = self.mask(value.type.lanes, lanes)
        name = f"@llvm.masked.store.{value.type.suffix}.p0"
        self.module.declare(f"declare void {name}({value.type}, ptr, i32, {mask.type})")
        self.do(f"call void {name}({value.typed}, ptr {address}, i32 {size}, {mask.typed})")

    def mask(self, lanes: int, first: int) -> Operand:
        """Return a mask that holds in the first lanes."""
        return Operand("<" + ", ".join(f"i1 {int(i < first)}" for i in range(lanes)) + ">", BOOL.of(lanes))

    def spread(self, scalar: Operand, lanes: int) -> Operand:
        """Return a vector with the scalar in each lane."""
        if lanes == 1:
            return scalar
        type = scalar.type.of(lanes)
        first = self.value(type, f"insertelement {type} poison, {scalar.typed}, i64 0")
        shuffle = f"shufflevector {first.typed}, {type} poison, <{lanes} x i32> zeroinitializer"
        return self.value(type, shuffle)

    def lane(self, vector: Operand, index: int) -> Operand:
        """Return one lane of a vector."""
        if vector.type.lanes == 1:
            return vector
        return self.value(vector.type.of(1), f"extractelement {vector.typed}, i64 {index}")

    def prefetch(self, address: Operand) -> None:
        """Ask for a line of memory ahead of its use."""
        self.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.do(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 3, i32 1)")

    # ------------------------------------------------------------------------------------------ arithmetic

    def constant(self, like: Operand | Type, number: float) -> Operand:
        """Return a literal of the type of `like`."""
        return constant(like.type if isinstance(like, Operand) else like, number)

    def binary(self, operation: str, a: Operand, b: Operand, flags: str = CONTRACT) -> Operand:
        """Apply a two-operand instruction (fadd, fmul, add, and, shl, …); flags go to floating-point ones."""
        flags = flags + " " if operation[0] == "f" and flags else ""
        return self.value(a.type, f"{operation} {flags}{a.typed}, {b}")

    def add(self, a: Operand, b: Operand) -> Operand:
        return self.binary("fadd" if a.type.floating else "add", a, b)

    def sub(self, a: Operand, b: Operand) -> Operand:
        return self.binary("fsub" if a.type.floating else "sub", a, b)

    def mul(self, a: Operand, b: Operand) -> Operand:
        return self.binary("fmul" if a.type.floating else "mul", a, b)

    def div(self, a: Operand, b: Operand) -> Operand:
        return self.binary("fdiv", a, b)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """Return a·b + c, rounded once."""
        return self.intrinsic("fma", a.type, a, b, c)

    def neg(self, a: Operand) -> Operand:
        return self.value(a.type, f"fneg {a.typed}")

    def abs(self, a: Operand) -> Operand:
        return self.intrinsic("fabs", a.type, a)

    def sqrt(self, a: Operand) -> Operand:
        return self.intrinsic("sqrt", a.type, a)

    def round_even(self, a: Operand) -> Operand:
        """Round to the nearest integer, ties to even."""
        return self.intrinsic("rint", a.type, a)

    def copysign(self, magnitude: Operand, sign: Operand) -> Operand:
        return self.intrinsic("copysign", magnitude.type, magnitude, sign)

    def compare(self, predicate: str, a: Operand, b: Operand) -> Operand:
        """Compare: olt, ogt, oeq, une, uno … for floating point; eq, ne, slt, sgt, ult … for integers."""
        instruction = "fcmp" if a.type.floating else "icmp"
        return self.value(BOOL.of(a.type.lanes), f"{instruction} {predicate} {a.typed}, {b}")

    def select(self, condition: Operand, a: Operand, b: Operand) -> Operand:
        return self.value(a.type, f"select {condition.typed}, {a.typed}, {b.typed}")

    def larger(self, a: Operand, b: Operand) -> Operand:
        """Return the larger; b where either is NaN, so a constant stands first for NaN to pass through."""
        return self.select(self.compare("ogt", a, b), a, b)

    def smaller(self, a: Operand, b: Operand) -> Operand:
        """Return the smaller; b where either is NaN."""
        return self.select(self.compare("olt", a, b), a, b)

    def polynomial(self, x: Operand, coefficients: Sequence[float]) -> Operand:
        """Return a polynomial by Horner's rule, the highest coefficient first."""
        total = constant(x.type, coefficients[0])
        for c in coefficients[1:]:
            total = self.fma(total, x, constant(x.type, c))
        return total

    def convert(self, a: Operand, kind: str, signed: bool = True) -> Operand:
        """Convert to another kind, as C does; a float that no integer holds gives an undefined integer."""
        to = a.type.like(kind)
        if to == a.type:
            return a
        if a.type.floating and to.floating:
            instruction = "fpext" if to.bits > a.type.bits else "fptrunc"
        elif to.floating:
            instruction = "sitofp" if signed and a.type.kind != "i1" else "uitofp"
        elif a.type.floating:
            instruction = "fptosi" if signed else "fptoui"
        elif to.bits < a.type.bits:
            instruction = "trunc"
        else:
            instruction = "sext" if signed and a.type.kind != "i1" else "zext"
        return self.value(to, f"{instruction} {a.typed} to {to}")

    def bits_as(self, a: Operand, kind: str) -> Operand:
        """Return the same bits as another kind of the same width."""
        to = a.type.like(kind)
        return self.value(to, f"bitcast {a.typed} to {to}")

    def reduce(self, operation: str, vector: Operand, flags: str = "") -> Operand:
        """Fold the lanes of a vector: add, mul, max, min (floating point), add, and, or, smax … (integers)."""
        type = vector.type.of(1)
        if vector.type.lanes == 1:
            return vector
        suffix = vector.type.suffix
        if vector.type.floating and operation in ("add", "mul"):
            start = constant(type, -0.0 if operation == "add" else 1.0)
            name = f"@llvm.vector.reduce.f{operation}.{suffix}"
            self.module.declare(f"declare {type} {name}({type}, {vector.type})")
            return self.value(type, f"call reassoc {type} {name}({start.typed}, {vector.typed})")
        name = f"@llvm.vector.reduce.{'f' if vector.type.floating else ''}{operation}.{suffix}"
        self.module.declare(f"declare {type} {name}({vector.type})")
        return self.value(type, f"call {flags + ' ' if flags else ''}{type} {name}({vector.typed})")


def _index(x: Operand | int) -> Operand:
    return Operand(str(x), I64) if isinstance(x, int) else x


def _literal(x: Operand) -> bool:
    return x.text[0] not in "%@"
