"""Batches made ahead of time in a background thread."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

__all__ = ["prefetched"]

PATIENCE = 0.1  # seconds between two looks at whether the other side is still there


def prefetched(make: Callable[[], Iterator[Any]], depth: int) -> Generator[Any, None, None]:
    """The items of ``make()``, of which up to ``depth`` are made ahead in a thread of their own.

    An exception in the thread is raised here, with its traceback, in the place of the item that it prevented.
    Leaving the loop early ends the thread. A thread that ends without a word is noticed: RuntimeError.

    >>> list(prefetched(lambda: iter("abc"), depth=2))
    ['a', 'b', 'c']
    """
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    leave = threading.Event()
    context = contextvars.copy_context()
    worker = threading.Thread(
        target=context.run, args=(_work, make, waiting, leave), name="pullback-prefetch", daemon=True
    )
    worker.start()
    try:
        while True:
            kind, item = _next(waiting, worker)
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
    finally:
        leave.set()
        worker.join()


def _work(make: Callable[[], Iterator[Any]], waiting: queue.Queue[tuple[str, Any]], leave: threading.Event) -> None:
    try:
        for item in make():
            if not _put(waiting, ("item", item), leave):
                return
        _put(waiting, ("end", None), leave)
    except BaseException as error:
        _put(waiting, ("error", error), leave)


def _put(waiting: queue.Queue[tuple[str, Any]], entry: tuple[str, Any], leave: threading.Event) -> bool:
    """Whether the entry was taken; False once nobody waits for it any more."""
    while not leave.is_set():
        try:
            waiting.put(entry, timeout=PATIENCE)
        except queue.Full:
            continue
        return True
    return False


def _next(waiting: queue.Queue[tuple[str, Any]], worker: threading.Thread) -> tuple[str, Any]:
    while True:
        alive = worker.is_alive()
        try:
            return waiting.get(timeout=PATIENCE)
        except queue.Empty:
            if not alive:
                message = "prefetch: the background thread ended without handing over an item or an error"
                raise RuntimeError(message) from None
