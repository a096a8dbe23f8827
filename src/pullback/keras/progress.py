"""Keras' progress line, on standard output."""

from __future__ import annotations

import sys
import time

from .callbacks import Callback, Logs

__all__ = ["ProgressLine", "line"]

WIDTH = 20
REDRAWS_PER_SECOND = 10


class ProgressLine(Callback):
    """With ``verbose`` 1 a bar, which fills in a terminal and elsewhere is printed when full; with 2 the line alone.

    ``steps``: how many an epoch has; None where that is not known before it ends.
    """

    def __init__(self, epochs: int, steps: int | None, verbose: int) -> None:
        self.epochs, self.steps, self.verbose = epochs, steps, verbose
        self._redraws = verbose == 1 and sys.stdout is not None and sys.stdout.isatty()
        self._done = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        print(f"Epoch {epoch + 1}/{self.epochs}")
        self._start, self._next, self._done = time.perf_counter(), 0.0, 0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._done = batch + 1
        now = time.perf_counter()
        if self._redraws and now >= self._next:
            self._next = now + 1 / REDRAWS_PER_SECOND
            shown = line(self._done, self.steps, now - self._start, logs or {}, bar=True)
            print(f"\r{shown}\x1b[K", end="", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._start
        shown = line(self._done, self._done, seconds, logs or {}, bar=self.verbose == 1)
        print(f"\r{shown}\x1b[K" if self._redraws else shown, flush=True)


def line(done: int, steps: int | None, seconds: float, logs: Logs, *, bar: bool) -> str:
    """The line of an epoch: steps, bar, time, figures by name.

    >>> line(23, 45, 0.46, {"loss": 0.5, "accuracy": 0.75}, bar=True)
    '23/45 ━━━━━━━━━━────────── 0s 20ms/step - accuracy: 0.7500 - loss: 0.5000'
    >>> line(45, 45, 90.0, {"loss": 0.00001}, bar=False)
    '45/45 - 90s 2s/step - loss: 1.0000e-05'
    >>> line(7, None, 0.07, {}, bar=True)
    '7/Unknown ──────────────────── 0s 10ms/step'
    """
    full = 0 if not steps else WIDTH * done // steps
    drawn = "━" * full + "─" * (WIDTH - full) if bar else "-"
    each = seconds / done
    pace = f"{each:.0f}s" if each >= 1 else f"{each * 1e3:.0f}ms" if each >= 1e-3 else f"{each * 1e6:.0f}us"
    figures = "".join(f" - {name}: {_number(value)}" for name, value in sorted(logs.items()))
    return f"{done}/{'Unknown' if steps is None else steps} {drawn} {seconds:.0f}s {pace}/step{figures}"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{value:.4e}"
