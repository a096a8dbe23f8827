"""Data in Keras' forms: arrays, lists and dictionaries of them, and batches that somebody else makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import ShapeError
from ..core.spec import default_dtype
from ..core.value import Value

__all__ = ["Batches", "arrays_of", "class_weights", "is_iterable_of_batches"]


class Batches:
    """Batches that somebody else makes, brought into the form of the `Trainer`: all of them, or ``steps`` an epoch.

    ``source``: what can be iterated over again and again, or with ``steps`` an iterator that goes on.
    """

    def __init__(self, source: Any, convert: Callable[[Any], Any], steps: int | None) -> None:
        if isinstance(source, Iterator) and steps is None:
            raise ValueError(
                "x is an iterator, which is empty after the first epoch; expected steps_per_epoch (in validation "
                "validation_steps), or data that can be iterated over again"
            )
        self.source, self.convert, self.steps = source, convert, steps
        self.given = 0
        """How many batches the latest loop has given."""

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.source, Iterator):
            batches: Iterable[Any] = islice(self.source, self.steps)
        elif not hasattr(self.source, "__iter__"):  # keras.utils.PyDataset: a length, and batches by number
            batches = islice((self.source[i] for i in range(len(self.source))), self.steps)
        else:
            batches = islice(iter(self.source), self.steps)
        self.given = 0
        for batch in batches:
            self.given += 1
            yield self.convert(batch)

    def __len__(self) -> int:
        if self.steps is not None:
            return self.steps
        return len(self.source)


def is_iterable_of_batches(x: Any) -> bool:
    """Whether ``x`` gives batches, rather than being an array or a container of arrays."""
    if isinstance(x, np.ndarray | Value | list | tuple | dict | str) or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__len__") and hasattr(x, "__getitem__"))


def arrays_of(what: str, given: Any, single: bool) -> Any:
    """Arrays, in the container that they came in; with ``single`` nested lists are numbers and not containers.

    Floats of other widths become the default dtype, as in Keras. Raises ValueError for none, ShapeError for
    arrays that differ in their first axes.
    """
    if isinstance(given, dict) and hasattr(given, "items"):
        made: Any = {name: _array(f"{what}[{name!r}]", value) for name, value in given.items()}
    elif isinstance(given, list | tuple) and not single and _holds_arrays(given):
        made = [_array(f"{what}[{i}]", value) for i, value in enumerate(given)]
    else:
        alone = single and isinstance(given, list | tuple) and len(given) == 1 and _holds_arrays(given)
        made = _array(what, given[0] if alone else given)
    leaves = tree.leaves(made)
    if not leaves or not len(leaves[0]):
        shape = leaves[0].shape if leaves else ()
        raise ValueError(f"{what} has no sample: its shape is {shape}")
    if len({len(leaf) for leaf in leaves}) > 1:
        raise ShapeError(f"{what}: expected as many samples in each, got {[leaf.shape for leaf in leaves]}")
    return made


def class_weights(weights: dict[int, float], targets: NDArray[Any]) -> NDArray[Any]:
    """The weight of each sample: that of its class, which integers or one-hot rows say; 1 where none is given.

    >>> class_weights({1: 3.0}, np.array([0, 1, 1])).tolist()
    [1.0, 3.0, 3.0]
    """
    if not isinstance(weights, dict):
        raise TypeError(f"class_weight: expected a dictionary such as {{0: 1.0, 1: 5.0}}, got {weights!r}")
    several = targets.ndim > 1 and targets.shape[-1] > 1
    labels = targets.argmax(-1) if several else targets.reshape(len(targets), -1)[:, 0]
    if targets.ndim > 2 or not np.equal(labels, np.floor(labels)).all():
        raise ValueError(f"class_weight: expected one class per sample, got targets of shape {targets.shape}")
    found = np.ones(len(labels), default_dtype())
    for label, weight in weights.items():
        found[labels == label] = weight
    return found


def _holds_arrays(given: Any) -> bool:
    return len(given) > 0 and all((hasattr(x, "shape") or hasattr(x, "__array__")) and np.ndim(x) for x in given)


def _array(what: str, given: Any) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError:
        raise ValueError(f"{what}: expected an array or nested lists of one shape, got ragged lists") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected numbers, got dtype {array.dtype}")
    if not array.ndim:
        raise ValueError(f"{what} has no sample: its shape is ()")
    return array.astype(default_dtype(), copy=False) if array.dtype.kind == "f" else array
