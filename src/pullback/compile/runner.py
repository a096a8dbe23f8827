"""One plan, ready to run: it binds arguments and cells, runs the segments, and hands the results back."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from ..core import tree
from ..core.cell import Cell
from ..core.value import Face, Value
from ..threads import cores
from ..transforms.graph import Graph, is_array, signature
from ..transforms.reverse import TAPE, present
from .access import Access, Array
from .addresses import view_at
from .holders import HELD_BY_CELL, HELD_BY_PLAN, aligned_empty, fits, fitting, maker, owned
from .pages import Room, block
from .plan import ARENA, POOL, STATUS, WORKSPACE, Holding, Plan, Segment
from .sharing import Sharing

if TYPE_CHECKING:
    from .program import Call
    from .workers import Workers

__all__ = ["Runner", "Stopped"]


class Stopped(Exception):
    """A check found what the code cannot work on; nothing has been changed."""


class Runner:
    """Runs one plan.

    A run writes cells in place only where nothing can fail any more; everything else that it computes goes to
    memory of its own, which the cells get when the run has succeeded.
    """

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.constants = plan.constants
        entries = 1 + max([WORKSPACE, *plan.slots.values()])
        self.table = np.zeros(entries, np.uint64)
        self.arena = block(plan.arena)
        self.asked = 0
        """The number of threads that this was made ready for; a plan that cannot be shared takes one of them."""
        self.threads = 1
        self.lock = threading.RLock()
        self.running = False
        self.sharing = Sharing()
        self.workspace = block(plan.workspace)
        self.status = np.zeros(1, np.int64)
        self.prepare_table()
        self.inputs = [plan.slots[a] for a in plan.inputs]
        self.fixed = [self._set(plan.slots[a], a.data) for a in plan.fixed]
        self.guards: list[tuple[Cell, Any, Any]] = []
        self.read_only: list[tuple[Cell, Any, Any]] = []
        """What is only read is known by a weak reference: another plan may be the one that writes it in place."""
        self.in_place: list[tuple[Cell, Any, Any]] = []
        self.written: list[tuple[Cell, Any, Any]] = []
        self.swapped: list[tuple[Cell, Any, Any]] = []
        self.holdings = plan.holdings
        self.room = Room([h.written.nbytes for h in plan.holdings if h.in_place and h.written is not None])
        self.fresh: list[tuple[Cell, Callable[[], Any], int]] = []
        """Cells that hold the results' new arrays, what makes one, and its entry in the table."""
        self.outputs = [self._output(x) for x in plan.outputs]
        self.steps = self._steps()
        self.seconds = inf
        """How long the quickest run on one thread took."""
        self.steady = 0
        """How many runs in a row have found everything as the one before left it."""
        self.gate: Any = None
        """The gate by which calls may enter without asking for anything here."""
        self.gated: Any = None
        """The arguments of a call that came through the gate, whose arrays the table alone knows."""
        self.known_inputs: list[Any] = [None] * len(self.inputs)
        self.single = tree.unflatten(graph.structure, self.outputs) is self.outputs[0] if self.outputs else False
        self.bind()

    def prepare_table(self) -> None:
        """Enter the plan's own memory in the table of addresses."""
        for entry, memory in ((ARENA, self.arena), (STATUS, self.status), (WORKSPACE, self.workspace)):
            self.table[entry] = memory.ctypes.data

    def contents(self, array: Array, slot: int) -> Any:
        """Return a view of an array from outside, as it was in the last run."""
        strides = [s * array.dtype.itemsize for s in array.strides]
        return view_at(int(self.table[slot]), array.shape, array.dtype, strides)

    # -------------------------------------------------------------------------------------------- binding

    def _set(self, slot: int, array: Any) -> Any:
        self.table[slot] = array.__array_interface__["data"][0]
        return array

    def bind(self) -> None:
        """Take the cells' arrays as they are now."""
        slots = self.plan.slots
        self.guards = []
        self.read_only, self.in_place, self.written, self.swapped = [], [], [], []
        bound = set()
        for holding in self.holdings:
            cell, slot = holding.cell, None
            bound.add(cell)
            if holding.read is not None:
                slot = slots[holding.read]
                changing = holding.written is not None and holding.in_place
                array = owned(cell.value, holding.read, self.room) if changing else fitting(cell.value, holding.read)
                cell.value = self._set(slot, array)
                if changing:
                    self.in_place.append((cell, array, holding))
                else:
                    self.read_only.append((cell, ref(array), holding))
            if holding.written is not None and not (holding.read is not None and holding.in_place):
                fresh = self._set(slots[holding.written], aligned_empty(holding.written, self.room))
                (self.written if holding.in_place else self.swapped).append((cell, fresh, holding))
        for cell, before in self.graph.guards:
            self.guards.append((cell, cell.value if cell not in bound else None, before))
        self.leaves = [(cell, cell.leaf) for cell, _ in self.graph.guards]
        self.guards = [g for g in self.guards if g[0] not in bound]

    def ready(self) -> bool:
        """Whether everything is as the last run left it, and nobody else holds what will be written over."""
        count = sys.getrefcount
        for cell, leaf in self.leaves:
            if cell.leaf is not leaf:
                return False
        for cell, value, _ in self.guards:
            if cell.value is not value:
                return False
        for cell, known, _ in self.read_only:
            array = known()
            if array is None or cell.value is not array:
                return False
        for cell, array, _ in self.in_place:
            if cell.value is not array or count(array) != HELD_BY_CELL:
                return False
        for cell, array, _ in self.written:
            if count(array) != (HELD_BY_CELL if cell.value is array else HELD_BY_PLAN):
                return False
        return not self.swapped and self.asked == cores() and not self.graph.taken.outdated

    def valid(self) -> bool:
        """Whether the cells are still of the kind for which the plan was made, and the constants what they were."""
        if self.graph.taken.outdated:
            return False
        for cell, leaf in self.leaves:
            if cell.leaf is not leaf:
                return self.graph.valid()
        for cell, value, before in self.guards:
            if cell.value is not value and signature(cell) != before:
                return False
        for cell, known, holding in self.read_only:
            if not _leads_to(known, cell.value) and not _like(cell.value, holding.read):
                return False
        for cell, array, holding in self.in_place:
            if cell.value is not array and not _like(cell.value, holding.read):
                return False
        return True

    def _prepare(self) -> None:
        """See to it that what will be written over is nobody else's, and that the table is up to date."""
        if self.asked != cores():
            self._use(cores())
        count = sys.getrefcount
        for at, (cell, known, holding) in enumerate(self.read_only):
            if not _leads_to(known, cell.value):
                array = cell.value = self._set(self.plan.slots[holding.read], fitting(cell.value, holding.read))
                self.read_only[at] = (cell, ref(array), holding)
        for at, (cell, array, holding) in enumerate(self.in_place):
            if cell.value is not array:
                array = owned(cell.value, holding.read, self.room)
                self._renew(at, cell, holding, array)
            if count(array) != HELD_BY_CELL:
                copy = aligned_empty(holding.read)
                copy[...] = array
                self._renew(at, cell, holding, copy)
        for entries in (self.written, self.swapped):
            for at, (cell, array, holding) in enumerate(entries):
                if count(array) != (HELD_BY_CELL if cell.value is array else HELD_BY_PLAN):
                    fresh = self._set(self.plan.slots[holding.written], aligned_empty(holding.written))
                    entries[at] = (cell, fresh, holding)

    def _renew(self, at: int, cell: Cell, holding: Holding, array: Any) -> None:
        assert holding.read is not None
        cell.value = self._set(self.plan.slots[holding.read], array)
        self.in_place[at] = (cell, array, holding)

    def alive(self) -> list[Any]:
        """Return the arrays that are only read, so that they stay while they are; None for one that is gone."""
        return [known() for _, known, _ in self.read_only]

    # -------------------------------------------------------------------------------------------- running

    def run(self, arguments: Sequence[Any], ready: bool = False) -> Any:
        """Run the plan on plain arrays. Raises Stopped where a check failed, and what an evaluation raises.

        `ready` says that `ready()` has just been true.
        """
        self.steady = self.steady + 1 if ready else 0
        if not ready:
            self.gate = None
            self._prepare()
        alive = self.alive()
        while any(x is None for x in alive):  # another thread has just replaced it
            self._prepare()
            alive = self.alive()
        if self.gated is not None:
            self.forget_gated()
        known = self.known_inputs
        for at, x in enumerate(arguments):
            if x is not known[at]:
                self._take(at, x)
        for place, new, slot in self.fresh:
            place.value = None  # what the caller has dropped is free before its successor is taken
            place.value = self._set(slot, new())
        self.execute()
        for cell, array, _ in self.written:
            cell.value = array
        if self.swapped:
            self._swap()
        return self.results()

    def execute(self) -> None:
        """Run the code on what the table says, measuring how long it takes."""
        shared = self.threads > 1 and self.sharing.choose()
        steps = self._shared_steps() if shared else self.steps
        start = perf_counter()
        ran_shared = [step() for step in steps]
        seconds = perf_counter() - start
        if not shared:
            self.seconds = min(self.seconds, seconds)
        if self.threads > 1 and (not shared or all(ran_shared)):
            self.sharing.took(shared, seconds)

    def results(self) -> Any:
        """Return what the function returns, after a run."""
        for cell, value in self.constants:
            cell.value = value
        results = [give() for give in self.outputs]
        return results[0] if self.single else tree.unflatten(self.graph.structure, results)

    def lose_arguments(self) -> None:
        """Note that nothing is known any more of what the table says of arguments."""
        self.gated = None
        self.known_inputs = [None] * len(self.inputs)

    def settle(self) -> None:
        """See to it that all that the table leads to is there, for a look at it between two runs."""
        if self.gated is not None:
            self.forget_gated()
        self.gate = None
        if self.valid():
            self._prepare()
        gone = [holding.read for _, known, holding in self.read_only if known() is None]
        self.stand_ins = [self._set(self.plan.slots[array], aligned_empty(array)) for array in gone]

    def forget_gated(self) -> None:
        """Take the arguments of the last call through the gate, so that they are known as those of other calls are."""
        arrays = [x._payload if isinstance(x, Value) else x for x in self.gated]
        self.gated = None
        for at, x in enumerate(arrays):
            self._take(at, x)

    def _use(self, threads: int) -> None:
        """Make ready for so many threads."""
        self.asked = threads
        if not any(s.shareable for s in self.plan.segments):
            threads = 1
        self.threads = threads
        self.sharing = Sharing()
        self.workspace = block(self.plan.workspace * threads)
        self.table[WORKSPACE] = self.workspace.ctypes.data
        self.shared_steps: list[Callable[[], Any]] = []

    def _shared_steps(self) -> list[Callable[[], Any]]:
        """Return what runs the segments on all threads, which start when it is first wanted."""
        if not self.shared_steps:
            from .workers import workers

            pool = workers(self.threads)
            self.table[POOL] = pool.block
            self.shared_steps = [
                self._shared(pool, segment, alone) if segment.shareable else alone
                for segment, alone in zip(self.plan.segments, self.steps, strict=True)
            ]
        return self.shared_steps

    def _shared(self, pool: Workers, segment: Segment, alone: Callable[[], Any]) -> Callable[[], Any]:
        """Return what runs a segment on all threads, or alone where one of them sleeps."""
        assert self.plan.code is not None
        run, callee, table = pool.run, self.plan.code.address(segment.name + ".shared"), self.table.ctypes.data
        checks, status = segment.checks, self.status

        def together() -> bool:
            if not run(callee, table, self.sharing.patience):
                alone()
                return False
            if checks and status[0]:
                status[0] = 0
                raise Stopped
            return True

        return together

    def _take(self, at: int, x: Any) -> None:
        array = self.plan.inputs[at]
        plain = False
        if x.__class__ is np.ndarray:  # the usual case at once; shape and dtype are those of the signature
            flags = x.flags
            plain = flags.c_contiguous and flags.aligned and x.dtype is array.dtype
        fitted = x if plain else fitting(x, array)
        self.table[self.inputs[at]] = fitted.__array_interface__["data"][0]
        # The argument itself is remembered only where it is read directly: then it is alive during the run.
        self.known_inputs[at] = fitted

    def _swap(self) -> None:
        slots = self.plan.slots
        for at, (cell, array, holding) in enumerate(self.swapped):
            old = cell.value
            cell.value = array
            if holding.read is not None:
                place = next(i for i, entry in enumerate(self.read_only) if entry[0] is cell)
                # What was written may lie in another order than what is read.
                cell.value = read = fitting(array, holding.read)
                self.read_only[place] = (cell, ref(self._set(slots[holding.read], read)), holding)
                spare = old if _reusable(old, holding.written) else aligned_empty(holding.written)
            else:
                spare = aligned_empty(holding.written)
            self.swapped[at] = (cell, self._set(slots[holding.written], spare), holding)

    def _steps(self) -> list[Callable[[], Any]]:
        assert self.plan.code is not None or not any(s.name for s in self.plan.segments)
        steps: list[Callable[[], Any]] = []
        address = self.table.ctypes.data
        for segment in self.plan.segments:
            if segment.name:
                assert self.plan.code is not None
                function = self.plan.code.function(segment.name, ctypes.c_void_p)
                steps.append(self._native(function, address, segment.checks))
            else:
                assert segment.call is not None
                steps.append(self._evaluation(segment.call))
        return steps

    def _native(self, function: Callable[..., Any], address: int, checks: bool) -> Callable[[], Any]:
        if not checks:
            return lambda: function(address) is None
        status = self.status.data

        def checked() -> bool:
            function(address)
            if status[0]:
                status[0] = 0
                raise Stopped
            return True

        return checked

    # ------------------------------------------------------------------------------- evaluations and results

    def _evaluation(self, call: Call) -> Callable[[], Any]:
        inputs = [self._reader(x) if isinstance(x, Access) else _constantly(x) for x in call.inputs]
        outs = [self._reader(x, numbers=False) for x in call.outs]
        evaluate, static, several = call.mapping.evaluate, call.static, call.several

        def run() -> bool:
            results = evaluate(*[give() for give in inputs], **static)
            for out, y in zip(outs, results if several else (results,), strict=True):
                out()[...] = y
            return True

        return run

    def _reader(self, access: Access, numbers: bool = True) -> Callable[[], Any]:
        """Return what gives a view of an access; a single number comes as NumPy's evaluations return it."""
        array = access.array
        itemsize = array.dtype.itemsize
        strides = [s * itemsize for s in access.strides]
        if array in self.plan.slots:
            slot = self.plan.slots[array]
            start = access.offset * itemsize

            def moving() -> Any:
                return view_at(int(self.table[slot]) + start, access.shape, array.dtype, strides)

            return (lambda: moving()[()]) if numbers else moving
        start = self.plan.places[array] + access.offset * itemsize
        whole = self.arena[start:].view(np.uint8)
        # A view that does not start at a multiple of its item cannot be cast, so the bytes are cut to size first.
        reach = itemsize * (1 + sum((n - 1) * s for n, s in zip(access.shape, access.strides, strict=True)))
        view = np.lib.stride_tricks.as_strided(whole[:reach].view(array.dtype), access.shape, strides)
        return (lambda: view[()]) if numbers else (lambda: view)

    def _output(self, x: Any) -> Callable[[], Any]:
        """Return what gives one result of the function: a fresh array each time, a number for a single one."""
        if not isinstance(x, Access):
            return lambda: present(x)
        array, slot = x.array, self.plan.slots[x.array]
        if not array.shape:
            number = self._set(slot, aligned_empty(array))
            return lambda: Face.new(TAPE, number[()], None)
        place, new = Cell(None), maker(array)
        place.value = self._set(slot, new())
        self.fresh.append((place, new, slot))
        return lambda: Face.new(TAPE, place.value, None)


def _leads_to(known: ref[Any], value: Any) -> bool:
    """Whether a weak reference is to `value`; one that is gone is to nothing, None included."""
    return value is not None and known() is value


def _like(value: Any, array: Array | None) -> bool:
    assert array is not None
    return is_array(value) and value.shape == array.shape and value.dtype == array.dtype


def _reusable(x: Any, array: Array | None) -> bool:
    assert array is not None
    return fits(x, array) and x.flags.writeable and not isinstance(x.base, np.ndarray)


def _constantly(x: Any) -> Callable[[], Any]:
    return lambda: x
