"""Folding: what one begins with, how two registers become one, and how the lanes of one become a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .conversion import register_kind
from .function import Function
from .types import Operand, Type, constant

__all__ = ["across_lanes", "combined", "identity"]

Dtype = np.dtype[Any]


def identity(operation: str, dtype: Dtype, lanes: int) -> Operand:
    """Return what changes nothing, in every lane."""
    return constant(Type(register_kind(dtype), lanes), _IDENTITIES[operation](dtype))


def combined(f: Function, operation: str, dtype: Dtype, total: Operand, x: Operand) -> Operand:
    """Return a register folded into what has been folded so far, lane by lane. An extreme with NaN is NaN."""
    if operation == "add":
        return f.add(total, x) if dtype != np.bool_ else f.binary("or", total, x)
    if operation == "mul":
        return f.mul(total, x)
    if dtype.kind == "f":
        # A comparison with NaN fails: then x is taken, unless what was there was NaN already.
        extreme = f.select(f.compare("ogt" if operation == "max" else "olt", total, x), total, x)
        return f.select(f.compare("uno", total, total), total, extreme)
    return f.intrinsic(f"{'s' if dtype.kind == 'i' else 'u'}{operation}", total.type, total, x)


def across_lanes(f: Function, operation: str, dtype: Dtype, x: Operand) -> Operand:
    """Return the lanes of a register folded into one another."""
    if x.type.lanes == 1:
        return x
    if operation in ("add", "mul"):
        return f.reduce(operation if dtype != np.bool_ else "or", x)
    if dtype.kind == "f":
        undefined = f.reduce("or", f.compare("uno", x, x))
        extreme = f.reduce(operation, x, flags="nnan")  # whatever that is where a lane is NaN, it is not taken
        return f.select(undefined, f.constant(extreme, np.nan), extreme)
    return f.reduce(("s" if dtype.kind == "i" else "u") + operation, x)


def _least(dtype: Dtype) -> Any:
    return -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else np.iinfo(dtype).min


def _greatest(dtype: Dtype) -> Any:
    return np.inf if dtype.kind == "f" else 1 if dtype.kind == "b" else np.iinfo(dtype).max


_IDENTITIES: dict[str, Callable[[Dtype], Any]] = {
    "add": lambda dtype: -0.0 if dtype.kind == "f" else 0,
    "mul": lambda dtype: 1,
    "max": _least,
    "min": _greatest,
}
