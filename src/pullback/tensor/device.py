"""Where the numbers are: only "cpu" so far."""

from __future__ import annotations

import numpy as np

__all__ = ["device", "is_device"]


def device(name: str) -> str:
    """Return the name of a device after checking that it exists: only "cpu" so far."""
    if name != "cpu":
        raise ValueError(f"device: only 'cpu' exists so far, got {name!r}")
    return name


def is_device(target: object) -> bool:
    """Return whether `target` names the CPU; raises ValueError for another device, False for a dtype."""
    if isinstance(target, str):
        try:
            np.dtype(target)
        except TypeError:
            device(target)
            return True
    return False
