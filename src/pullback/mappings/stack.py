"""Side by side and apart again: arrays of one shape along a new axis, and an array as all its parts at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.families import irregular
from ..core.joint import jointly_linear
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, result_dtype, shape_of
from .slicing import NO_OPERATOR, repeated

__all__: list[str] = []


def _stacked_spec(*specs: Spec, axis: int) -> Spec:
    shape = specs[0].shape
    return Spec((*shape[:axis], len(specs), *shape[axis:]), result_dtype(*specs))


_stack = jointly_linear(
    "stack",
    lambda *xs, axis: np.stack(xs, axis),
    _stacked_spec,
    lambda g, specs, *, needs, axis: list(_unstack(g, axis=axis)),
    lambda batched, xs, *, axis: _stack(*repeated(batched, xs), axis=axis + 1),
    arguments=("arrays",),
    formula="[{arrays}]",
    words="{arrays} side by side along a new axis",
    lower="stack",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {"axis": 1}),
            Sample((rng.normal(size=(3,)), rng.normal(size=(3,)), rng.normal(size=(3,))), {"axis": 0}),
            Sample((rng.normal(size=()),), {"axis": 0}),
            Sample((rng.normal(size=(0, 2)), rng.normal(size=(0, 2))), {"axis": 2}),
        ]
    ),
)


def _parts(x: Any, *, axis: int) -> tuple[Any, ...]:
    return tuple(np.moveaxis(x, axis, 0))


def _unstack_spec(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    one = Spec((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)
    return (one,) * x.shape[axis]


def _unstack_pullback(gs: Sequence[Any], y: Any, x: Any, *, needs: Any, axis: int) -> tuple[Any]:
    shape = shape_of(x)
    one = Spec((*shape[:axis], *shape[axis + 1 :]), dtype_of(x))
    nothing = space.zeros(one) if any(g is None for g in gs) else None
    return (_stack(*(nothing if g is None else g for g in gs), axis=axis),)


_unstack = irregular(
    "unstack",
    _parts,
    spec=_unstack_spec,
    pullback=_unstack_pullback,
    pushforward=lambda ts, y, x, *, axis: _unstack(ts[0], axis=axis),
    batch=lambda batched, xs, *, axis: _unstack(xs[0], axis=axis + 1),
    uses=NOTHING,
    outputs=0,
    formula=r"{x}_1, \dots, {x}_n",
    words="the parts of {x} along an axis",
    flops=lambda x, *, axis: 0,
    lower="view",
    onnx=NO_OPERATOR,
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3, 2)),), {"axis": 0}),
            Sample((rng.normal(size=(2, 3, 2)),), {"axis": 1}),
            Sample((rng.normal(size=(3,)),), {"axis": 0}),
        ]
    ),
)
