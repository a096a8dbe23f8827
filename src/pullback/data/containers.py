"""ContainerDataset: arrays in nested tuples, lists and dictionaries as one data set."""

from __future__ import annotations

from typing import Any

from ..core import tree
from .dataset import ArrayDataset, Dataset

__all__ = ["ContainerDataset"]


class ContainerDataset(Dataset):
    """Arrays with one first axis in nested tuples, lists and dictionaries; an item is such a container of their rows.

    ``contents``: the container; None in it stays None. For a model with several targets, ``(x, (y, weights))``.
    Raises ValueError and TypeError as `ArrayDataset`.

    >>> import numpy as np
    >>> data = ContainerDataset({"x": np.arange(6.0).reshape(3, 2), "more": [np.arange(3), None]})
    >>> len(data), data[1]
    (3, {'x': array([2., 3.]), 'more': [np.int64(1), None]})
    """

    def __init__(self, contents: Any) -> None:
        leaves, self.structure = tree.flatten(contents)
        self.arrays = ArrayDataset(*leaves)
        self.gather = lambda indices: tree.unflatten(self.structure, self.arrays.gather(indices))

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: Any) -> Any:
        return tree.unflatten(self.structure, self.arrays[index])
