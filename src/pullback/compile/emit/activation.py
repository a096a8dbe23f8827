"""Activations and losses of single numbers: rectifiers, exponential units, shrinkage, losses of a residual."""

from __future__ import annotations

import math

from .exponential import exp, exp_of, expm1, log, log1p, softplus_bend
from .function import Function
from .hyperbolic import tanh
from .types import Operand

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "elu", "hard_sigmoid", "hard_swish",
    "hardshrink", "huber", "leaky_relu", "mish", "nan_to_num", "pinball", "prelu", "safe_reciprocal", "selu", "silu",
    "softshrink", "softsign", "tanhshrink", "threshold", "xlog1py", "xlogy",
]  # fmt: skip


def _above(f: Function, x: Operand) -> Operand:
    """max(x, 0), which is 0 for −0."""
    zero = f.constant(x, 0.0)
    return f.select(f.compare("oge", zero, x), zero, x)


def _below(f: Function, x: Operand) -> Operand:
    """min(x, 0), which is 0 for −0."""
    zero = f.constant(x, 0.0)
    return f.select(f.compare("ole", zero, x), zero, x)


# ------------------------------------------------------------------------------------------------ kinked


def leaky_relu(f: Function, x: Operand, negative_slope: float) -> Operand:
    """max(x, 0) + slope · min(x, 0)."""
    return prelu(f, x, f.constant(x, negative_slope))


def prelu(f: Function, x: Operand, slope: Operand) -> Operand:
    """max(x, 0) + slope · min(x, 0)."""
    return f.add(_above(f, x), f.binary("fmul", slope, _below(f, x), flags=""))


def _ramp(f: Function, x: Operand) -> Operand:
    """min(max(x + 3, 0), 6) / 6."""
    raised = f.larger(f.constant(x, 0.0), f.add(x, f.constant(x, 3.0)))
    return f.div(f.smaller(f.constant(x, 6.0), raised), f.constant(x, 6.0))


def hard_sigmoid(f: Function, x: Operand) -> Operand:
    """min(max(x + 3, 0), 6) / 6."""
    return _ramp(f, x)


def hard_swish(f: Function, x: Operand) -> Operand:
    """x · min(max(x + 3, 0), 6) / 6."""
    return f.mul(x, _ramp(f, x))


def hardshrink(f: Function, x: Operand, lambd: float) -> Operand:
    """x, and 0 (with the sign of x) where |x| ≤ λ."""
    near = f.compare("ole", f.abs(x), f.constant(x, lambd))
    return f.select(near, f.mul(x, f.constant(x, 0.0)), x)


def softshrink(f: Function, x: Operand, lambd: float) -> Operand:
    """x less λ in the direction of 0, and 0 (with the sign of x) where |x| ≤ λ."""
    width = f.constant(x, lambd)
    near = f.compare("ole", f.abs(x), width)
    return f.select(near, f.mul(x, f.constant(x, 0.0)), f.sub(x, f.copysign(width, x)))


def threshold(f: Function, x: Operand, threshold: float, value: float) -> Operand:
    """x, and the value where x is at most the threshold."""
    return f.select(f.compare("ole", x, f.constant(x, threshold)), f.constant(x, value), x)


# ------------------------------------------------------------------------------------------------ smooth


def elu(f: Function, x: Operand, alpha: float) -> Operand:
    """max(x, 0) + α (e^min(x, 0) − 1)."""
    return f.add(_above(f, x), f.mul(f.constant(x, alpha), expm1(f, _below(f, x))))


def celu(f: Function, x: Operand, alpha: float) -> Operand:
    """max(x, 0) + α (e^(min(x, 0)/α) − 1)."""
    exponent = f.div(_below(f, x), f.constant(x, alpha))
    return f.add(_above(f, x), f.mul(f.constant(x, alpha), expm1(f, exponent)))


# α and λ keep mean 0 and variance 1: Klambauer, Unterthiner, Mayr, Hochreiter, arXiv:1706.02515.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(f: Function, x: Operand) -> Operand:
    """λ (max(x, 0) + α (e^min(x, 0) − 1))."""
    return f.mul(f.constant(x, _SELU_SCALE), elu(f, x, _SELU_ALPHA))


def softsign(f: Function, x: Operand) -> Operand:
    """x / (1 + |x|)."""
    return f.div(x, f.add(f.abs(x), f.constant(x, 1.0)))


def silu(f: Function, x: Operand) -> Operand:
    """x / (1 + e⁻ˣ), within 2.5 ulp."""
    return f.div(x, f.add(exp(f, f.neg(x)), f.constant(x, 1.0)))


def mish(f: Function, x: Operand) -> Operand:
    """x tanh(ln(1 + eˣ)) = x w / (w + 2) with w = eˣ (eˣ + 2), within 4 ulp."""
    two = f.constant(x, 2.0)
    e = exp_of(f, x, -104.0 if x.type.kind == "float" else -746.0, 40.0)
    w = f.mul(e, f.add(e, two))
    return f.mul(x, f.div(w, f.add(w, two)))


def tanhshrink(f: Function, x: Operand) -> Operand:
    """x − tanh x, as it is written: near 0 the difference has few digits, as NumPy's has."""
    return f.sub(x, tanh(f, x))


# ------------------------------------------------------------------------------------------------ losses


def binary_cross_entropy(f: Function, p: Operand, target: Operand) -> Operand:
    """−t ln p − (1 − t) ln(1 − p), logarithms at least −100. A p outside of [0, 1] gives NaN."""
    bound, one = f.constant(p, -100.0), f.constant(p, 1.0)
    hit = f.larger(bound, log(f, p))
    miss = f.larger(bound, log1p(f, f.neg(p)))
    return f.add(f.mul(target, f.neg(hit)), f.mul(f.sub(one, target), f.neg(miss)))


def binary_cross_entropy_with_logits(f: Function, z: Operand, target: Operand) -> Operand:
    """max(z, 0) − z t + ln(1 + e^(−|z|))."""
    # In this order: where max(z, 0) and z t cancel, the logarithm alone is left.
    straight = f.sub(_above(f, z), f.binary("fmul", z, target, flags=""))
    return f.add(straight, softplus_bend(f, f.abs(z)))


def huber(f: Function, x: Operand, target: Operand, delta: float) -> Operand:
    """r²/2 for a residual r of at most δ, else δ (|r| − δ/2)."""
    residual = f.abs(f.sub(x, target))
    near = f.smaller(f.constant(x, delta), residual)
    return f.mul(near, f.sub(residual, f.mul(near, f.constant(x, 0.5))))


def pinball(f: Function, x: Operand, target: Operand, q: Operand) -> Operand:
    """max(q m, (q − 1) m) for what is missing, m = target − x."""
    missing = f.sub(target, x)
    under, over = f.mul(q, missing), f.mul(f.sub(q, f.constant(q, 1.0)), missing)
    largest = f.select(f.compare("ogt", under, over), under, over)
    return f.add(f.select(f.compare("uno", under, under), under, largest), f.constant(x, 0.0))


# ---------------------------------------------------------------------------------------- numbers put right


def safe_reciprocal(f: Function, x: Operand) -> Operand:
    """1 / x, and 0 of 0."""
    zero, one = f.constant(x, 0.0), f.constant(x, 1.0)
    return f.select(f.compare("oeq", x, zero), zero, f.div(one, x))


def xlogy(f: Function, a: Operand, x: Operand) -> Operand:
    """a ln x, and 0 where a is 0 and x a number."""
    return _zero_or(f, a, x, f.mul(a, log(f, x)))


def xlog1py(f: Function, a: Operand, x: Operand) -> Operand:
    """a ln(1 + x), and 0 where a is 0 and x a number."""
    return _zero_or(f, a, x, f.mul(a, log1p(f, x)))


def _zero_or(f: Function, a: Operand, x: Operand, product: Operand) -> Operand:
    zero = f.constant(a, 0.0)
    nothing = f.binary("and", f.compare("oeq", a, zero), f.compare("ord", x, x))
    return f.select(nothing, zero, product)


def nan_to_num(f: Function, x: Operand, nan: float, posinf: float | None, neginf: float | None) -> Operand:
    """x with numbers for NaN and the infinities; None is the largest finite number of the format."""
    largest = 3.4028234663852886e38 if x.type.kind == "float" else 1.7976931348623157e308
    value = f.select(f.compare("uno", x, x), f.constant(x, nan), x)
    for infinity, number, finite in ((math.inf, posinf, largest), (-math.inf, neginf, -largest)):
        replaced = f.constant(x, finite if number is None else number)
        value = f.select(f.compare("oeq", x, f.constant(x, infinity)), replaced, value)
    return value
