"""Exponential, logarithm, roots and powers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import BOTH, INPUTS, OUTPUT, unsupported
from ..core.samples import Sample, fixed, real
from ..core.spec import dtype_of
from .arithmetic import add, divide, multiply, reciprocal, subtract
from .compare import equal, greater_equal, logical_and
from .select import where

__all__ = ["exp", "expm1", "log", "log10", "log1p", "log2", "pow", "sqrt"]

inf, nan = float("inf"), float("nan")

exp = elementwise(
    "exp",
    np.exp,
    lambda x, y: y,
    uses=OUTPUT,
    formula="e^{{{x}}}",
    words="the exponential of {x}",
    lower="exp",
    onnx="Exp",
    samples=real((-5, 5)),
    special={-inf: 0.0, 710.0: inf, inf: inf, -0.0: 1.0, nan: nan},
    special_slope={-inf: 0.0, 0.0: 1.0},
)

expm1 = elementwise(
    "expm1",
    np.expm1,
    lambda x, y: add(y, 1),
    uses=OUTPUT,
    formula="e^{{{x}}} - 1",
    words="the exponential of {x} minus 1, accurate near 0",
    lower="expm1",
    onnx=unsupported("ONNX has no operator for it; Sub(Exp(x), 1) loses its accuracy near 0"),
    samples=real((-5, 5)),
    special={-inf: -1.0, 710.0: inf, -0.0: -0.0, 1e-20: 1e-20},
    special_slope={-inf: 0.0, 0.0: 1.0},
)

log = elementwise(
    "log",
    np.log,
    lambda x, y: reciprocal(x),
    uses=INPUTS,
    formula=r"\ln {x}",
    words="the natural logarithm of {x}",
    lower="log",
    onnx="Log",
    samples=real((0.2, 5)),
    special={0.0: -inf, 1.0: 0.0, inf: inf, -1.0: nan},
    special_slope={0.0: inf, inf: 0.0},
)

log1p = elementwise(
    "log1p",
    np.log1p,
    lambda x, y: reciprocal(add(x, 1)),
    uses=INPUTS,
    formula=r"\ln(1 + {x})",
    words="the natural logarithm of 1 plus {x}, accurate near 0",
    lower="log1p",
    onnx=unsupported("ONNX has no operator for it; Log(Add(x, 1)) loses its accuracy near 0"),
    samples=real((-0.8, 5)),
    special={-1.0: -inf, -0.0: -0.0, 1e-20: 1e-20, inf: inf, -2.0: nan},
    special_slope={-1.0: inf, 0.0: 1.0},
)

log2 = elementwise(
    "log2",
    np.log2,
    lambda x, y: divide(1 / math.log(2), x),
    uses=INPUTS,
    formula=r"\log_2 {x}",
    words="the binary logarithm of {x}",
    lower="log2",
    onnx=unsupported("ONNX has no operator for it; it is Div(Log(x), log 2)"),
    samples=real((0.2, 5)),
    special={0.0: -inf, 8.0: 3.0, inf: inf, -1.0: nan},
    special_slope={0.0: inf},
)

log10 = elementwise(
    "log10",
    np.log10,
    lambda x, y: divide(1 / math.log(10), x),
    uses=INPUTS,
    formula=r"\log_{{10}} {x}",
    words="the decimal logarithm of {x}",
    lower="log10",
    onnx=unsupported("ONNX has no operator for it; it is Div(Log(x), log 10)"),
    samples=real((0.2, 5)),
    special={0.0: -inf, 1000.0: 3.0, inf: inf, -1.0: nan},
    special_slope={0.0: inf},
)

sqrt = elementwise(
    "sqrt",
    np.sqrt,
    lambda x, y: divide(0.5, y),
    uses=OUTPUT,
    formula=r"\sqrt{{{x}}}",
    words="the square root of {x}",
    lower="sqrt",
    onnx="Sqrt",
    samples=real((0.2, 5)),
    special={0.0: 0.0, "-0.0": -0.0, inf: inf, -1.0: nan},
    special_slope={0.0: inf, 4.0: 0.25},
    kink="at 0 the derivative is infinite, and is given as such",
)

# ------------------------------------------------------------------------------------------------ powers


def _power(a: Any, b: Any) -> Any:
    # Two multiplications are seven times as quick as the general power; NumPy itself treats 2, 1, 0.5, 0 and -1 so.
    if b.__class__ is int:
        if a.__class__ is int or dtype_of(a).kind == "b":
            return np.power(a, b)  # where Python's and NumPy's operators choose the dtype by the value of b
        if b == 3:
            return a * a * a
    return a**b


def _slope_in_base(a: Any, b: Any, y: Any) -> Any:
    if b.__class__ in _NUMBERS:
        if b == 0:
            return 0
        return 1 if b == 1 else multiply(b, a if b == 2 else pow(a, b - 1))
    # Only at 0^0 is the power 0^(-1) replaced by 1^(-1): elsewhere mixed derivatives need the true base.
    safe = where(logical_and(equal(a, 0), equal(b, 0)), 1, a)
    return multiply(b, pow(safe, subtract(b, 1.0)))


def _slope_in_exponent(a: Any, b: Any, y: Any) -> Any:
    if a.__class__ in _NUMBERS and a > 0:
        return multiply(y, math.log(a))
    return multiply(y, log(where(logical_and(equal(a, 0), greater_equal(b, 0)), 1, a)))


_NUMBERS: frozenset[Any] = frozenset({float, int, bool})


def _bases_and_exponents(rng: np.random.Generator) -> list[Sample]:
    return [
        *real((0.3, 3), (-2, 3))(rng),
        *(Sample((rng.uniform(-3, 3, (2, 3)) + 0.01, p)) for p in (0, 1, 2, 3, 5)),
        *(Sample((rng.uniform(0.5, 3, (4,)), p)) for p in (-1, -2, 0.5, 2.5)),
        Sample((2, rng.uniform(-2, 3, (2, 2)))),
        Sample((0.75, rng.uniform(-2, 3, (3,)))),
    ]


pow = elementwise(
    "pow",
    _power,
    (_slope_in_base, _slope_in_exponent),
    uses=BOTH,
    formula="{{{a}}}^{{{b}}}",
    words="{a} to the power {b}",
    lower="pow",
    onnx="Pow",
    samples=fixed(_bases_and_exponents),
    special={
        (0.0, 0.0): 1.0,
        (nan, 0.0): 1.0,
        (1.0, nan): 1.0,
        (0.0, -1.0): inf,
        (-8.0, 3.0): -512.0,
        (-8.0, 0.5): nan,
        (2.0, -inf): 0.0,
    },
    special_slope={
        (0.0, 0.0): (0.0, 0.0),
        (0.0, 1.0): (1.0, 0.0),
        (0.0, 2.0): (0.0, 0.0),
        (0.0, 3.0): (0.0, 0.0),
        (3.0, 0.0): (0.0, math.log(3)),
        (0.0, 0.5): (inf, 0.0),
        (-2.0, 2.0): (-4.0, nan),
    },
    kink="0^0 has the derivatives 0; at the base 0 the derivative in the exponent is 0 where the exponent is not "
    "negative; for a negative base it is NaN. All as in PyTorch",
)
