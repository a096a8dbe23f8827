"""The law of the compiler: what runs as native code is what `evaluate` and the rules give, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import UnsupportedError
from ..core.interpret import EVALUATE, interpreting
from ..core.spec import spec_of
from ..transforms import vjp
from .law import LawBroken, require, require_close
from .laws_value import _edge_arguments, _shown
from .subject import Case, Subject, arrays_of

__all__ = ["ULPS", "compiled"]

Array = np.ndarray[Any, Any]

ULPS = 16
"""How far compiled and eager may be apart, in units of the dtype's precision.

Of an elementwise mapping each element by itself; of any other, and of gradients, relative to the largest element,
because sums are made in another order. The functions in one register keep 4 units each, and a body joins several.
"""

SUBTRACTING = {
    "gelu_tanh": "1 + tanh(…) loses digits where tanh is near -1, in eager execution too",
    "tanhshrink": "x - tanh(x) loses digits where x is small, in eager execution too",
}
"""Elementwise mappings that end in a difference: the bound is relative to their argument, of slopes too."""


@dataclass
class _Part:
    """One thing that the plan computes: from which of its arguments, what it should be, how it is spoken of."""

    run: Callable[..., Any]
    args: Sequence[Any]
    expected: Sequence[Array]
    about: str
    closely: bool = False
    """Whether each element is held to the bound by itself."""
    slack: float = 0.0
    """The size that the bound is relative to where it is more than that of the element."""
    where: slice = field(default_factory=lambda: slice(0))


def compiled(subject: Subject) -> None:
    """Compiled it gives the values and gradients of eager execution: all samples and edge values, in both dtypes."""
    from ..compile.compiled import compile  # here, so that the other laws do without the compiler

    parts = [part for case in subject.cases for part in _parts(case)] + _edges(subject)
    arguments: list[Any] = []
    for part in parts:
        part.where = slice(len(arguments), len(arguments) + len(part.args))
        arguments += part.args
    before = [np.array(x) for x in arguments]
    # One plan for everything: a plan for each sample would take most of a minute for the whole catalogue.
    step = compile(lambda *xs: [part.run(*xs[part.where]) for part in parts])
    results = step(*arguments)
    for part, result in zip(parts, results, strict=True):
        for x, kept in zip(arguments[part.where], before[part.where], strict=True):
            require(np.array_equal(x, kept, equal_nan=kept.dtype.kind in "fc"), f"{part.about}: changed an input")
        _compare(part, arrays_of(result))


def _parts(case: Case) -> list[_Part]:
    found = []
    for dtype in (np.float64, np.float32):
        if dtype == np.float32 and not case.active:
            break
        args = [np.asarray(x).astype(dtype)[()] if i in case.active else x for i, x in enumerate(case.args)]
        same = case.with_args(args)
        about = f"sample {case.index} ({', '.join(str(spec_of(x)) for x in args)}, {case.static})"
        try:
            expected = same.outputs
        except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError):
            if dtype == np.float64:
                raise
            break  # a dtype that evaluate does not take
        closely = case.mapping.family == "elementwise"
        slack = float(np.max(np.abs(args[0]), initial=0.0)) if case.mapping.name in SUBTRACTING else 0.0
        found.append(_Part(same.apply, args, expected, f"{about}: value", closely, slack))
        if case.mapping.differentiable and same.active and same.has_real_output:
            gradient = _gradient(same)
            inputs = [*args, *same.cotangents()]
            try:
                slopes = arrays_of(gradient(*inputs))
            except UnsupportedError:
                continue
            found.append(_Part(gradient, inputs, slopes, f"{about}: gradient", slack=slack))
    return found


def _gradient(case: Case) -> Callable[..., Any]:
    count = len(case.args)

    def gradient(*xs: Any) -> Any:
        args, cotangents = xs[:count], xs[count:]
        here = case.with_args(args)

        def of_active(*new: Any) -> tuple[Any, ...]:
            y = here.apply(*here.substituted(case.active, new))
            outputs = y if isinstance(y, tuple) else (y,)
            return tuple(
                part for part, plain in zip(outputs, case.outputs, strict=True) if plain.dtype.kind == "f"
            )

        _, back = vjp(of_active, *(args[i] for i in case.active))
        return tuple(back(tuple(cotangents)))

    return gradient


def _edges(subject: Subject) -> list[_Part]:
    """The edge values of the table, as eager execution gives them: that these are right is the law `special`."""
    mapping = subject.mapping
    static = subject.cases[0].static
    found = []
    for key in mapping.special:
        for args in _edge_arguments(mapping, key):
            with interpreting(EVALUATE):
                expected = arrays_of(mapping.evaluate(*args, **static))
            run = lambda *xs: mapping(*xs, **static)
            found.append(_Part(run, args, expected, f"{mapping.name}({_shown(key)})", True))
    return found


def _compare(part: _Part, got: Sequence[Array]) -> None:
    require(len(got) == len(part.expected), f"{part.about}: compiled gives {len(got)} arrays, not {len(part.expected)}")
    for y, want in zip(got, part.expected, strict=True):
        if y.dtype != want.dtype:
            raise LawBroken(f"{part.about}: compiled it has the dtype {y.dtype}, eager {want.dtype}")
        bound = ULPS * float(np.finfo(want.dtype).eps) if want.dtype.kind in "fc" else 0.0
        size = np.abs(want[np.isfinite(want)]) if bound and not part.closely else np.zeros(0)
        slack = max(part.slack, float(np.max(size, initial=0.0)))
        require_close(
            y,
            want,
            part.about,
            rtol=bound,
            atol=bound * slack,
            names=("compiled gives", "eager"),
        )
        if part.closely and want.dtype.kind == "f":
            wrong = (y == 0) & (want == 0) & (np.signbit(y) != np.signbit(want))
            require(not wrong.any(), f"{part.about}: a zero has the wrong sign")
