"""The linear layer's mapping: rows of x times a matrix kept with one row per output, plus a bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import composite, fused
from ..core.mapping import unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, result_dtype, shape_of
from .arithmetic import add
from .einsum import dot
from .linalg import _matmul, matmul
from .reduce import sum
from .shape import _permute_dims, _reshape

__all__ = ["linear"]


def _body(x: Any, weight: Any, *bias: Any) -> Any:
    _check(x, weight, *bias)
    y = matmul(x, _permute_dims(weight, axes=(1, 0)))
    return add(y, bias[0]) if bias else y


def _kernel(x: Any, weight: Any, *bias: Any) -> Any:
    shape = x.shape
    if len(shape) == 2 == weight.ndim and shape[1] == weight.shape[1]:
        y = dot(x, weight.T)
    else:
        _check(x, weight, *bias)
        y = dot(x.reshape(math.prod(shape[:-1]), shape[-1]), weight.T).reshape(*shape[:-1], weight.shape[0])
    if not bias:
        return y
    (b,) = bias
    if b.ndim != 1 or len(b) != len(weight):
        _check(x, weight, b)
    return np.add(y, b, y) if b.dtype is y.dtype else y + b


def _pullback(g: Any, y: Any, x: Any, weight: Any, *bias: Any, needs: Any) -> list[Any]:
    # ∂L/∂x = g W, ∂L/∂W = gᵀ x (in the layout of W, so that an update walks both in order), ∂L/∂b = Σ g
    to_x = _matmul(g, weight) if needs[0] and ndim_of(g) > 1 else matmul(g, weight) if needs[0] else None
    g, x = _as_rows(g), _as_rows(x)
    to_weight = _matmul(_permute_dims(g, axes=(1, 0)), x) if needs[1] else None
    return [to_x, to_weight, *(sum(g, axis=0) if needs[2] else None for _ in bias)]


def _as_rows(x: Any) -> Any:
    shape = shape_of(x)
    return x if len(shape) == 2 else _reshape(x, shape=(math.prod(shape[:-1]), shape[-1]))


def _pullback_kernel(g: Any, y: Any, x: Any, weight: Any, *bias: Any, needs: Any) -> tuple[Any, ...]:
    rows = g
    if g.ndim != 2:
        lead = g.shape[:-1]
        rows, x = g.reshape(math.prod(lead), g.shape[-1]), x.reshape(math.prod(lead), x.shape[-1])
    to_x = dot(rows, weight) if needs[0] else None
    if to_x is not None and rows is not g:
        to_x = to_x.reshape(*lead, weight.shape[1])
    to_weight = dot(rows.T, x) if needs[1] else None
    if not bias:
        return to_x, to_weight
    return to_x, to_weight, np.add.reduce(rows, 0) if needs[2] else None


def _check(x: Any, weight: Any, *bias: Any) -> None:
    have, want = shape_of(x), shape_of(weight)
    if len(want) != 2 or not have or have[-1] != want[1]:
        raise ShapeError(f"linear: expected x (…, in) and weight (out, in), got x {have} and weight {want}")
    if bias and shape_of(bias[0]) != want[:1]:
        raise ShapeError(f"linear: expected bias of shape {want[:1]} for weight {want}, got {shape_of(bias[0])}")


def _spec(x: Spec, weight: Spec, *bias: Spec) -> Spec:
    _check(x, weight, *bias)
    return Spec((*x.shape[:-1], weight.shape[0]), result_dtype(x, weight, *bias))


_linear = composite(
    "linear",
    _body,
    _spec,
    kernel=_kernel,
    pullback=fused(_pullback, _pullback_kernel),
    arguments=("x", "weight", "bias"),
    formula="{x} {weight}^T + {bias}",
    words="{x} times the transposed {weight}, plus {bias}",
    lower=unsupported("linear: lowered through its body"),
    onnx="Gemm",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2))),
            Sample((rng.normal(size=(2, 2, 3)), rng.normal(size=(1, 3)), rng.normal(size=1))),
            Sample((rng.normal(size=3), rng.normal(size=(2, 3)), rng.normal(size=2))),
            Sample((rng.normal(size=(0, 3)), rng.normal(size=(2, 3)), rng.normal(size=2))),
        ]
    ),
)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x Wᵀ + b; x: (…, in), weight: (out, in), bias: (out,) or None, result: (…, out).

    Raises ShapeError when the shapes do not fit together.

    >>> import pullback as pb
    >>> pb.linear(pb.tensor([1.0, 2.0]), pb.tensor([[3.0, 4.0]])).tolist()
    [11.0]
    """
    x = operand(x)
    return _linear(x, weight) if bias is None else _linear(x, weight, bias)
