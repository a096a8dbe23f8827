"""Updates without the gradient's size: Rprop, which goes by its sign; and averaged gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import add, divide, multiply, negative, subtract
from .compare import greater, less
from .dtype import astype
from .exponential import pow
from .rounding import sign
from .select import clip, maximum, where
from .update import as_dtype_of, ascent_or_decay, ascent_or_decay_kernel, declare_update, update_samples

__all__: list[str] = []


# ----------------------------------------------------------------------------------------------- Rprop


def _rprop_body(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    before: Any,
    length: Any,
    *,
    shorter: float,
    longer: float,
    least: float,
    most: float,
    maximize: bool,
) -> Any:
    g = negative(g) if maximize else g
    agreement = multiply(sign(g), sign(before))
    turned = less(agreement, 0)
    other = where(turned, multiply(length, shorter), length)
    length = clip(where(greater(agreement, 0), multiply(length, longer), other), least, most)
    g = where(turned, 0, g)
    return subtract(p, multiply(sign(g), length)), add(step, 1), g, length


def _rprop_kernel(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    before: Any,
    length: Any,
    *,
    shorter: float,
    longer: float,
    least: float,
    most: float,
    maximize: bool,
) -> Any:
    g = -g if maximize else g
    agreement = np.sign(g) * np.sign(before)
    turned = agreement < 0
    length = np.where(agreement > 0, length * longer, np.where(turned, length * shorter, length))
    length = np.minimum(np.maximum(length, p.dtype.type(least)), p.dtype.type(most))
    g = np.where(turned, p.dtype.type(0), g)[()]
    return p - np.sign(g) * length, step + 1, g, length


_rprop_update = declare_update(
    "rprop_update",
    _rprop_body,
    _rprop_kernel,
    "{p}, each element moved by its own {length} against the sign of the gradient {g}, or not where the sign turned",
    r"{p} - {length} \operatorname{{sign}}({g})",
    ("p", "g", "lr", "step", "before", "length"),
    update_samples((0.1,), (2.0, 3.0), (0.5, 1.0), shorter=0.5, longer=1.2, least=1e-6, most=50.0, maximize=False),
)

# ------------------------------------------------------------------------------------------------ ASGD


def _asgd_body(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    mean: Any,
    *,
    lambd: float,
    alpha: float,
    t0: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    g = ascent_or_decay(p, g, weight_decay, maximize)
    done = astype(step, np.float64)  # the steps before this one
    eta = divide(lr, pow(add(1.0, multiply(multiply(lr, lambd), done)), alpha))
    share = divide(1.0, maximum(subtract(done, t0), 1.0))
    p = multiply(p, as_dtype_of(subtract(1.0, multiply(eta, lambd)), p))
    p = subtract(p, multiply(g, as_dtype_of(eta, p)))
    return p, add(step, 1), add(mean, multiply(subtract(p, mean), as_dtype_of(share, p)))


def _asgd_kernel(
    p: Any,
    g: Any,
    lr: Any,
    step: Any,
    mean: Any,
    *,
    lambd: float,
    alpha: float,
    t0: float,
    weight_decay: float,
    maximize: bool,
) -> Any:
    g = ascent_or_decay_kernel(p, g, weight_decay, maximize)
    done, kind = np.float64(step), p.dtype.type
    eta = lr / (1.0 + lr * lambd * done) ** alpha
    p = p * kind(1.0 - eta * lambd)
    p = p - g * kind(eta)
    return p, step + 1, mean + (p - mean) * kind(1.0 / max(done - t0, 1.0))


_asgd_update = declare_update(
    "asgd_update",
    _asgd_body,
    _asgd_kernel,
    "{p} after a step of length {lr}, shorter with time, against the gradient {g}; and its {mean} since a while",
    r"{p} - \eta \, {g}",
    ("p", "g", "lr", "step", "mean"),
    update_samples((0.1,), (-0.5, 0.5), lambd=1e-2, alpha=0.75, t0=2.0, weight_decay=0.01, maximize=False),
)
