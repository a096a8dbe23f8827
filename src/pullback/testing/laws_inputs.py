"""Laws of the inputs: every layout in memory, nothing modified, no two gradients in the same memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.mapping import unsupported
from ..core.samples import Sample
from ..tensor import tensor
from ..transforms import jvp, vjp
from ..transforms.backward import numbers_of
from .law import LawBroken, NotApplicable, require, require_close
from .subject import Case, Subject, arrays_of

__all__ = ["inputs", "integers", "memory"]

Array = np.ndarray[Any, Any]


def inputs(subject: Subject) -> None:
    """Strided, reversed, read-only, Fortran-ordered, big-endian, broadcast, 0-d, empty: same result, untouched."""
    for case in [*subject.cases, *_bare(subject)]:
        expected = _result(case, case.args)
        for layout, change in _LAYOUTS.items():
            args = [change(x) if isinstance(x, np.ndarray | np.generic) else x for x in case.args]
            want = expected if layout != "broadcast" else _result(case, [_compact(x) for x in args])
            before = [_bytes(x) for x in args]
            got = _result(case, args)
            require([_bytes(x) for x in args] == before, f"{case}: {layout} inputs are modified")
            for (name, a), (_, b) in zip(got, want, strict=True):
                scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)) if b.dtype.kind in "fc" else 0.0
                require_close(
                    a, b, f"{case}: {name} for {layout} inputs", rtol=1e-12 * case.coarseness, atol=1e-13 * scale
                )


def _bare(subject: Subject) -> Iterator[Case]:
    """Inputs without axes and without elements, for an elementwise mapping whose samples have none."""
    if subject.mapping.family != "elementwise":
        return
    first = subject.cases[0]
    one = [np.asarray(np.ravel(x)[0]) if np.size(x) else np.ones((), x.dtype) for x in first.args]
    yield Case(subject, first.index, Sample(tuple(one), first.static))
    yield Case(subject, first.index, Sample(tuple(np.zeros((0, 3), x.dtype) for x in one), first.static))


def _result(case: Case, args: Sequence[Any]) -> list[tuple[str, Array]]:
    moved = case.with_args(args)
    named = [("value", y) for y in moved.evaluate(args)]
    if case.mapping.differentiable and case.active and case.has_real_output:
        if case.mapping.pullback.__class__ is unsupported:
            return named
        _, back = vjp(moved.function(case.active), *moved.primals(case.active))
        gradients = arrays_of(back(case.cotangents()))
        for i, g in zip(case.active, gradients, strict=True):
            x = args[i]
            want = x.dtype.newbyteorder("=")
            require(g.dtype == want, f"{case}: the gradient of {case.name(i)} has dtype {g.dtype}, the input {want}")
            named.append((f"gradient of {case.name(i)}", g))
    return named


def _strided(x: Any) -> Any:
    wide = np.repeat(np.asarray(x), 2, axis=-1) if np.ndim(x) else np.asarray(x)
    return wide[..., ::2] if np.ndim(x) else wide


def _reversed(x: Any) -> Any:
    return np.ascontiguousarray(x[::-1])[::-1] if np.ndim(x) else x


def _read_only(x: Any) -> Any:
    a = np.array(x)
    a.flags.writeable = False
    return a


def _broadcast(x: Any) -> Any:
    if not np.ndim(x) or not np.size(x) or x.dtype.kind != "f":
        return x
    if x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
        return x  # repeating a row of a square matrix would make it singular
    return np.broadcast_to(x[:1], x.shape)


def _compact(x: Any) -> Any:
    return np.array(x) if isinstance(x, np.ndarray) else x


_LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "strided": _strided,
    "reversed": _reversed,
    "read-only": _read_only,
    "Fortran-ordered": lambda x: np.asarray(x, order="F"),
    "big-endian": lambda x: np.asarray(x).astype(x.dtype.newbyteorder(">")),
    "broadcast": _broadcast,
    "0-d array": lambda x: np.asarray(x),
    "scalar": lambda x: x[()],
}


def _bytes(x: Any) -> bytes:
    return np.asarray(x).tobytes() if hasattr(x, "dtype") else repr(x).encode()


# ---------------------------------------------------------------------------------------------- memory


def memory(subject: Subject) -> None:
    """No gradient shares memory with another, with an input, with the value or with the cotangent."""
    for case in subject.smooth_cases:
        if subject.mapping.pullback.__class__ is unsupported:
            raise NotApplicable("the pullback is unsupported")
        xs = [np.array(x) for x in case.primals(case.active)]
        us = tuple(np.array(u) for u in case.cotangents())
        y, back = vjp(case.function(case.active), *xs)
        for again in ("first", "second"):
            gradients = [numbers_of(g) for g in back(us)]
            taken = {f"input {case.name(i)}": x for i, x in zip(case.active, xs, strict=True)}
            taken |= {f"cotangent {k}": u for k, u in enumerate(us)}
            taken |= {f"value {k}": numbers_of(part) for k, part in enumerate(y)}
            _require_apart(case, gradients, taken, f"vjp ({again} call)")
        _by_backward(case, xs, us)


def _by_backward(case: Case, xs: Sequence[Array], us: Sequence[Array]) -> None:
    leaves = [tensor(x, requires_grad=True) for x in xs]
    outputs = case.function(case.active)(*leaves)
    for y, u in zip(outputs, us, strict=True):
        if getattr(y, "requires_grad", False):
            y.backward(u[()], retain_graph=True)
    taken = {f"leaf {case.name(i)}": numbers_of(x) for i, x in zip(case.active, leaves, strict=True)}
    taken |= {f"cotangent {k}": u for k, u in enumerate(us)}
    taken |= {f"value {k}": numbers_of(part) for k, part in enumerate(outputs)}
    _require_apart(case, [numbers_of(x.grad) for x in leaves if x.grad is not None], taken, "backward")


def _require_apart(case: Case, gradients: Sequence[Array], taken: dict[str, Array], how: str) -> None:
    for k, g in enumerate(gradients):
        for name, other in taken.items():
            if np.shares_memory(g, other):
                raise LawBroken(f"{case}: after {how}, gradient {k} shares memory with {name}")
        for j, other in enumerate(gradients[:k]):
            if np.shares_memory(g, other):
                raise LawBroken(f"{case}: after {how}, gradients {j} and {k} share memory")


# -------------------------------------------------------------------------------------------- integers


def integers(subject: Subject) -> None:
    """Where nothing depends smoothly on the inputs: requires_grad is False, gradient and tangent are zero."""
    mapping = subject.mapping
    if mapping.differentiable:
        raise NotApplicable("the mapping is differentiable")
    seen = False
    for case in subject.cases:
        if not case.active:
            continue
        seen = True
        leaves = [tensor(x, requires_grad=True) for x in case.primals(case.active)]
        y = case.apply(*case.substituted(case.active, leaves))
        for part in y if isinstance(y, tuple) else (y,):
            require(not part.requires_grad, f"{case}: the result says requires_grad=True")
        f = lambda *new, case=case: case.apply(*case.substituted(case.active, new))
        xs = case.primals(case.active)
        value, back = vjp(f, *xs)
        cotangent = tuple(np.ones_like(v) for v in arrays_of(value))
        for g in arrays_of(back(cotangent if isinstance(value, tuple) else cotangent[0])):
            require(not g.any(), f"{case}: the gradient is not zero")
        tangents = jvp(f, tuple(xs), tuple(np.ones_like(x) for x in xs))[1]
        for t in arrays_of(tangents):
            require(not t.any(), f"{case}: the tangent is not zero")
    if not seen:
        raise NotApplicable("no sample has a real floating input")


