"""How many threads NumPy's matrix products and compiled functions use.

The products of a small network take microseconds: handing parts of them to other threads costs more than
it saves, and where a core is busy with something else, the threads wait for each other and a step takes
ten times as long. One thread is then the quickest choice. A compiled function finds out by itself, and takes
as many as are given where that is quicker.
"""

from __future__ import annotations

import os

__all__ = ["cores", "get_num_threads", "set_num_threads"]


def _available() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_cores = _available()


def cores() -> int:
    """Return how many threads a compiled function may use: all cores, until `set_num_threads` says otherwise."""
    return _cores


def set_num_threads(count: int) -> None:
    """Let matrix products and compiled functions use `count` threads from now on, in the whole process.

    Raises ValueError unless `count` is a positive integer.

    >>> import pullback as pb
    >>> before = pb.get_num_threads()
    >>> pb.set_num_threads(1)
    >>> pb.get_num_threads()
    1
    >>> pb.set_num_threads(before)
    """
    from threadpoolctl import ThreadpoolController

    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"set_num_threads: count must be a positive integer, got {count!r}")
    global _cores
    _cores = count
    ThreadpoolController().select(user_api="blas").limit(limits=count)


def get_num_threads() -> int:
    """Return how many threads matrix products use at most (1 where NumPy's library cannot tell)."""
    from threadpoolctl import ThreadpoolController

    return max((pool["num_threads"] for pool in ThreadpoolController().select(user_api="blas").info()), default=1)
