"""Laws of the other interpreters: batching equals a loop, a traced graph equals eager execution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.mapping import unsupported
from ..core.spec import dtype_of
from ..transforms import grad, trace, vmap
from .law import NotApplicable, require, require_close, require_same
from .laws_derivative import projected, refused
from .subject import Case, Subject, arrays_of

__all__ = ["traced", "vmap_equals_loop"]

EXAMPLES = 3


def vmap_equals_loop(subject: Subject) -> None:
    """Batched value and gradient equal a loop over the examples: with all inputs batched, and each alone."""
    batch = subject.mapping.batch
    if batch.__class__ is unsupported:
        raise NotApplicable(f"batching is unsupported: {batch.reason}")
    draws = [subject.draw(seed) for seed in range(EXAMPLES)]
    for case in subject.cases:
        alternatives = [_matching(case, samples) for samples in draws]
        arrays = [i for i, x in enumerate(case.args) if hasattr(x, "dtype")]
        choices = [tuple(arrays)] + ([(i,) for i in arrays] if len(arrays) > 1 else [])
        for batched in choices:
            examples = [
                [other[i] if i in batched else x for i, x in enumerate(case.args)] for other in alternatives
            ]
            for axis in (0, -1):
                _value_of_batch(case, examples, batched, axis)
            backs = subject.mapping.differentiable and subject.mapping.pullback.__class__ is not unsupported
            if backs and case.active and case.has_real_output:
                _gradient_of_batch(case, examples, batched)
        if arrays:
            _batch_of_batches(case, alternatives, arrays)


def _matching(case: Case, samples: Sequence[Any]) -> Sequence[Any]:
    """Other arrays for the same case, from another draw; the case's own when that is of another form."""
    if case.index < len(samples):
        other = samples[case.index]
        same = repr(other.static) == repr(case.static) and len(other.args) == len(case.args)
        if same and all(
            np.shape(a) == np.shape(b) and dtype_of(a) == dtype_of(b)
            for a, b in zip(other.args, case.args, strict=True)
        ):
            return tuple(other.args)
    return case.args


def _stacked(examples: Sequence[Sequence[Any]], batched: Sequence[int], axis: int) -> tuple[list[Any], tuple[Any, ...]]:
    args = list(examples[0])
    for i in batched:
        args[i] = np.stack([example[i] for example in examples], axis=axis)
    return args, tuple(axis if i in batched else None for i in range(len(args)))


def _value_of_batch(case: Case, examples: Sequence[Sequence[Any]], batched: Sequence[int], axis: int) -> None:
    args, in_axes = _stacked(examples, batched, axis)
    got = arrays_of(vmap(case.apply, in_axes=in_axes)(*args))
    loop = [case.evaluate(example) for example in examples]
    for k, y in enumerate(got):
        expected = np.stack([ys[k] for ys in loop])
        _require_equal(case, y, expected, f"vmap over ({_names(case, batched)}), in_axes {axis}")


def _gradient_of_batch(case: Case, examples: Sequence[Sequence[Any]], batched: Sequence[int]) -> None:
    args, in_axes = _stacked(examples, batched, 0)
    us = case.cotangents()

    def gradient(*xs: Any) -> Any:
        def of_active(*new: Any) -> Any:
            here = case.with_args(xs)
            return projected(here.function(case.active), us)(*new)

        return grad(of_active, argnums=tuple(range(len(case.active))))(*(xs[i] for i in case.active))

    got = arrays_of(vmap(gradient, in_axes=in_axes)(*args))
    loop = [arrays_of(gradient(*example)) for example in examples]
    for k, i in enumerate(case.active):
        expected = np.stack([gs[k] for gs in loop])
        about = f"vmap over ({_names(case, batched)}) of the gradient of {case.name(i)}"
        _require_equal(case, got[k], expected, about)


def _batch_of_batches(case: Case, alternatives: Sequence[Sequence[Any]], arrays: Sequence[int]) -> None:
    inner, in_axes = _stacked(alternatives[:2], arrays, 0)
    outer = [np.stack([x, x]) if i in arrays else x for i, x in enumerate(inner)]
    twice = vmap(vmap(case.apply, in_axes=in_axes), in_axes=in_axes)
    once = [case.evaluate(example) for example in alternatives[:2]]
    for k, y in enumerate(arrays_of(twice(*outer))):
        expected = np.stack([ys[k] for ys in once])
        _require_equal(case, y, np.stack([expected, expected]), "vmap of vmap")


def _require_equal(case: Case, got: Any, expected: Any, what: str) -> None:
    require(got.dtype == expected.dtype, f"{case}: {what}: the dtype is {got.dtype}, expected {expected.dtype}")
    finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind in "fc" else np.zeros(0)
    require_close(
        got,
        expected,
        f"{case}: {what}",
        rtol=1e-12 * case.coarseness,
        atol=1e-13 * case.coarseness * float(np.max(finite, initial=0.0)),
        names=("gives", "a loop gives"),
    )


def _names(case: Case, numbers: Sequence[int]) -> str:
    return ", ".join(case.name(i) for i in numbers)


def traced(subject: Subject) -> None:
    """A recorded graph gives the same bits as eager execution: the value, and the gradient."""
    for case in subject.cases:
        arrays = tuple(i for i, x in enumerate(case.args) if hasattr(x, "dtype"))
        primals = case.primals(arrays)

        def value(*new: Any, case: Case = case, arrays: Sequence[int] = arrays) -> Any:
            return case.apply(*case.substituted(arrays, new))

        recorded = trace(value)
        for _ in range(2):  # once while recording, once as a replay
            for got, expected in zip(arrays_of(recorded(*primals)), arrays_of(value(*primals)), strict=True):
                require_same(got, expected, f"{case}: traced value")
        backs = subject.mapping.pullback
        if not subject.mapping.differentiable or not case.active or not case.has_real_output:
            continue
        if backs.__class__ is unsupported:
            require(refused(backs), f"{case}: the pullback is unsupported, but it answers")
            continue
        gradient = grad(
            projected(case.function(case.active), case.cotangents()), argnums=tuple(range(len(case.active)))
        )
        smooth = case.primals(case.active)
        for i, got, expected in zip(
            case.active, arrays_of(trace(gradient)(*smooth)), arrays_of(gradient(*smooth)), strict=True
        ):
            require_same(got, expected, f"{case}: traced gradient of {case.name(i)}")
