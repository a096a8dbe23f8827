"""Loops: the body of one is lowered by itself, and gone through as often as there are steps.

What it reads and writes lies where it did: constants are read in place, entries and what the steps give are followed
row by row. What is carried from step to step lies in two places in turn, in one where a step may write over it, or in
the rows that keep it for the way back. What is the same in every step is computed once, before the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..core.spec import Shape
from ..transforms.graph import Equation, Symbol
from .access import Access, Array, natural_strides
from .builder import Lowering
from .fuse import grouped
from .gathering import Gathered, gathered
from .hoisting import hoisted
from .overwriting import overwrites
from .program import Call, Follow, Instruction, Loop, Program
from .recorded import Recorded, recorded_for

__all__ = ["LOOPS", "has_steps"]


class Repeated(Protocol):
    """What is static of a loop: the inputs are constants, what is carried, and what is gone through."""

    body: Recorded
    constants: int
    carries: int
    length: int
    reverse: bool
    history: bool


def loop(lowering: Lowering, equation: Equation) -> bool:
    """Lower a loop; not where its body has a mapping without a kernel."""
    found = _Body(lowering, equation)
    if not found.fits or any(isinstance(i, Call) for i in found.inner.instructions):
        return False
    found.finish()
    return True


class _Body:
    """A loop on its way into a program."""

    def __init__(self, lowering: Lowering, equation: Equation) -> None:
        self.outer = lowering
        self.equation = equation
        self.loop: Repeated = equation.static["loop"]
        whole = self.loop.constants + self.loop.carries
        self.inner = inner = Lowering(lowering.within)
        inner.count, inner.constants = lowering.count, lowering.constants
        self.ins: list[Access] = []
        self.kept: list[Access] = []
        self.outs: list[Access] = []
        self.follows: list[tuple[Array, list[Access], int, int, int, int | None]] = []
        self.fixed: dict[Array, Access] = {}
        """The arrays in the body that stand for the same array in each step, and for which."""
        self.entries: dict[Array, Access] = {}
        """Those that stand for an entry, and for all entries."""
        self.carried: list[Array | None] = []
        xs = list(map(lowering.access, equation.inputs))
        kinds = [(x.shape if at < whole else x.shape[1:], x.dtype) for at, x in enumerate(xs)]
        body = recorded_for(self.loop.body, kinds)
        self.passing = [body.outputs[j] is body.inputs[self.loop.constants + j] for j in range(self.loop.carries)]
        for at, (symbol, x) in enumerate(zip(body.inputs, xs, strict=True)):
            if at < self.loop.constants:
                self._constant(symbol, x)
            elif at < whole:
                self._carry(symbol, x, self.passing[at - self.loop.constants])
            else:
                self._entry(symbol, x)
        given = [at for at in range(len(body.outputs)) if self._is_given(at)]
        self.outputs = inner.within(inner, body.graph([body.outputs[at] for at in given]), set(self.fixed))
        self.fits = all(y.dtype == equation.outputs[at].dtype for at, y in zip(given, self.outputs, strict=True))
        lowering.count = inner.count

    def _is_given(self, at: int) -> bool:
        """Whether a result of the body is wanted in every step: what is carried on always is."""
        return not self.passing[at] if at < self.loop.carries else self._is_wanted(at)

    def _is_wanted(self, at: int) -> bool:
        return self.equation.outputs[at].index in self.outer.wanted

    def _stand_in(self, symbol: Symbol, strides: tuple[int, ...]) -> Array:
        array = self.inner.array(symbol.shape, symbol.dtype, "input")
        self.inner.define(symbol, Access(array, 0, symbol.shape, strides))
        return array

    def _constant(self, symbol: Symbol, x: Access) -> None:
        self.fixed[self._stand_in(symbol, x.strides)] = x

    def _entry(self, symbol: Symbol, x: Access) -> None:
        self.entries[self._stand_in(symbol, x.strides[1:])] = x

    def _carry(self, symbol: Symbol, x: Access, passes: bool) -> None:
        if passes:
            self._constant(symbol, x)
            self.carried.append(None)
        else:
            self.carried.append(self._stand_in(symbol, natural_strides(symbol.shape)))

    # ------------------------------------------------------------------------------------- into the program

    def finish(self) -> None:
        """Add the loop to the program, and say where its results lie."""
        outer, length = self.outer, self.loop.length
        instructions, self.ins = hoisted(outer, self.inner.instructions, self.fixed, self.entries, length)
        instructions = self._gather(instructions)
        groups = grouped(Program(instructions, [], {}, list(self.outputs), {}, []))
        for array, x in self.fixed.items():
            self._follow(array, self.ins, x)
        for array, x in self.entries.items():
            self._follow(array, self.ins, Access(x.array, x.offset, x.shape[1:], x.strides[1:]), x.strides[0])
        outputs = iter(self.outputs)
        for j, before in enumerate(self.carried):
            if j not in self.sums:
                self._finish_carry(j, before, None if before is None else next(outputs), groups)
        for at in range(self.loop.carries, len(self.loop.body.outputs)):
            if self._is_wanted(at):
                out = outer.new(self.equation.outputs[at])
                row = next(outputs)
                self._follow(row.array, self.outs, out, math.prod(row.shape))
        rows = dict(self.entries)
        for row in outputs:
            rows[row.array] = outer.array((length, *row.array.shape), row.dtype).whole()
            self._follow(row.array, self.outs, rows[row.array], row.array.size)
        room = outer.array((0,), "uint8")
        counts = {id(self.ins): 0, id(self.kept): len(self.ins), id(self.outs): len(self.ins) + len(self.kept)}
        follows = [
            Follow(array, counts[id(kind)] + at, start, advance, None if other is None else counts[id(kind)] + other)
            for array, kind, at, start, advance, other in self.follows
        ]
        ins, kept, outs = (tuple(x) for x in (self.ins, self.kept, self.outs))
        outer.add(Loop(self.equation, groups, list(self.outputs), follows, length, ins, kept, outs, room))
        for j, found in self.sums.items():
            self._add_up(j, found, rows)

    def _gather(self, instructions: list[Instruction]) -> list[Instruction]:
        """Take sums of products out of the body, and have what they need given by every step."""
        self.sums: dict[int, Gathered] = {}
        outputs = iter(self.outputs)
        carried = [None if before is None else next(outputs) for before in self.carried]
        for j, (before, after) in enumerate(zip(self.carried, carried, strict=True)):
            if before is None or after is None or self._history(j) is not None:
                continue
            found = gathered(before, after.array, instructions, self.entries, self.loop.length)
            if found is not None:
                self.sums[j] = found
                self.outputs.remove(after)
                instructions = [i for i in instructions if i not in (found.add, found.product)]
        for array in dict.fromkeys(array for found in self.sums.values() for array in found.kept):
            array.role = "output"
            self.outputs.append(array.whole())
        return instructions

    def _add_up(self, j: int, found: Gathered, rows: dict[Array, Access]) -> None:
        """Add the product of all steps to what a sum began with."""
        last = self.equation.outputs[j]
        initial = self.outer.access(self.equation.inputs[self.loop.constants + j])
        total = self.outer.array(last.shape, last.dtype).whole()
        self.outer.add(found.behind(rows, self.loop.length, total))
        out = self.outer.new(last)
        self.outer.point("add", last.shape, last.dtype, initial, total, out=out)

    def _history(self, j: int) -> Symbol | None:
        """Return what keeps a carry before each step, if anybody wants that."""
        if not self.loop.history:
            return None
        found = self.equation.outputs[len(self.loop.body.outputs) + j]
        return found if found.index in self.outer.wanted else None

    def _follow(self, array: Array, kind: list[Access], x: Access, advance: int = 0, first: int = 0) -> None:
        """Let an array of the body follow one outside, which has a row for every step from row `first` on."""
        last = (self.loop.length - 1) * advance
        start, advance = (last, -advance) if self.loop.reverse else (0, advance)
        self.follows.append((array, kind, len(kind), start + first, advance, None))
        kind.append(x)

    def _finish_carry(self, j: int, before: Array | None, after: Access | None, groups: Sequence[Any]) -> None:
        outer, length = self.outer, self.loop.length
        initial = outer.access(self.equation.inputs[self.loop.constants + j])
        last, history = self.equation.outputs[j], self._history(j)
        if before is None or after is None:
            outer.define(last, initial)
            if history is not None:
                repeated = Access(initial.array, initial.offset, history.shape, (0, *initial.strides))
                outer.define(history, repeated)
            return
        size = math.prod(last.shape)
        if history is not None:
            self._keep_all(before, after.array, initial, last, history, size)
            return
        places = [self._room(initial.shape, initial.dtype)]
        if not _in_place(groups, before, after.array):
            places.append(self._room(initial.shape, initial.dtype))
        first = len(self.kept)
        self.kept += places
        one, other = first, first + len(places) - 1
        self.follows.append((before, self.kept, one, 0, 0, other))
        self.follows.append((after.array, self.kept, other, 0, 0, one))
        outer.copy(initial, places[0])
        outer.define(last, places[length % 2 if len(places) == 2 else 0])

    def _keep_all(self, before: Array, after: Array, initial: Access, last: Symbol, history: Symbol, size: int) -> None:
        """Let a carry be written row behind row: they are what is kept for the way back."""
        length, reverse = self.loop.length, self.loop.reverse
        rows = self._room((length + 1, *last.shape), last.dtype)

        def row(at: int) -> Access:
            return Access(rows.array, at * size, last.shape, rows.strides[1:])

        at, step = len(self.kept), -size if reverse else size
        self.kept.append(rows)
        start = length * size if reverse else 0
        self.follows.append((before, self.kept, at, start, step, None))
        self.follows.append((after, self.kept, at, start + step, step, None))
        self.outer.copy(initial, row(length if reverse else 0))
        self.outer.define(last, row(0 if reverse else length))
        kept = Access(rows.array, size if reverse else 0, history.shape, rows.strides)
        self.outer.define(history, kept)

    def _room(self, shape: Shape, dtype: Any) -> Access:
        """Return room for what is carried, which is written to before the loop and in it."""
        array = self.outer.array(shape, dtype)
        array.layered = True
        return array.whole()


def _in_place(groups: Sequence[Any], before: Array, after: Array) -> bool:
    """Whether a step may write what it carries on over what it was given: nobody reads that any more by then."""
    readers = [at for at, group in enumerate(groups) if any(x.array is before for x in group.reads)]
    writers = [at for at, group in enumerate(groups) if any(x.array is after for x in group.writes)]
    if not writers:
        return False
    if max(readers, default=-1) < min(writers):
        return True
    return len(writers) == 1 and max(readers) == writers[0] and overwrites(groups[writers[0]], before, after)


def has_steps(equation: Equation) -> bool:
    """Whether a loop has a step at all."""
    found: Repeated = equation.static["loop"]
    return found.length > 0


LOOPS: dict[str, Callable[[Lowering, Equation], bool]] = {"loop": loop}
