"""Passes that change nothing, evaluation and prediction, as native code once they have gone on for a while."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..compile.compiled import Compiled
from ..core.errors import EscapedValueError, TraceError, UnsupportedError
from .native_step import AFTER, has_hooks

__all__ = ["NativePass"]

SHAPES = 16
"""How many shapes of batches are compiled: with more, each would be used too seldom."""


class NativePass:
    """A function of a batch, called for each batch of a pass in evaluation mode and without a graph.

    ``function``: what computes the outputs, or the loss and the outputs, without changing anything. ``compile``:
    "auto" runs it natively from the hundredth batch of a pass on, True from the first, False never; where modules have
    hooks it is eager, and, with a warning that says why, where it cannot be recorded. ``name``: what the warning calls
    the pass.

    Which batches are native is decided by their number alone, so that the same data give the same bits each time.
    Raises ValueError for another ``compile``.
    """

    def __init__(self, function: Callable[..., Any], compile: str | bool, name: str) -> None:
        if compile not in ("auto", True, False):
            raise ValueError(f"compile: expected 'auto', True or False, got {compile!r}")
        self.function, self.name = function, name
        self.refused = compile is False
        self.after = 0 if compile is True else AFTER
        self.native = Compiled(function, max_traces=SHAPES)
        self.left: float = self.after

    def begin(self, model: Any, after: float | None = None) -> None:
        """Begin a pass through ``model``, of which the first ``after`` batches run eagerly.

        None is as many as "auto" or True say. The function is recorded again with its next batch: Python's own
        variables may have changed what it does.
        """
        self.left = self.after if after is None else after
        if has_hooks(model):
            self.left = float("inf")
        self.native.record_again()

    def __call__(self, *batch: Any) -> Any:
        if self.refused or self.left > 0:
            self.left -= 1
            return self.function(*batch)
        try:
            return self.native(*batch)
        except (TraceError, EscapedValueError, UnsupportedError) as error:
            self.refused = True
            reason = str(error).splitlines()[0]
            warnings.warn(f"the {self.name} goes on without native code: {reason}", stacklevel=3)
            return self.function(*batch)
