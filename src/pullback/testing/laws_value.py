"""Laws of the value: the oracle, the spec, edge values, and magnitudes far from 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import UnsupportedError
from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import Mapping, unsupported
from ..core.spec import Spec, spec_of
from ..transforms import jvp, vjp
from .law import LawBroken, NotApplicable, require, require_close
from .oracles import oracle_of
from .subject import Case, Subject, arrays_of

__all__ = ["magnitudes", "spec", "special", "value"]

Array = np.ndarray[Any, Any]


def value(subject: Subject) -> None:
    """`evaluate` against an independent oracle (NumPy, SciPy), or against the body of a composite."""
    mapping = subject.mapping
    if mapping.family == "user":
        raise NotApplicable("a user's function is its own definition")
    oracle = oracle_of(mapping.name)
    require(
        oracle is not None or (mapping.body is not None and mapping.family == "composite"),
        f"{mapping.name} has no oracle: add one to pullback/testing/oracles.py",
    )
    for case in subject.cases:
        for expect, whence in ((oracle, "the oracle"), (mapping.body, "the body")):
            if expect is None:
                continue
            with interpreting(EVALUATE):
                expected = arrays_of(expect(*case.args, **case.static))
            require(
                len(expected) == len(case.outputs), f"{case}: {len(case.outputs)} values, {whence} has {len(expected)}"
            )
            for got, want in zip(case.outputs, expected, strict=True):
                require_close(
                    got,
                    want,
                    f"{case}: value",
                    rtol=2e-13 * case.coarseness,
                    atol=1e-14 * case.coarseness * _magnitude(want),
                    names=("is", f"{whence} gives"),
                )


def _magnitude(x: Array) -> float:
    finite = np.abs(x[np.isfinite(x)]) if x.dtype.kind in "fc" else np.zeros(0)
    return float(np.max(finite, initial=0.0))


# ----------------------------------------------------------------------------------------------- spec


def spec(subject: Subject) -> None:
    """The spec rule says the shape and dtype that `evaluate` gives: for floats, integers and weak numbers."""
    mapping = subject.mapping
    if mapping.spec is None:
        require(mapping.body is not None, "there is neither a spec rule nor a body to derive it from")
        raise NotApplicable("the spec is that of the body")
    for case in subject.cases:
        for args in _dtype_variants(case):
            try:
                got = case.evaluate(args)
            except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError):
                if all(a is b for a, b in zip(args, case.args, strict=True)):
                    raise
                continue  # a dtype that evaluate does not take has no spec to compare
            said = mapping.spec(*(spec_of(x) for x in args), **case.static)
            specs: Sequence[Spec] = said if isinstance(said, tuple) else (said,)
            shown = ", ".join(str(spec_of(x)) + (" (weak)" if spec_of(x).weak else "") for x in args)
            about = f"sample {case.index} with ({shown}) and {case.static}"
            require(len(specs) == len(got), f"{about}: the spec names {len(specs)} outputs, evaluate gives {len(got)}")
            for one, y in zip(specs, got, strict=True):
                require(
                    tuple(one.shape) == y.shape and one.dtype == y.dtype,
                    f"{about}: the spec says {one}, evaluate gives {spec_of(y)}",
                )
                require(isinstance(one.shape, tuple), f"{about}: the shape {one.shape!r} is not a tuple")
        _kinds(case)


def _dtype_variants(case: Case) -> list[tuple[Any, ...]]:
    variants: list[tuple[Any, ...]] = [case.args]
    for name in ("float32", "float16"):
        variants.append(tuple(_cast(x, np.dtype(name)) for x in case.args))
    if case.mapping.family == "elementwise":
        for name in ("int64", "int32", "uint8", "bool"):
            variants.append(tuple(_cast(x, np.dtype(name)) for x in case.args))
        for i, x in enumerate(case.args):
            if spec_of(x).dtype.kind == "f":
                single = tuple(_cast(other, np.dtype(np.float32)) for other in case.args)
                number: Any = float(np.ravel(x)[0]) if np.size(x) else 1.0
                if len(case.args) > 1:
                    variants.append((*single[:i], number, *single[i + 1 :]))
                    variants.append((*single[:i], 1, *single[i + 1 :]))
                variants.append((*single[:i], x, *single[i + 1 :]))
    return variants


def _cast(x: Any, dtype: np.dtype[Any]) -> Any:
    return x.astype(dtype) if hasattr(x, "dtype") and x.dtype.kind == "f" else x


def _kinds(case: Case) -> None:
    """A mapping that claims to be differentiable gives real numbers for real numbers, and keeps float32."""
    mapping = case.mapping
    if not mapping.differentiable or not case.active:
        return
    require(case.has_real_output, f"{case}: declared differentiable, but no output is real and floating")
    if "dtype" in case.static or case.coarseness > 1:
        return
    single = [_cast(x, np.dtype(np.float32)) for x in case.args]
    try:
        outputs = case.evaluate(single)
    except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError):
        return
    for y, wide in zip(outputs, case.outputs, strict=True):
        if wide.dtype == np.float64:
            require(y.dtype == np.float32, f"{case}: float32 inputs give {y.dtype}")


# ---------------------------------------------------------------------------------------------- special


def special(subject: Subject) -> None:
    """The tables `special` and `special_slope`, with NaN and infinities; of a value also the sign of zero."""
    mapping = subject.mapping
    if not mapping.special and not mapping.special_slope:
        raise NotApplicable("no edge value is declared")
    static = subject.cases[0].static if mapping.samples is not None else {}
    for key, expected in mapping.special.items():
        for args in _edge_arguments(mapping, key):
            with interpreting(EVALUATE):
                (got, *_) = arrays_of(mapping.evaluate(*args, **static))
            _require_edge(got, expected, f"{mapping.name}({_shown(key)})")
    for key, expected in mapping.special_slope.items():
        for args in _edge_arguments(mapping, key):
            slopes = expected if isinstance(expected, tuple) else (expected,)
            for i, (x, want) in enumerate(zip(args, slopes, strict=True)):
                if want is None or x.dtype.kind != "f":
                    continue
                one = lambda t, i=i, args=args: mapping(*args[:i], t, *args[i + 1 :], **static)
                y, back = vjp(one, x)
                (gradient,) = arrays_of(back(np.ones_like(arrays_of(y)[0])[()])[0])
                about = f"derivative of {mapping.name} with respect to {mapping.arguments[i]} at {_shown(key)}"
                require_close(gradient, np.broadcast_to(want, gradient.shape), f"{about}, pullback", rtol=4e-16)
                if mapping.pushforward.__class__ is not unsupported and mapping.family == "elementwise":
                    (tangent,) = arrays_of(jvp(one, (x,), (np.ones_like(x)[()],))[1])
                    require_close(tangent, np.broadcast_to(want, tangent.shape), f"{about}, pushforward", rtol=4e-16)


def _edge_arguments(mapping: Mapping, key: Any) -> list[tuple[Any, ...]]:
    """The arguments of an edge value: as numbers and, of an elementwise mapping, as arrays long enough for SIMD."""
    values = key if isinstance(key, tuple) and len(mapping.arguments) > 1 else (key,)
    alone = tuple(_edge(x) for x in values)
    if mapping.family != "elementwise":
        return [alone]
    return [alone, tuple(np.full(19, x) for x in alone)]


def _edge(x: Any) -> Any:
    if isinstance(x, str):  # "-0.0": as a key of a dict the number itself would be the same as 0.0
        return np.float64(x)
    a = np.asarray(x)
    return a.astype(np.float64)[()] if isinstance(x, float) or a.dtype.kind == "f" else a[()]


def _shown(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _require_edge(got: Array, expected: Any, what: str) -> None:
    want = np.broadcast_to(np.asarray(expected), got.shape)
    require_close(got, want, what, rtol=4e-16, names=("is", "the table says"))
    if got.dtype.kind == "f" and want.dtype.kind == "f":
        wrong = (got == 0) & (want == 0) & (np.signbit(got) != np.signbit(want))
        require(not wrong.any(), f"{what} is {got.ravel()[0]}, the table says {want.ravel()[0]}")


# ------------------------------------------------------------------------------------------- magnitudes

Gradients = Callable[[Sequence[Any]], tuple[list[Array], list[Array]]]


def magnitudes(subject: Subject) -> None:
    """At 1e±30 in float32: value and gradient are those of float64 wherever these fit into float32.

    And in float64 at 1e±30 and 1e±300: no gradient of an elementwise mapping is NaN where its value is finite and
    remains so nearby.
    """
    cases = [case for case in subject.cases if case.active and case.has_real_output and case.coarseness <= 1]
    if not cases:
        raise NotApplicable("no sample has a real floating input and output")
    for case in cases:
        for power in (30, -30):
            narrow = [_scaled(x, power) if i in case.active else x for i, x in enumerate(case.args)]
            wide = [x.astype(np.float64) if i in case.active else x for i, x in enumerate(narrow)]
            exact = _value_and_gradients(case, wide)
            if exact is None:
                continue
            rough = _value_and_gradients(case, narrow)
            if rough is None:
                raise LawBroken(f"{case}: with inputs times 1e{power} float32 raises an error, float64 does not")
            named = [("value", y, z) for y, z in zip(rough[0], exact[0], strict=True)]
            named += [
                (f"gradient of {case.name(i)}", g, h) for i, g, h in zip(case.active, rough[1], exact[1], strict=True)
            ]
            for what, got, want in named:
                _require_in_range(got, want, f"{case}: {what} with inputs times 1e{power} in float32")
        if case.mapping.family == "elementwise" and case.mapping.differentiable:
            for power in (30, -30, 300, -300):
                _require_slopes(case, power)


def _require_slopes(case: Case, power: int) -> None:
    args = [x * 10.0**power if i in case.active else x for i, x in enumerate(case.args)]
    for i in case.active:
        nearby = [[x * factor if k == i else x for k, x in enumerate(args)] for factor in (1 - 1e-3, 1.0, 1 + 1e-3)]
        try:
            there = [case.evaluate(near)[0] for near in nearby]
        except ValueError:
            return  # outside the domain that the mapping itself guards
        finite = np.isfinite(there).all(axis=0)
        if np.shape(args[i]) != finite.shape:  # broadcast: one gradient belongs to several values
            finite = finite.all()
        (g,) = arrays_of(vjp(case.with_args(args).function([i]), args[i])[1]((np.ones_like(there[1])[()],))[0])
        require(
            not np.any(np.isnan(g) & finite),
            f"{case}: with inputs times 1e{power} the values are finite, the gradient of {case.name(i)} is NaN",
        )


def _scaled(x: Array, power: int) -> Array:
    return np.asarray(x * 10.0**power).astype(np.float32)[()]


def _value_and_gradients(case: Case, args: Sequence[Any]) -> tuple[list[Array], list[Array]] | None:
    moved = case.with_args(args)
    try:
        outputs = [y for y in moved.evaluate(args) if y.dtype.kind == "f"]
        if not case.mapping.differentiable:
            return outputs, [np.zeros(np.shape(args[i])) for i in case.active]
        _, back = vjp(moved.function(case.active), *moved.primals(case.active))
        return outputs, arrays_of(back(tuple(np.ones_like(y)[()] for y in outputs)))
    except (np.linalg.LinAlgError, ValueError, UnsupportedError):
        return None


def _require_in_range(got: Array, want: Array, what: str) -> None:
    limits = np.finfo(np.float32)
    within = np.isfinite(want) & (np.abs(want) < 0.1 * float(limits.max))
    tiny = 1e3 * float(limits.tiny)
    require_close(
        np.where(within, got.astype(np.float64), 0.0),
        np.where(within, want, 0.0),
        what,
        rtol=1e-3,
        atol=tiny,
        names=("is", "float64 gives"),
    )
