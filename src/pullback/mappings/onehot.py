"""One-hot rows: the number of a class as a row of zeros with a single 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import irregular
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec, default_dtype
from .positions import positions

__all__ = ["one_hot"]


def _class_rows(x: Any, *, num_classes: int, dtype: np.dtype[Any]) -> Any:
    x = np.asarray(x)
    wrong = x[(x < 0) | (x >= num_classes)]
    if wrong.size:
        raise IndexError(f"one_hot: class {wrong.flat[0]} does not exist, there are {num_classes} classes (0 first)")
    rows = np.zeros((x.size, num_classes), dtype)
    rows[np.arange(x.size), x.ravel()] = 1
    return rows.reshape(*x.shape, num_classes)


_one_hot = irregular(
    "one_hot",
    _class_rows,
    spec=lambda x, *, num_classes, dtype: Spec((*x.shape, num_classes), dtype),
    batch=lambda batched, xs, *, num_classes, dtype: _one_hot(xs[0], num_classes=num_classes, dtype=dtype),
    differentiable=False,
    uses=NOTHING,
    formula=r"\operatorname{{onehot}}({x})",
    words="{x} as rows of zeros with a single 1",
    refuses=True,
    lower="one_hot",
    onnx="OneHot",
    samples=fixed(
        lambda rng: [
            Sample((rng.integers(0, 3, (4,)),), {"num_classes": 3, "dtype": np.dtype(np.float64)}),
            Sample((rng.integers(0, 2, (2, 3)),), {"num_classes": 2, "dtype": np.dtype(np.float32)}),
            Sample((np.asarray(1),), {"num_classes": 2, "dtype": np.dtype(np.int64)}),
            Sample((np.zeros((0,), np.int64),), {"num_classes": 2, "dtype": np.dtype(np.float64)}),
        ]
    ),
)


def one_hot(x: Any, num_classes: int, dtype: Any = None) -> Any:
    """Return, for each integer of `x`, a row of `num_classes` zeros with a 1 at that place, as a new last axis.

    The dtype is the default dtype unless it is given. Raises IndexError for an integer outside
    0 … num_classes - 1, and unless `x` holds integers.

    >>> import pullback as pb
    >>> pb.one_hot(pb.tensor([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    dtype = default_dtype() if dtype is None else np.dtype(dtype)
    return _one_hot(positions(x, "one_hot"), num_classes=num_classes, dtype=dtype)
