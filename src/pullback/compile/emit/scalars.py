"""Elementwise mappings as instructions: one table from what a mapping lowers to, to what writes it.

In registers a truth value is one bit and every other dtype what `types.type_of` says, in any number of lanes.
The functions written are NumPy's, dtype by dtype; where they are not bit for bit, the docstring of the function
that writes them states the bound in ulp of the exact value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import activation, bell, circular, exponential, hyperbolic, parts, power, whole
from .conversion import emit_conversion, register_kind
from .function import Function
from .types import Operand

__all__ = ["LOWERED", "can_emit", "emit_conversion", "emit_scalar", "register_kind"]

Dtype = np.dtype[Any]

# ------------------------------------------------------------------------ on floating-point numbers only
# Called (f, *operands of the result's dtype, **static).

_FLOATING: dict[str, Callable[..., Operand]] = {
    "reciprocal": lambda f, x: f.div(f.constant(x, 1.0), x),
    "divide": lambda f, a, b: f.div(a, b),
    "sqrt": lambda f, x: f.sqrt(x),
    "copysign": lambda f, a, b: f.copysign(a, b),
    **{
        name: getattr(exponential, name)
        for name in (
            "exp", "expm1", "log", "log1p", "log2", "log10", "sigmoid", "log_sigmoid", "softplus", "logaddexp",
            "exp_of_difference",
        )
    },
    **{name: getattr(circular, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2")},
    **{name: getattr(hyperbolic, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    **{name: getattr(bell, name) for name in ("erf", "erfc", "gelu", "gelu_tanh")},
    "hypot": power.hypot,
    **{
        name: getattr(activation, name)
        for name in (
            "leaky_relu", "prelu", "hard_sigmoid", "hard_swish", "hardshrink", "softshrink", "elu", "celu", "selu",
            "softsign", "silu", "mish", "tanhshrink", "binary_cross_entropy", "binary_cross_entropy_with_logits",
            "huber", "pinball", "safe_reciprocal", "xlogy", "xlog1py", "nan_to_num", "threshold",
        )
    },
}  # fmt: skip

# ---------------------------------------------------------------------------------------- on every dtype
# Called (f, dtype, *operands, **static): the operands have the result's dtype, which is `dtype`.


def _limited(f: Function, dtype: Dtype, x: Operand, min_val: float, max_val: float) -> Operand:
    raised = parts.larger(f, dtype, x, f.constant(x, min_val))
    return parts.smaller(f, dtype, raised, f.constant(x, max_val))


_SAME: dict[str, Callable[..., Operand]] = {
    "copy": lambda f, dtype, x: x,
    "imag": lambda f, dtype, x: f.constant(x, 0),
    "add": lambda f, dtype, a, b: f.binary("or", a, b) if dtype.kind == "b" else f.add(a, b),
    "subtract": lambda f, dtype, a, b: f.sub(a, b),
    "multiply": lambda f, dtype, a, b: f.binary("and", a, b) if dtype.kind == "b" else f.mul(a, b),
    "square": lambda f, dtype, x: x if dtype.kind == "b" else f.mul(x, x),
    "negative": parts.negative,
    "abs": parts.absolute,
    "sign": parts.sign,
    "maximum": parts.larger,
    "minimum": parts.smaller,
    "relu": lambda f, dtype, x: parts.larger(f, dtype, x, f.constant(x, 0)),
    "relu6": lambda f, dtype, x: _limited(f, dtype, x, 0, 6),
    "hardtanh": _limited,
    "floor": lambda f, dtype, x: parts.rounded(f, "floor", dtype, x),
    "ceil": lambda f, dtype, x: parts.rounded(f, "ceil", dtype, x),
    "trunc": lambda f, dtype, x: parts.rounded(f, "trunc", dtype, x),
    "round": lambda f, dtype, x: parts.rounded(f, "rint", dtype, x),
    "floor_divide": whole.floor_divide,
    "remainder": whole.remainder,
    "pow": lambda f, dtype, a, b: power.power(f, a, b) if dtype.kind == "f" else whole.integer_power(f, dtype, a, b),
    "bitwise_and": lambda f, dtype, a, b: f.binary("and", a, b),
    "bitwise_or": lambda f, dtype, a, b: f.binary("or", a, b),
    "bitwise_xor": lambda f, dtype, a, b: f.binary("xor", a, b),
    "bitwise_invert": lambda f, dtype, x: f.binary("xor", x, f.constant(x, 1 if dtype.kind == "b" else -1)),
    "bitwise_left_shift": whole.shift_left,
    "bitwise_right_shift": whole.shift_right,
}

# ------------------------------------------------------------------------------------------ with a truth value
# Called (f, dtype, *operands): the operands have the common dtype, which is `dtype`; the value is a truth value.

_ASKING: dict[str, Callable[..., Operand]] = {
    **{name: partial(lambda name, f, dtype, a, b: parts.compare(f, name, dtype, a, b), name)
       for name in parts.COMPARISONS},
    "isnan": parts.undefined,
    "isinf": parts.infinite,
    "isfinite": parts.finite,
    "signbit": parts.sign_bit,
}  # fmt: skip

# Called (f, *truth values).
_LOGICAL: dict[str, Callable[..., Operand]] = {
    "logical_and": lambda f, a, b: f.binary("and", a, b),
    "logical_or": lambda f, a, b: f.binary("or", a, b),
    "logical_xor": lambda f, a, b: f.binary("xor", a, b),
    "logical_not": lambda f, x: f.binary("xor", x, f.constant(x, 1)),
}

# Called (f, *operands of the result's dtype): parts of mappings, which the compiler shares among them.
_PARTS: dict[str, Callable[..., Operand]] = {"normal_bell": bell.normal_bell, "normal_below": bell.normal_below}

LOWERED = frozenset({*_FLOATING, *_SAME, *_ASKING, *_LOGICAL, "where", "convert"})
"""Every name that a mapping may lower to here."""

_REFUSE_TRUTH = frozenset({"subtract", "negative", "sign", "floor_divide", "remainder", "pow", "relu6", "hardtanh"})
# With integers, their steps are NumPy's integer arithmetic, which wraps, or have a smaller dtype than the result.
_REFUSE_INTEGERS = frozenset(
    (
        "exp_of_difference", "huber", "pinball", "binary_cross_entropy", "binary_cross_entropy_with_logits",
        "hard_sigmoid", "hard_swish", "softsign", "softshrink", "hardshrink", "threshold", "nan_to_num", "gelu_tanh",
        "xlogy", "xlog1py",
    )
)  # fmt: skip
_FLOAT64, _BOOL = np.dtype(np.float64), np.dtype(np.bool_)
_NUMBERS = frozenset(
    np.dtype(name)
    for name in (
        "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
    )
)  # fmt: skip


def can_emit(name: str, dtypes: Sequence[Dtype], common: Dtype, result: Dtype) -> bool:
    """Whether `emit_scalar` writes the mapping that lowers to `name`, for these dtypes."""
    if name not in LOWERED or not all(dtype in _NUMBERS for dtype in (*dtypes, common, result)):
        return False
    if name in _FLOATING:
        return result.kind == "f" and (name not in _REFUSE_INTEGERS or all(d.kind == "f" for d in dtypes))
    if name == "pow" and result.kind != "f":
        # A negative exponent is an error there, which no register can raise.
        return dtypes[1].kind == "u" and result.kind in "iu"
    if name in _ASKING:
        # NumPy compares signed with unsigned integers of 64 bits exactly, though their common dtype is float64.
        return not (common == _FLOAT64 and len(dtypes) > 1 and all(d.kind in "iu" for d in dtypes))
    return not (name in _REFUSE_TRUTH and result.kind == "b")


def emit_scalar(
    f: Function,
    name: str,
    operands: Sequence[Operand],
    dtypes: Sequence[Dtype],
    common: Dtype,
    result: Dtype,
    static: dict[str, Any],
) -> Operand:
    """Write the elementwise mapping that lowers to `name`, and return its value, of dtype `result`.

    `operands` have `dtypes`; `common` is what NumPy promotes them to. `can_emit` says which are possible.
    """
    if name in _PARTS:
        return _PARTS[name](f, *operands)
    assert can_emit(name, dtypes, common, result), (name, dtypes, common, result)

    def taken(dtype: Dtype) -> list[Operand]:
        return [emit_conversion(f, x, old, dtype) for x, old in zip(operands, dtypes, strict=True)]

    if name in _FLOATING:
        return _FLOATING[name](f, *taken(result), **static)
    if name in _SAME:
        return _SAME[name](f, result, *taken(result), **static)
    if name in _ASKING:
        return _ASKING[name](f, common, *taken(common))
    if name in _LOGICAL:
        return _LOGICAL[name](f, *taken(_BOOL))
    if name == "convert":
        return taken(result)[0]
    condition = emit_conversion(f, operands[0], dtypes[0], _BOOL)
    one, other = taken(result)[1:]
    return f.select(condition, one, other)
