"""The short way into a plan: once calls have come to look alike, what they ask and bring goes through a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.interpret import EVALUATE, current
from ..threads import cores
from ..transforms.reverse import Tape
from .gate import Argument, Guard, gate, supported
from .runner import Runner, Stopped

__all__ = ["MISSED", "entrance"]

MISSED = object()
"""The answer where a call is not as expected; nothing has been done then."""

STEADY = 3
"""How many calls in a row must have found everything as the last one left it."""

HELD = 50e-6
"""Seconds up to which a plan runs without letting other threads of Python in, which takes longer than it brings."""


def entrance(runner: Runner) -> Callable[[tuple[Any, ...]], Any] | None:
    """Return a function of the arguments of a call that answers as the call does, or MISSED; None if there is none.

    It is good for as long as `runner.gate` is the one that it was made with.
    """
    plan = runner.plan
    if not supported() or runner.swapped or any(cell.value is not array for cell, array, _ in runner.written):
        return None
    guards: list[Guard] = [(cell, "leaf", leaf, False) for cell, leaf in runner.leaves]
    guards += [(cell, "value", value, False) for cell, value, _ in (*runner.guards, *runner.read_only)]
    guards += [(cell, "value", array, True) for cell, array, _ in (*runner.in_place, *runner.written)]
    arguments: list[Argument] = [(a.dtype, plan.slots[a], a.shape) for a in plan.program.inputs]
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
    needs_graph = runner.graph.carries_gradient
    give = runner.outputs[0] if runner.single and not runner.constants else runner.results
    lock = runner.lock

    def enter(args: tuple[Any, ...]) -> Any:
        top = current()
        if top.__class__ is not Tape or top.below is not EVALUATE or (needs_graph and top.recording):
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
                    went = look(*args) and _executed(runner)
                if went:
                    return give()
            finally:
                runner.running = False
            runner.lose_arguments()
            return MISSED

    return enter


def _executed(runner: Runner) -> bool:
    try:
        runner.execute()
    except Stopped:
        return False
    return True
