"""The updates of Adam and its relatives: a mean of the gradients, in units of their size.

`betas` are two float64 numbers. In every body the scalars are computed in float64 and meet the parameter in
its own dtype; the kernels do the same in fewer steps, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.spec import dtype_of
from .arithmetic import add, divide, multiply, negative, subtract
from .compare import greater
from .dtype import astype
from .exponential import pow, sqrt
from .rounding import abs, sign
from .select import maximum, where
from .slicing import _slice
from .update import (
    MEANS,
    SQUARES,
    as_dtype_of,
    ascent_or_decay,
    ascent_or_decay_kernel,
    declare_update,
    update_samples,
)

__all__: list[str] = []


def _both(betas: Any) -> tuple[Any, Any]:
    return _slice(betas, index=(0,)), _slice(betas, index=(1,))


def _mixed(kept: Any, new: Any, beta: Any) -> Any:
    """β kept + (1 − β) new."""
    return add(multiply(kept, as_dtype_of(beta, kept)), multiply(new, as_dtype_of(subtract(1.0, beta), kept)))


def _mixed_kernel(kept: Any, new: Any, beta: float) -> Any:
    kept = kept * beta
    kept += new * (1.0 - beta)
    return kept


def _decayed(p: Any, lr: Any, weight_decay: float, decoupled: bool) -> Any:
    if not (decoupled and weight_decay):
        return p
    return multiply(p, as_dtype_of(subtract(1.0, multiply(lr, weight_decay)), p))


def _decayed_kernel(p: Any, lr: Any, weight_decay: float, decoupled: bool) -> Any:
    return p * p.dtype.type(1.0 - lr * weight_decay) if decoupled and weight_decay else p


_SETTINGS: dict[str, Any] = {"eps": 1e-8, "weight_decay": 0.01, "maximize": False}
_BETAS = (0.9, 0.999)
_ARGUMENTS = ("p", "g", "lr", "betas", "step", "mean", "square")

# ------------------------------------------------------------------------------------------------ Adam


def _adam_body(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    mean: Any,
    square: Any,
    *largest: Any,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> Any:
    step, (beta1, beta2) = add(step, 1), _both(betas)
    g = ascent_or_decay(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed(p, lr, weight_decay, decoupled)
    mean, square = _mixed(mean, g, beta1), _mixed(square, multiply(g, g), beta2)
    t = astype(step, np.float64)
    size = divide(lr, subtract(1.0, pow(beta1, t)))
    correction = sqrt(subtract(1.0, pow(beta2, t)))
    if largest:
        largest = (maximum(largest[0], square),)
    root = divide(sqrt(largest[0] if largest else square), as_dtype_of(correction, p))
    new = subtract(p, multiply(divide(mean, add(root, eps)), as_dtype_of(size, p)))
    return new, step, mean, square, *largest


def _adam_kernel(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    mean: Any,
    square: Any,
    *largest: Any,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> Any:
    step = step + 1
    beta1, beta2 = betas.tolist()
    kind = p.dtype.type
    g = ascent_or_decay_kernel(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed_kernel(p, lr, weight_decay, decoupled)
    mean, square = _mixed_kernel(mean, g, beta1), _mixed_kernel(square, g * g, beta2)
    t = np.float64(step)
    size = kind(lr / (1.0 - beta1**t))
    correction = kind(np.sqrt(1.0 - beta2**t))
    if largest:
        largest = (np.maximum(largest[0], square),)
    root = np.sqrt(largest[0] if largest else square)
    root /= correction
    root += eps
    new = mean / root
    new *= size
    return p - new, step, mean, square, *largest


_adam_update = declare_update(
    "adam_update",
    _adam_body,
    _adam_kernel,
    "{p} after a step of length {lr} along the mean gradient, each element in units of its own size",
    r"{p} - {lr} \frac{{\hat {mean}}}{{\sqrt{{\hat {square}}} + \epsilon}}",
    _ARGUMENTS,
    update_samples((0.1, _BETAS), MEANS, SQUARES, decoupled=True, **_SETTINGS),
)
_amsgrad_update = declare_update(
    "amsgrad_update",
    _adam_body,
    _adam_kernel,
    "{p} after a step of Adam that divides by the largest size {largest} seen so far",
    r"{p} - {lr} \frac{{\hat {mean}}}{{\sqrt{{\hat {largest}}} + \epsilon}}",
    (*_ARGUMENTS, "largest"),
    update_samples((0.1, _BETAS), MEANS, SQUARES, SQUARES, decoupled=False, **_SETTINGS),
)

# ---------------------------------------------------------------------------------------------- Adamax


def _adamax_body(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    mean: Any,
    largest: Any,
    *,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    step, (beta1, beta2) = add(step, 1), _both(betas)
    g = ascent_or_decay(p, g, weight_decay, maximize)
    mean = _mixed(mean, g, beta1)
    largest = maximum(multiply(largest, as_dtype_of(beta2, p)), add(abs(g), eps))
    size = divide(lr, subtract(1.0, pow(beta1, astype(step, np.float64))))
    return subtract(p, multiply(divide(mean, largest), as_dtype_of(size, p))), step, mean, largest


def _adamax_kernel(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    mean: Any,
    largest: Any,
    *,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    step = step + 1
    beta1, beta2 = betas.tolist()
    g = ascent_or_decay_kernel(p, g, weight_decay, maximize)
    mean = _mixed_kernel(mean, g, beta1)
    size = np.abs(g)
    size += eps
    largest = np.maximum(largest * beta2, size)
    change = mean / largest
    change *= p.dtype.type(lr / (1.0 - beta1 ** np.float64(step)))
    return p - change, step, mean, largest


_adamax_update = declare_update(
    "adamax_update",
    _adamax_body,
    _adamax_kernel,
    "{p} after a step of length {lr} along the mean gradient, in units of its largest recent size {largest}",
    r"{p} - {lr} \frac{{\hat {mean}}}{{{largest}}}",
    ("p", "g", "lr", "betas", "step", "mean", "largest"),
    update_samples((0.1, _BETAS), MEANS, (3.0, 4.0), **_SETTINGS),
)

# ----------------------------------------------------------------------------------------------- NAdam


def _nadam_body(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    product: Any,
    mean: Any,
    square: Any,
    *,
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled: bool,
    maximize: bool,
) -> Any:
    step, (beta1, beta2) = add(step, 1), _both(betas)
    g = ascent_or_decay(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed(p, lr, weight_decay, decoupled)
    t = astype(step, np.float64)
    now = _warmed(beta1, t, momentum_decay)
    following = _warmed(beta1, add(t, 1.0), momentum_decay)
    product = astype(multiply(product, now), dtype_of(product))
    mean, square = _mixed(mean, g, beta1), _mixed(square, multiply(g, g), beta2)
    root = sqrt(divide(square, as_dtype_of(subtract(1.0, pow(beta2, t)), p)))
    of_g = divide(multiply(lr, subtract(1.0, now)), subtract(1.0, product))
    of_mean = divide(multiply(lr, following), subtract(1.0, multiply(product, following)))
    direction = add(multiply(g, as_dtype_of(of_g, p)), multiply(mean, as_dtype_of(of_mean, p)))
    return subtract(p, divide(direction, add(root, eps))), step, product, mean, square


def _warmed(beta1: Any, t: Any, momentum_decay: float) -> Any:
    """μ(t) = β₁ (1 − 0.96^(t ψ)/2)."""
    return multiply(beta1, subtract(1.0, multiply(0.5, pow(0.96, multiply(t, momentum_decay)))))


def _nadam_kernel(
    p: Any,
    g: Any,
    lr: Any,
    betas: Any,
    step: Any,
    product: Any,
    mean: Any,
    square: Any,
    *,
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled: bool,
    maximize: bool,
) -> Any:
    step = step + 1
    beta1, beta2 = betas.tolist()
    kind = p.dtype.type
    g = ascent_or_decay_kernel(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed_kernel(p, lr, weight_decay, decoupled)
    t = np.float64(step)
    now = beta1 * (1.0 - 0.5 * 0.96 ** (t * momentum_decay))
    following = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1.0) * momentum_decay))
    product = product.dtype.type(product * now)
    mean, square = _mixed_kernel(mean, g, beta1), _mixed_kernel(square, g * g, beta2)
    root = square / kind(1.0 - beta2**t)
    root = np.sqrt(root, out=root if p.ndim else None)
    root += eps
    direction = g * kind(lr * (1.0 - now) / (1.0 - product))
    direction += mean * kind(lr * following / (1.0 - product * following))
    direction /= root
    return p - direction, step, product, mean, square


_nadam_update = declare_update(
    "nadam_update",
    _nadam_body,
    _nadam_kernel,
    "{p} after a step of Adam of length {lr} that looks ahead with Nesterov's momentum",
    r"{p} - {lr} \frac{{\mu \hat {mean} + (1 - \mu) \hat {g}}}{{\sqrt{{\hat {square}}} + \epsilon}}",
    ("p", "g", "lr", "betas", "step", "product", "mean", "square"),
    update_samples(
        (0.1, _BETAS), (0.2, 0.4), MEANS, SQUARES, momentum_decay=4e-3, decoupled=False, **_SETTINGS, numbers=(0,)
    ),
)

# ----------------------------------------------------------------------------------------------- RAdam


def _radam_body(
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
    decoupled: bool,
    maximize: bool,
) -> Any:
    step, (beta1, beta2) = add(step, 1), _both(betas)
    g = ascent_or_decay(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed(p, lr, weight_decay, decoupled)
    mean, square = _mixed(mean, g, beta1), _mixed(square, multiply(g, g), beta2)
    t = astype(step, np.float64)
    remaining = pow(beta2, t)
    correction = subtract(1.0, remaining)
    limit = subtract(divide(2.0, subtract(1.0, beta2)), 1.0)
    length = subtract(limit, divide(multiply(multiply(2.0, t), remaining), correction))
    long = greater(length, 5.0)
    safe = where(long, length, 6.0)  # the branch not taken is computed too, and must be a number
    high = where(greater(limit, 5.0), limit, 6.0)
    share = divide(
        multiply(multiply(subtract(safe, 4.0), subtract(safe, 2.0)), high),
        multiply(multiply(subtract(high, 4.0), subtract(high, 2.0)), safe),
    )
    size = divide(lr, subtract(1.0, pow(beta1, t)))
    rectified = as_dtype_of(multiply(size, multiply(sqrt(share), sqrt(correction))), p)
    adaptive = multiply(divide(mean, add(sqrt(square), eps)), rectified)
    return subtract(p, where(long, adaptive, multiply(mean, as_dtype_of(size, p)))), step, mean, square


def _radam_kernel(
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
    decoupled: bool,
    maximize: bool,
) -> Any:
    step = step + 1
    beta1, beta2 = betas.tolist()
    kind = p.dtype.type
    g = ascent_or_decay_kernel(p, g, 0.0 if decoupled else weight_decay, maximize)
    p = _decayed_kernel(p, lr, weight_decay, decoupled)
    mean, square = _mixed_kernel(mean, g, beta1), _mixed_kernel(square, g * g, beta2)
    t = np.float64(step)
    remaining = beta2**t
    correction = 1.0 - remaining
    limit = 2.0 / (1.0 - beta2) - 1.0
    length = limit - 2.0 * t * remaining / correction
    size = lr / (1.0 - beta1**t)
    if not length > 5.0:
        return p - mean * kind(size), step, mean, square
    share = (length - 4.0) * (length - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * length)
    change = np.sqrt(square)
    change += eps
    change = np.divide(mean, change, out=change if p.ndim else None)
    change *= kind(size * (np.sqrt(share) * np.sqrt(correction)))
    return p - change, step, mean, square


_radam_update = declare_update(
    "radam_update",
    _radam_body,
    _radam_kernel,
    "{p} after a step of Adam of length {lr}, made shorter while its estimate of the size is uncertain",
    r"{p} - {lr} \, r \frac{{\hat {mean}}}{{\sqrt{{\hat {square}}} + \epsilon}}",
    _ARGUMENTS,
    update_samples((0.1, (0.9, 0.95)), MEANS, SQUARES, decoupled=False, **_SETTINGS, steps=(2, 8)),
)

# ------------------------------------------------------------------------------------------------ Lion


def _lion_body(
    p: Any, g: Any, lr: Any, betas: Any, step: Any, mean: Any, *, weight_decay: float, maximize: bool
) -> Any:
    beta1, beta2 = _both(betas)
    g = negative(g) if maximize else g
    direction = sign(_mixed(mean, g, beta1))
    p = _decayed(p, lr, weight_decay, True)
    return subtract(p, multiply(direction, as_dtype_of(lr, p))), add(step, 1), _mixed(mean, g, beta2)


def _lion_kernel(
    p: Any, g: Any, lr: Any, betas: Any, step: Any, mean: Any, *, weight_decay: float, maximize: bool
) -> Any:
    beta1, beta2 = betas.tolist()
    g = -g if maximize else g
    direction = _mixed_kernel(mean, g, beta1)
    direction = np.sign(direction, out=direction if p.ndim else None)
    direction *= p.dtype.type(lr)
    return _decayed_kernel(p, lr, weight_decay, True) - direction, step + 1, _mixed_kernel(mean, g, beta2)


_lion_update = declare_update(
    "lion_update",
    _lion_body,
    _lion_kernel,
    "{p} after a step of length {lr} in every element, in the direction of the sign of the mean gradient",
    r"{p} - {lr} \operatorname{{sign}}(\beta_1 {mean} + (1 - \beta_1) {g})",
    ("p", "g", "lr", "betas", "step", "mean"),
    update_samples((0.1, (0.9, 0.99)), (2.0, 3.0), weight_decay=0.01, maximize=False),
)
