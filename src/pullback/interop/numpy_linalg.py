"""`np.linalg`'s functions on a tensor: those that can be said in mappings, with NumPy's own arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import dtype_of, ndim_of

__all__ = ["linalg_call"]

Lookup = Callable[[str], Any]


def linalg_call(counterpart: Lookup, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run what `np.linalg.<name>` stands for, with functions that `counterpart` finds; None where there is none.

    Raises ValueError for an `ord` that is no norm, and TypeError for one without a mapping.
    """
    functions = {"norm": _norm, "vector_norm": _vector_norm, "matrix_norm": _matrix_norm}
    if name in functions:
        return functions[name](counterpart, *args, **kwargs)
    if name in ("matmul", "outer", "tensordot", "vecdot", "matrix_transpose"):
        return counterpart(name)(*args, **kwargs)
    return None


def _norm(find: Lookup, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    # As in NumPy, the shape and the axes decide between the norms of vectors and of matrices.
    if axis is None and (ord is None or ndim_of(x) == 1):
        return _vector_norm(find, x, axis=None, keepdims=keepdims, ord=2 if ord is None else ord)
    if axis is None and ndim_of(x) != 2:
        raise ValueError(
            f"np.linalg.norm: ord={ord!r} is for one axis or two, and x has {ndim_of(x)}; say which: axis="
        )
    axes = tuple(range(ndim_of(x))) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    if len(axes) == 1:
        return _vector_norm(find, x, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"np.linalg.norm: expected axis to be one axis or two, got {axis!r}")
    return _of_matrices(find, x, axes, keepdims, "fro" if ord is None else ord)


def _vector_norm(find: Lookup, x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    if ord not in (1, 2, np.inf, -np.inf):
        raise ValueError(f"np.linalg.norm: of a vector, ord must be None, 1, 2, inf or -inf for tensors, got {ord!r}")
    return find("norm")(_floating(find, x), axis=axis, keepdims=keepdims, ord=ord)


def _matrix_norm(find: Lookup, x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _of_matrices(find, x, (-2, -1), keepdims, ord)


def _of_matrices(find: Lookup, x: Any, axes: Any, keepdims: bool, ord: Any) -> Any:
    n = ndim_of(x)
    for axis in axes:
        if not -n <= axis < n:
            raise ShapeError(f"np.linalg.norm: axis {axis} does not exist in a tensor with {n} axes")
    rows, columns = (axis % n for axis in axes)
    if rows == columns:
        raise ValueError(f"np.linalg.norm: expected two different axes, got {tuple(axes)}")
    x = _floating(find, x)
    if ord == "fro":
        return find("norm")(x, axis=(rows, columns), keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        folded, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = find("sum")(find("abs")(x), axis=folded, keepdims=True)
        found = find("max" if ord > 0 else "min")(sums, axis=kept, keepdims=True)
        return found if keepdims else find("squeeze")(found, axis=(rows, columns))
    if ord in (2, -2, "nuc"):
        raise TypeError(
            f"np.linalg.norm: of a matrix, ord={ord!r} is made of its singular values, which have no mapping for "
            "tensors; ord None or 'fro', 1, -1, inf and -inf have one\n"
            "  for the length of all elements:  np.linalg.norm(t)"
        )
    raise ValueError(f"np.linalg.norm: of a matrix, ord must be None, 'fro', 1, -1, inf or -inf, got {ord!r}")


def _floating(find: Lookup, x: Any) -> Any:
    kind = dtype_of(x).kind
    return x if kind == "f" else find("abs")(x) if kind == "c" else find("astype")(x, np.float64)
