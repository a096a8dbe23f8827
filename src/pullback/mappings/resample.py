"""Resampling along one axis: each element of the result is a fixed weighted sum of a few elements.

Interpolation and borders are of this kind. A rule names the weights and is static: ("linear", n, m, …) takes n
elements to m; what follows depends on the rule. The transpose of such a mapping is one, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core.families import linear
from ..core.samples import Sample, fixed
from ..core.spec import Spec
from .slicing import NO_OPERATOR

__all__: list[str] = []

Rule = tuple[Any, ...]
Scale = float | None


class Table(NamedTuple):
    """Which elements are summed, (terms, length); with which weights, None for 1; and where a term is missing."""

    index: Any
    weights: Any
    missing: tuple[Any, ...]


# ------------------------------------------------------------------------------------------------ rules


def _step(n: int, m: int, scale: Scale) -> float:
    """How far apart the elements of the result lie in the input: 1/scale if a scale is given."""
    return 1 / scale if scale else n / m


def _nearest(n: int, m: int, scale: Scale, halves: int = 0) -> tuple[Any, Any]:
    """Element i is taken from ⌊(i + halves/2) · n/m⌋: exactly, or in single precision for a scale, as in PyTorch."""
    at = 2 * np.arange(m) + halves
    if scale:
        source = np.floor(at.astype(np.float32) / 2 * np.float32(1 / scale)).astype(np.int64)
    else:
        source = at * n // (2 * m)
    return np.minimum(source, n - 1)[None], None


def _source(n: int, m: int, align_corners: bool, scale: Scale) -> Any:
    if align_corners:
        return np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (np.arange(m) + 0.5) * _step(n, m, scale) - 0.5


def _linear(n: int, m: int, align_corners: bool, scale: Scale) -> tuple[Any, Any]:
    source = np.maximum(_source(n, m, align_corners, scale), 0)
    first = np.minimum(np.floor(source).astype(np.int64), n - 1)
    part = np.minimum(source - first, 1)
    return np.stack([first, np.minimum(first + 1, n - 1)]), np.stack([1 - part, part])


def _cubic(n: int, m: int, align_corners: bool, scale: Scale) -> tuple[Any, Any]:
    """Keys' convolution with a = −3/4 (R. Keys, IEEE Trans. ASSP 29, 1981)."""
    a = -0.75
    source = _source(n, m, align_corners, scale)
    first = np.floor(source).astype(np.int64)
    t = source - first

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    index = np.clip(first + np.arange(-1, 3)[:, None], 0, n - 1)
    return index, np.stack([far(t + 1), near(t), near(1 - t), far(2 - t)])


def _reflect(n: int, before: int, after: int) -> tuple[Any, Any]:
    place = np.abs(np.arange(-before, n + after))
    return (n - 1 - np.abs(n - 1 - place))[None], None


RULES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "nearest": lambda n, m, scale: _nearest(n, m, scale),
    "nearest-exact": lambda n, m, scale: _nearest(n, m, scale, 1),
    "linear": _linear,
    "cubic": _cubic,
    "reflect": _reflect,
    "replicate": lambda n, before, after: (np.clip(np.arange(-before, n + after), 0, n - 1)[None], None),
    "circular": lambda n, before, after: ((np.arange(-before, n + after) % n)[None], None),
}


@lru_cache(maxsize=512)
def _table(rule: Rule, transposed: bool) -> Table:
    index, weights = RULES[rule[0]](*rule[1:])
    if not transposed:
        return Table(index, weights, (None,) * len(index))
    # Element j of the transposed sums what element j of the input went to, in order.
    n = rule[1]
    order = np.argsort(index.ravel(), kind="stable")
    counts = np.bincount(index.ravel(), minlength=n)
    terms = max(int(counts.max(initial=0)), 1)
    within = np.arange(terms)[:, None]
    starts = np.cumsum(counts) - counts
    entry = order[np.minimum(starts + within, order.size - 1)] if order.size else np.zeros((terms, n), np.int64)
    missing = within >= counts
    chosen = None if weights is None else np.where(missing, 0.0, weights.ravel()[entry])
    return Table(entry % index.shape[1], chosen, tuple(np.flatnonzero(row) if row.any() else None for row in missing))


def _length(rule: Rule, transposed: bool) -> int:
    return int(_table(rule, transposed).index.shape[1])


# ---------------------------------------------------------------------------------------------- mapping


def _resampled(x: Any, *, axis: int, rule: Rule, transposed: bool) -> Any:
    table = _table(rule, transposed)
    behind = (slice(None),) * (-axis - 1)
    total = None
    for k, missing in enumerate(table.missing):
        term = x.take(table.index[k], axis)
        if table.weights is not None:
            term *= table.weights[k].astype(x.dtype).reshape(-1, *(1,) * len(behind))
        if missing is not None:
            term[(..., missing, *behind)] = 0
        total = term if total is None else np.add(total, term, out=total)
    return total


def _tables(x: Spec, *, axis: int, rule: Rule, transposed: bool) -> list[tuple[int, Any, Any]]:
    table = _table(rule, transposed)
    index = table.index.copy()
    for k, missing in enumerate(table.missing):
        if missing is not None:
            index[k, missing] = -1
    return [(axis + x.ndim, index, table.weights)]


def _resampled_spec(x: Spec, *, axis: int, rule: Rule, transposed: bool) -> Spec:
    at = axis + x.ndim
    return Spec((*x.shape[:at], _length(rule, transposed), *x.shape[at + 1 :]), x.dtype)


def _operations(x: Spec, *, axis: int, rule: Rule, transposed: bool) -> int:
    """A product and a sum for each element that is weighed; a sum where the weights are 1."""
    table = _table(rule, transposed)
    terms = len(table.missing)
    each = 2 * terms if table.weights is not None else terms - 1
    return each * _resampled_spec(x, axis=axis, rule=rule, transposed=transposed).size


_CASES: list[tuple[int, Rule]] = [
    (-1, ("nearest", 3, 7, None)),
    (-2, ("nearest", 5, 3, None)),
    (-1, ("nearest-exact", 4, 6, 1.6)),
    (-2, ("linear", 3, 6, False, None)),
    (-1, ("linear", 4, 7, True, None)),
    (-1, ("cubic", 5, 7, False, 1.5)),
    (-2, ("reflect", 4, 2, 3)),
    (-1, ("replicate", 3, 2, 0)),
    (-1, ("circular", 3, 1, 3)),
]


def _samples(rng: np.random.Generator) -> list[Sample]:
    samples = []
    for axis, rule in _CASES:
        for transposed in (False, True):
            length = _length(rule, False) if transposed else rule[1]
            shape = (2, length) if axis == -1 else (2, length, 3)
            samples.append(Sample((rng.normal(size=shape),), {"axis": axis, "rule": rule, "transposed": transposed}))
    return samples


_resample = linear(
    "resample",
    _resampled,
    _resampled_spec,
    lambda g, x, *, axis, rule, transposed: _resample(g, axis=axis, rule=rule, transposed=not transposed),
    lambda batched, xs, **static: _resample(xs[0], **static),  # the axis is counted from the end
    formula=r"\operatorname{{resample}}({x})",
    words="{x} resampled along an axis: fixed weighted sums of a few of its elements",
    flops=_operations,
    lower="weighted",
    tables=_tables,
    onnx=NO_OPERATOR,
    samples=fixed(_samples),
)
