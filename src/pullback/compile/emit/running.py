"""Running totals along an axis: each place gets the sum, or the product, of the elements up to it, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .conversion import emit_conversion
from .function import Function, Module
from .sweep import Space, Step, sweep
from .types import BOOL, I64, PTR, Operand, Type, type_of

__all__ = ["Running", "emit_running"]


@dataclass(frozen=True)
class Running:
    """What is folded (`add` or `mul`), along which axis of which shape, and from its end if `reverse`.

    Strides count elements; x is converted to `result` before it is folded.
    """

    operation: str
    shape: tuple[int, ...]
    axis: int
    x: tuple[int, ...]
    y: tuple[int, ...]
    reverse: bool
    dtype: np.dtype[Any]
    result: np.dtype[Any]


def emit_running(module: Module, name: str, running: Running) -> int:
    """Write `name(ptr y, ptr x, i64 begin, i64 end)` and return the units of work.

    Elements are folded one after the other, as NumPy does: the bits are the same. Side by side in a register are
    those of different rows.
    """
    f = Function(module, name, [(PTR, "y"), (PTR, "x"), (I64, "begin"), (I64, "end")])
    axis, n = running.axis, running.shape[running.axis]
    source, target = type_of(running.dtype), type_of(running.result)
    # Registers of the wider of the two types; the other's are shorter than they could be.
    wider = source if source.bits > target.bits else target
    steps = running.x[axis], running.y[axis]

    def at(offsets: list[Operand | int]) -> Step:
        def step(index: Operand | int, lanes: int, valid: int) -> None:
            last = n - 1 if running.reverse else 0
            x, y = (
                f.at(f.argument(p), f.plus(f.plus(offset, last * s), index), t)
                for p, offset, s, t in zip("xy", offsets, steps, (source, target), strict=True)
            )
            _fold(f, running, x, y, lanes, valid)

        return step

    others = [a for a in range(len(running.shape)) if a != axis]
    space = Space(
        tuple(running.shape[a] for a in others),
        tuple(tuple(row[a] for a in others) for row in (running.x, running.y)),
        2,
        (True,) * len(others),
    )
    return sweep(f, space, wider, at)


def _fold(f: Function, running: Running, x: Operand, y: Operand, lanes: int, valid: int) -> None:
    n = running.shape[running.axis]
    sign = -1 if running.reverse else 1
    source, target = type_of(running.dtype), type_of(running.result)
    x_step, y_step = sign * running.x[running.axis], sign * running.y[running.axis]

    def number(index: Operand | int) -> Operand:
        loaded = f.load(source.of(lanes), f.at(x, f.times(index, x_step), source), valid)
        if running.dtype == np.bool_:
            loaded = f.value(Type(BOOL.kind, lanes), f"icmp ne {loaded.typed}, {f.constant(loaded, 0)}")
        return emit_conversion(f, loaded, running.dtype, running.result)

    first = number(0)
    f.store(first, y, valid)
    if n == 1:
        return
    with f.loop(1, n, carried=[first]) as loop:
        (total,) = loop.carried
        element = number(loop.index)
        total = f.add(total, element) if running.operation == "add" else f.mul(total, element)
        f.store(total, f.at(y, f.times(loop.index, y_step), target), valid)
        loop.next = [total]
