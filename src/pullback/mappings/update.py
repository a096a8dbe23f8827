"""Updates: what an optimiser does to one parameter. Each takes the old values and returns the new ones.

The bodies are the formulas of the papers; the kernels compute the same numbers, bit for bit, in fewer steps.
`lr`, `momentum` and `step` are 0-d arrays (float64, float64, int64) and `betas` two float64 numbers: what a
schedule changes is an input and not part of the formula. They meet the parameter in its own dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import composite, linear
from ..core.mapping import INPUTS, Mapping, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of
from .arithmetic import add, divide, multiply, negative, subtract
from .compare import equal
from .dtype import astype
from .exponential import sqrt
from .select import maximum, where

__all__: list[str] = []


def as_dtype_of(scalar: Any, p: Any) -> Any:
    return astype(scalar, dtype_of(p))


def ascent_or_decay(p: Any, g: Any, weight_decay: float, maximize: bool) -> Any:
    if maximize:
        g = negative(g)
    return add(g, multiply(p, weight_decay)) if weight_decay else g


def ascent_or_decay_kernel(p: Any, g: Any, weight_decay: float, maximize: bool) -> Any:
    if maximize:
        g = -g
    return g + p * weight_decay if weight_decay else g


def _keeping(state: int) -> Any:
    """The spec of an update: the new parameter, then what was at position `state` and behind."""

    def spec(*specs: Spec, **static: Any) -> tuple[Spec, ...]:
        return tuple(Spec(s.shape, s.dtype) for s in (specs[0], *specs[state:]))

    return spec


def update_samples(
    scalars: tuple[Any, ...],
    *slots: tuple[float, float],
    steps: tuple[int, int] = (0, 4),
    numbers: tuple[int, ...] = (),
    **static: Any,
) -> Any:
    """Draw parameter and gradient, then the `scalars` (numbers or tuples) and a step, then each slot from its range.

    The slots at the positions in `numbers` are 0-d.
    """

    def draw(rng: np.random.Generator) -> list[Sample]:
        return [
            Sample(
                (
                    rng.normal(size=shape),
                    rng.normal(size=shape),
                    *(np.asarray(s, np.float64)[()] for s in scalars),
                    np.int64(step),
                    *(rng.uniform(*ends, () if i in numbers else shape) for i, ends in enumerate(slots)),
                ),
                static,
            )
            for shape, step in zip(((2, 3), (3,)), steps, strict=True)
        ]

    return fixed(draw)


MEANS, SQUARES = (-0.5, 0.5), (1.0, 2.0)


def declare_update(
    name: str, body: Any, kernel: Any, words: str, formula: str, arguments: Any, samples: Any
) -> Mapping:
    return composite(
        name,
        body,
        _keeping(arguments.index("step")),
        kernel=kernel,
        arguments=arguments,
        uses=INPUTS,
        outputs=1 + len(arguments) - arguments.index("step"),
        words=words,
        formula=formula,
        lower=unsupported(f"{name}: lowered through its body"),
        onnx=unsupported(f"{name}: training is not exported"),
        samples=samples,
    )


# ------------------------------------------------------------------------------------------------- SGD


def _sgd_body(p: Any, g: Any, lr: Any, step: Any, *, weight_decay: float, maximize: bool) -> Any:
    g = ascent_or_decay(p, g, weight_decay, maximize)
    return subtract(p, multiply(g, as_dtype_of(lr, p))), add(step, 1)


def _sgd_kernel(p: Any, g: Any, lr: Any, step: Any, *, weight_decay: float, maximize: bool) -> Any:
    if weight_decay or maximize:
        g = ascent_or_decay_kernel(p, g, weight_decay, maximize)
    change = g * p.dtype.type(lr)
    return np.subtract(p, change, change) if p.ndim else p - change, step + 1


_sgd_update = declare_update(
    "sgd_update",
    _sgd_body,
    _sgd_kernel,
    "{p} after a step of length {lr} against the gradient {g}",
    r"{p} - {lr} \, {g}",
    ("p", "g", "lr", "step"),
    update_samples((0.1,), weight_decay=0.01, maximize=False),
)


def _momentum_body(
    p: Any,
    g: Any,
    lr: Any,
    momentum: Any,
    step: Any,
    buffer: Any,
    *,
    weight_decay: float,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> Any:
    g = ascent_or_decay(p, g, weight_decay, maximize)
    momentum = as_dtype_of(momentum, p)
    held = multiply(buffer, momentum)
    if dampening:  # the first gradient is taken whole
        buffer = where(equal(step, 0), g, add(held, multiply(g, 1 - dampening)))
    else:
        buffer = add(held, g)
    direction = add(g, multiply(buffer, momentum)) if nesterov else buffer
    return subtract(p, multiply(direction, as_dtype_of(lr, p))), add(step, 1), buffer


def _momentum_kernel(
    p: Any,
    g: Any,
    lr: Any,
    momentum: Any,
    step: Any,
    buffer: Any,
    *,
    weight_decay: float,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> Any:
    g = ascent_or_decay_kernel(p, g, weight_decay, maximize)
    momentum = p.dtype.type(momentum)
    if dampening and step == 0:
        buffer = +g
    else:
        buffer = buffer * momentum
        buffer += g * (1 - dampening) if dampening else g
    direction = g + buffer * momentum if nesterov else buffer
    return p - direction * p.dtype.type(lr), step + 1, buffer


_momentum_update = declare_update(
    "momentum_update",
    _momentum_body,
    _momentum_kernel,
    "{p} after a step of length {lr} along the gathered gradients {buffer}",
    r"{p} - {lr} \, ({momentum} \, {buffer} + {g})",
    ("p", "g", "lr", "momentum", "step", "buffer"),
    update_samples((0.1, 0.9), MEANS, weight_decay=0.01, dampening=0.1, nesterov=False, maximize=False),
)

# -------------------------------------------------------------------------------------------- Adagrad


def _adagrad_body(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    total: Any,
    *,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    g = ascent_or_decay(p, g, weight_decay, maximize)
    if lr_decay:
        lr = divide(lr, add(1.0, multiply(astype(step, np.float64), lr_decay)))
    total = add(total, multiply(g, g))
    new = subtract(p, multiply(divide(g, add(sqrt(total), eps)), as_dtype_of(lr, p)))
    return new, add(step, 1), total


_adagrad_update = declare_update(
    "adagrad_update",
    _adagrad_body,
    None,
    "{p} after a step of length {lr}, each element in units of all its gradients so far",
    r"{p} - {lr} \frac{{{g}}}{{\sqrt{{{total}}} + \epsilon}}",
    ("p", "g", "lr", "step", "total"),
    update_samples((0.1,), SQUARES, lr_decay=0.1, eps=1e-10, weight_decay=0.01, maximize=False),
)

# -------------------------------------------------------------------------------------------- RMSprop


def _rmsprop_body(
    p: Any,
    g: Any,
    lr: Any,
    momentum: Any,
    step: Any,
    square: Any,
    *others: Any,
    alpha: float,
    eps: float,
    weight_decay: float,
    centered: bool,
    maximize: bool,
) -> Any:
    """`others` are the mean gradient, if centered, and the buffer, if there is momentum."""
    g = ascent_or_decay(p, g, weight_decay, maximize)
    square = add(multiply(square, alpha), multiply(multiply(g, g), 1 - alpha))
    kept, rest, size = [square], list(others), square
    if centered:
        mean = add(multiply(rest.pop(0), alpha), multiply(g, 1 - alpha))
        kept.append(mean)
        # A variance is not negative, though its rounded difference may be.
        size = maximum(subtract(square, multiply(mean, mean)), 0)
    direction = divide(g, add(sqrt(size), eps))
    if rest:
        direction = add(multiply(rest.pop(0), as_dtype_of(momentum, p)), direction)
        kept.append(direction)
    return subtract(p, multiply(direction, as_dtype_of(lr, p))), add(step, 1), *kept


_RMSPROP = ("p", "g", "lr", "momentum", "step", "square")


def _rmsprop(name: str, words: str, formula: str, *others: str) -> Mapping:
    centered = "mean" in others
    static: dict[str, Any] = {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.01, "centered": centered, "maximize": False}
    return declare_update(
        name,
        _rmsprop_body,
        None,
        words,
        formula,
        (*_RMSPROP, *others),
        update_samples((0.1, 0.9), SQUARES, *(MEANS for _ in others), **static),
    )


_SQUARE = r"\frac{{{g}}}{{\sqrt{{{square}}} + \epsilon}}"
_VARIANCE = r"\frac{{{g}}}{{\sqrt{{{square} - {mean}^2}} + \epsilon}}"
_rmsprop_updates = {
    (False, False): _rmsprop(
        "rmsprop_update",
        "{p} after a step of length {lr}, each element in units of its recent size",
        r"{p} - {lr} " + _SQUARE,
    ),
    (False, True): _rmsprop(
        "rmsprop_momentum_update",
        "{p} after a step of RMSprop along the gathered directions {buffer}",
        r"{p} - {lr} \left({momentum} \, {buffer} + " + _SQUARE + r"\right)",
        "buffer",
    ),
    (True, False): _rmsprop(
        "rmsprop_centered_update",
        "{p} after a step of RMSprop in units of the standard deviation of its gradient",
        r"{p} - {lr} " + _VARIANCE,
        "mean",
    ),
    (True, True): _rmsprop(
        "rmsprop_centered_momentum_update",
        "{p} after a step of centred RMSprop along the gathered directions {buffer}",
        r"{p} - {lr} \left({momentum} \, {buffer} + " + _VARIANCE + r"\right)",
        "mean",
        "buffer",
    ),
}

# ------------------------------------------------------------------------------------------- Adadelta


def _adadelta_body(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    square: Any,
    change: Any,
    *,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    g = ascent_or_decay(p, g, weight_decay, maximize)
    square = add(multiply(square, rho), multiply(multiply(g, g), 1 - rho))
    direction = multiply(divide(sqrt(add(change, eps)), sqrt(add(square, eps))), g)
    change = add(multiply(change, rho), multiply(multiply(direction, direction), 1 - rho))
    return subtract(p, multiply(direction, as_dtype_of(lr, p))), add(step, 1), square, change


def _adadelta_kernel(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    square: Any,
    change: Any,
    *,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    g = ascent_or_decay_kernel(p, g, weight_decay, maximize)
    square = square * rho
    square += (g * g) * (1 - rho)
    size = square + eps
    direction = np.sqrt(change + eps)
    direction /= np.sqrt(size, out=size if p.ndim else None)
    direction *= g
    change = change * rho
    change += (direction * direction) * (1 - rho)
    direction *= p.dtype.type(lr)
    return p - direction, step + 1, square, change


_adadelta_update = declare_update(
    "adadelta_update",
    _adadelta_body,
    _adadelta_kernel,
    "{p} after a step in which each gradient is scaled by the size of recent changes over that of recent gradients",
    r"{p} - {lr} \frac{{\sqrt{{{change} + \epsilon}}}}{{\sqrt{{{square} + \epsilon}}}} {g}",
    ("p", "g", "lr", "step", "square", "change"),
    update_samples((0.1,), SQUARES, SQUARES, rho=0.9, eps=1e-6, weight_decay=0.01, maximize=False),
)

# ------------------------------------------------------------------------------------------- clipping


def _check_finite(x: Any) -> Any:
    if not np.all(np.isfinite(x)):
        raise ValueError(
            f"clip_grad_norm_: the total norm of the gradients is {x}, so they cannot be clipped. "
            f"Nothing was changed. (error_if_nonfinite=False scales them all the same.)"
        )
    return x


_finite_norm = linear(
    "finite_norm",
    _check_finite,
    lambda x: Spec(x.shape, x.dtype),
    lambda g, x: g,
    lambda batched, xs: _finite_norm(xs[0]),
    formula="{x}",
    words="{x}, checked to be finite",
    refuses=True,
    lower="finite_check",
    onnx=unsupported("finite_norm: training is not exported"),
    samples=fixed(lambda rng: [Sample((np.float64(rng.uniform(1, 2)),))]),
)
