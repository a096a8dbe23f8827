"""Which recordings are outdated because a tensor that they took as a constant can change by now.

A tensor that nothing has ever changed is an array and no more, and a recording takes its numbers as constants. When
it is changed after all it gets a cell, which recordings find; those made before are known by the array they took.
"""

from __future__ import annotations

import threading
import weakref

__all__ = ["Taken", "replace"]

_lock = threading.Lock()
_living: dict[int, weakref.ref[Taken]] = {}


class Taken:
    """The arrays that a recording has taken as constants.

    They are known by `id` alone: one that belongs to a tensor keeps it while the tensor has it. That of an array
    which is gone may come back, and costs a recording that was not needed.
    """

    __slots__ = ("__weakref__", "ids", "outdated")

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.outdated = False
        """Whether one of them was replaced since."""
        key = id(self)
        with _lock:
            _living[key] = weakref.ref(self, lambda _: _living.pop(key, None))


def replace(contents: object) -> None:
    """Note that a tensor no longer has `contents` for good; it has them until this is called."""
    if _living:
        with _lock:
            found = list(_living.values())
        for reference in found:
            taken = reference()
            if taken is not None and id(contents) in taken.ids:
                taken.outdated = True
