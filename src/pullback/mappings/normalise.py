"""Normalising: mean and variance in one mapping, and what is brought to mean 0 and variance 1 with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.families import align, broadcast_shapes, composite, fused, reduced_shape
from ..core.mapping import BOTH, INPUTS, Mapping, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, ndim_of, result_dtype, shape_of, spec_of
from .arithmetic import add, divide, multiply, negative, square, subtract
from .exponential import sqrt
from .reduce import _mean, count_of
from .spread import _var

__all__: list[str] = []

# ---------------------------------------------------------------------------------- mean and variance


def _moments_kernel(x: Any, *, axis: tuple[int, ...]) -> tuple[Any, Any]:
    n = math.prod([x.shape[a] for a in axis])
    mean = np.add.reduce(x, axis=axis, keepdims=True) / n
    apart = x - mean
    if x.dtype.itemsize > 2 and axis == tuple(range(x.ndim - len(axis), x.ndim)) and apart.flags.c_contiguous:
        rows = apart.reshape(*x.shape[: x.ndim - len(axis)], n)  # one row for each variance: squared and added at once
        return mean, np.vecdot(rows, rows).reshape(mean.shape) / n
    np.multiply(apart, apart, out=apart)
    return mean, np.add.reduce(apart, axis=axis, keepdims=True) / n


def _moments_pullback(gs: Any, y: Any, x: Any, *, needs: Any, axis: tuple[int, ...]) -> tuple[Any]:
    # ∂mean/∂x = 1/n, ∂var/∂x = 2 (x − mean)/n: what the mean itself changes in the variance adds up to 0.
    to_mean, to_var = gs
    n = count_of(x, axis)
    gx = None if to_mean is None else divide(to_mean, n)
    if to_var is not None:
        apart = subtract(x, y[0])
        gx = space.add(multiply(apart, multiply(to_var, 2 / n)), gx)
    return (gx if gx is None else space.spread(gx, spec_of(x)),)


def _moments_pushforward(ts: Sequence[Any], y: Any, x: Any, *, axis: tuple[int, ...]) -> tuple[Any, Any]:
    apart = subtract(x, y[0])
    return (
        _mean(ts[0], axis=axis, keepdims=True),
        multiply(_mean(multiply(apart, ts[0]), axis=axis, keepdims=True), 2),
    )


def _moments_spec(x: Spec, *, axis: tuple[int, ...]) -> tuple[Spec, Spec]:
    one = Spec(reduced_shape(x.shape, axis, True), x.dtype)
    return one, one


_moments = composite(
    "moments",
    lambda x, *, axis: (
        _mean(x, axis=axis, keepdims=True),
        _var(x, axis=axis, keepdims=True, correction=0.0),
    ),
    _moments_spec,
    kernel=_moments_kernel,
    uses=BOTH,
    outputs=2,
    pullback=_moments_pullback,
    pushforward=_moments_pushforward,
    batch=lambda batched, xs, *, axis: _moments(xs[0], axis=tuple(a + 1 for a in axis)),
    formula=r"\operatorname{{mean}}({x}), \operatorname{{var}}({x})",
    words="the mean and the variance of {x}",
    lower=unsupported("moments: lowered through its body"),
    onnx=unsupported("moments: exported through its body"),
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"axis": (1,)}),
            Sample((rng.normal(size=(3, 2, 4)),), {"axis": (0, 2)}),
            Sample((rng.normal(size=(4,)),), {"axis": (0,)}),
        ]
    ),
)

# ------------------------------------------------------------------------------------------ normalise


def _standardise_body(x: Any, mean: Any, var: Any, *, eps: float) -> Any:
    return divide(subtract(x, mean), sqrt(add(var, eps)))


def _normalise_body(x: Any, mean: Any, var: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    return add(multiply(_standardise_body(x, mean, var, eps=eps), weight), bias)


def _normalise_kernel(x: Any, mean: Any, var: Any, *affine: Any, eps: float) -> Any:
    y = np.asarray(x - mean)
    rate = 1 / np.sqrt(var + eps)
    if not affine:
        return _into(np.multiply, y, rate)[()]
    weight, bias = affine
    if np.shape(weight) == np.shape(rate):
        y = _into(np.multiply, y, rate * weight)
    else:
        y = _into(np.multiply, _into(np.multiply, y, rate), weight)
    return _into(np.add, y, bias)[()]


def _into(operation: Any, y: Any, other: Any) -> Any:
    """Apply `operation` to `y` and `other`, in the memory of `y` where the result fits into it."""
    fits = np.result_type(y, other) == y.dtype and np.broadcast_shapes(y.shape, np.shape(other)) == y.shape
    return operation(y, other, out=y) if fits else operation(y, other)


def _normalise_pullback(
    g: Any, y: Any, x: Any, mean: Any, var: Any, *affine: Any, needs: Sequence[Any], eps: float
) -> list[Any]:
    # With r = 1/√(var + eps), z = (x − mean) r and h = g·weight:
    # ∂x = h r, ∂mean = −Σ h r, ∂var = −½ r² Σ h z, ∂weight = Σ g z, ∂bias = Σ g.
    rate = divide(1, sqrt(add(var, eps)))
    weight = affine[0] if affine else None
    z = multiply(subtract(x, mean), rate) if needs[2] or (affine and needs[3]) else None
    gz = multiply(g, z) if affine and z is not None else None
    if weight is not None and shape_of(weight) == shape_of(mean) == shape_of(var):
        # One weight per mean, as in a batch normalisation: the sums are taken once, and scaled afterwards.
        total = space.fit(g, mean) if needs[1] or needs[4] else None
        total_z = None if gz is None else space.fit(gz, var)
        scale = multiply(rate, weight)
        return [
            multiply(g, scale) if needs[0] else None,
            negative(multiply(total, scale)) if needs[1] else None,
            multiply(multiply(total_z, scale), multiply(rate, -0.5)) if needs[2] else None,
            total_z if needs[3] else None,
            total if needs[4] else None,
        ]
    # ∂var as −½ r Σ (h r) z: in this order nothing overflows before it is scaled.
    to_x = multiply(g if weight is None else multiply(g, weight), rate) if needs[0] or needs[1] or needs[2] else None
    return [
        to_x,
        negative(space.fit(to_x, mean)) if needs[1] else None,
        multiply(space.fit(multiply(to_x, z), var), multiply(rate, -0.5)) if needs[2] else None,
        *((gz, g) if affine else ()),
    ]


def _normalise_back(
    g: Any, y: Any, x: Any, mean: Any, var: Any, *affine: Any, needs: Sequence[Any], eps: float
) -> Sequence[Any]:
    """The numbers of the rule, in fewer arrays, where one weight belongs to each feature; else the rule itself."""
    full = (x.shape, x.dtype)
    alike = (g.shape, g.dtype) == full and mean.dtype == var.dtype == x.dtype and mean.shape == var.shape
    if not (alike and x.ndim and all(needs)) or (affine and not _by_feature(affine[0], mean, x)):
        return _normalise_pullback(g, y, x, mean, var, *affine, needs=needs, eps=eps)
    rate = 1 / np.sqrt(var + eps)
    z = x - mean
    z *= rate
    gz = g * z if affine else None
    to_x = g * affine[0] if affine else g * rate
    if affine:
        to_x *= rate
    z *= to_x
    to_mean, to_var = -space.fit(to_x, mean), space.fit(z, var) * (rate * -0.5)
    return [to_x, to_mean, to_var, *((gz, g) if affine else ())]


def _by_feature(weight: Any, mean: Any, x: Any) -> bool:
    return weight.dtype == x.dtype and weight.shape != mean.shape


def _normalise_pushforward(ts: Sequence[Any], y: Any, x: Any, mean: Any, var: Any, *affine: Any, eps: float) -> Any:
    rate = divide(1, sqrt(add(var, eps)))
    z = multiply(subtract(x, mean), rate)
    t = None if ts[0] is None else multiply(ts[0], rate)
    if ts[1] is not None:
        t = space.add(t, negative(multiply(ts[1], rate)))
    if ts[2] is not None:
        t = space.add(t, multiply(multiply(z, multiply(ts[2], rate)), multiply(rate, -0.5)))
    if not affine:
        return t
    t = None if t is None else multiply(t, affine[0])
    return space.add(t if ts[3] is None else space.add(t, multiply(z, ts[3])), ts[4])


def _normalised_spec(mapping: Mapping, specs: Sequence[Spec]) -> Spec:
    return Spec(broadcast_shapes(mapping, specs), result_dtype(*specs))


def _scaled(rng: np.random.Generator, shape: Shape, folded: tuple[int, ...], affine: tuple[Shape, ...]) -> Sample:
    kept = reduced_shape(shape, folded, True)
    return Sample(
        (
            rng.normal(size=shape),
            rng.normal(size=kept),
            rng.uniform(0.5, 2, kept),
            *(rng.normal(size=s) for s in affine),
        ),
        {"eps": 1e-3},
    )


_standardise = composite(
    "standardise",
    _standardise_body,
    lambda *specs, eps: _normalised_spec(_standardise, specs),
    kernel=_normalise_kernel,
    uses=INPUTS,
    pullback=fused(_normalise_pullback, _normalise_back),
    pushforward=_normalise_pushforward,
    batch=lambda batched, xs, *, eps: _standardise(*align(batched, xs), eps=eps),
    arguments=("x", "mean", "var"),
    formula=r"\frac{{{x} - {mean}}}{{\sqrt{{{var} + \varepsilon}}}}",
    words="{x} less {mean}, divided by the square root of {var}",
    lower=unsupported("standardise: lowered through its body"),
    onnx=unsupported("standardise: exported through its body"),
    samples=fixed(
        lambda rng: [
            _scaled(rng, (2, 3, 2), (1, 2), ()),
            _scaled(rng, (2, 3), (1,), ()),
            _scaled(rng, (), (), ()),
            _scaled(rng, (0, 3), (), ()),
        ]
    ),
)

_normalise = composite(
    "normalise",
    _normalise_body,
    lambda *specs, eps: _normalised_spec(_normalise, specs),
    kernel=_normalise_kernel,
    uses=INPUTS,
    pullback=fused(_normalise_pullback, _normalise_back),
    pushforward=_normalise_pushforward,
    batch=lambda batched, xs, *, eps: _normalise(*align(batched, xs), eps=eps),
    arguments=("x", "mean", "var", "weight", "bias"),
    formula=r"\frac{{{x} - {mean}}}{{\sqrt{{{var} + \varepsilon}}}} \cdot {weight} + {bias}",
    words="{x} less {mean}, divided by the square root of {var}, times {weight}, plus {bias}",
    lower=unsupported("normalise: lowered through its body"),
    onnx=unsupported("normalise: exported through its body"),
    samples=fixed(
        lambda rng: [
            _scaled(rng, (4, 3), (0,), ((1, 3), (1, 3))),  # over the batch: one weight per mean
            _scaled(rng, (4, 3), (1,), ((3,), (3,))),  # over the features: a weight for each
            _scaled(rng, (2, 3, 2), (1, 2), ((1, 3, 1), (1, 3, 1))),
            _scaled(rng, (), (), ((), ())),
            _scaled(rng, (0, 3), (), ((1, 3), (1, 3))),
        ]
    ),
)

# --------------------------------------------------------------------------------------- root mean square


def _root_mean_square(x: Any, axis: tuple[int, ...], eps: float) -> Any:
    return sqrt(add(_mean(square(x), axis=axis, keepdims=True), eps))


def _rms_body(x: Any, weight: Any, *, axis: tuple[int, ...], eps: float) -> Any:
    return multiply(divide(x, _root_mean_square(x, _from_the_front(axis, x), eps)), weight)


def _from_the_front(axis: tuple[int, ...], x: Any) -> tuple[int, ...]:
    return tuple(a + ndim_of(x) for a in axis)


def _rms_kernel(x: Any, weight: Any, *, axis: tuple[int, ...], eps: float) -> Any:
    n = math.prod([x.shape[a] for a in axis])
    y = x * (1 / np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=True) / n + x.dtype.type(eps)))
    return _into(np.multiply, y, weight)


def _rms_pullback(
    g: Any, y: Any, x: Any, weight: Any, *, needs: Sequence[Any], axis: tuple[int, ...], eps: float
) -> tuple[Any, Any]:
    # With r = 1/√(mean x² + eps), z = x r and h = g·weight: ∂x = r (h − z mean(h z)), ∂weight = Σ g z.
    axes = _from_the_front(axis, x)
    rate = divide(1, _root_mean_square(x, axes, eps))
    z = multiply(x, rate)
    to_x = None
    if needs[0]:
        h = multiply(g, weight)
        along = _mean(multiply(h, z), axis=axes, keepdims=True)
        to_x = multiply(subtract(h, multiply(z, along)), rate)
    return to_x, multiply(g, z) if needs[1] else None


def _rms_pushforward(ts: Sequence[Any], y: Any, x: Any, weight: Any, *, axis: tuple[int, ...], eps: float) -> Any:
    axes = _from_the_front(axis, x)
    rate = divide(1, _root_mean_square(x, axes, eps))
    z = multiply(x, rate)
    t = None
    if ts[0] is not None:
        t = multiply(ts[0], rate)
        t = subtract(t, multiply(z, _mean(multiply(z, t), axis=axes, keepdims=True)))
        t = multiply(t, weight)
    return t if ts[1] is None else space.add(t, multiply(z, ts[1]))


def _rms_batch(batched: Sequence[bool], xs: Sequence[Any], *, axis: tuple[int, ...], eps: float) -> Any:
    if not batched[0]:
        xs, batched = (space.repeat(xs[0], shape_of(xs[1])[0]), xs[1]), (True, True)
    return _rms_norm(*align(batched, xs), axis=axis, eps=eps)


_rms_norm = composite(
    "rms_norm",
    _rms_body,
    lambda x, weight, *, axis, eps: Spec(x.shape, result_dtype(x, weight)),
    kernel=_rms_kernel,
    uses=INPUTS,
    pullback=_rms_pullback,
    pushforward=_rms_pushforward,
    batch=_rms_batch,
    arguments=("x", "weight"),
    formula=r"\frac{{{x}}}{{\sqrt{{\operatorname{{mean}}({x}^2) + \varepsilon}}}} \cdot {weight}",
    words="{x} divided by its root mean square, times {weight}",
    lower=unsupported("rms_norm: lowered through its body"),
    onnx=unsupported("rms_norm: exported through its body"),
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)), rng.normal(size=3)), {"axis": (-1,), "eps": 1e-3}),
            Sample((rng.normal(size=(2, 3, 2)), rng.normal(size=(3, 2))), {"axis": (-2, -1), "eps": 1e-3}),
            Sample((rng.normal(size=(4,)), np.asarray(rng.normal())), {"axis": (-1,), "eps": 1e-3}),
            Sample((rng.normal(size=(0, 3)), rng.normal(size=3)), {"axis": (-1,), "eps": 1e-3}),
        ]
    ),
)
