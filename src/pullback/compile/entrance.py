"""The short way into a plan: once calls have come to look alike, what they ask and bring goes through a gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cell import active_store
from ..core.interpret import EVALUATE, current
from ..threads import cores
from ..transforms.reverse import Tape
from ..transforms.trace import Call
from .form import form_of, is_plain
from .runner import Runner, Stopped

if TYPE_CHECKING:
    from .gate import Argument, Guard

__all__ = ["MISSED", "STEADY", "Entrance", "entrance"]

MISSED = object()
"""The answer where a call is not as expected; nothing has been done then."""

STEADY = 3
"""How many calls in a row must have found everything as the last one left it."""

HELD = 50e-6
"""Seconds up to which a plan runs without letting other threads of Python in, which takes longer than it brings."""


Entrance = Callable[[tuple[Any, ...], dict[str, Any]], Any]
"""A function of a call's arguments that answers as the call does, or MISSED."""


def entrance(runner: Runner, given: Sequence[Any], call: Call | None) -> Entrance | None:
    """Return the short way for calls like one that was `given` arrays and numbers, in the form of `call`.

    Without `call` they were all arrays, one after the other. None if there is no short way; else it is good for as
    long as `runner.gate` is the one that it was made with.
    """
    from .gate import gate, supported

    plan = runner.plan
    if not supported() or runner.swapped or not runner.ready():
        return None
    guards: list[Guard] = [(cell, "leaf", leaf, False) for cell, leaf in runner.leaves]
    guards += [(cell, "value", value, False) for cell, value, _ in runner.guards]
    for cell, known, _ in runner.read_only:
        # That the reference still leads to it says that it is the array itself, and no later one in its place.
        guards += [(cell, "value", cell.value, False), (known, "object", cell.value, False)]
    guards += [(cell, "value", array, True) for cell, array, _ in (*runner.in_place, *runner.written)]
    arguments: list[Argument] = [(a.dtype, plan.slots[a], a.shape) for a in plan.inputs]
    outputs = [(place, slot) for place, _, slot in runner.fresh]
    rest = (runner.table, runner.status, arguments, guards, outputs)
    look = gate(0, *rest)
    if look is None:
        return None
    alone = None
    if len(plan.segments) == 1 and plan.segments[0].name and plan.code is not None and runner.seconds < HELD:
        alone = gate(plan.code.address(plan.segments[0].name), *rest)
    runner.gate = look
    places = [(place, new) for place, new, _ in runner.fresh]
    needs_graph, constants = runner.graph.carries_gradient, runner.graph.taken
    give = runner.outputs[0] if runner.single and not runner.constants else runner.results
    lock = runner.lock
    form = None if call is None or is_plain(call) else form_of(call)
    numbers = [(at, x.__class__, arguments[at][0]) for at, x in enumerate(given) if x.__class__ in (int, float)]

    def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if form is not None:
            taken = form(args, kwargs)
            if taken is None:
                return MISSED
            args = tuple(taken)
        elif kwargs:
            return MISSED
        if numbers:
            changed = _with_arrays(args, numbers)
            if changed is None:
                return MISSED
            args = changed
        top = current()
        if top.__class__ is not Tape or top.below is not EVALUATE or (needs_graph and top.recording):
            return MISSED
        if active_store() is not None or constants.outdated:
            return MISSED
        with lock:
            if runner.gate is not look or runner.running or runner.asked != cores():
                return MISSED
            runner.running = True
            try:
                for place, new in places:
                    place.value = None  # what the caller has dropped is free before its successor is taken
                    place.value = new()
                runner.gated = args
                if alone is not None and (runner.threads == 1 or runner.sharing.settled()):
                    went = alone(*args)
                else:
                    alive = runner.alive()  # while other threads of Python may replace them
                    went = look(*args) and _executed(runner)
                    del alive
                if went:
                    return give()
            finally:
                runner.running = False
            runner.lose_arguments()
            return MISSED

    return enter


def _with_arrays(args: tuple[Any, ...], numbers: Sequence[tuple[int, type, np.dtype[Any]]]) -> tuple[Any, ...] | None:
    """Return the arguments with Python's numbers as arrays; None where one is of another kind, or too large."""
    if len(args) <= numbers[-1][0]:
        return None
    found = list(args)
    for at, kind, dtype in numbers:
        if found[at].__class__ is not kind:
            return None
        try:
            found[at] = np.array(found[at], dtype)
        except OverflowError:
            return None
    return tuple(found)


def _executed(runner: Runner) -> bool:
    try:
        runner.execute()
    except Stopped:
        return False
    return True
