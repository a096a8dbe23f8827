"""The plain arrays that a user's function and rules work on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.value import Value
from ..transforms.reverse import TAPE

__all__ = ["broadcast", "guarded", "numbers", "parts", "plain"]


def plain(x: Any) -> Any:
    """Return the array of a tensor that nothing depends on, read-only, so that NumPy code may work on it."""
    if x.__class__ is tuple:
        return tuple(map(plain, x))
    if isinstance(x, Value) and x._owner is TAPE and x._link is None:
        payload = x._payload
        payload = payload.read() if payload.__class__ is Cell else payload
        return x if isinstance(payload, Value) else guarded(payload)
    return guarded(x)


def guarded(x: Any) -> Any:
    """Return an array as a view that cannot be written to; anything else as it is."""
    if not isinstance(x, np.ndarray):
        return x
    if not x.ndim:
        return x[()]
    view = x.view()
    view.flags.writeable = False
    return view


def numbers(x: Any) -> np.ndarray[Any, Any] | None:
    """Return the numbers of a value, or None where it has none yet (batched, traced)."""
    x = plain(x)
    return None if isinstance(x, Value) else np.asarray(x)


def parts(y: Any) -> tuple[Any, ...]:
    """Return the outputs of a mapping as a tuple."""
    return y if isinstance(y, tuple) else (y,)


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the common shape of two shapes, or None if there is none."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
