"""Independent oracles for the value of each mapping: NumPy, and SciPy imported when it is first needed.

A mapping that has no entry here is compared with NumPy's function of the same name, if there is one. A
composite may do without: its body is its oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["oracle_of"]

Oracle = Callable[..., Any]


def oracle_of(name: str) -> Oracle | None:
    """Return the function that a mapping's value is compared with, or None."""
    known = ORACLES.get(name)
    if known is not None:
        return known
    same_name = getattr(np, name, None)
    return same_name if callable(same_name) and not isinstance(same_name, type) else None


ORACLES: dict[str, Oracle] = {
    "astype": lambda x, *, dtype: np.array(x, dtype=dtype),
    "permute_dims": lambda x, *, axes: np.moveaxis(x, axes, range(len(axes))),
    "reshape": lambda x, *, shape: np.array(np.ravel(x)).reshape(shape),
    "broadcast_to": lambda x, *, shape: np.zeros(shape) + x,
    "sum": lambda x, *, axis, keepdims: np.sum(x.astype(np.longdouble), axis=axis, keepdims=keepdims).astype(x.dtype),
}
