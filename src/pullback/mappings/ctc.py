"""Connectionist temporal classification: all ways in which a row of scores may spell a target, added up.

After Graves et al., Connectionist Temporal Classification (ICML 2006). A path names one class, or the blank, at
each time; it spells what is left when repetitions are merged and blanks left out. With a blank before, between
and behind the labels of the target, a path that spells it stays, moves on by one, or skips a blank between two
different labels. Everything is kept in logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.families import composite, irregular
from ..core.mapping import INPUTS, NOTHING, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, ndim_of, shape_of
from .along import _put_along, _take_along
from .arithmetic import add, multiply, negative
from .compare import equal, less, logical_and, logical_or, not_equal
from .dtype import astype
from .join import concat, stack
from .logsumexp import _logsumexp, _share
from .select import where
from .shape import broadcast_to, expand_dims
from .slicing import FULL, _slice, repeated

__all__: list[str] = []

inf = float("inf")

# ------------------------------------------------------------------------------------------- alignment


def _spread_out(
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int,
    classes: int,
    steps: int,
    zero_infinity: bool,
) -> Any:
    """Return blank, label, blank, label, …, blank for each target, after checking lengths and labels."""
    targets, input_lengths, target_lengths = (np.asarray(x) for x in (targets, input_lengths, target_lengths))
    used = np.arange(targets.shape[-1]) < target_lengths[..., None]
    for name, lengths, least, most in (
        ("input_lengths", input_lengths, 1, steps),
        ("target_lengths", target_lengths, 0, targets.shape[-1]),
    ):
        wrong = (lengths < least) | (lengths > most)
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            raise ValueError(f"ctc_loss: expected {name} in {least}, …, {most}, got {lengths[place]} at index {place}")
    wrong = used & ((targets < 0) | (targets >= classes) | (targets == blank))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise IndexError(
            f"ctc_loss: the label {targets[place]} at index {place} of targets is not one of the classes "
            f"0, …, {classes - 1} without the blank {blank}"
        )
    repeated_labels = used[..., 1:] & (targets[..., 1:] == targets[..., :-1])
    needed = target_lengths + repeated_labels.sum(axis=-1)
    if not zero_infinity and (needed > input_lengths).any():
        place = tuple(np.argwhere(needed > input_lengths)[0].tolist())
        raise ValueError(
            f"ctc_loss: the target at index {place} needs {needed[place]} times (its {target_lengths[place]} labels, "
            f"and a blank between equal neighbours), but its input has {input_lengths[place]}.\n"
            f"  Leave it out, give a longer input, or let it count for nothing with zero_infinity=True."
        )
    labels = np.full((*targets.shape[:-1], 2 * targets.shape[-1] + 1), blank, np.int64)
    labels[..., 1::2] = np.where(used, targets, blank)
    return labels


def _alignments(rng: np.random.Generator) -> list[Sample]:
    static = {"blank": 0, "classes": 4, "steps": 6, "zero_infinity": False}
    return [
        Sample((np.array([[1, 2, 2], [3, 1, 0]]), np.array([6, 4]), np.array([3, 2])), static),
        Sample((np.array([3, 1]), np.int64(5), np.int64(1)), static),
    ]


_ctc_alignment = irregular(
    "ctc_alignment",
    _spread_out,
    spec=lambda targets, *lengths, **static: Spec((*targets.shape[:-1], 2 * targets.shape[-1] + 1), np.dtype(np.int64)),
    batch=lambda batched, xs, **static: _ctc_alignment(*repeated(batched, xs), **static),
    arguments=("targets", "input_lengths", "target_lengths"),
    uses=NOTHING,
    differentiable=False,
    formula="{targets}",
    words="{targets} with blanks between, checked against {input_lengths} and {target_lengths}",
    lower=unsupported("ctc_alignment: the check needs the numbers, so it runs as it is"),
    onnx=unsupported("ctc_alignment: losses are not exported"),
    samples=fixed(_alignments),
)

# ---------------------------------------------------------------------------------- the sum over paths


def _at(x: Any, t: int) -> Any:
    """x at time t; time is the axis before the last."""
    return _slice(x, index=(FULL,) * (ndim_of(x) - 2) + (t,))


def _part(x: Any, start: int | None, stop: int | None) -> Any:
    return _slice(x, index=(FULL,) * (ndim_of(x) - 1) + ((start, stop, None),))


def _emissions(log_probs: Any, labels: Any) -> tuple[Any, Any]:
    """The scores of the labels at each time, and the labels repeated for each time."""
    steps = shape_of(log_probs)[-2]
    at_each = broadcast_to(expand_dims(labels, -2), (*shape_of(labels)[:-1], steps, shape_of(labels)[-1]))
    return _take_along(log_probs, at_each, axis=-1), at_each


def _later(x: Any, by: int, filled: Any) -> Any:
    """x moved `by` places towards the end of the target."""
    return _part(concat([*[filled] * by, x], axis=-1), None, shape_of(x)[-1])


def _earlier(x: Any, by: int, filled: Any) -> Any:
    return _part(concat([x, *[filled] * by], axis=-1), by, None)


def _any_of(*ways: Any) -> Any:
    return _logsumexp(stack(ways, axis=-1), axis=(ndim_of(ways[0]),), keepdims=False)


def _shape_of_paths(log_probs: Any, labels: Any, target_lengths: Any) -> tuple[Any, Any, Any, Any]:
    """Where a path may skip a blank, begin and end; and a column of −inf."""
    count = shape_of(labels)[-1]
    places = np.arange(count)
    nothing = np.full((*shape_of(labels)[:-1], 1), -inf, dtype_of(log_probs))
    before = _part(concat([labels, labels], axis=-1), count - 2, 2 * count - 2) if count > 2 else labels
    skips = logical_and(np.logical_and(places % 2 == 1, places >= 3), not_equal(labels, before))
    last = multiply(expand_dims(target_lengths, -1), 2)
    ends = logical_or(equal(last, places), equal(add(last, -1), places))
    return skips, places <= 1, ends, nothing


def _forward(emissions: Any, skips: Any, begins: Any, nothing: Any, input_lengths: Any) -> list[Any]:
    """For each time, the logarithm of the sum over all paths to each label; kept after the input's end."""
    alphas = [where(begins, _at(emissions, 0), -inf)]
    for t in range(1, shape_of(emissions)[-2]):
        old = alphas[-1]
        skipped = where(skips, _later(old, 2, nothing), -inf)
        new = add(_any_of(old, _later(old, 1, nothing), skipped), _at(emissions, t))
        alphas.append(where(less(t, expand_dims(input_lengths, -1)), new, old))
    return alphas


def _backward(emissions: Any, skips: Any, ends: Any, nothing: Any, input_lengths: Any) -> list[Any]:
    """For each time, the logarithm of the sum over all ways from each label to the end."""
    finished = where(ends, np.zeros((), dtype_of(emissions)), -inf)
    betas = [finished]
    for t in range(shape_of(emissions)[-2] - 2, -1, -1):
        ahead = add(betas[-1], _at(emissions, t + 1))
        skipped = _earlier(where(skips, ahead, -inf), 2, nothing)
        new = _any_of(ahead, _earlier(ahead, 1, nothing), skipped)
        betas.append(where(less(t, add(expand_dims(input_lengths, -1), -1)), new, finished))
    return betas[::-1]


def _body(log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any) -> Any:
    emissions, _ = _emissions(log_probs, labels)
    skips, begins, ends, nothing = _shape_of_paths(log_probs, labels, target_lengths)
    paths = _forward(emissions, skips, begins, nothing, input_lengths)[-1]
    return negative(_logsumexp(where(ends, paths, -inf), axis=(ndim_of(paths) - 1,), keepdims=False))


def _occupancy_body(log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any) -> Any:
    emissions, at_each = _emissions(log_probs, labels)
    skips, begins, ends, nothing = _shape_of_paths(log_probs, labels, target_lengths)
    to = stack(_forward(emissions, skips, begins, nothing, input_lengths), axis=-2)
    onwards = stack(_backward(emissions, skips, ends, nothing, input_lengths), axis=-2)
    both = add(to, onwards)
    total = _logsumexp(_at(both, 0), axis=(ndim_of(both) - 2,), keepdims=True)
    share = _share(both, expand_dims(total, -2))
    heard = less(np.arange(shape_of(log_probs)[-2]), expand_dims(input_lengths, -1))
    share = multiply(share, astype(expand_dims(heard, -1), dtype_of(log_probs)))
    return _put_along(share, at_each, axis=-1, shape=shape_of(log_probs))


# ------------------------------------------------------------------------------------------- kernels


class _Paths:
    """The same in NumPy, for all targets of a batch at once."""

    def __init__(self, log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any) -> None:
        steps, classes = log_probs.shape[-2:]
        self.leading = log_probs.shape[:-2]
        log_probs = np.asarray(log_probs).reshape(-1, steps, classes)
        self.labels = np.asarray(labels).reshape(len(log_probs), labels.shape[-1])
        self.lengths = np.asarray(input_lengths).reshape(-1, 1)
        self.shape = log_probs.shape
        picked = np.take_along_axis(log_probs, self.labels[:, None, :].repeat(steps, axis=1), axis=2)
        self.emissions = np.ascontiguousarray(picked.transpose(1, 0, 2))  # time first
        self.places = np.arange(labels.shape[-1])
        self.skips = np.zeros(self.labels.shape, bool)
        self.skips[:, 3::2] = self.labels[:, 3::2] != self.labels[:, 1:-2:2]
        last = 2 * np.asarray(target_lengths).reshape(-1, 1)
        self.ends = (self.places == last) | (self.places == last - 1)
        self.low = np.asarray(-inf, log_probs.dtype)

    def forward(self) -> Any:
        steps, count, width = self.emissions.shape
        alphas = np.empty(self.emissions.shape, self.emissions.dtype)
        alphas[0] = np.where(self.places <= 1, self.emissions[0], self.low)
        ways = np.full((3, count, width), -inf, self.emissions.dtype)
        for t in range(1, steps):
            old = alphas[t - 1]
            ways[0] = old
            ways[1, :, 1:] = old[:, :-1]
            ways[2, :, 2:] = np.where(self.skips[:, 2:], old[:, :-2], self.low)
            new = _added(ways)
            new += self.emissions[t]
            alphas[t] = np.where(t < self.lengths, new, old)
        return alphas

    def backward(self) -> Any:
        steps, count, width = self.emissions.shape
        finished = np.where(self.ends, self.low.dtype.type(0), self.low)
        betas = np.empty(self.emissions.shape, self.emissions.dtype)
        betas[-1] = finished
        ways = np.full((3, count, width), -inf, self.emissions.dtype)
        for t in range(steps - 2, -1, -1):
            ahead = betas[t + 1] + self.emissions[t + 1]
            ways[0] = ahead
            ways[1, :, :-1] = ahead[:, 1:]
            ways[2, :, :-2] = np.where(self.skips[:, 2:], ahead[:, 2:], self.low)
            betas[t] = np.where(t < self.lengths - 1, _added(ways), finished)
        return betas


def _added(ways: Any) -> Any:
    """log Σ exp over axis 0, of −inf alone −inf; as `logsumexp` does it."""
    largest = ways.max(axis=0)
    largest[~np.isfinite(largest)] = 0
    with np.errstate(divide="ignore"):
        return np.log(np.exp(ways - largest).sum(axis=0)) + largest


def _kernel(log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any) -> Any:
    paths = _Paths(log_probs, labels, input_lengths, target_lengths)
    ending = np.where(paths.ends, paths.forward()[-1], paths.low)
    return -_added(ending.T).reshape(paths.leading)[()]


def _occupancy_kernel(log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any) -> Any:
    paths = _Paths(log_probs, labels, input_lengths, target_lengths)
    both = paths.forward()
    both += paths.backward()
    total = _added(both[0].T)[:, None]
    share = np.exp(both - np.where(np.isneginf(total), 0, total))
    count, steps, classes = paths.shape
    share *= (np.arange(steps)[:, None, None] < paths.lengths[:, 0][:, None]).astype(share.dtype)
    rows = (np.arange(count)[None, :, None] * steps + np.arange(steps)[:, None, None]) * classes + paths.labels
    heard = np.bincount(rows.ravel(), share.ravel(), count * steps * classes)
    return heard.astype(share.dtype).reshape(*paths.leading, steps, classes)


def _ctc_pullback(g: Any, y: Any, *xs: Any, needs: Sequence[bool]) -> tuple[Any, ...]:
    # ∂/∂ log p(t, c) is minus the share of the paths that are in class c at time t.
    return negative(multiply(expand_dims(g, (-2, -1)), _ctc_occupancy(*xs))), None, None, None


def _scores(rng: np.random.Generator) -> list[Sample]:
    static: dict[str, Any] = {"blank": 0, "classes": 3, "zero_infinity": False}
    made = []
    for targets, steps, input_lengths, target_lengths in (
        ([[1, 2], [2, 2]], 4, [4, 3], [2, 2]),
        ([1], 2, 2, 1),
        ([[1, 1], [2, 1]], 5, [5, 3], [2, 0]),
    ):
        lengths = np.array(input_lengths)[()], np.array(target_lengths)[()]
        labels = _spread_out(np.array(targets), *lengths, steps=steps, **static)
        made.append(Sample((rng.normal(size=(*labels.shape[:-1], steps, 3)), labels, *lengths)))
    return made


_ARGUMENTS = ("log_probs", "labels", "input_lengths", "target_lengths")
_ctc = composite(
    "ctc",
    _body,
    lambda log_probs, *others: Spec(log_probs.shape[:-2], log_probs.dtype),
    kernel=_kernel,
    pullback=_ctc_pullback,
    batch=lambda batched, xs: _ctc(*repeated(batched, xs)),
    arguments=_ARGUMENTS,
    uses=INPUTS,
    formula=r"-\log \sum_{{\pi \to {labels}}} \prod_t e^{{{log_probs}_{{t \pi_t}}}}",
    words="minus the logarithm of the sum over all paths through {log_probs} that spell {labels}",
    lower=unsupported("ctc: its length depends on the input, so it runs as it is"),
    onnx=unsupported("ctc: losses are not exported"),
    samples=fixed(_scores),
)

_ctc_occupancy = composite(
    "ctc_occupancy",
    _occupancy_body,
    lambda log_probs, *others: Spec(log_probs.shape, log_probs.dtype),
    kernel=_occupancy_kernel,
    batch=lambda batched, xs: _ctc_occupancy(*repeated(batched, xs)),
    arguments=_ARGUMENTS,
    uses=INPUTS,
    formula=r"P(\pi_t = c \mid {labels}, {log_probs})",
    words="the share of the paths through {log_probs} that spell {labels} and are in each class at each time",
    lower=unsupported("ctc_occupancy: it belongs to the way back of a loss that runs as it is"),
    onnx=unsupported("ctc_occupancy: it belongs to the way back, and training is not exported"),
    samples=fixed(_scores),
)
