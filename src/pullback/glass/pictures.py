"""Larger arrays as pictures: eight bits an element, or the mean of a block, as much as a page has room for."""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from typing import Any

import numpy as np

__all__ = ["MOST_OF_A_PAGE", "MOST_OF_AN_ARRAY", "Gallery"]

MOST_OF_AN_ARRAY, MOST_OF_A_PAGE = 131_072, 524_288
"""How many numbers a picture holds, and all pictures of a page together. No picture takes more than half of what is
left, so that those that come late are coarser and not missing."""
LEAST = 256
STEPS = 126
ODD = {"nan": 255, "inf": 254, "-inf": 0}
"""A byte is 127 for 0, and 127 ± 126 for the number of the largest size; these are for what is not finite."""


class Gallery:
    """The pictures of a page. Arrays with the same numbers share one."""

    def __init__(self, room: int = MOST_OF_A_PAGE) -> None:
        self.room = room
        self.pictures: list[dict[str, Any]] = []
        self._places: dict[Any, int] = {}

    def add(self, x: Any) -> int | None:
        """Return the number of the picture of an array; None where there is no room left, or nothing to be seen.

        A picture is a dict: `shape`, `block` (how many elements along each axis one byte stands for, as their mean),
        `most` (the largest size of a number in it) and `bytes` (deflated, in base64, in the order of the rows).
        """
        if x.ndim == 0 or not x.size or x.dtype.kind not in "fiub":
            return None
        limit = min(MOST_OF_AN_ARRAY, max(self.room // 2, 0))
        if limit < min(LEAST, x.size):
            return None
        key = x.shape, x.dtype, hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).digest()
        if key not in self._places:
            block = _blocks(x.shape, limit)
            means = _means(x, block)
            self.room -= means.size
            most, coded = _coded(means)
            self._places[key] = len(self.pictures)
            packed = base64.b64encode(zlib.compress(coded.tobytes(), 6)).decode()
            size = float(f"{most:.9g}")  # not so few digits that a byte would stand for another number
            self.pictures.append({"shape": list(x.shape), "block": block, "most": size, "bytes": packed})
        return self._places[key]


def _blocks(shape: tuple[int, ...], limit: int) -> list[int]:
    """Return how many elements along each axis make a block, so that no more than `limit` blocks are left."""
    block = [1] * len(shape)
    while math.prod(_counts(shape, block)) > limit:
        counts = _counts(shape, block)
        block[counts.index(max(counts))] *= 2
    return block


def _counts(shape: tuple[int, ...], block: list[int]) -> list[int]:
    return [-(-n // b) for n, b in zip(shape, block, strict=True)]


def _means(x: Any, block: list[int]) -> Any:
    a = x.astype(np.float64)
    for axis, b in enumerate(block):
        if b > 1:
            starts = np.arange(0, a.shape[axis], b)
            lengths = np.minimum(b, a.shape[axis] - starts).reshape([-1 if i == axis else 1 for i in range(a.ndim)])
            with np.errstate(all="ignore"):
                a = np.add.reduceat(a, starts, axis=axis) / lengths
    return a


def _coded(a: Any) -> tuple[float, Any]:
    finite = np.isfinite(a)
    most = float(np.abs(a[finite]).max(initial=0.0))
    scale = STEPS / most if most else 0.0
    coded = np.full(a.shape, ODD["nan"], np.uint8)
    with np.errstate(all="ignore"):
        coded[finite] = np.rint(a[finite] * scale) + 127 if math.isfinite(scale) else np.sign(a[finite]) * STEPS + 127
    coded[np.isposinf(a)], coded[np.isneginf(a)] = ODD["inf"], ODD["-inf"]
    return most, coded
