"""Threads that help to run plans. They listen for a moment after each piece of work, and sleep when none comes.

What a plan computes does not depend on how many threads run it, so each run takes as many as are listening.
"""

from __future__ import annotations

import ctypes
import os
import threading
from time import perf_counter, sleep

import numpy as np

from .cache import object_code
from .emit.function import Module
from .emit.machine import Code, host, load
from .emit.sync import FIRST, LINES, emit_pool, pool_words

__all__ = ["Workers", "workers"]

LOOKS = 20_000
"""How often a thread looks for work before it sleeps: about a millisecond."""


class Workers:
    """`threads` threads, the calling one among them."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.code = _code()
        words = np.zeros(pool_words(threads) + LINES, np.int64)
        start = -(words.ctypes.data // 8) % LINES
        self._words = words[start:]
        self.block = self._words.ctypes.data
        self._dispatch = self.code.function("dispatch", *[ctypes.c_void_p] * 3, ctypes.c_int64)
        self._listen = self.code.function("listen", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._claim = self.code.function("claim", ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._answer = np.zeros(1, np.int64)
        self._answer_at = self._answer.ctypes.data
        self._one_at_a_time = threading.Lock()
        self._wake = [threading.Event() for _ in range(threads)]
        for number in range(1, threads):
            threading.Thread(target=self._work, args=(number,), daemon=True, name=f"pullback-{number}").start()

    def run(self, callee: int, table: int, patience: float = 0.0) -> bool:
        """Run `callee(table, t, threads)` on all threads. False, and nothing done, where one of them sleeps.

        Those that sleep are woken, and waited for up to `patience` seconds; else they are there the next time.
        """
        if not self._one_at_a_time.acquire(blocking=False):
            return False
        try:
            return self._run(callee, table, patience)
        finally:
            self._one_at_a_time.release()

    def _run(self, callee: int, table: int, patience: float) -> bool:
        claimed: list[int] = []
        for number in range(1, self.threads):
            if not self._claimed(number) and not self._woken(number, patience):
                for other in claimed:
                    self._words[LINES * (FIRST + other)] = 0
                return False
            claimed.append(number)
        self._dispatch(self.block, callee, table, self.threads)
        return True

    def _claimed(self, number: int) -> bool:
        self._claim(self.block, number, self._answer_at)
        return bool(self._answer[0])

    def _woken(self, number: int, patience: float) -> bool:
        """Wake a thread; whether it listens before the time is over."""
        self._wake[number].set()
        end = perf_counter() + patience
        while perf_counter() < end:
            sleep(0)  # lets the thread have the interpreter, which it needs to begin to listen
            if self._claimed(number):
                return True
        return False

    def _work(self, number: int) -> None:
        wake = self._wake[number]
        while True:
            self._listen(self.block, number, LOOKS)
            wake.wait()
            wake.clear()


_pools: dict[int, Workers] = {}
_lock = threading.Lock()


def workers(threads: int) -> Workers:
    """Return the threads of this process; they are started when they are first asked for."""
    with _lock:
        if threads not in _pools:
            _pools[threads] = Workers(threads)
        return _pools[threads]


def _code() -> Code:
    target = host()
    module = Module(target.vector_bits, target.family)
    emit_pool(module)
    code, _ = object_code(module.text(), target)
    return load(code, target)


def _forget() -> None:
    """After a fork the child has none of the parent's threads."""
    global _lock
    _pools.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
