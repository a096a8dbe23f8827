"""Memory by its address: blocks for a plan, and views of what something else keeps alive."""

from __future__ import annotations

from typing import Any

import numpy as np

from .memory import LINE

__all__ = ["block", "view_at"]


def block(size: int) -> Any:
    """Return so many bytes of zeros, at the start of a line of the cache."""
    memory = np.zeros(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size]


def view_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any], strides: list[int]) -> Any:
    """Return a view of memory that something else keeps alive."""
    where = {"data": (address, False), "shape": shape, "strides": tuple(strides)}
    return np.asarray(_Memory({**where, "typestr": dtype.str, "version": 3}))


class _Memory:
    __slots__ = ("__array_interface__",)

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface
