"""Independent oracles for the value of each mapping: NumPy, and SciPy imported when it is first needed.

A mapping that has no entry here is compared with NumPy's function of the same name, if there is one. A
composite may do without: its body is its oracle. Formulas are written as in the papers, in extended
precision where the plain formula would lose digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .window_oracles import WINDOWS

__all__ = ["oracle_of"]

Oracle = Callable[..., Any]


def oracle_of(name: str) -> Oracle | None:
    """Return the function that a mapping's value is compared with, or None."""
    known = ORACLES.get(name)
    if known is not None:
        return known
    same_name = getattr(np, name, None)
    return same_name if callable(same_name) and not isinstance(same_name, type) else None


def scipy_special(name: str) -> Oracle:
    """Return a function that imports and calls `scipy.special.<name>`."""

    def oracle(*args: Any, **static: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args, **static)

    return oracle


def wide(formula: Oracle) -> Oracle:
    """Return a formula evaluated in extended precision, rounded to the dtype of its first floating argument."""

    def oracle(*args: Any, **static: Any) -> Any:
        long = [x.astype(np.longdouble) if _floating(x) else x for x in args]
        dtype = next(x.dtype for x in args if _floating(x))
        return np.asarray(formula(*long, **static)).astype(dtype)

    return oracle


def _floating(x: Any) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind == "f"


# ------------------------------------------------------------------------------- positions and parts


def _index(index: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(slice(*entry) if isinstance(entry, tuple) else entry for entry in index)


def _embed(g: Any, *, index: Any, shape: Any) -> Any:
    whole = np.zeros(shape, np.asarray(g).dtype)
    whole[_index(index)] = g
    return whole


def _slice_set(x: Any, values: Any, *, index: Any) -> Any:
    whole = np.array(x)
    whole[_index(index)] = values
    return whole


def _at(axes: Sequence[int], indices: Sequence[Any]) -> tuple[Any, ...]:
    chosen = dict(zip(axes, indices, strict=True))
    return tuple(chosen.get(a, slice(None)) for a in range(max(axes) + 1))


def _scatter_add(g: Any, *indices: Any, axes: Any, shape: Any) -> Any:
    whole = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(whole, _at(axes, indices), g)
    return whole


def _scatter_set(x: Any, values: Any, *indices: Any, axes: Any) -> Any:
    whole = np.array(x)
    whole[_at(axes, indices)] = values
    return whole


def _last_written(*indices: Any, lengths: Any) -> Any:
    places = np.broadcast_arrays(*indices)
    positions = [
        tuple(int(i) % n for i, n in zip(place, lengths, strict=True))
        for place in zip(*(p.ravel() for p in places), strict=True)
    ]
    last = [place not in positions[k + 1 :] for k, place in enumerate(positions)]
    return np.array(last, bool).reshape(places[0].shape)


def _put_along_axis(g: Any, indices: Any, *, axis: int, shape: Any) -> Any:
    whole = np.zeros(shape, g.dtype)
    for place in np.ndindex(*indices.shape):
        target = list(place)
        target[axis] = int(indices[place])
        whole[tuple(target)] += g[place]
    return whole


def _diagonal_embed(g: Any, *, offset: int, rows: int, columns: int) -> Any:
    whole = np.zeros((*g.shape[:-1], rows, columns), g.dtype)
    for k in range(g.shape[-1]):
        whole[..., k - min(offset, 0), k + max(offset, 0)] = g[..., k]
    return whole


def _tie_shares(x: Any, y: Any, *, axis: Any) -> Any:
    shares = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        row = tuple(slice(None) if a in axis else i for a, i in enumerate(place))
        ties = sum(other == x[place] for other in x[row].flat)
        shares[place] = 1 / ties if x[place] == np.broadcast_to(y, x.shape)[place] else 0
    return shares


# -------------------------------------------------------------------------------------------- random


def _philox(key: Any, counter: Any) -> np.random.Generator:
    """The documented place of a draw: key, and a counter whose highest words are the draw's and the stream's."""
    return np.random.Generator(np.random.Philox(key=int(key), counter=[0, 0, 2, int(counter)]))


def _dropout_mask(key: Any, counter: Any, *, shape: Any, dtype: Any, keep: float) -> Any:
    kept = _philox(key, counter).random(shape, np.float32) < keep
    return np.where(kept, np.dtype(dtype).type(1 / keep), np.dtype(dtype).type(0))


def _permutation(key: Any, counter: Any, *, shape: Any, dtype: Any) -> Any:
    order = np.empty(shape, dtype)
    order[...] = np.arange(shape[-1])
    return _philox(key, counter).permuted(order, axis=-1)


# -------------------------------------------------------------------------------------- control flow
# The samples' functions as Python loops over NumPy: written here once more, not taken from the recording.


def _scan(*arrays: Any, loop: Any) -> list[Any]:
    *constants, xs = arrays
    backward = slice(None, None, -1) if loop.reverse else slice(None)
    ys, before = [], []
    if loop.carries == 1:
        w, h = constants
        for x in xs[backward]:
            before.append([h])
            h = np.tanh(w @ h + x)
            ys.append([h * np.sin(x)])
        last = [h]
    else:
        a, u, v = constants
        for x in xs[backward]:
            before.append([u, v])
            ys.append([u * v, x])
            u, v = u * np.sin(v), v + a * x
        last = [u, v]
    columns = [list(zip(*rows, strict=True)) for rows in ((ys, before) if loop.history else (ys,))]
    return [*last, *(np.stack(column[backward]) for group in columns for column in group)]


def _cond(predicate: Any, a: Any, b: Any, *, branches: Any) -> list[Any]:
    return [a * np.sin(b), b * b] if predicate else [np.exp(a), a * b]


def _while_loop(a: Any, i: Any, x: Any, *, turns: Any) -> list[Any]:
    for _ in range(int(i), 3):
        x = np.cos(a * x)
    return [np.int64(3), x]


# ------------------------------------------------------------------------------------------ formulas


def _polygamma(x: Any, *, n: int) -> Any:
    """SciPy's own for x > 0; below 0 its recurrence ψ⁽ⁿ⁾(x) = ψ⁽ⁿ⁾(x + 1) − (−1)ⁿ n! x⁻ⁿ⁻¹, upwards until x > 0."""
    import scipy.special

    x = np.asarray(x)
    steps = np.zeros_like(x)
    while np.any(x < 0):
        below = x < 0
        steps = steps - np.where(below, (-1.0) ** n * math.factorial(n) / np.where(below, x, 1.0) ** (n + 1), 0.0)
        x = np.where(below, x + 1, x)
    return scipy.special.polygamma(n, x).astype(x.dtype) + steps


def _cross_entropy(logits: Any, labels: Any, *, reduction: str) -> Any:
    losses = np.zeros(np.shape(labels), np.longdouble)
    for place in np.ndindex(*np.shape(labels)):
        row = logits[place].astype(np.longdouble)
        losses[place] = np.log(np.sum(np.exp(row - row.max()))) + row.max() - row[int(np.asarray(labels)[place])]
    total = {"none": losses, "sum": np.sum(losses), "mean": np.mean(losses)}[reduction]
    return np.asarray(total).astype(logits.dtype)


def _ctc_alignment(targets: Any, input_lengths: Any, target_lengths: Any, *, blank: int, **static: Any) -> Any:
    if targets.ndim > 1:
        rows = zip(targets, input_lengths, target_lengths, strict=True)
        return np.stack([_ctc_alignment(*row, blank=blank) for row in rows])
    labels = [x for label in targets[: int(target_lengths)] for x in (blank, int(label))]
    return np.array(labels + [blank] * (2 * len(targets) + 1 - len(labels)), np.int64)


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, np.zeros_like(x))


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _normal_cdf(x: Any) -> Any:
    import scipy.special

    return scipy.special.ndtr(x)


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

ORACLES: dict[str, Oracle] = {
    # shape and dtype
    "astype": lambda x, *, dtype: np.array(x, dtype=dtype),
    "to_dtype": lambda x, *, dtype: np.array(x).astype(dtype),
    "permute_dims": lambda x, *, axes: np.moveaxis(x, axes, range(len(axes))),
    "reshape": lambda x, *, shape: np.array(np.ravel(x)).reshape(shape),
    "broadcast_to": lambda x, *, shape: np.zeros(shape) + x,
    "together": lambda *arrays: [np.array(x) for x in arrays],
    "stack": lambda *arrays, axis: np.stack(arrays, axis),
    "unstack": lambda x, *, axis: [np.take(x, i, axis) for i in range(x.shape[axis])],
    "concat": lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    "diagonal": lambda x, *, offset: np.diagonal(x, offset, -2, -1),
    "diagonal_embed": _diagonal_embed,
    # positions
    "slice": lambda x, *, index: np.array(x)[_index(index)],
    "embed": _embed,
    "slice_set": _slice_set,
    "gather": lambda x, *indices, axes: x[_at(axes, indices)],
    "scatter_add": _scatter_add,
    "scatter_set": _scatter_set,
    "last_written": _last_written,
    "put_along_axis": _put_along_axis,
    "one_hot": lambda x, *, num_classes, dtype: np.equal(x[..., None], np.arange(num_classes)).astype(dtype),
    "class_labels": lambda labels, *, classes: np.clip(labels, 0, classes - 1),
    # reductions
    "sum": lambda x, *, axis, keepdims: np.sum(x.astype(np.longdouble), axis=axis, keepdims=keepdims).astype(x.dtype),
    "logsumexp": wide(
        lambda x, *, axis, keepdims: np.logaddexp.reduce(x, axis=axis, keepdims=keepdims)
        if len(axis) == 1
        else np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    ),
    "exp_of_difference": wide(lambda a, b: np.exp(a - b)),
    "argmax": lambda x, *, axis, keepdims: np.argmax(x, axis=axis[0], keepdims=keepdims),
    "argmin": lambda x, *, axis, keepdims: np.argmin(x, axis=axis[0], keepdims=keepdims),
    "tie_shares": _tie_shares,
    "safe_reciprocal": lambda x: np.where(x == 0, 0, 1 / np.where(x == 0, 1, x)),
    "norm": wide(lambda x, *, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))),
    "cumulative_sum": lambda x, *, axis, reverse: (
        np.sum(x, axis, keepdims=True) - np.cumsum(x, axis) + x if reverse else np.cumsum(x, axis)
    ),
    # products
    "contract": lambda a, b, *, in_a, in_b, out: np.einsum(a, list(in_a), b, list(in_b), list(out)),
    **WINDOWS,
    # choice
    "clip_below": lambda x, bound: np.where(x < bound, bound, x),
    "clip_above": lambda x, bound: np.where(x > bound, bound, x),
    "stop_gradient": lambda x: np.array(x),
    # special functions
    "erf": scipy_special("erf"),
    "erfc": scipy_special("erfc"),
    "erfinv": scipy_special("erfinv"),
    "lgamma": scipy_special("gammaln"),
    "digamma": scipy_special("digamma"),
    "polygamma": _polygamma,
    "xlogy": scipy_special("xlogy"),
    "xlog1py": scipy_special("xlog1py"),
    "sigmoid": scipy_special("expit"),
    "log_sigmoid": scipy_special("log_expit"),
    # activations
    "softplus": wide(_softplus),
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, *, negative_slope: np.where(x > 0, x, negative_slope * x),
    "hardtanh": lambda x, *, min_val, max_val: np.clip(x, min_val, max_val),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x),
    "elu": lambda x, *, alpha: _elu(x, alpha),
    "celu": lambda x, *, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "hardshrink": lambda x, *, lambd: np.where((x > lambd) | (x < -lambd), x, 0.0),
    "softshrink": lambda x, *, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
    "threshold": lambda x, *, threshold, value: np.where(x > threshold, x, value),
    "tanhshrink": wide(lambda x: x - np.tanh(x)),
    "prelu": lambda x, slope: np.where(x > 0, x, slope * x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": wide(lambda x: x * _logistic(x)),
    "mish": wide(lambda x: x * np.tanh(_softplus(x))),
    "gelu": lambda x: x * _normal_cdf(x),
    "gelu_tanh": wide(lambda x: x / 2 * (1 + np.tanh(np.sqrt(np.longdouble(2) / np.pi) * (x + 0.044715 * x**3)))),
    # control flow
    "scan": _scan,
    "cond": _cond,
    "while_loop": _while_loop,
    # losses
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": wide(lambda p, target: -(target * np.log(p) + (1 - target) * np.log(1 - p))),
    "binary_cross_entropy_with_logits": wide(
        lambda z, target: -(target * np.log(_logistic(z)) + (1 - target) * np.log(_logistic(-z)))
    ),
    "huber": lambda x, target, *, delta: np.where(
        np.abs(x - target) <= delta, (x - target) ** 2 / 2, delta * (np.abs(x - target) - delta / 2)
    ),
    "ctc_alignment": _ctc_alignment,
    "pinball": lambda x, target, q: np.where(target >= x, q, q - 1) * (target - x),
    "not_negative": lambda x, *, name: x,
    "finite_norm": lambda x: x,
    # random draws
    "random_uniform": lambda key, counter, *, shape, dtype: _philox(key, counter).random(shape, dtype),
    "random_normal": lambda key, counter, *, shape, dtype: _philox(key, counter).standard_normal(shape, dtype),
    "random_integers": lambda key, counter, *, shape, dtype, low, high: _philox(key, counter).integers(
        low, high, shape, dtype
    ),
    "random_permutation": _permutation,
    "dropout_mask": _dropout_mask,
}
