"""What the transforms accept as differentiable arguments, and how they say that something is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DtypeError
from ..core.spec import default_dtype, spec_of
from ..core.value import Value

__all__ = ["array_leaf", "differentiable_leaf", "leaf_name"]


def array_leaf(x: Any, where: str) -> Any:
    """Return a leaf as a tensor or a native NumPy array; a Python float takes the default dtype."""
    if isinstance(x, Value):
        return x
    if isinstance(x, np.ndarray | np.generic):
        if not x.dtype.isnative:
            x = x.astype(x.dtype.newbyteorder("="))
        if x.dtype.kind in "biufc":
            return x
        raise DtypeError(f"{where} must hold numbers, got dtype {x.dtype}")
    if isinstance(x, bool | int):
        return np.asarray(x)[()]
    if isinstance(x, float):
        return default_dtype().type(x)
    raise TypeError(f"{where} must be an array, a tensor or a number, got {type(x).__name__}")


def differentiable_leaf(x: Any, where: str) -> Any:
    """Return a leaf as `array_leaf` does; raises DtypeError when no gradient can exist for its dtype."""
    x = array_leaf(x, where)
    dtype = spec_of(x).dtype
    if dtype.kind == "c":
        raise DtypeError(f"{where} is complex ({dtype}); derivatives are defined for real floating dtypes only")
    if dtype.kind != "f":
        raise DtypeError(
            f"{where} has dtype {dtype}, and an integer or boolean input gets no gradient.\n"
            f"  wrong:  pb.grad(f)(3)\n"
            f"  right:  pb.grad(f)(3.0), or choose the differentiable arguments with argnums"
        )
    return x


def leaf_name(index: int, leaves: Sequence[Any]) -> str:
    """Name one of several leaves in an error."""
    return "the argument" if len(leaves) == 1 else f"argument leaf {index}"
