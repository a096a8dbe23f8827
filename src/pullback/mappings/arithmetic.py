"""Arithmetic: the four operations, powers, and what belongs to them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import BOTH, INPUTS, NOTHING, OUTPUT
from ..core.samples import real

__all__ = ["add", "divide", "multiply", "negative", "positive", "reciprocal", "square", "subtract"]

inf, nan = float("inf"), float("nan")

add = elementwise(
    "add",
    operator.add,
    (lambda a, b, y: 1, lambda a, b, y: 1),
    uses=NOTHING,
    formula="{a} + {b}",
    words="the sum of {a} and {b}",
    lower="add",
    onnx="Add",
    samples=real((-5, 5), (-5, 5)),
    special={(inf, 1.0): inf, (inf, -inf): nan},
)

subtract = elementwise(
    "subtract",
    operator.sub,
    (lambda a, b, y: 1, lambda a, b, y: -1),
    uses=NOTHING,
    formula="{a} - {b}",
    words="{a} minus {b}",
    lower="subtract",
    onnx="Sub",
    samples=real((-5, 5), (-5, 5)),
    special={(inf, inf): nan, (1.0, inf): -inf},
)

multiply = elementwise(
    "multiply",
    operator.mul,
    (lambda a, b, y: b, lambda a, b, y: a),
    uses=INPUTS,
    formula=r"{a} \cdot {b}",
    words="the product of {a} and {b}",
    lower="multiply",
    onnx="Mul",
    samples=real((-5, 5), (-5, 5)),
    special={(0.0, inf): nan, (-2.0, inf): -inf},
)


def _inverse(b: Any) -> Any:
    # A Python number stays one: on its own in a mapping it would be rounded to the default dtype.
    return 1 / b if b.__class__ in (int, float) and b else reciprocal(b)


divide = elementwise(
    "divide",
    operator.truediv,
    (lambda a, b, y: _inverse(b), lambda a, b, y: negative(divide(y, b))),
    uses=BOTH,
    formula=r"\frac{{{a}}}{{{b}}}",
    words="{a} divided by {b}",
    lower="divide",
    onnx="Div",
    samples=real((-5, 5), (0.5, 3)),
    special={(1.0, 0.0): inf, (-1.0, 0.0): -inf, (0.0, 0.0): nan, (1.0, inf): 0.0},
)

negative = elementwise(
    "negative",
    operator.neg,
    lambda x, y: -1,
    uses=NOTHING,
    formula="-{x}",
    words="the negative of {x}",
    lower="negative",
    onnx="Neg",
    samples=real((-5, 5)),
    special={inf: -inf, 0.0: -0.0},
)

positive = elementwise(
    "positive",
    operator.pos,
    lambda x, y: 1,
    uses=NOTHING,
    formula="{x}",
    words="{x} itself",
    lower="copy",
    onnx="Identity",
    samples=real((-5, 5)),
    special={-0.0: -0.0},
)


def _reciprocal(x: Any) -> Any:
    if x.__class__ is int:
        return 1.0 / x if x else inf  # as every array of zeros has it
    return np.reciprocal(x) if np.result_type(x).kind in "fc" else 1.0 / x


reciprocal = elementwise(
    "reciprocal",
    _reciprocal,
    lambda x, y: negative(square(y)),
    uses=OUTPUT,
    formula=r"\frac{{1}}{{{x}}}",
    words="the reciprocal of {x}",
    lower="reciprocal",
    onnx="Reciprocal",
    samples=real((0.5, 3)),
    special={0.0: inf, "-0.0": -inf, inf: 0.0},
)

square = elementwise(
    "square",
    lambda x: x * x,
    lambda x, y: multiply(2, x),
    uses=INPUTS,
    formula="{x}^2",
    words="the square of {x}",
    lower="square",
    onnx="Mul",
    samples=real((-5, 5)),
    special={-inf: inf, -3.0: 9.0},
)
