"""The mutation check: a derivative that is wrong by 1 %, or in sign, must break the contract.

A mutant is a mapping with one facet changed on purpose. The facet is changed on the mapping itself, for
as long as the laws look at it, so that rules which refer to the mapping see the change too.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import families, space
from ..core.families import fused
from ..core.mapping import Mapping, unsupported
from ..core.spec import shape_of
from ..transforms import vjp
from .law import Law, NotApplicable
from .laws_derivative import adjoint, derivative, second
from .laws_kernels import kernels
from .subject import Subject, arrays_of

__all__ = ["Mutant", "MutationResult", "check_mutants", "mutants_of"]

KILLERS = (
    Law("adjoint", "", adjoint),
    Law("derivative", "", derivative),
    Law("second", "", second),
    Law("kernels", "", kernels),
)

Change = Callable[[Any, Any], Any]
"""Given a cotangent (or tangent, or local derivative), and what it belongs to, return the wrong one."""


@dataclass(frozen=True)
class Mutant:
    """One deliberate error: what it is, and the facets that carry it."""

    mapping: Mapping
    says: str
    facets: dict[str, Any]

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Put the wrong facets on the mapping inside the `with` statement."""
        kept = {name: getattr(self.mapping, name) for name in self.facets}
        try:
            for name, facet in self.facets.items():
                setattr(self.mapping, name, facet)
            yield
        finally:
            for name, facet in kept.items():
                setattr(self.mapping, name, facet)


@dataclass(frozen=True)
class MutationResult:
    """How many mutants of a mapping the contract killed, and which it let live."""

    mapping: str
    killed: int
    survivors: tuple[str, ...]
    seconds: float

    @property
    def total(self) -> int:
        """The number of mutants."""
        return self.killed + len(self.survivors)


def check_mutants(subject: Subject) -> MutationResult:
    """Hold every mutant of a mapping to the laws of the derivative; each must break one.

    Where the mapping itself breaks one, the death of a mutant says nothing, and that is the result.
    """
    start = time.perf_counter()
    for law in KILLERS:
        if law.judge(subject).status == "broken":
            why = f"not checked: the mapping itself breaks the law {law.name!r}"
            return MutationResult(subject.mapping.name, 0, (why,), time.perf_counter() - start)
    survivors = []
    killed = 0
    for mutant in mutants_of(subject):
        with mutant.alive():
            dead = any(law.judge(subject).status == "broken" for law in KILLERS)
        if dead:
            killed += 1
        else:
            survivors.append(mutant.says)
    return MutationResult(subject.mapping.name, killed, tuple(survivors), time.perf_counter() - start)


def mutants_of(subject: Subject) -> list[Mutant]:
    """Return the mutants of a mapping: each derivative, each pullback output and each pushforward, 1 % off and negated.

    Of a pullback with a kernel, also the rule alone and the kernel alone.

    A derivative that is 0 everywhere cannot be scaled; it is moved by 0.01.
    """
    mapping = subject.mapping
    try:
        cases = subject.smooth_cases
    except NotApplicable:
        return []
    found: list[Mutant] = []
    counts = {i: case.name(i) for case in cases for i in case.active}
    for i, name in sorted(counts.items()):
        changes = _moved(i) if _is_zero(cases, i) else _scaled(i)
        for how, change_derivative, change_gradient, change_tangent in changes:
            both: dict[str, Any] = {}
            if mapping.derivative is not None and mapping.family == "elementwise":
                both = _with_derivative(mapping, i, change_derivative)
            else:
                if _has(mapping.pullback):
                    both["pullback"] = change_gradient(mapping.pullback)
                if _has(mapping.pushforward):
                    both["pushforward"] = change_tangent(mapping.pushforward)
            if both:
                found.append(Mutant(mapping, f"derivative with respect to {name} {how}", both))
            if _has(mapping.pullback):
                wrong = change_gradient(mapping.pullback)
                found.append(Mutant(mapping, f"pullback to {name} {how}", {"pullback": wrong}))
            if isinstance(mapping.pullback, fused):
                rule, kernel = mapping.pullback.rule, mapping.pullback.kernel
                for where, both_rules in (
                    ("the rule", fused(change_gradient(rule), kernel)),
                    ("the kernel", fused(rule, change_gradient(kernel))),
                ):
                    found.append(Mutant(mapping, f"pullback to {name} {how} in {where}", {"pullback": both_rules}))
            if _has(mapping.pushforward):
                wrong = change_tangent(mapping.pushforward)
                found.append(Mutant(mapping, f"pushforward from {name} {how}", {"pushforward": wrong}))
    return found


def _has(rule: Any) -> bool:
    return rule is not None and rule.__class__ is not unsupported


def _is_zero(cases: Sequence[Any], i: int) -> bool:
    for case in cases:
        if i in case.active and _has(case.mapping.pullback):
            (g,) = arrays_of(vjp(case.function([i]), case.args[i])[1](case.cotangents())[0])
            if g.any():
                return False
    return True


def _scaled(i: int) -> list[tuple[str, Change, Any, Any]]:
    return [
        (
            how,
            functools.partial(_slope_times, factor),
            lambda rule, factor=factor: _pullback_with(rule, i, lambda g, x, _: _scale(g, factor)),
            lambda rule, factor=factor: _pushforward_with(rule, i, factor),
        )
        for how, factor in (("1 % too large", 1.01), ("negated", -1.0))
    ]


def _slope_times(factor: float, slope: Any, y: Any) -> Any:
    return slope * factor if isinstance(slope, int | float) else space.scale(slope, factor)


def _scale(g: Any, factor: float) -> Any:
    return None if g is None else space.scale(g, factor)


def _moved(i: int) -> list[tuple[str, Change, Any, Any]]:
    return [
        (
            "moved from 0 by 0.01",
            lambda slope, y: slope + 0.01 if isinstance(slope, int | float) else space.add(slope, 0.01),
            lambda rule: _pullback_with(rule, i, lambda g, x, y: space.add(g, np.full(shape_of(x), 0.01))),
            lambda rule: _pushforward_moved(rule, i),
        )
    ]


def _with_derivative(mapping: Mapping, i: int, change: Change) -> dict[str, Any]:
    """The facets of an elementwise mapping whose derivative `i` is wrong, derived from it as the family does."""
    assert mapping.derivative is not None
    rules = list(mapping.derivative)
    right = rules[i]
    rules[i] = lambda *xs_and_y, **static: change(right(*xs_and_y, **static), xs_and_y[-1])
    wrong = mapping.replace(derivative=tuple(rules))
    return {
        "derivative": wrong.derivative,
        "pullback": families.scaling_pullback(wrong),
        "pushforward": families.scaling_pushforward(wrong),
    }


def _pullback_with(rule: Any, i: int, change: Callable[[Any, Any, Any], Any]) -> Any:
    def pullback(g: Any, y: Any, *xs: Any, needs: Sequence[bool], **static: Any) -> list[Any]:
        gs = list(rule(g, y, *xs, needs=needs, **static))
        if needs[i]:
            gs[i] = change(gs[i], xs[i], y)
        return gs

    return pullback


def _pushforward_with(rule: Any, i: int, factor: float) -> Any:
    def pushforward(ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
        ts = [_scale(t, factor) if k == i else t for k, t in enumerate(ts)]
        return rule(ts, y, *xs, **static)

    return pushforward


def _pushforward_moved(rule: Any, i: int) -> Any:
    def pushforward(ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
        t = rule(ts, y, *xs, **static)
        if ts[i] is None:
            return t
        wrong = [np.full(shape_of(part), 0.01) for part in (y if isinstance(y, tuple) else (y,))]
        if isinstance(y, tuple):
            old = (None,) * len(y) if t is None else t
            return tuple(space.add(a, b) for a, b in zip(old, wrong, strict=True))
        return space.add(t, wrong[0])

    return pushforward
