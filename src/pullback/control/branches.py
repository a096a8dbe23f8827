"""The mapping behind `cond`: two recorded functions of the same arrays, of which one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import space
from ..core.families import irregular
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, spec_of
from ..mappings import exp, multiply, sin, where
from ..transforms.forward import push
from ..transforms.walk import pull
from .body import Body, Flags, batched, record, repeated

__all__ = ["Branches", "branch_mapping"]


@dataclass(frozen=True)
class Branches:
    """What is static of a cond: the function that runs where the predicate holds, and the other."""

    true: Body
    false: Body

    def derive(self, key: Any, make: Callable[[Body], Any]) -> tuple[Any, Any]:
        """Derive the same from both, once."""
        return self.true.derive(key, lambda: make(self.true)), self.false.derive(key, lambda: make(self.false))

    def __repr__(self) -> str:
        return f"{self.true!r} or {self.false!r}"


def _evaluate(predicate: Any, *xs: Any, branches: Branches) -> tuple[Any, ...]:
    return tuple((branches.true if predicate else branches.false).evaluate(xs))


def _spec(predicate: Spec, *specs: Spec, branches: Branches) -> tuple[Spec, ...]:
    return branches.true.specs(specs)


# ---------------------------------------------------------------------------- backward, forward, batched
# The derivative of a choice is the choice of the derivatives: another cond, whose functions return the
# cotangents (or tangents) of everything that either of the two depends on.


def _pullback(
    g: Sequence[Any], y: Any, predicate: Any, *xs: Any, needs: Sequence[Any], branches: Branches
) -> list[Any]:
    specs = tuple(map(spec_of, xs))
    wanted = tuple(spec.dtype.kind == "f" and bool(needed) for spec, needed in zip(specs, needs[1:], strict=True))
    given = tuple(gi is not None for gi in g)
    key = (specs, wanted, given)
    reached = _either(branches.derive(("reached", *key), lambda body: _reached(body, *key)))
    inputs = [*specs, *(spec_of(gi) for gi in g if gi is not None)]

    def back(body: Body) -> Body:
        def step(*values: Any) -> list[Any]:
            gs = _pull(body, values, wanted, given)
            pairs = zip(gs, values, reached, strict=False)
            return [space.zeros(x) if gi is None else gi for gi, x, has in pairs if has]

        return record(step, inputs)

    backs = Branches(*branches.derive(("back", *key, reached), back))
    gs = iter(branch_mapping(predicate, *xs, *(gi for gi in g if gi is not None), branches=backs))
    return [None, *(next(gs) if has else None for has in reached)]


def _pull(body: Body, values: Sequence[Any], wanted: Flags, given: Flags) -> list[Any]:
    cotangents = iter(values[len(wanted) :])
    _, back = pull(lambda *xs: body(*xs), values[: len(wanted)], wanted)
    return back(tuple(next(cotangents) if has else None for has in given))


def _reached(body: Body, specs: Sequence[Spec], wanted: Flags, given: Flags) -> Flags:
    """Which inputs get a cotangent at all."""
    found: list[bool] = []

    def probe(*values: Any) -> list[Any]:
        found.extend(g is not None for g in _pull(body, values, wanted, given))
        return []

    results = [spec for spec, has in zip(body.specs(specs), given, strict=True) if has]
    record(probe, [*specs, *results])
    return tuple(found)


def _pushforward(ts: Sequence[Any], y: Any, predicate: Any, *xs: Any, branches: Branches) -> tuple[Any, ...]:
    specs = tuple(map(spec_of, xs))
    active = tuple(t is not None for t in ts[1:])
    inputs = [*specs, *(spec_of(t) for t in ts if t is not None)]

    def tangents(body: Body, values: Sequence[Any]) -> tuple[Any, list[Any]]:
        rest = iter(values[len(specs) :])
        return push(lambda *new: body(*new), values[: len(specs)], [next(rest) if has else None for has in active])

    def moved(body: Body) -> Flags:
        found: list[bool] = []

        def probe(*values: Any) -> list[Any]:
            found.extend(t is not None for t in tangents(body, values)[1])
            return []

        record(probe, inputs)
        return tuple(found)

    has = _either(branches.derive(("moved", specs, active), moved))

    def along(body: Body) -> Body:
        def step(*values: Any) -> list[Any]:
            results, found = tangents(body, values)
            return [space.zeros(r) if t is None else t for t, r, h in zip(found, results, has, strict=True) if h]

        return record(step, inputs)

    moving = Branches(*branches.derive(("along", specs, active, has), along))
    found = iter(branch_mapping(predicate, *xs, *(t for t in ts if t is not None), branches=moving))
    return tuple(next(found) if h else None for h in has)


def _either(flags: tuple[Flags, Flags]) -> Flags:
    return tuple(a or b for a, b in zip(*flags, strict=True))


def _batch(flags: Sequence[bool], args: Sequence[Any], *, branches: Branches) -> tuple[Any, ...]:
    size = next(spec_of(x).shape[0] for x, flag in zip(args, flags, strict=True) if flag)
    if flags[0]:  # each example chooses for itself: both are computed

        def both(predicate: Any, *xs: Any) -> list[Any]:
            return [where(predicate, a, b) for a, b in zip(branches.true(*xs), branches.false(*xs), strict=True)]

        return tuple(repeated(y, flag, size) for y, flag in batched(both, flags, args, size))
    specs = tuple(map(spec_of, args[1:]))

    def many(body: Body) -> Body:
        def step(*values: Any) -> list[Any]:
            return [repeated(y, flag, size) for y, flag in batched(body, flags[1:], values, size)]

        return record(step, specs)

    return branch_mapping(*args, branches=Branches(*branches.derive(("batch", specs, tuple(flags)), many)))


# ----------------------------------------------------------------------------------------------- samples


def _wave(a: Any, b: Any) -> list[Any]:
    return [multiply(a, sin(b)), multiply(b, b)]


def _growth(a: Any, b: Any) -> list[Any]:
    return [exp(a), multiply(a, b)]


_sample_branches: list[Branches] = []


def _samples(rng: np.random.Generator) -> list[Sample]:
    arrays = rng.normal(size=3), rng.normal(size=3)
    if not _sample_branches:
        specs = [Spec((3,), np.dtype(np.float64))] * 2
        _sample_branches.append(Branches(record(_wave, specs), record(_growth, specs)))
    static = {"branches": _sample_branches[0]}
    return [Sample((np.bool_(True), *arrays), static), Sample((np.bool_(False), *arrays), static)]


branch_mapping = irregular(
    "cond",
    _evaluate,
    spec=_spec,
    pullback=_pullback,
    pushforward=_pushforward,
    batch=_batch,
    arguments=("predicate", "arrays"),
    outputs=0,
    uses=INPUTS,
    formula=r"f({arrays}) \text{{ if }} {predicate} \text{{ else }} g({arrays})",
    words="one recorded function of {arrays} if {predicate} holds, and another if it does not",
    lower="branch",
    onnx=unsupported("ONNX's If takes sub-graphs as attributes; exporting them is not written"),
    flops=lambda *specs, branches: max(branches.true.flops(), branches.false.flops()),
    samples=fixed(_samples),
)
