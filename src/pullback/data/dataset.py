"""Data sets: a length, and the item at an index."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.spec import default_dtype

__all__ = ["ArrayDataset", "Dataset", "Subset", "random_split"]


class Dataset:
    """What you subclass to bring your own data: define `__len__` and `__getitem__`.

    An item may be an array, a number, or a tuple or dictionary of them; `DataLoader` stacks the items of a
    batch along a new first axis.

    A data set that can fetch many items faster than one by one also defines ``gather(indices)``, where
    ``indices`` is a slice or a one-dimensional int64 array; it returns the finished batch as NumPy arrays
    (in the same tuple or dictionary as one item), and `DataLoader` calls it in place of `__getitem__`.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return np.float32(index), np.float32(index**2)
    >>> Squares()[3]
    (np.float32(3.0), np.float32(9.0))
    """

    gather: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self): the number of items")

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} must define __getitem__(self, index): the item at that index"
        )


class ArrayDataset(Dataset):
    """Arrays side by side; item ``i`` is the tuple of their ``i``-th rows.

    ``arrays``: one or more arrays, or nested lists of numbers, of shapes (n, …) with one common ``n``.
    Their dtypes are kept, except that foreign byte orders become the machine's own and Python floats
    become the default dtype. An array is not copied where it need not be, and it is never written to:
    what comes out of a slice is a read-only view.

    Indexing with an integer, a slice or an array of integers gives a tuple with one array per array.

    Raises ValueError if the first axes differ and TypeError for what does not hold numbers.

    >>> data = ArrayDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> len(data)
    3
    >>> data[1]
    (array([2., 3.]), np.int64(1))
    >>> data[[2, 0]]
    (array([[4., 5.],
           [0., 1.]]), array([0, 0]))
    """

    arrays: tuple[NDArray[Any], ...]

    def __init__(self, *arrays: ArrayLike) -> None:
        if not arrays:
            raise ValueError("ArrayDataset(*arrays) expected at least one array, got none")
        self.arrays = tuple(_as_readonly(array, position) for position, array in enumerate(arrays))
        lengths = [array.shape[0] for array in self.arrays]
        if len(set(lengths)) > 1:
            shapes = ", ".join(f"arrays[{i}] has shape {array.shape}" for i, array in enumerate(self.arrays))
            raise ValueError(f"ArrayDataset(*arrays) expected first axes of one length: {shapes}")

    def __len__(self) -> int:
        return self.arrays[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        if isinstance(index, slice):
            return tuple(array[index] for array in self.arrays)
        indices = _as_indices(index, len(self))
        if indices.ndim == 0:
            return tuple(array[int(indices)] for array in self.arrays)
        return self.gather(indices)

    def gather(self, indices: slice | NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        """The batch at ``indices``: one array of shape (len(indices), …) per array.

        >>> ArrayDataset(np.array([10, 20, 30])).gather(np.array([2, 2, 0]))
        (array([30, 30, 10]),)
        """
        if isinstance(indices, slice):
            return tuple(array[indices] for array in self.arrays)
        return tuple(_take(array, indices) for array in self.arrays)


class Subset(Dataset):
    """The items of ``dataset`` at ``indices``, in that order.

    ``indices``: integers in [-n, n) for a data set of n items; repetitions are allowed.
    Raises IndexError for an index outside, TypeError for what is not an integer.

    >>> evens = Subset(ArrayDataset(np.array([10, 11, 12, 13])), [0, 2])
    >>> len(evens), evens[1]
    (2, (np.int64(12),))
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | NDArray[np.integer[Any]]) -> None:
        self.dataset = dataset
        self.indices = _as_indices(indices, len(dataset), name="indices")
        if self.indices.ndim != 1:
            raise ValueError(f"Subset expected one-dimensional indices, got shape {self.indices.shape}")
        fetch = getattr(dataset, "gather", None)
        self.gather = None if fetch is None else lambda indices: fetch(self.indices[indices])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            index = _as_indices(index, len(self))
            if index.ndim == 0:
                return self.dataset[int(self.indices[index])]
        return self.dataset[self.indices[index]]


def random_split(dataset: Any, lengths: Sequence[int] | Sequence[float], *, seed: int = 0) -> list[Subset]:
    """Split a data set at random into parts that do not overlap.

    ``lengths``: integers that add up to ``len(dataset)``, or fractions in [0, 1] that add up to 1. With
    fractions, part k ends at item ``round(n · (f₁ + … + f_k))`` of the permutation.
    ``seed``: a non-negative integer; the same seed gives the same parts.

    Returns one `Subset` per length. Raises ValueError if the lengths do not add up.

    >>> train, test = random_split(ArrayDataset(np.arange(10)), [0.8, 0.2], seed=1)
    >>> len(train), len(test)
    (8, 2)
    >>> sorted(int(i) for part in (train, test) for i in part.indices)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    ends = _ends_of_parts(lengths, len(dataset))
    order = permutation(len(dataset), seed, stream=(1, 0))
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


def permutation(length: int, seed: int, *, stream: tuple[int, int]) -> NDArray[np.int64]:
    """A permutation of 0 … length-1 that depends on the arguments only (Philox, counter-based).

    ``stream``: the two high words of the 256-bit counter. The low words count the numbers drawn, so that
    no two streams of one seed meet.

    Raises ValueError for a seed that is not in [0, 2¹²⁸), TypeError for one that is not an integer.

    >>> permutation(5, seed=7, stream=(0, 1))
    array([4, 2, 1, 0, 3])
    """
    bits = np.random.Philox(key=as_seed(seed), counter=[0, 0, *stream])
    return np.random.Generator(bits).permutation(length)


def as_seed(seed: Any) -> int:
    """The seed as a Python integer, or an error that says what a seed is."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed: expected an integer, got {seed!r} ({type(seed).__name__})") from None
    if not 0 <= number < 2**128:
        raise ValueError(f"seed: expected an integer in [0, 2**128), got {number}")
    return number


def _ends_of_parts(lengths: Sequence[int] | Sequence[float], total: int) -> list[int]:
    """Where each part ends in a permutation of ``total`` items."""
    values = np.asarray(lengths)
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iuf":
        raise TypeError(f"lengths: expected a sequence of integers or of fractions, got {lengths!r}")
    if not (values >= 0).all():
        raise ValueError(f"lengths: expected none below 0, got {lengths!r}")
    if values.dtype.kind == "f":
        if not np.isclose(values.sum(), 1.0, rtol=0.0, atol=1e-9):
            raise ValueError(
                f"lengths: expected fractions that add up to 1, got {lengths!r}, together {values.sum():g}"
            )
        return [round(float(end) * total) for end in np.cumsum(values)]
    if values.sum() != total:
        raise ValueError(
            f"lengths: expected integers that add up to the {total} items of the data set, "
            f"got {lengths!r}, together {values.sum()} (fractions such as [0.8, 0.2] are also possible)"
        )
    return [int(end) for end in np.cumsum(values)]


def _as_indices(index: Any, length: int, name: str = "index") -> NDArray[np.int64]:
    """An index or a sequence of them as int64 in [0, length)."""
    indices = np.asarray(index)
    if indices.size == 0:
        indices = indices.astype(np.int64)
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: expected an integer, a slice or an array of integers, got "
            + (f"an array of {indices.dtype}" if indices.ndim else f"{index!r} ({type(index).__name__})")
        )
    indices = indices.astype(np.int64)
    outside = (indices < -length) | (indices >= length)
    if outside.any():
        wrong = int(np.atleast_1d(indices)[np.atleast_1d(outside)][0])
        raise IndexError(f"{name} {wrong} is out of range for a data set of {length} items")
    return np.where(indices < 0, indices + length, indices)


def _take(array: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[Any]:
    """``take`` is the faster way, but it copies the whole of an array that is not contiguous."""
    return array.take(indices, axis=0) if array.flags.c_contiguous else np.ascontiguousarray(array[indices])


def _as_readonly(array: ArrayLike, position: int) -> NDArray[Any]:
    """A read-only view in native byte order; the caller's array stays as it is."""
    try:
        values = np.asarray(array)
    except ValueError:
        raise ValueError(
            f"arrays[{position}]: expected an array or nested lists of one shape, got ragged lists"
        ) from None
    if values.dtype.kind not in "biufc":
        raise TypeError(f"arrays[{position}]: expected numbers, got dtype {values.dtype}")
    if values.ndim == 0:
        raise ValueError(f"arrays[{position}]: expected shape (n, …), got the single value {values}")
    values = values.astype(_stored_dtype(array, values.dtype), copy=False).view()
    values.flags.writeable = False
    return values


def _stored_dtype(given: ArrayLike, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Python floats take the default dtype; everything else keeps its own, in native byte order."""
    if dtype.kind == "f" and isinstance(given, (list, tuple)) and _holds_python_numbers(given):
        return default_dtype()
    return dtype.newbyteorder("=")


def _holds_python_numbers(values: Any) -> bool:
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return isinstance(values, (int, float)) and not isinstance(values, np.generic)
