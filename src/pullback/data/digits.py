"""Handwritten digits that come with the package: 1,797 images of 8×8 pixels.

The test set of "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, E. Alpaydin and
C. Kaynak, 1998, DOI 10.24432/C50P49, under CC BY 4.0; optdigits/ATTRIBUTION.md says what was changed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .dataset import ArrayDataset, permutation
from .idx import read_idx

__all__ = ["digits", "load_digits"]

FOLDER = Path(__file__).parent / "optdigits"
SHA256 = {
    "images-idx3-ubyte.gz": "c41c947a1014aa9bb82e371b01f16724f9ef929893351173edcc47aa0fc03930",
    "labels-idx1-ubyte.gz": "147c9192405199869317e6d9c62ea444f9770c3f8c6dd65035ba3a3690cc5460",
}
LARGEST_PIXEL = 16


def load_digits(
    split: Literal["train", "test", "all"] = "train",
    *,
    flatten: bool = True,
    normalise: bool = True,
    dtype: DTypeLike = np.float32,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Images of handwritten digits and which digit each shows.

    ``split``: "train", "test" or "all" 1,797 images, always in the order of the original file. The split is
    stratified: of the n images of one digit, ``round(test_fraction · n)`` chosen at random with ``seed``
    are in "test" and the others in "train" (1,438 and 359 images by default). The same arguments give
    the same split. Who wrote which image is not known, so both parts have digits of the same people.
    ``flatten``: shape (n, 64), else (n, 8, 8).
    ``normalise``: pixel / 16, in [0, 1]; else the original 0 … 16. ``dtype``: of the images.
    ``test_fraction``: in [0, 1].

    Returns images and labels; labels are int64 of shape (n,) with values 0 … 9. Both are the caller's own.

    Raises ValueError for a split that does not exist, a fraction outside [0, 1], a ``dtype`` that cannot
    hold fractions where ``normalise`` makes some, and a data file that is not the one shipped.

    >>> images, labels = load_digits("test")
    >>> images.shape, images.dtype, labels.shape
    ((359, 64), dtype('float32'), (359,))
    >>> float(images.min()), float(images.max())
    (0.0, 1.0)
    """
    if split not in ("train", "test", "all"):
        raise ValueError(f"split: expected 'train', 'test' or 'all', got {split!r}")
    if not 0.0 <= test_fraction <= 1.0:
        raise ValueError(f"test_fraction: expected a number in [0, 1], got {test_fraction!r}")
    if normalise and np.dtype(dtype).kind != "f":
        raise ValueError(
            f"dtype: expected a floating dtype with normalise=True, got {np.dtype(dtype)}; "
            "normalise=False keeps 0 … 16"
        )
    images, labels = _read()
    if split != "all":
        chosen = _in_test(labels, test_fraction, seed) == (split == "test")
        images, labels = images[chosen], labels[chosen]
    pixels = images.astype(dtype)
    if normalise:
        pixels /= LARGEST_PIXEL
    return pixels.reshape(len(pixels), 64) if flatten else pixels, labels.astype(np.int64)


def digits(*, flatten: bool = True) -> tuple[ArrayDataset, ArrayDataset]:
    """The handwritten digits of `load_digits` as a data set to train on and one to test with.

    >>> train, test = digits()
    >>> len(train), len(test)
    (1438, 359)
    >>> image, label = train[0]
    >>> image.shape, label.dtype
    ((64,), dtype('int64'))
    """
    train, test = load_digits("train", flatten=flatten), load_digits("test", flatten=flatten)
    return ArrayDataset(*train), ArrayDataset(*test)


def _in_test(labels: NDArray[np.uint8], test_fraction: float, seed: int) -> NDArray[np.bool_]:
    chosen = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        order = permutation(len(members), seed, stream=(2, digit))
        chosen[members[order[: round(test_fraction * len(members))]]] = True
    return chosen


@cache
def _read() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    for name, expected in SHA256.items():
        actual = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
        if actual != expected:
            raise ValueError(
                f"{FOLDER / name}: the file is not the one shipped with pullback: expected SHA-256 "
                f"{expected}, got {actual}; reinstalling pullback restores it"
            )
    images, labels = (read_idx(FOLDER / name) for name in SHA256)
    return images, labels
