"""The families: each fills in, from the little that is declared, every facet that can be derived.

| family      | declared                                        | derived                                      |
| elementwise | evaluate, one derivative per argument           | spec, pullback, pushforward, batch           |
| linear      | evaluate, spec, transpose, batch                | pullback, pushforward                        |
| bilinear    | evaluate, spec, two transposes, batch           | pullback, pushforward                        |
| reduction   | evaluate, derivative                            | spec, axes, pullback, pushforward, batch     |
| composite   | body, an optional kernel                        | everything                                   |
| irregular   | every facet                                     | nothing                                      |

Derivatives are written with mappings, never with NumPy, so that higher orders come for free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from . import interpret, space
from .errors import ShapeError
from .interpret import EVALUATE, interpreting
from .mapping import BOTH, INPUTS, NOTHING, Mapping, Uses, declare
from .spec import Shape, Spec, dtype_of, ndim_of, shape_of, spec_of, stand_in

__all__ = ["bilinear", "composite", "elementwise", "fused", "irregular", "linear", "reduction"]

Rule = Callable[..., Any]


# ---------------------------------------------------------------------------------------- elementwise


def elementwise(
    name: str,
    evaluate: Rule,
    derivative: Rule | Sequence[Rule] | None,
    *,
    arguments: tuple[str, ...] | None = None,
    uses: Uses = BOTH,
    back: Rule | None = None,
    enter: bool = True,
    **facets: Any,
) -> Mapping:
    """Declare a mapping that acts on each element by itself, with broadcasting.

    `derivative` is one function `(*xs, y, **static)` per argument, the local derivative ∂y/∂xᵢ. A Python
    number is a constant derivative. None says that the output does not depend smoothly on the inputs.
    `back` is a kernel of the derived pullback (see `fused`).
    """
    if derivative is not None and not isinstance(derivative, Sequence):
        derivative = (derivative,)
    if arguments is None:
        arguments = ("x",) if derivative is None or len(derivative) == 1 else ("a", "b", "c", "d")[: len(derivative)]
    mapping = Mapping(
        name,
        "elementwise",
        evaluate,
        arguments=arguments,
        uses=uses if derivative is not None else NOTHING,
        derivative=None if derivative is None else tuple(derivative),
        differentiable=derivative is not None,
        **facets,
    )
    mapping.spec = _broadcasting_spec(mapping)
    mapping.batch = _broadcasting_batch(mapping)
    if derivative is not None:
        pullback = scaling_pullback(mapping)
        mapping.pullback = pullback if back is None else fused(pullback, back)
        mapping.pushforward = scaling_pushforward(mapping)
    return declare(mapping) if enter else mapping


def scaling_pullback(mapping: Mapping) -> Rule:
    """Return the pullback g ↦ (g · ∂y/∂xᵢ)ᵢ of an elementwise mapping. One and two arguments are the hot path."""
    assert mapping.derivative is not None
    rules = mapping.derivative
    scale = space.scale
    if len(rules) == 1:
        (rule,) = rules

        def unary(g: Any, y: Any, x: Any, *, needs: Any, **static: Any) -> tuple[Any]:
            return (scale(g, rule(x, y, **static) if static else rule(x, y)),)

        return unary
    if len(rules) == 2:
        to_a, to_b = rules

        def binary(g: Any, y: Any, a: Any, b: Any, *, needs: Sequence[Any], **static: Any) -> tuple[Any, Any]:
            if static:
                return (
                    scale(g, to_a(a, b, y, **static)) if needs[0] else None,
                    scale(g, to_b(a, b, y, **static)) if needs[1] else None,
                )
            return (
                scale(g, to_a(a, b, y)) if needs[0] else None,
                scale(g, to_b(a, b, y)) if needs[1] else None,
            )

        return binary

    def pullback(g: Any, y: Any, *xs: Any, needs: Sequence[Any], **static: Any) -> list[Any]:
        return [
            scale(g, rule(*xs, y, **static)) if needed else None for rule, needed in zip(rules, needs, strict=True)
        ]

    return pullback


def scaling_pushforward(mapping: Mapping) -> Rule:
    """Return the pushforward (tᵢ)ᵢ ↦ Σᵢ tᵢ · ∂y/∂xᵢ of an elementwise mapping."""
    assert mapping.derivative is not None
    rules = mapping.derivative

    def pushforward(ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
        total = None
        for t, rule in zip(ts, rules, strict=True):
            if t is not None:
                total = space.add(total, space.scale(t, rule(*xs, y, **static)))
        return total

    return pushforward


def _broadcasting_spec(mapping: Mapping) -> Rule:
    def spec(*specs: Spec, **static: Any) -> Spec:
        return Spec(broadcast_shapes(mapping, specs), _probe_dtype(mapping, specs, tuple(sorted(static.items()))))

    return spec


def broadcast_shapes(mapping: Mapping, specs: Sequence[Any]) -> Shape:
    """Return the common shape of `specs`; raises ShapeError naming the arguments if there is none."""
    try:
        return np.broadcast_shapes(*(shape_of(s) for s in specs))
    except ValueError:
        shapes = ", ".join(f"{n}: {shape_of(s)}" for n, s in zip(mapping.arguments, specs, strict=False))
        raise ShapeError(f"{mapping.name}: the shapes do not broadcast together ({shapes})") from None


def _probe_dtype(mapping: Mapping, specs: Sequence[Spec], static: tuple[tuple[str, Any], ...]) -> np.dtype[Any]:
    return _probe(mapping, tuple(Spec((), s.dtype, s.weak) for s in specs), static)


@lru_cache(maxsize=4096)
def _probe(mapping: Mapping, specs: Sequence[Spec], static: tuple[tuple[str, Any], ...]) -> np.dtype[Any]:
    # The dtype is asked of evaluate itself, on arrays without elements, so that it cannot differ from it.
    return np.asarray(mapping.evaluate(*(stand_in(s) for s in specs), **dict(static))).dtype


def _broadcasting_batch(mapping: Mapping) -> Rule:
    def batch(batched: Sequence[bool], xs: Sequence[Any], **static: Any) -> Any:
        return mapping(*align(batched, xs), **static)

    return batch


def align(batched: Sequence[bool], xs: Sequence[Any]) -> list[Any]:
    """Insert axes behind the batch axis, so that the remaining axes broadcast as if there were none."""
    rank = max(ndim_of(x) - is_batched for x, is_batched in zip(xs, batched, strict=True))
    aligned = []
    for x, is_batched in zip(xs, batched, strict=True):
        missing = rank - (ndim_of(x) - 1)
        if is_batched and missing:
            shape = shape_of(x)
            x = space.reshape(x, (shape[0],) + (1,) * missing + shape[1:])
        aligned.append(x)
    return aligned


# --------------------------------------------------------------------------------- linear and bilinear


def linear(
    name: str, evaluate: Rule, spec: Rule, transpose: Rule, batch: Rule, *, enter: bool = True, **facets: Any
) -> Mapping:
    """Declare a mapping that is linear in its one array.

    `transpose(g, x, **static)` is the transposed mapping, where `x` is the `Spec` of the input.
    """

    def pullback(g: Any, y: Any, x: Any, *, needs: Any, **static: Any) -> tuple[Any]:
        return (transpose(g, spec_of(x), **static),)

    def pushforward(ts: Sequence[Any], y: Any, x: Any, **static: Any) -> Any:
        return mapping(ts[0], **static)

    mapping = Mapping(
        name,
        "linear",
        evaluate,
        spec=spec,
        pullback=pullback,
        pushforward=pushforward,
        batch=batch,
        uses=NOTHING,
        transpose=(transpose,),
        **facets,
    )
    return declare(mapping) if enter else mapping


def bilinear(
    name: str,
    evaluate: Rule,
    spec: Rule,
    transposes: tuple[Rule, Rule],
    batch: Rule,
    *,
    arguments: tuple[str, str] = ("a", "b"),
    enter: bool = True,
    **facets: Any,
) -> Mapping:
    """Declare a mapping that is linear in each of its two arrays.

    `transposes[0](g, a, b, **static)` transposes a ↦ f(a, b), where `a` is a `Spec`; `transposes[1]`
    transposes b ↦ f(a, b), where `b` is a `Spec`.
    """
    to_a, to_b = transposes

    def pullback(g: Any, y: Any, a: Any, b: Any, *, needs: Sequence[bool], **static: Any) -> tuple[Any, Any]:
        return (
            to_a(g, spec_of(a), b, **static) if needs[0] else None,
            to_b(g, a, spec_of(b), **static) if needs[1] else None,
        )

    def pushforward(ts: Sequence[Any], y: Any, a: Any, b: Any, **static: Any) -> Any:
        along_a = None if ts[0] is None else mapping(ts[0], b, **static)
        along_b = None if ts[1] is None else mapping(a, ts[1], **static)
        return space.add(along_a, along_b)

    mapping = Mapping(
        name,
        "bilinear",
        evaluate,
        spec=spec,
        pullback=pullback,
        pushforward=pushforward,
        batch=batch,
        uses=INPUTS,
        transpose=transposes,
        arguments=arguments,
        **facets,
    )
    return declare(mapping) if enter else mapping


# ------------------------------------------------------------------------------------------ reduction


def reduction(
    name: str,
    evaluate: Rule,
    derivative: Rule | None,
    *,
    uses: Uses = BOTH,
    enter: bool = True,
    **facets: Any,
) -> Mapping:
    """Declare a mapping that folds axes: static `axis` (a tuple of axes, none negative) and `keepdims`.

    `derivative(x, y, axis=…)` is ∂y/∂x, where `y` keeps the folded axes with length 1.
    """

    def spec(x: Spec, *, axis: tuple[int, ...], keepdims: bool, **static: Any) -> Spec:
        shape = reduced_shape(x.shape, axis, keepdims)
        probe = evaluate(stand_in(Spec((), x.dtype), (1,) * x.ndim), axis=axis, keepdims=keepdims, **static)
        return Spec(shape, np.asarray(probe).dtype)

    def batch(batched: Sequence[bool], xs: Sequence[Any], *, axis: tuple[int, ...], **static: Any) -> Any:
        return mapping(xs[0], axis=tuple(a + 1 for a in axis), **static)

    def kept(y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        shape = reduced_shape(shape_of(x), axis, True)
        if y.__class__ is Spec:
            return Spec(shape, y.dtype)
        return y if shape_of(y) == shape else space.reshape(y, shape)

    def pullback(
        g: Any, y: Any, x: Any, *, needs: Any, axis: tuple[int, ...], keepdims: bool, **static: Any
    ) -> tuple[Any]:
        assert derivative is not None
        g = kept(g, x, axis, keepdims)
        slope = derivative(x, kept(y, x, axis, keepdims), axis=axis, **static)
        g = space.scale(g, slope)
        if g is not None and shape_of(g) != shape_of(x):
            g = space.spread(g, Spec(shape_of(x), dtype_of(g)))
        return (g,)

    def pushforward(
        ts: Sequence[Any], y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, **static: Any
    ) -> Any:
        assert derivative is not None
        slope = derivative(x, kept(y, x, axis, keepdims), axis=axis, **static)
        t = space.scale(ts[0], slope)
        return None if t is None else space.fold(t, axis, keepdims)

    mapping = Mapping(
        name,
        "reduction",
        evaluate,
        spec=spec,
        batch=batch,
        pullback=pullback if derivative is not None else None,
        pushforward=pushforward if derivative is not None else None,
        uses=uses if derivative is not None else NOTHING,
        derivative=None if derivative is None else (derivative,),
        differentiable=derivative is not None,
        **facets,
    )
    return declare(mapping) if enter else mapping


def reduced_shape(shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Shape:
    """Return `shape` with the axes in `axis` folded to length 1 (`keepdims`) or left out."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


# ---------------------------------------------------------------------------- composite and irregular


class fused:  # reads as a word in a declaration
    """A pullback with a kernel: on plain arrays it computes the numbers of the rule, bit for bit, in fewer steps.

    Both have the signature of a pullback. Every interpreter above evaluation sees the rule, so that higher
    orders, tracing and explanation follow it; the contract compares the two.
    """

    __slots__ = ("kernel", "rule")

    def __init__(self, rule: Rule, kernel: Rule) -> None:
        self.rule = rule
        self.kernel = kernel

    def __call__(self, g: Any, y: Any, *xs: Any, needs: Any, **static: Any) -> Any:
        plain = interpret._context.get() is EVALUATE
        return (self.kernel if plain else self.rule)(g, y, *xs, needs=needs, **static)


def composite(
    name: str,
    body: Rule,
    spec: Rule,
    *,
    kernel: Rule | None = None,
    arguments: tuple[str, ...] = ("x",),
    uses: Uses = INPUTS,
    enter: bool = True,
    **facets: Any,
) -> Mapping:
    """Declare a mapping whose body is made of mappings.

    Interpreters that find a facet missing run the body. `kernel` is a quicker evaluation of the same
    values. An explicit `pullback` among the facets is a closed form; the contract holds it to the body's.
    """

    def evaluate(*xs: Any, **static: Any) -> Any:
        with interpreting(EVALUATE):
            return body(*xs, **static)

    mapping = Mapping(
        name,
        "composite",
        evaluate if kernel is None else kernel,
        spec=spec,
        body=body,
        arguments=arguments,
        uses=uses,
        **facets,
    )
    return declare(mapping) if enter else mapping


def irregular(name: str, evaluate: Rule, *, enter: bool = True, **facets: Any) -> Mapping:
    """Declare a mapping every facet of which is written out."""
    mapping = Mapping(name, "irregular", evaluate, **facets)
    return declare(mapping) if enter else mapping
