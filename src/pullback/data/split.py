"""Splits that keep the shares of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .dataset import Subset, permutation

__all__ = ["stratified_split"]


def stratified_split(
    dataset: Any, labels: ArrayLike, fractions: Sequence[float], *, seed: int = 0
) -> list[Subset]:
    """Split a data set at random into parts that have each class in the same shares.

    ``labels``: the class of each item, numbers or strings of shape (len(dataset),). ``fractions``: in [0, 1], adding
    up to 1. Of the n items of a class, part k ends at ``round(n · (f₁ + … + f_k))``, so that each part is within
    one item per class of its share. ``seed``: the same seed gives the same parts.

    Returns one `Subset` per fraction. Raises ValueError for lengths that differ, fractions that do not add up to
    1, missing labels (NaN), and a class that has fewer items than there are parts to be filled.

    >>> train, test = stratified_split(range(10), [0] * 8 + [1] * 2, [0.5, 0.5], seed=1)
    >>> sorted(int(i) >= 8 for i in train.indices)
    [False, False, False, False, True]
    """
    classes = np.asarray(labels)
    shares = np.asarray(fractions, np.float64)
    if classes.shape != (len(dataset),):
        raise ValueError(f"stratified_split: labels expected shape ({len(dataset)},), got {classes.shape}")
    if classes.dtype.kind == "f" and np.isnan(classes).any():
        raise ValueError(f"stratified_split: labels: item {int(np.argmax(np.isnan(classes)))} has none (NaN)")
    if shares.ndim != 1 or not (shares >= 0).all() or not np.isclose(shares.sum(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(f"stratified_split: fractions expected numbers >= 0 that add up to 1, got {fractions!r}")
    wanted = int(np.count_nonzero(shares))
    names, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if names.size and counts.min() < wanted:
        name, count = names[counts.argmin()], counts.min()
        raise ValueError(
            f"stratified_split: class {name!r} has {count} of the items, which cannot be in {wanted} parts; leave it "
            f"out, or use random_split"
        )
    order = permutation(len(dataset), seed, stream=(4, 0))
    part = np.empty(len(dataset), np.int64)
    for code in range(len(names)):
        members = order[codes[order] == code]
        ends = [round(float(end) * len(members)) for end in np.cumsum(shares)[:-1]]
        for number, some in enumerate(np.split(members, ends)):
            part[some] = number
    return [Subset(dataset, order[part[order] == number]) for number in range(len(shares))]
