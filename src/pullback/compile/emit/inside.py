"""Correlations that leave out what lies beyond the edges, for weights that are not finite: times a zero they are NaN.

Where all weights are finite the zeros around an image change nothing, and the engine of convolutions is many times
quicker; so this is what runs for the others.
"""

from __future__ import annotations

import math

from .correlate import Correlation
from .finish import Epilogue, Finished, finish, finish_parameters
from .function import Function, Module
from .pieces import Run, each, runs
from .tile import multiply_add
from .types import BOOL, I64, PTR, Operand, Type, constant

__all__ = ["all_finite", "emit_inside"]

SUMS = 4
"""So many sums keep the unit that adds busy."""


def all_finite(f: Function, type: Type, values: Operand, count: int) -> Operand:
    """Return whether `count` consecutive numbers are finite: then each of them times 0 is 0."""
    vector = type.of(f.module.lanes(type))
    rounds, rest = divmod(count, SUMS * vector.lanes)
    zero = constant(vector, 0.0)
    sums = [zero] * SUMS

    def added(at: Operand | int, total: Operand, valid: int) -> Operand:
        return multiply_add(f, f.load(vector, f.at(values, at, type), valid), zero, total)

    if rounds:
        with f.loop(0, rounds * SUMS * vector.lanes, SUMS * vector.lanes, sums) as loop:
            places = [f.plus(loop.index, i * vector.lanes) for i in range(SUMS)]
            loop.next = [added(at, x, vector.lanes) for at, x in zip(places, loop.carried, strict=True)]
        sums = loop.results
    for i, at in enumerate(range(count - rest, count, vector.lanes)):
        sums[i] = added(at, sums[i], min(vector.lanes, count - at))
    while len(sums) > 1:
        sums = [f.add(sums[0], sums[1]), *sums[2:]]
    return f.compare("oeq", f.reduce("add", sums[0]), constant(type, 0.0))


def emit_inside(module: Module, name: str, work: Correlation, block: int, epilogue: Epilogue | None) -> None:
    """Write `name(c, a, b, item, block, slab, scratch, table)`, which does what a Correlator's function does.

    `block` is how many positions of the first axis a block has.
    """
    names = ((PTR, "c"), (PTR, "a"), (PTR, "b"), (I64, "item"), (I64, "block"))
    f = Function(module, name, [*names, (PTR, "slab"), (PTR, "scratch"), (PTR, "table")])
    type, axes = work.type, work.axes
    first = axes[0]
    outputs = work.groups * work.columns
    numbers = [math.prod(axis.out_size for axis in axes[at + 1 :]) for at in range(len(axes))]
    start = f.times(f.argument("block"), block)
    count = f.intrinsic("smin", I64, f.index(block), f.value(I64, f"sub nsw i64 {first.count}, {start}"))
    image = math.prod(axis.size for axis in axes) * work.channels
    whole = math.prod(axis.out_size for axis in axes)

    def positions(at: int, row: Operand, places: list[Operand]) -> None:
        if at == len(axes):
            columns(row, places)
            return
        axis = axes[at]
        with f.loop(0, axis.count if at else count) as loop:
            position = loop.index if at else f.plus(start, loop.index)
            place = f.plus(f.times(position, axis.step), axis.first)
            further = f.plus(f.times(position, axis.out_step), axis.out)
            positions(at + 1, f.plus(row, f.times(further, numbers[at])), [*places, place])

    def columns(row: Operand, places: list[Operand]) -> None:
        a = f.at(f.argument("a"), f.times(f.argument("item"), image), type)
        with each(f, Run(0, 0, 1, work.groups), None) as group:
            a = f.at(a, f.times(group, work.depth), type)
            b = f.at(f.argument("b"), f.times(group, work.b_group), type)
            for run in runs(work.columns, module.lanes(type), module.lanes(type)):
                with each(f, run, None) as at:
                    column = f.plus(f.times(group, work.columns), at)
                    c = f.at(f.argument("c"), f.plus(f.times(row, outputs), column), type)
                    from_a = f.at(a, at, type) if work.lanewise else a
                    more = () if epilogue is None else (row, column, f.argument("table"), f.argument("scratch"))
                    f.call(points[run.size], c, from_a, f.at(b, at, type), *places, *more)

    points = {
        run.size: _emit_point(module, f"{name}.{run.size}", work, epilogue, run.size)
        for run in runs(work.columns, module.lanes(type), module.lanes(type))
    }
    with f.when(f.compare("sgt", count, f.index(0))):
        positions(0, f.times(f.argument("item"), whole), [])


def _emit_point(module: Module, name: str, work: Correlation, epilogue: Epilogue | None, valid: int) -> str:
    """Write `name(c, a, b, places…)` for one vector of one position, whose tap 0 lies at the places along the axes."""
    type, axes = work.type, work.axes
    parameters = [(PTR, "c"), (PTR, "a"), (PTR, "b"), *((I64, f"place{at}") for at in range(len(axes)))]
    f = Function(module, name, [*parameters, *(() if epilogue is None else finish_parameters)])
    lanes = module.lanes(type)
    vector = type.of(lanes)
    strides = [math.prod(axis.size for axis in axes[at + 1 :]) * work.channels for at in range(len(axes))]
    weights = [math.prod(axis.taps for axis in axes[at + 1 :]) * work.depth * work.b_row for at in range(len(axes))]

    def taps(at: int, b: Operand, offset: Operand, inside: Operand, total: Operand) -> Operand:
        if at == len(axes):
            # What is not to be read may lie outside the array.
            a = f.at(f.argument("a"), f.select(inside, offset, f.index(0)), type)
            return f.select(inside, channels(a, b, total), total)
        axis = axes[at]
        with f.loop(0, axis.taps, 1, [total]) as loop:
            place = f.plus(f.argument(f"place{at}"), f.times(loop.index, axis.apart))
            here = f.value(BOOL, f"and i1 {inside}, {f.compare('ult', place, f.index(axis.size))}")
            from_b = f.at(b, f.times(loop.index, weights[at]), type)
            loop.next = [taps(at + 1, from_b, f.plus(offset, f.times(place, strides[at])), here, loop.carried[0])]
        return loop.results[0]

    def channels(a: Operand, b: Operand, total: Operand) -> Operand:
        with f.loop(0, work.depth, 1, [total]) as loop:
            place = f.at(a, loop.index, type)
            factor = f.load(vector, place, valid) if work.lanewise else f.spread(f.load(type, place), lanes)
            part = f.load(vector, f.at(b, f.times(loop.index, work.b_row), type), valid)
            loop.next = [multiply_add(f, factor, part, loop.carried[0])]
        return loop.results[0]

    total = constant(vector, 0.0)
    if min(axis.taps for axis in axes) > 0:
        total = taps(0, f.argument("b"), f.index(0), Operand("true", BOOL), total)
    sums = Finished(type, 0, [valid], [total])
    if epilogue is None:
        sums.store(f)
    else:
        finish(f, epilogue, sums)
    return name
