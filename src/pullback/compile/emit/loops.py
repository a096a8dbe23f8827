"""A nest of loops as emitted code: rows outside, passes over the folded axes inside, a register of lanes at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from ..nest import Index, Loaded, Nest, Number, Result, Source, Step
from .chunks import Cut
from .conversion import emit_conversion, register_kind
from .folding import across_lanes, combined, identity
from .function import Function, Module
from .lanes import from_memory, load_lanes, store_lanes
from .scalars import emit_scalar
from .types import BOOL, I64, PTR, Operand, Type, constant, type_of

__all__ = ["emit_nest"]

def emit_nest(module: Module, name: str, nest: Nest) -> None:
    """Write the kernel: a pointer for each place, then `begin` and `end` of the units to do."""
    _Writer(module, name, nest).write()


@dataclass
class _State:
    """Where a row is, and what is known of it: by row, and in registers."""

    pointers: list[Operand]
    indices: dict[int, Operand]
    by_row: dict[Any, Operand] = field(default_factory=dict)
    memory: dict[Any, Operand] = field(default_factory=dict)


class _Writer:
    def __init__(self, module: Module, name: str, nest: Nest) -> None:
        parameters = [(PTR, f"p{i}") for i in range(len(nest.places))] + [(I64, "begin"), (I64, "end")]
        self.f = Function(module, name, parameters)
        self.nest = nest
        self.shape = Cut(module, nest)
        self.pointers = [self.f.argument(f"p{i}") for i in range(len(nest.places))]
        self.indices: dict[int, Operand] = {}
        self.by_row: dict[Any, Operand] = {}
        self.memory: dict[Any, Operand] = {}

    # ------------------------------------------------------------------------------------------ the loops

    def write(self) -> None:
        """Write the whole kernel."""
        begin, end = self.f.argument("begin"), self.f.argument("end")
        outer = [k for k in range(self.nest.rows) if k != self.nest.across]
        if outer:
            self._rows(outer, begin, end)
        elif self.nest.rows and not self.nest.horizontal:
            self._across_shared(begin, end)
        else:
            self._row()

    def _rows(self, loops: Sequence[int], begin: Operand | int, end: Operand | int) -> None:
        if not loops:
            self._row()
            return
        together = self.shape.together if len(loops) == 1 else 1
        if together > 1:
            if not self.shape.alone:
                end = self.nest.lengths[loops[0]] // together
            write = self._rows_abreast if self.shape.abreast > 1 else self._rows_by_passes
            with self.f.loop(begin, end) as loop:
                write(loops[0], self.f.times(loop.index, together), together)
            return
        with self.f.loop(begin, end) as loop, self._along(loops[0], loop.index):
            rest = loops[1:]
            self._rows(rest, 0, self.nest.lengths[rest[0]] if rest else 0)

    def _rows_by_passes(self, along: int, first: Operand, count: int) -> None:
        """Write each pass for several rows before the next one: while one waits for its sums, another is busy."""
        states = []
        for number in range(count):
            with self._along(along, self.f.plus(first, number)):
                states.append(_State(list(self.pointers), dict(self.indices)))
        self._passes(states, [])

    def _rows_abreast(self, along: int, first: Operand, count: int) -> None:
        """Write the programs of several rows step by step beside each other, so that none waits for one alone."""
        f = self.f
        written = []
        for number in range(count):
            start = len(f.lines)
            with self._along(along, f.plus(first, number)):
                self._row()
            written.append(f.lines[start:])
            del f.lines[start:]
        if any(line.endswith(":") for line in written[0]):  # what branches cannot be mixed: one after the other
            f.lines += [line for lines in written for line in lines]
            return
        f.lines += [line for lines in zip_longest(*written) for line in lines if line is not None]

    def _row(self) -> None:
        """One row, or, where the lanes are rows, all chunks of them."""
        if self.nest.horizontal or not self.nest.lengths:
            self._program([(0, 1)] if not self.nest.lengths else [])
            return
        shape = self.shape
        if shape.straight():
            self._program(shape.vectors(shape.length))
            return
        whole = shape.length - shape.length % shape.chunk
        with self.f.loop(0, whole, shape.chunk) as loop, self._along(self.nest.across, loop.index):
            self._program(shape.vectors(shape.chunk))
        rest = shape.length - whole
        if rest:
            with self._along(self.nest.across, self.f.index(whole)):
                self._program(shape.vectors(rest))

    def _across_shared(self, begin: Operand, end: Operand) -> None:
        """The loop over registers is the only one of rows: threads share its chunks, the last one does the rest."""
        shape = self.shape
        chunks = shape.length // shape.chunk
        if shape.straight() or not chunks:
            self._program(shape.vectors(shape.length))
            return
        across = self.nest.across
        with self.f.loop(begin, end) as loop, self._along(across, self.f.times(loop.index, shape.chunk)):
            self._program(shape.vectors(shape.chunk))
        rest = shape.length - chunks * shape.chunk
        if rest:
            last = self.f.value(BOOL, f"icmp eq i64 {end}, {chunks}")
            with self.f.when(last), self._along(across, self.f.index(chunks * shape.chunk)):
                self._program(shape.vectors(rest))

    @contextmanager
    def _along(self, loop: int, index: Operand) -> Iterator[None]:
        """Stand at an index of a loop: every pointer that moves along it moves."""
        before, known = list(self.pointers), self.indices.get(loop)
        for number, place in enumerate(self.nest.places):
            step = place.strides[loop]
            if step:
                self.pointers[number] = self.f.at(
                    self.pointers[number], self.f.times(index, step), type_of(place.dtype)
                )
        self.indices[loop] = index
        yield
        self.pointers = before
        if known is None:
            del self.indices[loop]
        else:
            self.indices[loop] = known

    # ------------------------------------------------------------------------------------ one row's program

    def _program(self, vectors: Sequence[tuple[int, int]]) -> None:
        """All passes of one row, or of as many rows as the registers `vectors` have lanes."""
        self._passes([_State(self.pointers, self.indices)], vectors)

    def _passes(self, states: Sequence[_State], vectors: Sequence[tuple[int, int]]) -> None:
        """All passes of several rows, pass by pass."""
        nest = self.nest
        in_registers = nest.horizontal and len(nest.lengths) - nest.rows == 1 and self.shape.straight()
        for stage in range(nest.stages):
            folds = [i for i, s in enumerate(nest.steps) if s.fold and s.stage == stage]
            stored = [
                i for i, s in enumerate(nest.steps) if s.out is not None and not s.by_row and s.stage == stage
            ]
            for state in states:
                with self._standing(state):
                    self._prepare(stage, vectors)
            for state in states if folds or stored else ():
                with self._standing(state):
                    if not in_registers:
                        self.memory = {}
                    if nest.horizontal:
                        results = self._pass_horizontal(stage, folds, stored)
                    else:
                        results = self._pass_vertical(stage, folds, stored, vectors)
                    self.by_row.update(results)
        for state in states:
            with self._standing(state):
                self._prepare(nest.stages, vectors)
                self._store_by_row(vectors or [(0, 1)])

    def _store_by_row(self, vectors: Sequence[tuple[int, int]]) -> None:
        for number, step in enumerate(self.nest.steps):
            if step.by_row and step.out is not None:
                for u, (offset, lanes) in enumerate(vectors):
                    self._store(step.out, self._result(number, u, vectors, self.nest.stages), offset, lanes)

    @contextmanager
    def _standing(self, state: _State) -> Iterator[None]:
        """Stand at a row, knowing what is known of it."""
        before = self.pointers, self.indices, self.by_row, self.memory
        self.pointers, self.indices = list(state.pointers), dict(state.indices)
        self.by_row, self.memory = state.by_row, state.memory
        yield
        state.memory = self.memory
        self.pointers, self.indices, self.by_row, self.memory = before

    def _prepare(self, stage: int, vectors: Sequence[tuple[int, int]]) -> None:
        """Compute what is known by row before a pass, where every later use can see it."""
        nest = self.nest
        if nest.rows == len(nest.lengths) and not any(s.by_row for s in nest.steps):
            return
        spots = [(0, 0)] if nest.horizontal else [(u, offset) for u, (offset, _) in enumerate(vectors)]
        if stage == 0:
            self._load_invariants(vectors)
        for number, step in enumerate(nest.steps):
            if not step.by_row or step.stage != stage - 1:
                continue
            for u, _ in spots:
                if not step.fold:
                    sources = [self._row_source(s, u, vectors, stage) for s in step.sources]
                    self.by_row[number, u] = self._apply(step, sources)
                if nest.horizontal:
                    self.by_row["wide", number] = self.f.spread(self.by_row[number, 0], self.shape.lanes)

    def _load_invariants(self, vectors: Sequence[tuple[int, int]]) -> None:
        """Load once per row what does not move along the folded axes."""
        nest = self.nest
        used = {s.place for step in nest.steps for s in step.sources if isinstance(s, Loaded)}
        for place in sorted(used):
            if not any(nest.places[place].strides[nest.rows :]):
                for u, (offset, valid) in enumerate(vectors if not nest.horizontal else [(0, 1)]):
                    self.by_row["load", place, u] = self._load(place, offset, valid)

    def _pass_vertical(
        self, stage: int, folds: Sequence[int], stored: Sequence[int], vectors: Sequence[tuple[int, int]]
    ) -> dict[Any, Operand]:
        """Lanes are rows: each register folds by itself."""
        nest = self.nest
        width = self._width(vectors)
        starts = [self._identity(i, width) for i in folds for _ in vectors]

        def body(totals: Sequence[Operand]) -> list[Operand]:
            self.memory = {}
            for i in stored:
                for u, (offset, lanes) in enumerate(vectors):
                    self._store(nest.steps[i].out, self._result(i, u, vectors, stage), offset, lanes)
            after = []
            for k, i in enumerate(folds):
                for u in range(len(vectors)):
                    x = self._folded_value(i, u, vectors, stage)
                    after.append(self._combine(i, totals[k * len(vectors) + u], x))
            return after

        ends = self._inner_loops(list(range(nest.rows, len(nest.lengths))), starts, body)
        count = len(vectors)
        return {(i, u): ends[k * count + u] for k, i in enumerate(folds) for u in range(count)}

    def _pass_horizontal(self, stage: int, folds: Sequence[int], stored: Sequence[int]) -> dict[Any, Operand]:
        """Lanes are elements of one row: at the end they are folded into one another."""
        nest, shape = self.nest, self.shape
        lanes = shape.lanes
        side = shape.side_by_side
        starts = [self._identity(i, lanes) for i in folds for _ in range(side)]
        keep = len(nest.lengths) - nest.rows == 1 and shape.straight()

        def straight(vectors: Sequence[tuple[int, int]], totals: Sequence[Operand]) -> list[Operand]:
            if not keep:
                self.memory = {}
            after = list(totals)
            for i in stored:
                for u, (offset, valid) in enumerate(vectors):
                    self._store(nest.steps[i].out, self._result(i, u, vectors, stage), offset, valid)
            for k, i in enumerate(folds):
                for u, (_, valid) in enumerate(vectors):
                    x = self._folded_value(i, u, vectors, stage)
                    if valid != lanes:
                        identity = self._identity(i, lanes)
                        x = self.f.select(self.f.mask(lanes, valid), x, identity)
                    after[k * side + u] = self._combine(i, after[k * side + u], x)
            return after

        def across(totals: Sequence[Operand]) -> list[Operand]:
            if shape.straight():
                return straight(shape.vectors(shape.length), totals)
            whole = shape.length - shape.length % shape.chunk
            with self.f.loop(0, whole, shape.chunk, totals) as loop, self._along(nest.across, loop.index):
                loop.next = straight(shape.vectors(shape.chunk), loop.carried)
            totals = loop.results
            if whole != shape.length:
                with self._along(nest.across, self.f.index(whole)):
                    totals = straight(shape.vectors(shape.length - whole), totals)
            return list(totals)

        inner = [k for k in range(nest.rows, len(nest.lengths)) if k != nest.across]
        ends = self._inner_loops(inner, starts, across)
        found = {}
        for k, i in enumerate(folds):
            total = ends[k * side]
            for u in range(1, side):
                total = self._combine(i, total, ends[k * side + u])
            found[i, 0] = across_lanes(self.f, nest.steps[i].operation, nest.steps[i].dtype, total)
        return found

    def _inner_loops(
        self, loops: Sequence[int], totals: Sequence[Operand], body: Callable[[Sequence[Operand]], list[Operand]]
    ) -> list[Operand]:
        if not loops:
            return body(totals)
        with self.f.loop(0, self.nest.lengths[loops[0]], 1, totals) as loop, self._along(loops[0], loop.index):
            loop.next = self._inner_loops(loops[1:], loop.carried, body)
        return loop.results

    # ---------------------------------------------------------------------------------------------- values

    def _width(self, vectors: Sequence[tuple[int, int]]) -> int:
        return self.shape.lanes if self.nest.lengths else 1

    def _result(self, number: int, u: int, vectors: Sequence[tuple[int, int]], stage: int) -> Operand:
        """Return what a step computes for register `u`, computing it where it is not at hand."""
        nest = self.nest
        step = nest.steps[number]
        if step.by_row:
            return self.by_row[number, 0 if nest.horizontal else u]
        key = (number, u)
        if key not in self.memory:
            if step.out is not None and step.stage < stage:
                self.memory[key] = self._load(step.out, *vectors[u])
            else:
                sources = [self._source(s, u, vectors, stage) for s in step.sources]
                self.memory[key] = self._apply(step, sources)
        return self.memory[key]

    def _apply(self, step: Step, sources: Sequence[tuple[Operand, np.dtype[Any]]]) -> Operand:
        operands, dtypes = [x for x, _ in sources], [d for _, d in sources]
        if step.operation == "copy":
            return emit_conversion(self.f, operands[0], dtypes[0], step.dtype)
        return emit_scalar(self.f, step.operation, operands, dtypes, step.common, step.dtype, dict(step.static))

    def _source(
        self, source: Source, u: int, vectors: Sequence[tuple[int, int]], stage: int
    ) -> tuple[Operand, np.dtype[Any]]:
        """Return an operand as a whole register."""
        nest = self.nest
        lanes = self._width(vectors)
        if isinstance(source, Result):
            step = nest.steps[source.step]
            if step.by_row and nest.horizontal:
                return self.by_row["wide", source.step], step.dtype
            return self._result(source.step, u, vectors, stage), step.dtype
        if isinstance(source, Number):
            return self._number(source, lanes), source.dtype
        if isinstance(source, Index):
            return self._index(source, lanes, vectors[u][0]), source.dtype
        known = self.by_row.get(("load", source.place, 0 if nest.horizontal else u))
        if known is not None:
            return known, nest.places[source.place].dtype
        moves = bool(nest.lengths) and nest.places[source.place].strides[nest.across] != 0
        key = ("load", source.place, u if moves else -1)
        if key not in self.memory:
            self.memory[key] = self._load(source.place, *vectors[u])
        return self.memory[key], nest.places[source.place].dtype

    def _row_source(
        self, source: Source, u: int, vectors: Sequence[tuple[int, int]], stage: int
    ) -> tuple[Operand, np.dtype[Any]]:
        """Return an operand that is known by row: a scalar where the lanes are elements of one row."""
        if not self.nest.horizontal:
            return self._source(source, u, vectors, stage)
        if isinstance(source, Result):
            return self._result(source.step, u, vectors, stage), self.nest.steps[source.step].dtype
        if isinstance(source, Number):
            return self._number(source, 1), source.dtype
        if isinstance(source, Index):
            return self._index(source, 1, 0), source.dtype
        place = self.nest.places[source.place]
        number = self.f.load(type_of(place.dtype), self.pointers[source.place])
        return from_memory(self.f, number, place.dtype), place.dtype

    def _folded_value(self, number: int, u: int, vectors: Sequence[tuple[int, int]], stage: int) -> Operand:
        step = self.nest.steps[number]
        x, dtype = self._source(step.sources[0], u, vectors, stage)
        return emit_conversion(self.f, x, dtype, step.dtype)

    def _identity(self, fold: int, lanes: int) -> Operand:
        step = self.nest.steps[fold]
        return identity(step.operation, step.dtype, lanes)

    def _combine(self, fold: int, total: Operand, x: Operand) -> Operand:
        step = self.nest.steps[fold]
        return combined(self.f, step.operation, step.dtype, total, x)

    def _number(self, source: Number, lanes: int) -> Operand:
        kind = register_kind(source.dtype)
        return constant(Type(kind, lanes), source.number)

    def _index(self, source: Index, lanes: int, offset: int) -> Operand:
        """Return the index along a loop; along the one that fills registers each lane has its own."""
        f, type = self.f, Type("i64", lanes)
        base = self.indices.get(source.axis, f.index(0))
        if source.axis != self.nest.across:
            wide = f.spread(base, lanes)
        else:
            steps = [offset + i for i in range(lanes)]
            text = ", ".join(f"i64 {i}" for i in steps)
            lane = Operand(f"<{text}>", type) if lanes > 1 else Operand(str(offset), I64)
            wide = f.add(f.spread(base, lanes), lane)
        return emit_conversion(f, wide, np.dtype(np.int64), source.dtype)

    # ---------------------------------------------------------------------------------------------- memory

    def _load(self, place: int, offset: int, valid: int) -> Operand:
        """Load one register of a place, `offset` elements from where the pointer stands."""
        where, stride = self.nest.places[place], self._stride(place)
        pointer = self.f.at(self.pointers[place], offset * stride, type_of(where.dtype))
        return load_lanes(self.f, pointer, where.dtype, stride, self._width([]), valid)

    def _store(self, place: int | None, x: Operand, offset: int, valid: int) -> None:
        assert place is not None
        where, stride = self.nest.places[place], self._stride(place)
        pointer = self.f.at(self.pointers[place], offset * stride, type_of(where.dtype))
        store_lanes(self.f, x, pointer, where.dtype, stride, valid)

    def _stride(self, place: int) -> int:
        return self.nest.places[place].strides[self.nest.across] if self.nest.lengths else 0
