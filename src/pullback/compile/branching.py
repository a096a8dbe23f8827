"""Branches: both functions of a choice are lowered, each as a loop of one turn that runs where the choice is for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import spec_of
from ..transforms.graph import Equation
from .access import Access
from .builder import Lowering
from .fuse import grouped
from .program import Call, Follow, Loop, Program
from .recorded import recorded_for

__all__ = ["BRANCHES", "has_one_predicate"]


def branch(lowering: Lowering, equation: Equation) -> bool:
    """Lower a choice; not where one of its functions has a mapping without a kernel."""
    predicate, *xs = map(lowering.access, equation.inputs)
    branches: Any = equation.static["branches"]
    wanted = [at for at, symbol in enumerate(equation.outputs) if symbol.index in lowering.wanted]
    rooms = []
    for at in wanted:
        symbol = equation.outputs[at]
        room = lowering.array(symbol.shape, symbol.dtype)
        room.layered = True
        rooms.append(room.whole())
    loops = []
    for body, otherwise in ((branches.true, False), (branches.false, True)):
        inner = Lowering(lowering.within)
        inner.count, inner.constants = lowering.count, lowering.constants
        follows = []
        inside = recorded_for(body, [(x.shape, x.dtype) for x in xs])
        for at, (symbol, x) in enumerate(zip(inside.inputs, xs, strict=True)):
            array = inner.array(symbol.shape, symbol.dtype, "input")
            inner.define(symbol, Access(array, 0, symbol.shape, x.strides))
            follows.append(Follow(array, at))
        outputs = inner.within(inner, inside.graph([inside.outputs[at] for at in wanted]), set())
        lowering.count = inner.count
        fitting = all(y.dtype == room.dtype for y, room in zip(outputs, rooms, strict=True))
        if not fitting or any(isinstance(i, Call) for i in inner.instructions):
            return False
        follows += [Follow(y.array, len(xs) + at) for at, y in enumerate(outputs)]
        groups = grouped(Program(inner.instructions, [], {}, list(outputs), {}, []))
        room = lowering.array((0,), "uint8")
        loops.append(
            Loop(equation, groups, outputs, follows, 1, tuple(xs), tuple(rooms), (), room, predicate, otherwise)
        )
    for one in loops:
        lowering.add(one)
    for at, place in zip(wanted, rooms, strict=True):
        lowering.define(equation.outputs[at], place)
    return True


def has_one_predicate(equation: Equation) -> bool:
    """Whether a choice is made by one truth value."""
    spec = spec_of(equation.inputs[0])
    return spec.shape == () and spec.dtype == np.bool_


BRANCHES: dict[str, Callable[[Lowering, Equation], bool]] = {"branch": branch}
