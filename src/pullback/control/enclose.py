"""Record a function of the user's, with whatever it closes over, as a body that takes all of it as inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import tree
from ..core.cell import Cell, Store, active_store, storing
from ..core.errors import TraceError, UnsupportedError
from ..core.interpret import escaped, interpreting, levels
from ..core.mapping import Mapping
from ..core.spec import Spec, spec_of
from ..core.value import Face, Value
from ..mappings import stop_gradient
from ..transforms.batch import Batch
from ..transforms.forward import bare
from ..transforms.graph import Symbol
from ..transforms.reverse import TAPE, Tape
from ..transforms.trace import Trace
from .body import settled

__all__ = ["Enclosed", "Enclosure", "enclose", "is_tracing", "outer_spec", "refuse_state_in_a_batch", "write_back"]


def is_tracing() -> bool:
    """Return whether a graph is being recorded, so that a loop has to become one equation of it."""
    return any(isinstance(level, Trace) for level in levels())


def enclose(where: str, function: Callable[..., Any], arguments: tree.Structure, specs: Sequence[Spec]) -> Enclosed:
    """Call `function` on symbols, where `arguments` is the structure of its arguments and `specs` are their leaves'.

    `where` names the caller in errors.
    """
    level = Enclosure(where)
    symbols = [level.symbol(spec) for spec in specs]
    boxes = [Face.new(TAPE, Face.new(level, symbol)) for symbol in symbols]
    with interpreting(_ClosingTape(level, TAPE)), storing(level):
        result = function(*tree.unflatten(arguments, boxes))
    return Enclosed(level, symbols, result)


@dataclass
class Enclosed:
    """A function recorded on symbols: its level, its arguments, and what it returned (values of that level)."""

    level: Enclosure
    arguments: list[Symbol]
    result: Any


class Enclosure(Trace):
    """Records mappings, and turns every value from outside, and every cell, into an input of the graph."""

    described = "the body of a loop or a branch"
    lesson = (
        "It was recorded once, and stands for a value of every step; stored in a list or an attribute it would "
        "stand for none.\n"
        "  wrong:  pb.scan(lambda c, x: (kept.append(c) or c + x, None), 0.0, xs)\n"
        "  right:  carries = pb.scan(lambda c, x: (c + x, c), 0.0, xs)[1]"
    )

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.outside: Store | None = active_store()
        self.captured: dict[Any, tuple[Any, Symbol]] = {}
        """The values from outside that it uses, each with its symbol inside."""
        self.cells: dict[Cell, tuple[Any, Symbol]] = {}
        """The cells that it reads or writes, each with its value before and the symbol of that."""

    def foreign(self, where: str, value: Value) -> Symbol:
        """Make an input of a value from outside; the same value is one input."""
        key = (id(value._owner), id(value._payload), id(value._link))
        if key not in self.captured:
            self.captured[key] = (value, self.symbol(outer_spec(value)))
        return self.captured[key][1]

    def inside(self, x: Any) -> Any:
        """Return a tensor as the recording knows it: one with a graph, or a value from outside, is captured."""
        payload = x._payload
        if x._link is None and not (isinstance(payload, Value) and payload._owner is not self):
            return x
        return Face.new(TAPE, Face.new(self, self.foreign(self.where, x)))

    def constants(self) -> tuple[list[Any], list[Symbol]]:
        """Return all that it uses and does not write: the values outside, and their symbols inside."""
        read = [pair for cell, pair in self.cells.items() if cell not in self.writes]
        pairs = [*self.captured.values(), *read]
        return [value for value, _ in pairs], [symbol for _, symbol in pairs]

    def concrete(self, value: Value) -> Any:
        raise TraceError(
            f"{self.where}: this value is only known when the loop runs, so Python cannot branch on it, print it or "
            f"read it as a number in the function that {self.where} records.\n"
            f"  wrong:  c if c > 0 else -c\n"
            f"  right:  pb.where(c > 0, c, -c), or pb.cond(c > 0, f, g, c)"
        )

    def read(self, cell: Cell) -> Any:
        """Return what the function sees in `cell`: what it wrote, else an input; static values as they are."""
        if cell in self.writes:
            return self.writes[cell]
        value = cell.value if self.outside is None else self.outside.read(cell)
        if _spec_or_none(value) is None:
            return value
        if cell not in self.cells:
            self.cells[cell] = (value, self.symbol(outer_spec(value)))
        return Face.new(self, self.cells[cell][1])

    def write(self, cell: Cell, value: Any) -> None:
        """Take `value` as what one step leaves in `cell`: the next step reads it there."""
        name = cell.name or "cell"
        if cell.leaf is not None:
            raise UnsupportedError(
                f"{self.where}: the function writes {name!r}, which requires gradients; a recorded step cannot both "
                f"change a parameter and be differentiated with respect to it.\n"
                f"  wrong:  a training step (backward, then an update) as the body\n"
                f"  right:  the parameters in the carry, and pb.grad in the body"
            )
        old = self.read(cell)
        value = bare(value)
        new = _spec_or_none(value)
        before = _spec_or_none(old)
        if before is None or new is None:
            raise UnsupportedError(
                f"{self.where}: the function writes the state {name!r}, which holds "
                f"{'nothing (or a flag)' if before is None else before} and is given "
                f"{'nothing (or a flag)' if new is None else new}; a loop can carry arrays only.\n"
                f"  right:  set it before or after the {self.where}"
            )
        if (before.shape, before.dtype) != (new.shape, new.dtype):
            raise TraceError(
                f"{self.where}: the function changes the state {name!r} from {before} to {new}; what a loop carries "
                f"from step to step keeps its shape and dtype"
            )
        if isinstance(value, Value):
            if value._owner is not self:
                raise escaped(self.where, value)
            with interpreting(self):  # state is stored without its graph, so no gradient passes through it
                value = stop_gradient(value)
        self.writes[cell] = value

    def output(self, y: Any, dtype: Any = None) -> Any:
        """Return a result as the output of a graph: a symbol, or a constant array; numbers take `dtype`."""
        if isinstance(y, Value) and y._owner is TAPE:
            y = self.inside(y)
            y = y._payload.read() if y._payload.__class__ is Cell else y._payload
        if isinstance(y, Value) and y._owner is not self:
            y = Face.new(self, self.foreign(self.where, y))
        with interpreting(self):
            y = settled(y, dtype)
        return y._payload if isinstance(y, Value) else y


class _ClosingTape(Tape):
    """The tape inside a recorded function: tensors from outside, with their graph, are inputs of the recording."""

    described = "the tape of tensors"

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        level = self.below
        assert isinstance(level, Enclosure)
        inside = [level.inside(x) if isinstance(x, Value) and x._owner is TAPE else x for x in args]
        return super().apply(mapping, inside, static)


def outer_spec(x: Any) -> Spec:
    """Return the spec of a value; a Python number that is recorded outside stays one."""
    while isinstance(x, Value) and not isinstance(x._owner, Trace | Batch):
        x = x._payload.read() if x._payload.__class__ is Cell else x._payload
    return x._owner.spec(x) if isinstance(x, Value) else spec_of(x)


def _spec_or_none(x: Any) -> Spec | None:
    """Return the spec of an array or a value; None for what is neither, such as a flag."""
    return spec_of(x) if hasattr(x, "dtype") else None


def write_back(cells: Sequence[Cell], values: Sequence[Any]) -> None:
    """Write to the cells what a loop left in them."""
    for cell, value in zip(cells, values, strict=True):
        cell.write(bare(value))


def refuse_state_in_a_batch(where: str, cells: Sequence[Cell]) -> None:
    """Raise UnsupportedError where a recorded loop writes state inside vmap: whose state would it be?"""
    if cells and any(isinstance(level, Batch) for level in levels()):
        names = ", ".join(repr(cell.name or "cell") for cell in cells)
        raise UnsupportedError(
            f"{where}: the function changes state ({names}) inside vmap, in a traced step; one state cannot follow "
            f"many examples.\n"
            f"  wrong:  pb.trace(pb.vmap(lambda x: pb.{where}(body_with_dropout, x, …)))(xs)\n"
            f"  right:  pb.{where} over a body that works on the whole batch, or vmap without trace"
        )
