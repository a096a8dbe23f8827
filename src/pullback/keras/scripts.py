"""What scripts ask `keras.utils` for: one-hot rows, seeds, names that begin anew."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import random
from ..core.spec import default_dtype
from .layers.layer import clear_names

__all__ = ["clear_session", "set_random_seed", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> NDArray[Any]:
    """One-hot rows for integers: (n,) or (n, 1) becomes (n, num_classes). Raises ValueError for other numbers.

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = np.asarray(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    whole = labels.astype(np.int64)
    if not labels.size or (whole != labels).any() or whole.min() < 0:
        raise ValueError(f"to_categorical: expected integers from 0, got {labels!r:.80}")
    classes = int(whole.max()) + 1 if num_classes is None else num_classes
    if whole.max() >= classes:
        raise ValueError(f"to_categorical: the label {whole.max()} is not one of {classes} classes 0, …, {classes - 1}")
    return np.eye(classes, dtype=default_dtype())[whole]


def set_random_seed(seed: int) -> None:
    """Seed pullback, NumPy's global stream and Python's."""
    random.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the global stream is what is asked for
    python_random.seed(seed)


def clear_session() -> None:
    """Begin to count the names of layers anew: the next Dense is `dense`."""
    clear_names()
