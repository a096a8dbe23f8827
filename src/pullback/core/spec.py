"""What is known of a value before its numbers: shape and dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .value import Value

__all__ = [
    "Spec",
    "default_dtype",
    "dtype_of",
    "ndim_of",
    "operand",
    "result_dtype",
    "set_default_dtype",
    "shape_of",
    "spec_of",
    "stand_in",
]

Shape = tuple[int, ...]

_WEAK: dict[type, Any] = {bool: False, int: 1, float: 1.0, complex: 1j}
_default_dtype: np.dtype[Any] = np.dtype(np.float32)


@dataclass(slots=True, unsafe_hash=True)  # treated as frozen; a frozen dataclass takes three times as long to make
class Spec:
    """The type of a value: its shape and its dtype.

    `weak` marks a Python number, which takes the dtype of the arrays it meets.

    >>> Spec((2, 3), np.dtype("float32")).size
    6
    """

    shape: Shape
    dtype: np.dtype[Any]
    weak: type | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def spec_of(x: Any) -> Spec:
    """Return the `Spec` of an array, a number, a tensor or a `Spec` itself."""
    if isinstance(x, Spec):
        return x
    kind: Any = x.__class__
    if kind in _WEAK:
        return Spec((), np.result_type(x), kind)
    try:
        return Spec(x.shape, x.dtype)
    except AttributeError:
        a = np.asarray(x)
        return Spec(a.shape, a.dtype)


def shape_of(x: Any) -> Shape:
    """Return the shape of anything that has a `Spec`; a Python number has shape `()`."""
    try:
        return x.shape  # type: ignore[no-any-return]  # arrays, tensors and specs all carry a tuple
    except AttributeError:
        return np.shape(x)


def ndim_of(x: Any) -> int:
    """Return the number of axes of anything that has a `Spec`."""
    return len(shape_of(x))


def dtype_of(x: Any) -> np.dtype[Any]:
    """Return the dtype of anything that has a `Spec`."""
    try:
        return x.dtype  # type: ignore[no-any-return]  # arrays, tensors and specs all carry a dtype
    except AttributeError:
        return np.result_type(x)


def operand(x: Any) -> Any:
    """Return `x` as something with a spec: arrays and tensors as they are, numbers and lists as arrays.

    Python floats, also inside lists, take the default dtype. Raises TypeError for anything else.
    """
    if isinstance(x, Value) or hasattr(x, "dtype"):
        return x
    try:
        a = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"expected an array, a tensor or a number, got a ragged sequence: {error}") from None
    if a.dtype.kind not in "biufc":
        raise TypeError(f"expected an array, a tensor or a number, got {type(x).__name__}")
    return a.astype(_default_dtype)[()] if a.dtype == np.float64 else a[()]


def stand_in(spec: Spec, shape: Shape = (0,)) -> Any:
    """Return a value that promotes as `spec` does: a Python number if weak, else an array of `shape`."""
    return _WEAK[spec.weak] if spec.weak is not None else np.ones(shape, spec.dtype)


def result_dtype(*specs: Spec) -> np.dtype[Any]:
    """Return the dtype in which values of these specs meet (NumPy's rule; Python numbers are weak).

    >>> result_dtype(Spec((), np.dtype("float32")), spec_of(2.0))
    dtype('float32')
    """
    return np.result_type(*(s.dtype if s.weak is None else _WEAK[s.weak] for s in specs))


def default_dtype() -> np.dtype[Any]:
    """Return the dtype that a Python float takes when it stands alone (float32 at the start)."""
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that a Python float takes when it stands alone.

    Raises TypeError unless `dtype` is a real floating dtype.
    """
    global _default_dtype
    new = np.dtype(dtype)
    if new.kind != "f":
        raise TypeError(f"set_default_dtype: dtype must be a real floating dtype such as 'float32', got {new.name!r}")
    _default_dtype = new
