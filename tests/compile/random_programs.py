"""Random programs over mappings: a few arrays, a dozen applications, a number at the end, and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import pullback as pb

__all__ = ["Program", "draw"]

SHAPES = [(), (1,), (5,), (17,), (3, 5), (5, 3), (4, 1), (1, 7), (2, 3, 5), (6, 16), (2, 1, 5), (33,), (7, 40)]

UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": pb.tanh,
    "sigmoid": pb.sigmoid,
    "exp": lambda x: pb.exp(pb.minimum(x, 2.0)),
    "log": lambda x: pb.log(pb.abs(x) + 1.0),
    "square": pb.square,
    "negative": pb.negative,
    "sqrt": lambda x: pb.sqrt(pb.abs(x) + 0.5),
    "abs": pb.abs,
    "sin": pb.sin,
    "relu": pb.relu,
    "gelu": pb.gelu,
    "erf": pb.erf,
    "times number": lambda x: x * 0.75,
    "number less": lambda x: 1 - x,
    "half": lambda x: x / 2,
    "greater": lambda x: pb.where(x > 0.1, x, x * 0.1),
    "softplus": pb.softplus,
    "reciprocal": lambda x: 1 / (pb.square(x) + 1),
    "clip": lambda x: pb.clip(x, -0.8, 0.9),
    "floor": lambda x: x + pb.floor(x * 3),
    "stop": lambda x: x * pb.stop_gradient(x) if hasattr(pb, "stop_gradient") else x * x.detach(),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (pb.square(b) + 1),
    "maximum": pb.maximum,
    "minimum": pb.minimum,
    "where": lambda a, b: pb.where(a > b, a, b * 0.5),
    "hypot": lambda a, b: pb.hypot(a, b + 1.5),
}


@dataclass
class Program:
    """A drawn program: what to call, with which arrays, and how it was made."""

    function: Callable[..., Any]
    arguments: list[Any]
    lines: list[str]


def draw(seed: int, dtype: Any = np.float32) -> Program:
    """Return the program of a seed."""
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[rng.integers(len(SHAPES))] for _ in range(rng.integers(1, 4))]
    arguments = [np.asarray(rng.normal(size=s), dtype) for s in shapes]
    moves: list[tuple[str, Callable[[list[Any]], Any]]] = []
    known = list(shapes)
    for _ in range(rng.integers(3, 14)):
        name, move, shape = _move(rng, known)
        moves.append((name, move))
        known.append(shape)
    kept = sorted({len(known) - 1, *(int(i) for i in rng.integers(len(known), size=2))})

    def loss(*xs: Any) -> Any:
        values = list(xs)
        for _, move in moves:
            values.append(move(values))
        total = 0.0
        for i in kept:
            total = total + pb.mean(values[i] * (0.5 + i))
        return total

    function = pb.value_and_grad(loss, argnums=tuple(range(len(arguments)))) if rng.integers(4) else loss
    return Program(function, arguments, [f"%{len(shapes) + i} = {name}" for i, (name, _) in enumerate(moves)])


def _move(rng: Any, known: list[Any]) -> tuple[str, Callable[[list[Any]], Any], Any]:
    """Draw one application that fits the shapes known so far."""
    i = int(rng.integers(len(known)))
    shape = known[i]
    kinds = ["unary", "unary", "binary", "binary", "reduce", "view", "product", "join", "rows", "pick", "table"]
    kind = rng.choice(kinds)
    if kind == "binary":
        fitting = [j for j, s in enumerate(known) if _together(shape, s) is not None]
        j = int(rng.choice(fitting))
        name = str(rng.choice(list(BINARY)))
        return f"{name}(%{i}, %{j})", lambda v: BINARY[name](v[i], v[j]), _together(shape, known[j])
    if kind == "reduce" and shape:
        axis = tuple(sorted({int(a) for a in rng.integers(len(shape), size=rng.integers(1, len(shape) + 1))}))
        keep = bool(rng.integers(2))
        name = str(rng.choice(["sum", "mean", "max", "min", "logsumexp", "var"]))
        reduced = tuple(1 if a in axis else n for a, n in enumerate(shape) if keep or a not in axis)
        move = getattr(pb, name)
        return f"{name}(%{i}, {axis}, {keep})", lambda v: move(v[i], axis=axis, keepdims=keep), reduced
    if kind == "view" and shape:
        return _view(rng, i, shape)
    if kind == "product":
        fitting = [
            (a, b) for a, s in enumerate(known) for b, t in enumerate(known)
            if len(s) >= 2 and len(t) >= 2 and s[-1] == t[-2] and _together(s[:-2], t[:-2]) is not None
        ]
        if fitting:
            a, b = fitting[int(rng.integers(len(fitting)))]
            out = (*_together(known[a][:-2], known[b][:-2]), known[a][-2], known[b][-1])
            return f"matmul(%{a}, %{b})", lambda v: pb.matmul(v[a], v[b]) * 0.3, out
        if len(shape) >= 2:
            out = (*shape[:-1], shape[-2])
            return f"gram(%{i})", lambda v: pb.matmul(v[i], pb.matrix_transpose(v[i])) * 0.2, out
    if kind == "join" and shape:
        same = [j for j, s in enumerate(known) if s == shape]
        j, axis = int(rng.choice(same)), int(rng.integers(len(shape)))
        if rng.integers(2):
            out = (*shape[:axis], shape[axis] * 2, *shape[axis + 1 :])
            return f"concat(%{i}, %{j}, {axis})", lambda v: pb.concat([v[i], v[j]], axis=axis), out
        out = (*shape[:axis], 2, *shape[axis:])
        return f"stack(%{i}, %{j}, {axis})", lambda v: pb.stack([v[i], v[j]], axis=axis), out
    if kind == "rows" and shape:
        if rng.integers(2) and len(shape) >= 1:
            chosen = rng.integers(0, shape[0], size=int(rng.integers(1, 6)))
            return f"rows(%{i}, {chosen.tolist()})", lambda v: v[i][chosen], (len(chosen), *shape[1:])
        name = str(rng.choice(["softmax", "log_softmax"]))
        axis = int(rng.integers(len(shape)))
        return f"{name}(%{i}, {axis})", lambda v: getattr(pb, name)(v[i], axis=axis), shape
    if kind == "pick" and shape:
        return _pick(rng, i, shape)
    if kind == "table" and len(shape) >= 2:
        return _table(rng, i, shape)
    name = str(rng.choice(list(UNARY)))
    return f"{name}(%{i})", lambda v: UNARY[name](v[i]), shape


def _pick(rng: Any, i: int, shape: Any) -> tuple[str, Callable[[list[Any]], Any], Any]:
    """Choices by positions, negative ones too, and what goes along an axis element by element."""
    axis, which = int(rng.integers(len(shape))), rng.integers(6)
    n, count = shape[axis], int(rng.integers(1, 6))
    out = (*shape[:axis], count, *shape[axis + 1 :])
    if which == 0:
        at = rng.integers(-n, n, size=count)
        index = (slice(None),) * axis + (at,)
        return f"gather(%{i}, {axis}, {at.tolist()})", lambda v: v[i][index], out
    if which == 1:
        at = rng.integers(-n, n, size=out)
        return f"take_along(%{i}, {axis}, {at.tolist()})", lambda v: pb.take_along_axis(v[i], at, axis), out
    if which == 2:
        at = rng.integers(-n, n, size=count)
        index = (slice(None),) * axis + (at,)
        put = lambda x: pb.asarray(x).at[index].set(x[index] * 0.5 + 1)
        return f"replace(%{i}, {axis}, {at.tolist()})", lambda v: put(v[i]), shape
    if which == 3:
        return f"cumulative_sum(%{i}, {axis})", lambda v: pb.cumulative_sum(v[i], axis) * 0.3, shape
    if which == 4:
        return f"norm(%{i}, {axis})", lambda v: pb.norm(v[i] + 0.3, axis, True), (*shape[:axis], 1, *shape[axis + 1 :])
    if len(shape) in (2, 3):
        means = pb.nn.functional.adaptive_avg_pool1d
        return f"adaptive_avg_pool(%{i}, {count})", lambda v: means(v[i], count), (*shape[:-1], count)
    return f"einsum(%{i})", lambda v: pb.einsum("...i,...i->...", v[i], v[i]) * 0.3, shape[:-1]


def _table(rng: Any, i: int, shape: Any) -> tuple[str, Callable[[list[Any]], Any], Any]:
    """Many rows of a table, in two axes and perhaps the other way round; or rows times a matrix of their own."""
    if rng.integers(2) or np.prod(shape[:-1]) < 2:
        matrix = rng.normal(size=(shape[-1], int(rng.choice([1, 5, 16, 20])))) * 0.3
        name = f"times matrix(%{i}, {matrix.shape[1]})"
        return name, lambda v: pb.matmul(v[i], pb.asarray(matrix, dtype=v[i].dtype)), (*shape[:-1], matrix.shape[1])
    at = rng.integers(-shape[0], shape[0], size=(int(rng.integers(1, 5)), shape[0]))
    turned = bool(rng.integers(2))
    lead = at.shape[::-1] if turned else at.shape

    def chosen(v: list[Any]) -> Any:
        rows = v[i][at]
        return pb.swapaxes(rows, 0, 1) if turned else rows

    return f"table(%{i}, {at.tolist()}, {turned})", chosen, (*lead, *shape[1:])


def _view(rng: Any, i: int, shape: Any) -> tuple[str, Callable[[list[Any]], Any], Any]:
    which = rng.integers(5)
    if which == 0:
        axes = tuple(int(a) for a in rng.permutation(len(shape)))
        return f"permute(%{i}, {axes})", lambda v: pb.permute_dims(v[i], axes), tuple(shape[a] for a in axes)
    if which == 1:
        return f"flatten(%{i})", lambda v: pb.reshape(v[i], (-1,)), (int(np.prod(shape)),)
    if which == 2:
        return f"reverse(%{i})", lambda v: v[i][::-1], shape
    if which == 3 and shape[-1] > 1:
        return f"every other(%{i})", lambda v: v[i][..., ::2], (*shape[:-1], -(-shape[-1] // 2))
    return f"spread(%{i})", lambda v: pb.broadcast_to(v[i], (2, *shape)), (2, *shape)


def _together(a: Any, b: Any) -> Any:
    try:
        out = np.broadcast_shapes(a, b)
    except ValueError:
        return None
    return out if np.prod(out) <= 4000 else None
