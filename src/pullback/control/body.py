"""A recorded piece of a program, such as the body of a loop: a graph that mappings carry as a static parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import space, tree
from ..core.interpret import current, interpreting
from ..core.spec import Spec, default_dtype, spec_of
from ..core.value import Face, Value
from ..transforms.batch import Batch
from ..transforms.graph import Equation, Symbol, as_constants
from ..transforms.tally import flops
from ..transforms.trace import Trace, finish

__all__ = ["Body", "Flags", "assemble", "batch_flags", "batched", "record", "repeated", "settled", "with_axis"]

Flags = tuple[bool, ...]


class Body:
    """A function of arrays, recorded once: it runs on plain arrays, or in whatever context it is called.

    It is compared and hashed by identity. What is derived from it (its batched form, the body of the loop
    that goes back through it) is recorded when it is first needed, and kept.
    """

    def __init__(self, inputs: Sequence[Symbol], equations: Sequence[Equation], outputs: Sequence[Any]) -> None:
        self.inputs = tuple(inputs)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)
        self._derived: dict[Any, Any] = {}
        self._compile()

    def __repr__(self) -> str:
        names = [equation.mapping.name for equation in self.equations]
        shown = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])}, … {len(names)} in all"
        return f"<{shown or 'no mapping'}>"

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        """Apply the mappings in the present context."""
        values: dict[int, Any] = {symbol.index: x for symbol, x in zip(self.inputs, xs, strict=True)}
        for equation in self.equations:
            args = [values[x.index] if x.__class__ is Symbol else x for x in equation.inputs]
            if equation.constant:
                with as_constants():
                    ys = equation.mapping(*args, **equation.static)
            else:
                ys = equation.mapping(*args, **equation.static)
            for symbol, y in zip(equation.outputs, ys if equation.several else (ys,), strict=True):
                values[symbol.index] = y
        return tuple(values[y.index] if y.__class__ is Symbol else y for y in self.outputs)

    def evaluate(self, xs: Sequence[Any]) -> list[Any]:
        """Run on plain arrays."""
        values = self._template.copy()
        values[: len(xs)] = xs
        for evaluate, inputs, static, outputs, several in self._programme:
            y = evaluate(*[values[i] for i in inputs], **static)
            if several:
                for i, part in zip(outputs, y, strict=True):
                    values[i] = part
            else:
                values[outputs[0]] = y
        return [values[i] for i in self._results]

    def flops(self) -> int:
        """Return how many operations one run takes, as far as its mappings say."""
        return sum(flops(equation) or 0 for equation in self.equations)

    def _compile(self) -> None:
        """Give every symbol and every constant a place in one list: the inputs first."""
        places = {symbol.index: i for i, symbol in enumerate(self.inputs)}
        self._template: list[Any] = [None] * len(places)

        def place(x: Any) -> int:
            if x.__class__ is Symbol:
                if x.index not in places:
                    places[x.index] = len(self._template)
                    self._template.append(None)
                return places[x.index]
            self._template.append(x)
            return len(self._template) - 1

        self._programme = [
            (e.mapping.evaluate, tuple(map(place, e.inputs)), e.static, tuple(map(place, e.outputs)), e.several)
            for e in self.equations
        ]
        self._results = tuple(map(place, self.outputs))

    def derive(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make()` returned when it was first asked for under `key`."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def specs(self, specs: Sequence[Spec]) -> tuple[Spec, ...]:
        """Return the specs of the results for inputs of these specs."""

        def make() -> tuple[Spec, ...]:
            return tuple(map(spec_of, record(self, specs).outputs))

        return self.derive(("specs", tuple(specs)), make)


def record(function: Callable[..., Sequence[Any]], specs: Sequence[Spec]) -> Body:
    """Record a function of values with these specs that applies mappings only, and reads no state."""
    level = Trace()
    symbols = [level.symbol(spec) for spec in specs]
    with interpreting(level):
        ys = function(*(Face.new(level, symbol) for symbol in symbols))
        outputs = [settled(y) for y in ys]
    return assemble(level, symbols, [y._payload if isinstance(y, Value) else y for y in outputs])


def assemble(level: Trace, inputs: Sequence[Symbol], outputs: Sequence[Any]) -> Body:
    """Make a body of what `level` has recorded, without the equations that no output needs."""
    level.reads.clear()
    level.writes.clear()
    graph = finish(level, list(inputs), list(outputs), tree.flatten(())[1], carries_gradient=False)
    return Body(inputs, graph.equations, outputs)


def settled(y: Any, dtype: Any = None) -> Any:
    """Return a Python number, recorded or not, as an array of `dtype`, the default dtype if it is a float."""
    spec = y._owner.spec(y) if isinstance(y, Value) else spec_of(y)
    if spec.weak is None:
        return y
    if dtype is None:
        dtype = default_dtype() if spec.weak is float else spec.dtype
    return space.caster()(y, dtype=dtype) if isinstance(y, Value) else np.asarray(y, dtype)[()]


def batched(
    function: Callable[..., Sequence[Any]], flags: Sequence[bool], xs: Sequence[Any], size: int
) -> list[tuple[Any, bool]]:
    """Apply `function` to a batch, where `flags[i]` says whether `xs[i]` has a batch axis 0.

    Returns for each result its array, and whether that has the batch axis.
    """
    level = Batch(current(), size, "same")
    boxes = [Face.new(level, x) if flag else x for x, flag in zip(xs, flags, strict=True)]
    with interpreting(level):
        ys = function(*boxes)
    return [(y._payload, True) if isinstance(y, Value) and y._owner is level else (y, False) for y in ys]


def batch_flags(body: Body, specs: Sequence[Spec], flags: Sequence[bool], size: int) -> Flags:
    """Return which results have a batch axis when the inputs, of these specs, have one where `flags` say so."""

    def make() -> Flags:
        found: list[bool] = []

        def probe(*values: Any) -> list[Any]:
            found.extend(flag for _, flag in batched(body, flags, values, size))
            return []

        record(probe, with_axis(specs, flags, size))
        return tuple(found)

    return body.derive(("flags", tuple(specs), tuple(flags), size), make)


def with_axis(specs: Sequence[Spec], flags: Sequence[bool], size: int) -> list[Spec]:
    """Return the specs with a batch axis 0 where `flags` say so."""
    return [
        Spec((size, *spec.shape), spec.dtype) if flag else spec for spec, flag in zip(specs, flags, strict=True)
    ]


def repeated(y: Any, is_batched: bool, size: int) -> Any:
    """Return `y` with a batch axis 0."""
    return y if is_batched else space.repeat(y, size)
