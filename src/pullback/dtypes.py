"""The dtypes and constants of the Python array API standard, and what can be asked of a dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .core.spec import Spec, operand, result_dtype, spec_of

__all__ = [
    "bool",
    "complex128",
    "complex64",
    "e",
    "finfo",
    "float16",
    "float32",
    "float64",
    "iinfo",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "result_type",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
]

bool = np.bool_
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128
e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None
finfo, iinfo, isdtype = np.finfo, np.iinfo, np.isdtype


def result_type(*values: Any) -> np.dtype[Any]:
    """Return the dtype in which arrays, dtypes and Python numbers meet; a Python number takes the others' dtype.

    >>> import pullback as pb
    >>> pb.result_type(pb.tensor([1.0]), 2.0), pb.result_type(pb.float32, pb.float64)
    (dtype('float32'), dtype('float64'))
    """
    if not values:
        raise TypeError("result_type: expected at least one array, dtype or number")
    return result_dtype(*map(_spec, values))


def _spec(value: Any) -> Spec:
    if isinstance(value, type | np.dtype | str):
        return Spec((), np.dtype(value))
    return spec_of(value if isinstance(value, int | float | complex) else operand(value))
