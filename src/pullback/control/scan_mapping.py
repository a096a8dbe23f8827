"""The mapping behind `scan`: one recorded body, applied once for each entry of its arrays.

Its arrays are the constants of the body, what is carried from step to step, and what is gone through; its
results are the last carry, what the steps give, and with `history` the carry before each step. How it goes
backward, forward and over a batch stands in `scan_backward`, `scan_forward` and `scan_batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core import space
from ..core.families import irregular
from ..core.mapping import BOTH, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, spec_of
from ..core.value import Value
from ..mappings import matmul, multiply, sin, tanh
from ..mappings.slicing import _slice
from ..mappings.stack import _stack
from ..transforms.reverse import Reverse
from .body import Body, Flags, record

__all__ = ["Loop", "apply_scan"]


@dataclass(frozen=True)
class Loop:
    """What is static of a scan: the body, how its inputs divide, the number of steps and the direction.

    With `history` the carry before each step is among the results.
    """

    body: Body
    constants: int
    carries: int
    length: int
    reverse: bool = False
    history: bool = False

    @property
    def whole(self) -> int:
        """How many arrays every step gets as they are; it gets one entry of the others."""
        return self.constants + self.carries

    @property
    def results(self) -> int:
        """The number of results without the history."""
        return len(self.body.outputs)

    def step(self, specs: Sequence[Spec]) -> list[Spec]:
        """The specs of the inputs of one step."""
        return [*specs[: self.whole], *(Spec(spec.shape[1:], spec.dtype) for spec in specs[self.whole :])]

    def moving(self, specs: Sequence[Any]) -> Flags:
        """Which carries take gradients and tangents along."""
        return tuple(spec_of(x).dtype.kind == "f" for x in specs[self.constants : self.whole])

    def with_(self, **changes: Any) -> Loop:
        """The same loop with some of this changed."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        return f"{self.length} × {self.body!r}{', from the end' if self.reverse else ''}"


def apply_scan(
    body: Body,
    constants: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    *,
    length: int,
    reverse: bool = False,
) -> list[Any]:
    """Apply the mapping, and return the last carry and what the steps gave, one after the other."""
    args = (*constants, *carry, *xs)
    history = bool(carry) and any(map(_is_recorded, args))
    loop = Loop(body, len(constants), len(carry), length, reverse, history)
    return list(scan_mapping(*args, loop=loop)[: loop.results])


def _is_recorded(x: Any) -> bool:
    """Whether some tape records what is computed from `x`, so that the carries will be needed again."""
    while isinstance(x, Value):
        if isinstance(x._owner, Reverse) and x._link is not None:
            return True
        x = x._payload
    return False


def _evaluate(*args: Any, loop: Loop) -> tuple[Any, ...]:
    constants, carry, xs = args[: loop.constants], args[loop.constants : loop.whole], args[loop.whole :]
    n, length, evaluate = loop.carries, loop.length, loop.body.evaluate
    tables: list[Any] = []
    before: list[Any] = [np.empty((length, *np.shape(x)), x.dtype) for x in carry] if loop.history else []
    for t in range(length - 1, -1, -1) if loop.reverse else range(length):
        for table, x in zip(before, carry, strict=False):
            table[t] = x
        results = evaluate([*constants, *carry, *[x[t] for x in xs]])
        carry = tuple(results[:n])
        if not tables:
            tables = [np.empty((length, *y.shape), y.dtype) for y in results[n:]]
        for table, y in zip(tables, results[n:], strict=True):
            table[t] = y
    if not length:
        step = loop.body.specs(loop.step([spec_of(x) for x in args]))
        tables = [np.empty((0, *spec.shape), spec.dtype) for spec in step[n:]]
    return (*carry, *tables, *before)


def _unrolled(*args: Any, loop: Loop) -> tuple[Any, ...]:
    """The same, step by step in mappings."""
    constants, carry, xs = args[: loop.constants], args[loop.constants : loop.whole], args[loop.whole :]
    n, steps = loop.carries, range(loop.length)
    given: list[Any] = [None] * loop.length
    before: list[Any] = [None] * loop.length
    for t in reversed(steps) if loop.reverse else steps:
        before[t] = carry
        results = loop.body(*constants, *carry, *(_slice(x, index=(t,)) for x in xs))
        carry, given[t] = tuple(results[:n]), results[n:]
    columns = [*zip(*given, strict=True), *(zip(*before, strict=True) if loop.history else ())]
    return (*carry, *(_stack(*column, axis=0) for column in columns))


def _spec(*specs: Spec, loop: Loop) -> tuple[Spec, ...]:
    step, carry = loop.body.specs(loop.step(specs)), specs[loop.constants : loop.whole]
    stacked = [*step[loop.carries :], *(carry if loop.history else ())]
    last = step[: loop.carries] if loop.length else carry
    return (*last, *(Spec((loop.length, *spec.shape), spec.dtype) for spec in stacked))


# ----------------------------------------------------------------------------------------------- samples


def _recurrent(w: Any, h: Any, x: Any) -> list[Any]:
    after = tanh(space.add(matmul(w, h), x))
    return [after, multiply(after, sin(x))]


def _oscillating(a: Any, u: Any, v: Any, x: Any) -> list[Any]:
    return [multiply(u, sin(v)), space.add(v, multiply(a, x)), multiply(u, v), x]


def _samples(rng: np.random.Generator) -> list[Sample]:
    rnn = (0.5 * rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=(3, 2)))
    loose = (rng.normal(size=()), rng.normal(size=2), rng.normal(size=2), rng.normal(size=(4, 2)))
    recurrent, oscillating = _sample_body(_recurrent, rnn, 2), _sample_body(_oscillating, loose, 3)
    return [
        Sample(rnn, {"loop": Loop(recurrent, 1, 1, 3, False, True)}),
        Sample(rnn, {"loop": Loop(recurrent, 1, 1, 3, True, False)}),
        Sample(loose, {"loop": Loop(oscillating, 1, 2, 4, False, True)}),
    ]


_sample_bodies: dict[Any, Body] = {}


def _sample_body(function: Callable[..., Any], arrays: Sequence[Any], whole: int) -> Body:
    """Record the body of a sample once, so that every draw of the samples has the same one."""
    if function not in _sample_bodies:
        specs = [Spec(x.shape[int(i >= whole) :], x.dtype) for i, x in enumerate(arrays)]
        _sample_bodies[function] = record(function, specs)
    return _sample_bodies[function]


scan_mapping = irregular(
    "scan",
    _evaluate,
    spec=_spec,
    arguments=("arrays",),
    outputs=0,
    uses=BOTH,
    formula=r"(c_T, y_{{1 \ldots T}}), \quad (c_t, y_t) = f(c_{{t-1}}, x_t), \quad (c_0, x_{{1 \ldots T}}) = {arrays}",
    words="what a recorded function gives, applied step by step to {arrays}",
    unrolled=_unrolled,
    # A slice for each entry, and the mappings of the body, where something is done at all.
    unrolled_size=lambda *, loop: loop.length * max(len(loop.body.equations), 1),
    lower="loop",
    onnx=unsupported("ONNX's Scan takes a sub-graph as an attribute; exporting one is not written"),
    flops=lambda *specs, loop: loop.length * loop.body.flops(),
    samples=fixed(_samples),
)
