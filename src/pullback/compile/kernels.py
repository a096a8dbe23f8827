"""Kernels: what a group becomes in a module. Equal ones are written once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from .access import Access, Array
from .emit.check import emit_check
from .emit.chunks import units_of
from .emit.convolve import emit_convolution, emit_convolution_input
from .emit.convolve_weight import emit_convolution_weight
from .emit.function import Module
from .emit.loops import emit_nest
from .emit.product import Batch, Product, emit_batched_product, emit_product
from .emit.rows import Rows, emit_gather, emit_scatter_add, scatter_units
from .emit.types import DOUBLE, FLOAT
from .epilogue import epilogue_of
from .group import Group
from .memory import needed, planned
from .nest import analysed
from .program import Call, Check, Convolve, Loop, RowMove, Special
from .program import Product as ProductInstruction

__all__ = ["Kernel", "Place", "Steps", "Workshop"]

SHARED = 1 << 18
"""How many operations a turn of a loop takes at the least to be shared among threads, which meet at its end."""


@dataclass(frozen=True)
class Place:
    """A pointer that a kernel is given: an array, and the element in it."""

    array: Array
    offset: int


@dataclass(eq=False)
class Kernel:
    """A kernel at one point of the plan.

    `name` is its function; `places` are its pointers in order; `extra` those that it finds in its table.
    `units` of work can be shared among threads. Without a name it is a call of a mapping's evaluation.
    """

    name: str
    group: Group
    places: list[Place]
    extra: list[Place]
    units: int
    workspace: int
    flops: int
    steps: Steps | None = None
    """Of a loop: what is done in each turn."""
    needs_result: bool = True
    """Whether a product needs room for its result, even where what stands behind it stores all that is wanted."""

    @property
    def call(self) -> Call | None:
        """The mapping that is evaluated here, if any is."""
        first = self.group.instructions[0]
        return first if isinstance(first, Call) else None

    @property
    def checks(self) -> bool:
        """Whether the kernel may stop the plan."""
        return self.group.kind in ("check", "loop") and any(i.fallible for i in self.group.instructions)

    def parts(self) -> list[Kernel]:
        """Return the kernel; of a loop, each kernel of its body as a loop of its own."""
        if self.steps is None:
            return [self]
        parts = [part for kernel in self.steps.kernels for part in kernel.parts()]
        return [replace(self, steps=replace(self.steps, kernels=[part])) for part in parts]


@dataclass(frozen=True)
class Steps:
    """What a loop does in each turn: kernels, and where in its room what they compute on the way lies, in bytes."""

    loop: Loop
    kernels: list[Kernel]
    places: dict[Array, int]


class Workshop:
    """Makes kernels in one module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.made: dict[Any, Kernel] = {}

    def kernel(self, group: Group, kept: set[Array]) -> Kernel:
        """Return the kernel of a group. May add to `kept` what the group itself has to keep in memory."""
        kernel: Kernel = _MAKERS[group.kind](self, group, kept)
        return kernel

    def _named(self, key: Any) -> str | None:
        known = self.made.get(key)
        return known.name if known else None

    def nest(self, group: Group, kept: set[Array]) -> Kernel:
        nest = analysed(group, kept)
        key = ("nest", nest.key())
        places = [Place(a.array, a.offset) for a in nest.accesses]
        known = self.made.get(key)
        if known is None:
            name = f"nest.{len(self.made)}"
            emit_nest(self.module, name, nest)
            flops = math.prod(nest.lengths) * len(nest.steps)
            known = Kernel(name, group, places, [], units_of(self.module, nest), 0, flops)
            self.made[key] = known
        return replace(known, group=group, places=places)

    def product(self, group: Group, kept: set[Array]) -> Kernel:
        instruction = group.instructions[0]
        if isinstance(instruction, Convolve):
            return self.convolution(group, instruction, kept)
        assert isinstance(instruction, ProductInstruction)
        c, a, b = _oriented(instruction)
        epilogue = epilogue_of(group, kept)
        product = Product(
            rows=c.shape[-2],
            columns=c.shape[-1],
            depth=a.shape[-1],
            a_row=a.strides[-2],
            a_depth=a.strides[-1],
            b_depth=b.strides[-2],
            b_column=b.strides[-1],
            c_row=c.strides[-2],
            type=FLOAT if c.dtype == np.float32 else DOUBLE,
        )
        lead = c.shape[:-2]
        batch = Batch(lead, a.strides[:-2], b.strides[:-2], c.strides[:-2])
        key = ("product", product, batch, epilogue.key() if epilogue else None)
        places = [Place(x.array, x.offset) for x in (c, a, b)]
        extra = [Place(x.array, x.offset) for x in epilogue.nest.accesses] if epilogue else []
        known = self.made.get(key)
        if known is None:
            name = f"product.{len(self.made)}"
            made = (
                emit_batched_product(self.module, name, product, batch, epilogue)
                if math.prod(lead) != 1
                else emit_product(self.module, name, product, epilogue)
            )
            known = Kernel(name, group, places, extra, made.units, made.workspace, made.flops, None, made.needs_c)
            self.made[key] = known
        return _placed(known, group, places, extra, c.array in kept)

    def convolution(self, group: Group, instruction: Convolve, kept: set[Array]) -> Kernel:
        epilogue = epilogue_of(group, kept)
        key = ("convolution", instruction.part, instruction.settings, epilogue.key() if epilogue else None)
        places = [Place(x.array, x.offset) for x in (instruction.out, instruction.a, instruction.b)]
        extra = [Place(x.array, x.offset) for x in epilogue.nest.accesses] if epilogue else []
        known = self.made.get(key)
        if known is None:
            name = f"convolution.{len(self.made)}"
            if instruction.part == "weight":
                made = emit_convolution_weight(self.module, name, instruction.settings)
            else:
                emit = emit_convolution if instruction.part == "forward" else emit_convolution_input
                made = emit(self.module, name, instruction.settings, epilogue)
            known = Kernel(name, group, places, extra, made.units, made.workspace, made.flops, None, made.needs_c)
            self.made[key] = known
        return _placed(known, group, places, extra, instruction.out.array in kept)

    def special(self, group: Group, kept: set[Array]) -> Kernel:
        instruction = group.instructions[0]
        assert isinstance(instruction, Special)
        key = (instruction.kind, instruction.settings)
        places = [Place(x.array, x.offset) for x in (*instruction.outs, *instruction.ins)]
        known = self.made.get(key)
        if known is None:
            name = f"{instruction.kind}.{len(self.made)}"
            units = emitter(instruction.kind)(self.module, name, *instruction.settings)
            flops = max(math.prod(x.shape) for x in (*instruction.outs, *instruction.ins))
            known = self.made[key] = Kernel(name, group, places, [], units, 0, flops)
        return replace(known, group=group, places=places)

    def check(self, group: Group, kept: set[Array]) -> Kernel:
        instruction = group.instructions[0]
        assert isinstance(instruction, Check)
        positions = instruction.positions
        settings = (positions.dtype, positions.shape, positions.strides, instruction.bound, instruction.negative)
        key = ("check", *settings)
        places = [Place(positions.array, positions.offset)]
        known = self.made.get(key)
        if known is None:
            name = f"check.{len(self.made)}"
            emit_check(self.module, name, *settings)
            known = self.made[key] = Kernel(name, group, places, [], 1, 0, 0)
        return replace(known, group=group, places=places)

    def rows(self, group: Group, kept: set[Array]) -> Kernel:
        instruction = group.instructions[0]
        assert isinstance(instruction, RowMove)
        table, positions, moved = instruction.table, instruction.positions, instruction.rows
        rows = Rows(
            table.shape[0], math.prod(table.shape[1:]), math.prod(positions.shape), table.dtype, positions.dtype
        )
        scatter = instruction.scatter
        key = ("rows", scatter, rows)
        places = [Place(x.array, x.offset) for x in ((table, moved) if scatter else (moved, table))]
        places.append(Place(positions.array, positions.offset))
        known = self.made.get(key)
        if known is None:
            name = f"rows.{len(self.made)}"
            (emit_scatter_add if scatter else emit_gather)(self.module, name, rows)
            units = scatter_units(self.module, rows) if scatter else rows.count
            known = self.made[key] = Kernel(name, group, places, [], units, 0, rows.count * rows.width)
        return replace(known, group=group, places=places)

    def loop(self, group: Group, kept: set[Array]) -> Kernel:
        loop = group.instructions[0]
        assert isinstance(loop, Loop)
        outside = dict.fromkeys(x.array for x in (*loop.reads, *loop.outs))
        inside = needed(loop.results, loop.groups)
        kernels = [self.kernel(one, inside) for one in loop.groups]
        used = dict.fromkeys(p.array for k in kernels for p in (*k.places, *k.extra))
        places, size = planned(loop.groups, {*inside, *used} - outside.keys())
        loop.room.shape = (max(size, 1),)
        followed = {f.array for f in loop.follows}
        constants = [a for a in used if a not in followed and a not in places and a not in outside]
        pointers = [Place(a, 0) for a in (*outside, loop.room, *constants)]
        flops = sum(k.flops for k in kernels)
        shared = flops >= SHARED and not loop.fallible and loop.predicate is None
        units = max((k.units for k in kernels), default=1) if shared else 1
        workspace = max((k.workspace for k in kernels), default=0)
        steps = Steps(loop, kernels, places)
        return Kernel("", group, pointers, [], units, workspace, flops * loop.length, steps)

    def evaluation(self, group: Group, kept: set[Array]) -> Kernel:
        return Kernel("", group, [], [], 1, 0, 0)


def _placed(known: Kernel, group: Group, places: list[Place], extra: list[Place], stored: bool) -> Kernel:
    """Return a product's kernel with its pointers; that of a result which is nowhere stored is not used."""
    if not stored and not known.needs_result:
        places = [places[1], *places[1:]]
    return replace(known, group=group, places=places, extra=extra)


def _oriented(instruction: ProductInstruction) -> tuple[Access, Access, Access]:
    """Return C, A and B with the columns of C consecutive: Cᵀ = BᵀAᵀ where its rows are."""
    c, a, b = instruction.out, instruction.a, instruction.b
    if not instruction.turned:
        return c, a, b
    return _transposed(c), _transposed(b), _transposed(a)


def _transposed(x: Access) -> Access:
    return Access(
        x.array, x.offset, (*x.shape[:-2], x.shape[-1], x.shape[-2]), (*x.strides[:-2], x.strides[-1], x.strides[-2])
    )


EMITTERS = {
    "max_pool": "pooling.emit_max_pool",
    "max_choice": "pooling.emit_max_choice",
    "max_pool_back": "pooling.emit_max_pool_back",
    "window_pick": "pooling.emit_window_pick",
    "window_place": "pooling.emit_window_place",
    "covering_maximum": "covering.emit_covering_maximum",
    "avg_pool": "pooling.emit_average_pool",
    "avg_pool_back": "pooling.emit_average_pool_back",
    "random_uniform": "philox.emit_random_uniform",
    "dropout_mask": "philox.emit_dropout_mask",
    "random_normal": "normal.emit_random_normal",
    "random_integers": "bounded.emit_random_integers",
    "random_permutation": "bounded.emit_random_permutation",
    "move": "moving.emit_move",
    "pick": "pick.emit_pick",
    "running": "running.emit_running",
    "weighted": "weighted.emit_weighted",
}
"""What writes the kernel of each kind of `Special`, and returns its units of work: a module of `emit`, its function.

They are imported when they are wanted: most programs do with a few.
"""


@cache
def emitter(kind: str) -> Callable[..., int]:
    """Return what writes the kernel of a kind."""
    module, _, name = EMITTERS[kind].partition(".")
    found: Callable[..., int] = getattr(import_module(f".emit.{module}", __package__), name)
    return found

_MAKERS: dict[str, Any] = {
    "nest": Workshop.nest,
    "product": Workshop.product,
    "check": Workshop.check,
    "rows": Workshop.rows,
    "special": Workshop.special,
    "call": Workshop.evaluation,
    "loop": Workshop.loop,
}
