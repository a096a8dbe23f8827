"""Dtype: the same numbers in another precision, and the numbers behind integers and truth values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DtypeError
from ..core.families import irregular, linear
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec, dtype_of, operand

__all__ = ["astype"]

_cast = linear(
    "astype",
    lambda x, *, dtype: np.asarray(x).astype(dtype, copy=False)[()],
    lambda x, *, dtype: Spec(x.shape, dtype),
    lambda g, x, *, dtype: _cast(g, dtype=x.dtype),
    lambda batched, xs, *, dtype: _cast(xs[0], dtype=dtype),
    formula="{x}",
    words="{x} in another dtype",
    lower="convert",
    onnx="Cast",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"dtype": np.dtype(np.float64)}),
            Sample((rng.normal(size=()),), {"dtype": np.dtype(np.float64)}),
            Sample((rng.normal(size=(0,)),), {"dtype": np.dtype(np.float64)}),
        ]
    ),
)

_to_dtype = irregular(
    "to_dtype",
    lambda x, *, dtype: np.asarray(x).astype(dtype, copy=False)[()],
    spec=lambda x, *, dtype: Spec(x.shape, dtype),
    batch=lambda batched, xs, *, dtype: _to_dtype(xs[0], dtype=dtype),
    differentiable=False,
    uses=NOTHING,
    formula="{x}",
    words="{x} in another dtype, to or from integers",
    lower="convert",
    onnx="Cast",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)) * 3,), {"dtype": np.dtype(np.int64)}),
            Sample((rng.integers(-3, 3, (3,)),), {"dtype": np.dtype(np.float64)}),
            Sample((rng.normal(size=()),), {"dtype": np.dtype(np.bool_)}),
            Sample((rng.integers(0, 3, (0, 3)),), {"dtype": np.dtype(np.float32)}),
        ]
    ),
)


def astype(x: Any, dtype: Any) -> Any:
    """Return `x` in another dtype.

    Between real floating dtypes the gradient passes, in the dtype of its own side; to and from integers
    and truth values there is none. Raises DtypeError for a complex dtype.

    >>> import pullback as pb
    >>> pb.astype(pb.tensor([1.7, -1.7]), "int64").tolist()
    [1, -1]
    """
    x = operand(x)
    new, old = np.dtype(dtype), dtype_of(x)
    if new.kind not in "biuf" or old.kind not in "biuf":
        raise DtypeError(f"astype: only real numbers and truth values can be converted, not {old} to {new}")
    return _cast(x, dtype=new) if new.kind == "f" and old.kind == "f" else _to_dtype(x, dtype=new)
