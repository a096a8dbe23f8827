"""Laws of the derivative: adjoint, derivative, second order, subsets, and what the way back may read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core import space
from ..core.errors import UnsupportedError
from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import unsupported
from ..core.spec import Spec, shape_of, spec_of
from ..transforms import grad, jvp, vjp
from .differences import slope
from .law import NotApplicable, require, require_close
from .subject import Case, Subject, arrays_of

__all__ = ["adjoint", "derivative", "projected", "second", "subsets", "uses"]

Array = np.ndarray[Any, Any]


def adjoint(subject: Subject) -> None:
    """⟨u, Jv⟩ = ⟨Jᵀu, v⟩ to 1e-12, for random u and v."""
    for case in with_both_modes(subject):
        f, xs = case.function(case.active), case.primals(case.active)
        us, vs = case.cotangents(), case.directions(case.active)
        forward = arrays_of(jvp(f, tuple(xs), tuple(vs))[1])
        back = arrays_of(vjp(f, *xs)[1](us))
        left = [u * t for u, t in zip(us, forward, strict=True)]
        right = [g * v for g, v in zip(back, vs, strict=True)]
        scale = sum(float(np.sum(np.abs(p))) for p in left + right)
        require_close(
            sum(float(np.sum(p)) for p in right),
            sum(float(np.sum(p)) for p in left),
            f"{case}: the pullback is not the transpose of the pushforward",
            rtol=0.0,
            atol=1e-12 * case.coarseness * scale,
            names=("⟨Jᵀu, v⟩ is", "⟨u, Jv⟩ is"),
        )


def derivative(subject: Subject) -> None:
    """Pushforward and pullback against extrapolated finite differences, one input at a time, to 1e-6."""
    for case in subject.smooth_cases:
        us = case.cotangents()
        for i in case.active:
            (v,) = case.directions([i], seed=i)
            f, x = case.function([i]), case.args[i]
            numeric, error = _numeric_slope(case, i, v)
            if not numeric.size:
                continue
            about = f"{case}, derivative with respect to {case.name(i)}"
            unsure = ~(error <= 1e-4 * (1 + np.abs(numeric)))
            require(
                not unsure.any(),
                f"{about}: finite differences do not settle at output {np.flatnonzero(unsure).tolist()[:4]}; "
                f"the sample sits on a kink or too near the edge of the domain",
            )
            slack = 1e-9 * case.coarseness + 20 * error
            rtol = 1e-6 if case.coarseness <= 1 else 3e-3
            if subject.mapping.pushforward.__class__ is not unsupported:
                tangent = _flat(arrays_of(jvp(f, (x,), (v,))[1]))
                require_close(
                    tangent, numeric, f"{about}: pushforward", rtol=rtol, atol=slack, names=_AGAINST_DIFFERENCES
                )
            if subject.mapping.pullback.__class__ is not unsupported:
                (g,) = arrays_of(vjp(f, x)[1](us)[0])
                u = _flat([np.asarray(part) for part in us])
                require_close(
                    float(np.sum(g * v)),
                    float(np.sum(u * numeric)),
                    f"{about}: pullback along random directions",
                    rtol=0.0,
                    atol=float(np.sum(np.abs(u) * (rtol * np.abs(numeric) + slack))),
                    names=_AGAINST_DIFFERENCES,
                )


_AGAINST_DIFFERENCES = ("the rule gives", "finite differences give")


def _numeric_slope(case: Case, i: int, v: Array) -> tuple[Array, Array]:
    x = case.args[i]

    def line(t: float) -> Array:
        return _flat(case.real_outputs(case.substituted([i], [np.asarray(x + t * v)[()]])))

    return slope(line, coarseness=case.coarseness)


def second(subject: Subject) -> None:
    """The Hessian in all four pairs of modes, to 1e-10, and against differences of the gradient, to 1e-6."""
    for case in with_both_modes(subject):
        xs = case.primals(case.active)
        if not sum(np.size(x) for x in xs) or case.coarseness > 1:
            continue
        us, vs, ws = case.cotangents(), case.directions(case.active), case.directions(case.active, seed=7)
        numbers = tuple(range(len(xs)))
        value = projected(case.function(case.active), us)
        gradient = grad(value, argnums=numbers)

        def along(*new: Any, value: Any = value, vs: Any = vs) -> Any:
            return jvp(value, new, tuple(vs))[1]

        def gradient_along(*new: Any, gradient: Any = gradient, vs: Any = vs) -> Any:
            return _inner(gradient(*new), vs)

        forward_reverse = _flat(arrays_of(jvp(gradient, tuple(xs), tuple(vs))[1]))
        reverse_forward = _flat(arrays_of(grad(along, argnums=numbers)(*xs)))
        reverse_reverse = _flat(arrays_of(grad(gradient_along, argnums=numbers)(*xs)))
        forward_forward = float(arrays_of(jvp(along, tuple(xs), tuple(ws))[1])[0])
        scale = float(np.max(np.abs(forward_reverse), initial=0.0)) + 1e-3
        for product, modes in ((reverse_forward, "reverse over forward"), (reverse_reverse, "reverse over reverse")):
            require_close(
                product,
                forward_reverse,
                f"{case}: second derivative, {modes}",
                rtol=1e-10,
                atol=1e-10 * scale,
                names=("gives", "forward over reverse gives"),
            )
        w = _flat([np.asarray(part) for part in ws])
        require_close(
            forward_forward,
            float(np.sum(w * forward_reverse)),
            f"{case}: second derivative, forward over forward",
            rtol=0.0,
            atol=1e-10 * (float(np.sum(np.abs(w * forward_reverse))) + scale),
            names=("gives", "forward over reverse gives"),
        )

        def gradient_at(t: float, xs: Any = xs, vs: Any = vs, gradient: Any = gradient) -> Array:
            return _flat(arrays_of(gradient(*(np.asarray(x + t * v)[()] for x, v in zip(xs, vs, strict=True)))))

        numeric, error = slope(gradient_at, halvings=8)
        require_close(
            forward_reverse,
            numeric,
            f"{case}: second derivative",
            rtol=1e-6,
            atol=1e-8 * scale + 20 * np.minimum(error, 1e-4 * scale),
            names=("the rules give", "finite differences of the gradient give"),
        )


def subsets(subject: Subject) -> None:
    """Each input's gradient is the same whichever other inputs are asked for, and tangents add up."""
    several = [case for case in subject.smooth_cases if len(case.active) > 1]
    if not several:
        raise NotApplicable("there is one differentiable input")
    pullback = subject.mapping.pullback
    if pullback.__class__ is unsupported:
        raise NotApplicable(f"the pullback is unsupported: {pullback.reason}")
    for case in several:
        us, vs = case.cotangents(), case.directions(case.active)
        together = dict(zip(case.active, arrays_of(_gradients(case, case.active, us)), strict=True))
        for wanted in case.subsets():
            for i, g in zip(wanted, arrays_of(_gradients(case, wanted, us)), strict=True):
                scale = float(np.max(np.abs(together[i]), initial=0.0))
                asked = ", ".join(case.name(k) for k in wanted)
                require_close(
                    g,
                    together[i],
                    f"{case}: gradient of {case.name(i)} when ({asked}) are asked for",
                    rtol=1e-13,
                    atol=1e-13 * scale,
                    names=("is", "but it is, when all are asked for,"),
                )
        if subject.mapping.pushforward.__class__ is unsupported:
            continue
        whole = arrays_of(jvp(case.function(case.active), tuple(case.primals(case.active)), tuple(vs))[1])
        total = [np.zeros_like(t) for t in whole]
        size = [np.zeros_like(t) for t in whole]
        for i, v in zip(case.active, vs, strict=True):
            for part, (t, bound) in zip(
                arrays_of(jvp(case.function([i]), (case.args[i],), (v,))[1]), zip(total, size, strict=True), strict=True
            ):
                t += part
                bound += np.abs(part)
        for got, expected, bound in zip(whole, total, size, strict=True):
            require_close(
                got,
                expected,
                f"{case}: tangent of all inputs together",
                rtol=0.0,
                atol=1e-12 * bound,
                names=("is", "but the tangents of the single inputs add up to"),
            )


def uses(subject: Subject) -> None:
    """What `uses` does not name is not read: the pullback is the same when it is poisoned, or only a spec."""
    mapping = subject.mapping
    if mapping.pullback is None:
        subject.smooth_cases  # noqa: B018  # raises NotApplicable where nothing is smooth
        require(mapping.body is None or mapping.uses.inputs, "a composite without a pullback needs its inputs")
        raise NotApplicable("the pullback is that of the body")
    if mapping.pullback.__class__ is unsupported:
        raise NotApplicable("the pullback is unsupported")
    if mapping.uses.inputs and mapping.uses.output:
        raise NotApplicable("inputs and output are both used")
    for case in subject.smooth_cases:
        y: Any = tuple(case.outputs) if mapping.outputs is not None else case.outputs[0]
        g: Any = [np.asarray(case.rng(5).standard_normal(part.shape), part.dtype) for part in case.outputs]
        g = tuple(g) if mapping.outputs is not None else g[0]
        expected = _pull_back(case, g, y, case.args)
        for unread in (spec_of, _poisoned):
            new_y = y if mapping.uses.output else tuple(map(unread, y)) if isinstance(y, tuple) else unread(y)
            new_xs = case.args if mapping.uses.inputs else tuple(map(unread, case.args))
            got = _pull_back(case, g, new_y, new_xs)
            for i, (a, b) in enumerate(zip(got, expected, strict=True)):
                how = "given as specs only" if unread is spec_of else "poisoned"
                require_close(
                    a, b, f"{case}: cotangent of {case.name(i)} with what is not used {how}", rtol=1e-14
                )


def _pull_back(case: Case, g: Any, y: Any, xs: Sequence[Any]) -> list[Any]:
    pullback = case.mapping.pullback
    assert pullback is not None
    needs = [i in case.active for i in range(len(xs))]
    with interpreting(EVALUATE):
        gs = pullback(g, y, *xs, needs=needs, **case.static)
        return [
            np.zeros(shape_of(x)) if h is None or not need else np.asarray(space.fit(h, x))
            for h, x, need in zip(gs, case.args, needs, strict=True)
        ]


def _poisoned(x: Any) -> Any:
    spec: Spec = spec_of(x)
    if spec.dtype.kind in "fc":
        return np.full(spec.shape, np.nan, spec.dtype)
    return np.full(spec.shape, spec.dtype.kind == "b" or np.iinfo(spec.dtype).max, spec.dtype)


def with_both_modes(subject: Subject) -> list[Case]:
    """The smooth cases, unless one of the two modes is declared unsupported."""
    cases = subject.smooth_cases
    for facet in ("pullback", "pushforward"):
        rule = getattr(subject.mapping, facet)
        if rule.__class__ is unsupported:
            raise NotApplicable(f"the {facet} is unsupported: {rule.reason}")
    return cases


def projected(f: Callable[..., Any], us: Sequence[Any]) -> Callable[..., Any]:
    """Return ⟨u, f(x)⟩, a function with one number as its value."""
    return lambda *xs: _inner(f(*xs), us)


def _inner(parts: Any, us: Sequence[Any]) -> Any:
    total: Any = None
    for part, u in zip(parts, us, strict=True):
        total = space.add(total, m.sum(m.multiply(part, u)))
    return total


def _gradients(case: Case, wanted: Sequence[int], us: Any) -> Any:
    return vjp(case.function(wanted), *case.primals(wanted))[1](us)


def _flat(parts: Sequence[Array]) -> Array:
    return np.concatenate([np.ravel(part) for part in parts]) if parts else np.zeros(0)


def refused(rule: unsupported, *args: Any, **static: Any) -> bool:
    """Return whether using an unsupported facet raises `UnsupportedError` with its reason."""
    try:
        rule(*args, **static)
    except UnsupportedError as error:
        return bool(rule.reason) and rule.reason in str(error)
    return False
