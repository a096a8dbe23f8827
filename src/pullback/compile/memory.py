"""The arena: one block of memory in which arrays that do not live at the same time share their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .access import LINE, Access, Array
from .group import Group
from .overwriting import overwrites

__all__ = ["lifetimes", "needed", "planned"]

SMALL = 256
"""Arrays up to so many bytes have a place of their own."""


def needed(results: Iterable[Access], groups: Sequence[Group]) -> set[Array]:
    """Return the arrays that have to be in memory: results, and those that another group reads."""
    found = {access.array for access in results}
    writers: dict[Array, set[int]] = {}
    for at, group in enumerate(groups):
        for access in group.writes:
            writers.setdefault(access.array, set()).add(at)
    for at, group in enumerate(groups):
        for access in group.reads:
            if writers.get(access.array, {at}) != {at}:  # what is written in parts may be another group's part
                found.add(access.array)
        if group.kind not in ("nest", "product"):
            found.update(access.array for access in (*group.reads, *group.writes))
    return found


def lifetimes(groups: Sequence[Group]) -> dict[Array, tuple[int, int]]:
    """Return the first and the last group that touches each temporary array."""
    found: dict[Array, tuple[int, int]] = {}
    for at, group in enumerate(groups):
        for access in (*group.reads, *group.writes):
            if access.array.role == "temporary":
                first, _ = found.get(access.array, (at, at))
                found[access.array] = (first, at)
    return found


def planned(groups: Sequence[Group], kept: set[Array]) -> tuple[dict[Array, int], int]:
    """Return the place of each temporary array that needs memory, in bytes, and the size of the arena.

    The largest are placed first, each at the lowest place that is free while it lives; the small ones behind them.
    """
    alive = {array: life for array, life in lifetimes(groups).items() if array in kept}
    sizes = {array: _rounded(array.nbytes) for array in alive}
    small = [array for array in alive if sizes[array] <= SMALL]
    large = [array for array in alive if sizes[array] > SMALL]
    instead = _successors(groups, large, alive)
    for array, before in instead.items():
        alive[before] = alive[before][0], alive[array][1]
    places, size = _apart([array for array in large if array not in instead], alive, sizes)
    for array, before in instead.items():
        places[array] = places[before]
    for array in small:  # sharing would save little, and there may be very many
        places[array] = size
        size += sizes[array]
    return places, size


def _successors(
    groups: Sequence[Group], arrays: Sequence[Array], alive: dict[Array, tuple[int, int]]
) -> dict[Array, Array]:
    """Return the arrays that are written over one that is read for the last time there, and which that is at first."""
    born: dict[int, list[Array]] = {}
    dying: dict[int, list[Array]] = {}
    for array in arrays:
        if not array.pieces and not array.layered:
            born.setdefault(alive[array][0], []).append(array)
            dying.setdefault(alive[array][1], []).append(array)
    found: dict[Array, Array] = {}
    for at in sorted(born):
        free = [array for array in dying.get(at, ()) if alive[array][0] < at]
        for array in born[at]:
            for before in free:
                same = before.dtype == array.dtype and before.nbytes == array.nbytes
                if same and overwrites(groups[at], before, array):
                    found[array] = found.get(before, before)
                    free.remove(before)
                    break
    return found


def _apart(
    arrays: Sequence[Array], alive: dict[Array, tuple[int, int]], sizes: dict[Array, int]
) -> tuple[dict[Array, int], int]:
    places: dict[Array, int] = {}
    size = 0
    for array in sorted(arrays, key=lambda a: (-sizes[a], a.number)):
        first, last = alive[array]
        others = sorted(
            (places[other], places[other] + sizes[other])
            for other in places
            if alive[other][0] <= last and first <= alive[other][1]
        )
        at = 0
        for start, end in others:
            if at + sizes[array] <= start:
                break
            at = max(at, end)
        places[array] = at
        size = max(size, at + sizes[array])
    return places, size


def _rounded(nbytes: int) -> int:
    return -(-nbytes // LINE) * LINE
