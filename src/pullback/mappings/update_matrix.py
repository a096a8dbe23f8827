"""Updates that look at a parameter as a whole: LAMB, Adafactor, Muon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.mapping import Mapping
from ..core.samples import Sample, Samples, fixed
from ..core.spec import ndim_of, shape_of
from .arithmetic import add, divide, multiply, negative, square, subtract
from .compare import equal, logical_or
from .dtype import astype
from .exponential import pow, sqrt
from .linalg import matmul
from .reduce import _mean, _sum
from .select import _clip_below, minimum, where
from .shape import matrix_transpose
from .update import MEANS, SQUARES, as_dtype_of, declare_update, update_samples
from .update_adam import _both, _decayed, _mixed

__all__: list[str] = []


def _norm(x: Any) -> Any:
    return sqrt(_sum(square(x), axis=tuple(range(ndim_of(x))), keepdims=False))


def _size(x: Any) -> Any:
    """The root of the mean square."""
    return divide(_norm(x), math.sqrt(math.prod(shape_of(x))))


# ------------------------------------------------------------------------------------------------ LAMB


def _lamb_body(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    mean: Any,
    square: Any,
    *,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    step, (beta1, beta2) = add(step, 1), _both(betas)
    g = negative(g) if maximize else g
    mean, square = _mixed(mean, g, beta1), _mixed(square, multiply(g, g), beta2)
    t = astype(step, np.float64)
    direction = divide(mean, as_dtype_of(subtract(1.0, pow(beta1, t)), p))
    root = sqrt(divide(square, as_dtype_of(subtract(1.0, pow(beta2, t)), p)))
    direction = divide(direction, add(root, eps))
    if weight_decay:
        direction = add(direction, multiply(p, weight_decay))
    of_p, of_direction = _norm(p), _norm(direction)
    unknown = logical_or(equal(of_p, 0), equal(of_direction, 0))
    trust = where(unknown, 1.0, divide(of_p, where(unknown, 1.0, of_direction)))
    return subtract(p, multiply(direction, multiply(trust, as_dtype_of(lr, p)))), step, mean, square


_lamb_update = declare_update(
    "lamb_update",
    _lamb_body,
    None,
    "{p} after a step of Adam whose length is {lr} times the length of {p} itself",
    r"{p} - {lr} \frac{{\lVert {p} \rVert}}{{\lVert u \rVert}} u",
    ("p", "g", "lr", "betas", "step", "mean", "square"),
    update_samples((0.1, (0.8, 0.9)), MEANS, SQUARES, eps=1e-6, weight_decay=0.01, maximize=False),
)

# ------------------------------------------------------------------------------------------- Adafactor


def _adafactor_body(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    *variance: Any,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    """`variance` is one array like `p`, or the mean squares of its rows and of its columns."""
    step = add(step, 1)
    g = negative(g) if maximize else g
    t = astype(step, np.float64)
    share = pow(t, beta2_decay)
    rate = multiply(as_dtype_of(minimum(lr, divide(1.0, sqrt(t))), p), _clip_below(_size(p), eps2))
    p = _decayed(p, lr, weight_decay, True)
    squares = square(g)
    if len(variance) == 1:
        variance = (_towards(variance[0], squares, share),)
        estimate = variance[0]
    else:
        of_rows, of_columns = ndim_of(g) - 1, ndim_of(g) - 2
        rows = _towards(variance[0], _mean(squares, axis=(of_rows,), keepdims=True), share)
        columns = _towards(variance[1], _mean(squares, axis=(of_columns,), keepdims=True), share)
        variance = (rows, columns)
        total = _clip_below(_mean(rows, axis=(of_columns,), keepdims=True), eps1)
        estimate = divide(matmul(rows, columns), total)
    direction = divide(g, sqrt(_clip_below(estimate, eps1 * eps1)))
    too_large = _clip_below(divide(_size(direction), d), 1.0)
    return subtract(p, multiply(direction, divide(rate, too_large))), step, *variance


def _towards(kept: Any, new: Any, share: Any) -> Any:
    return add(kept, multiply(subtract(new, kept), as_dtype_of(share, kept)))


_ADAFACTOR: dict[str, Any] = {
    "beta2_decay": -0.8,
    "eps1": 1e-8,
    "eps2": 1e-3,
    "d": 1.0,
    "weight_decay": 0.01,
    "maximize": False,
}


def _factored(rng: np.random.Generator) -> Sequence[Sample]:
    return [
        Sample(
            (
                rng.normal(size=shape),
                rng.normal(size=shape),
                np.float64(0.1),
                np.int64(step),
                rng.uniform(*SQUARES, (*shape[:-1], 1)),
                rng.uniform(*SQUARES, (*shape[:-2], 1, shape[-1])),
            ),
            {**_ADAFACTOR, "d": d},
        )
        for shape, step, d in (((2, 3), 0, 1.0), ((2, 3, 2), 4, 5.0))
    ]


def _adafactor(name: str, words: str, formula: str, arguments: tuple[str, ...], samples: Samples) -> Mapping:
    return declare_update(name, _adafactor_body, None, words, formula, ("p", "g", "lr", "step", *arguments), samples)


_adafactor_updates = {
    1: _adafactor(
        "adafactor_update",
        "{p} after a step in units of the size of each gradient, its length in proportion to {p}",
        r"{p} - \alpha \frac{{{g}}}{{\sqrt{{{variance}}}}}",
        ("variance",),
        update_samples((0.1,), SQUARES, **_ADAFACTOR),
    ),
    2: _adafactor(
        "adafactor_matrix_update",
        "{p} after a step in units of the size of the gradients in each row, {rows}, and column, {columns}",
        r"{p} - \alpha {g} \sqrt{{\frac{{\overline{{{rows}}}}}{{{rows} \, {columns}}}}}",
        ("rows", "columns"),
        fixed(_factored),
    ),
}

# ------------------------------------------------------------------------------------------------ Muon


def _orthogonal(x: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """Bring all singular values of `x` near 1 with steps of a quintic Newton–Schulz iteration."""
    a, b, c = coefficients
    rows, columns = shape_of(x)
    if rows > columns:
        x = matrix_transpose(x)
    x = divide(x, _clip_below(_norm(x), eps))
    for _ in range(steps):
        gram = matmul(x, matrix_transpose(x))
        x = add(multiply(x, a), matmul(add(multiply(gram, b), multiply(matmul(gram, gram), c)), x))
    return matrix_transpose(x) if rows > columns else x


def _muon_body(
    p: Any,
    g: Any,
    lr: Any,
    momentum: Any,
    step: Any,
    buffer: Any,
    *,
    weight_decay: float,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    scale: float,
) -> Any:
    buffer = _mixed(buffer, g, momentum)
    direction = _mixed(g, buffer, subtract(1.0, momentum)) if nesterov else buffer
    direction = _orthogonal(direction, ns_coefficients, ns_steps, eps)
    p = _decayed(p, lr, weight_decay, True)
    return subtract(p, multiply(direction, as_dtype_of(multiply(lr, scale), p))), add(step, 1), buffer


def _matrices(rng: np.random.Generator) -> Sequence[Sample]:
    static = {
        "weight_decay": 0.1,
        "ns_coefficients": (3.4445, -4.7750, 2.0315),
        "ns_steps": 2,
        "eps": 1e-7,
        "scale": 1.5,
    }
    return [
        Sample(
            (*rng.normal(size=(2, *shape)), np.float64(0.1), np.float64(0.9), np.int64(3), rng.uniform(*MEANS, shape)),
            {**static, "nesterov": nesterov},
        )
        for shape, nesterov in (((2, 3), True), ((3, 2), False))
    ]


_muon_update = declare_update(
    "muon_update",
    _muon_body,
    None,
    "{p} after a step of length {lr} along the orthogonal matrix nearest to the gathered gradients {buffer}",
    r"{p} - {lr} \operatorname{{orth}}({buffer})",
    ("p", "g", "lr", "momentum", "step", "buffer"),
    fixed(_matrices),
)
