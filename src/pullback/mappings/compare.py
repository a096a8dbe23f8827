"""Comparison, logic and bits: mappings whose value is true or false or a whole number, and has no derivative."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import Mapping, unsupported
from ..core.samples import Sample, Samples, fixed, integers, real

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]

inf, nan = float("inf"), float("nan")

# ------------------------------------------------------------------------------------------ comparisons


def _some_equal(rng: np.random.Generator) -> list[Sample]:
    """Two real arguments that agree in some places."""
    a, b = rng.integers(-2, 3, (2, 4, 5)).astype(np.float64)
    return [*real((-5, 5), (-5, 5))(rng), Sample((a, b)), Sample((a, b[0])), Sample((a, 1.0))]


def _comparison(
    name: str, evaluate: Callable[..., Any], sign: str, words: str, onnx: str | unsupported, special: dict[Any, bool]
) -> Mapping:
    return elementwise(
        name,
        evaluate,
        None,
        arguments=("a", "b"),
        formula=f"{{a}} {sign} {{b}}",
        words=f"whether {{a}} {words} {{b}}",
        lower=name,
        onnx=onnx,
        samples=fixed(_some_equal),
        special=special,
    )


equal = _comparison("equal", operator.eq, "=", "equals", "Equal", {(nan, nan): False, (0.0, -0.0): True})
not_equal = _comparison(
    "not_equal",
    operator.ne,
    r"\neq",
    "differs from",
    unsupported("ONNX has no operator for it; it is Not(Equal)"),
    {(nan, nan): True, (0.0, -0.0): False},
)
less = _comparison("less", operator.lt, "<", "is less than", "Less", {(nan, 1.0): False, (-inf, inf): True})
less_equal = _comparison(
    "less_equal", operator.le, r"\leq", "is at most", "LessOrEqual", {(nan, nan): False, (inf, inf): True}
)
greater = _comparison("greater", operator.gt, ">", "is greater than", "Greater", {(nan, 1.0): False, (inf, -inf): True})
greater_equal = _comparison(
    "greater_equal", operator.ge, r"\geq", "is at least", "GreaterOrEqual", {(nan, nan): False, (0.0, -0.0): True}
)

# ---------------------------------------------------------------------------- what kind of number it is


def _not_all_finite(rng: np.random.Generator) -> list[Sample]:
    return [*real((-5, 5))(rng), Sample((np.array([[inf, 1.0, nan], [-inf, -0.0, 2.0]]),))]


isnan = elementwise(
    "isnan",
    np.isnan,
    None,
    formula=r"\operatorname{{isnan}}({x})",
    words="whether {x} is not a number",
    lower="isnan",
    onnx="IsNaN",
    samples=fixed(_not_all_finite),
    special={nan: True, inf: False, 0.0: False},
)

isinf = elementwise(
    "isinf",
    np.isinf,
    None,
    formula=r"\operatorname{{isinf}}({x})",
    words="whether {x} is infinite",
    lower="isinf",
    onnx="IsInf",
    samples=fixed(_not_all_finite),
    special={nan: False, inf: True, -inf: True},
)

isfinite = elementwise(
    "isfinite",
    np.isfinite,
    None,
    formula=r"\operatorname{{isfinite}}({x})",
    words="whether {x} is finite",
    lower="isfinite",
    onnx=unsupported("ONNX has no operator for it; it is Not(Or(IsNaN, IsInf))"),
    samples=fixed(_not_all_finite),
    special={nan: False, inf: False, -inf: False, 1.0: True},
)

# ------------------------------------------------------------------------------------------------ logic


def _truths(count: int) -> Samples:
    def draw(rng: np.random.Generator) -> list[Sample]:
        shapes = ((2, 3), ()), ((), (2,)), ((3,), (2, 3)), ((0, 3), (3,))
        return [Sample(tuple(np.asarray(rng.random(s) < 0.5) for s in pair[:count])) for pair in shapes]

    return draw


def _logic(name: str, evaluate: Callable[..., Any], sign: str, words: str, onnx: str) -> Mapping:
    return elementwise(
        name,
        evaluate,
        None,
        arguments=("a", "b"),
        formula=f"{{a}} {sign} {{b}}",
        words=words,
        lower=name,
        onnx=onnx,
        samples=_truths(2),
        special={
            (a, b): bool(evaluate(a, b)) for a, b in ((0.0, 0.0), (0.0, 2.0), (-1.0, 0.0), (3.0, 4.0), (nan, 0.0))
        },
    )


logical_and = _logic("logical_and", np.logical_and, r"\wedge", "whether both {a} and {b} hold", "And")
logical_or = _logic("logical_or", np.logical_or, r"\vee", "whether {a} or {b} holds", "Or")
logical_xor = _logic("logical_xor", np.logical_xor, r"\oplus", "whether exactly one of {a} and {b} holds", "Xor")
logical_not = elementwise(
    "logical_not",
    np.logical_not,
    None,
    formula=r"\neg {x}",
    words="whether {x} does not hold",
    lower="logical_not",
    onnx="Not",
    samples=_truths(1),
    special={0.0: True, 2.0: False, nan: False},
)

# ------------------------------------------------------------------------------------------------- bits


def _bits(
    name: str, evaluate: Callable[..., Any], sign: str, words: str, onnx: str, b_range: tuple[int, int]
) -> Mapping:
    return elementwise(
        name,
        evaluate,
        None,
        arguments=("a", "b"),
        formula=f"{{a}} {sign} {{b}}",
        words=words,
        lower=name,
        onnx=onnx,
        samples=integers((-100, 100), b_range),
    )


bitwise_and = _bits(
    "bitwise_and", operator.and_, r"\mathbin{{\&}}", "the bits that {a} and {b} share", "BitwiseAnd", (-100, 100)
)
bitwise_or = _bits(
    "bitwise_or", operator.or_, r"\mathbin{{|}}", "the bits that {a} or {b} has", "BitwiseOr", (-100, 100)
)
bitwise_xor = _bits(
    "bitwise_xor", operator.xor, r"\oplus", "the bits in which {a} and {b} differ", "BitwiseXor", (-100, 100)
)
bitwise_left_shift = _bits(
    "bitwise_left_shift", operator.lshift, r"\ll", "{a} with its bits moved left by {b}", "BitShift", (0, 8)
)
bitwise_right_shift = _bits(
    "bitwise_right_shift", operator.rshift, r"\gg", "{a} with its bits moved right by {b}", "BitShift", (0, 8)
)
bitwise_invert = elementwise(
    "bitwise_invert",
    np.invert,
    None,
    formula=r"\mathord{{\sim}} {x}",
    words="{x} with every bit flipped",
    lower="bitwise_invert",
    onnx="BitwiseNot",
    samples=integers((-100, 100)),
)
