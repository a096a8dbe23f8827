"""The step of a training as native code: the same `Step`, its halves compiled once the training is under way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pullback as pb

from ..compile.compiled import Compiled
from ..core import tree
from ..core.errors import EscapedValueError, TraceError, UnsupportedError
from .step import Step

__all__ = ["AFTER", "NativeStep", "has_hooks", "step_of"]

AFTER = 100
"""How many steps run eagerly before the step is compiled: few are done before the compiler would be."""


def step_of(compile: str | bool, number: Callable[[], int], *settings: Any) -> Step:
    """Return the step of a training: native for ``compile`` "auto" and True, eager for False.

    ``number`` tells how many steps have been made: what is native is decided by it alone, so that a training that
    was interrupted goes on to the same bits. Raises ValueError for another ``compile``.
    """
    if compile not in ("auto", True, False):
        raise ValueError(f"compile: expected 'auto', True or False, got {compile!r}")
    if compile is False:
        return Step(*settings)
    return NativeStep(number, 0 if compile is True else AFTER, *settings)


class NativeStep(Step):
    """A step whose forward and backward pass, clipping and update are compiled functions.

    It is eager for the first ``after`` steps; where modules have hooks, which want to see numbers; and, with a
    warning that says why, where the model or the loss cannot be recorded.
    """

    def __init__(self, number: Callable[[], int], after: int, *settings: Any) -> None:
        super().__init__(*settings)
        self.number, self.after = number, after
        self.hooked = False
        self.refused = bool(getattr(self.optimizer, "needs_closure", False))
        self.squares: Any = None
        """The sum of the squares of all gradients, where the latest were computed natively."""
        self._gradients = Compiled(self._forward_and_back, max_traces=64)
        self._clip = Compiled(super().clip, max_traces=64)
        self._update = Compiled(self.optimizer.step, max_traces=64)

    @property
    def native(self) -> bool:
        """Whether the present step is native."""
        return not self.refused and not self.hooked and self.number() >= self.after

    def _forward_and_back(self, *batch: Any, weight: float | None = None) -> tuple[Any, Any, Any]:
        *inputs, target = batch
        loss, outputs = super().gradients(inputs, target, weight)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        squares = [pb.sum(g * g) for g in gradients]
        total = sum(squares[1:], squares[0]) if squares else np.float32(0)
        return loss.detach(), tree.map(_cut_off, outputs), total

    def gradients(self, inputs: Sequence[Any], target: Any, weight: float | None = None) -> tuple[Any, Any]:
        self.squares = None
        if self.native:
            settings = {} if weight is None else {"weight": weight}
            try:
                loss, outputs, self.squares = self._gradients(*inputs, target, **settings)
            except (TraceError, EscapedValueError, UnsupportedError) as error:
                self._refuse(error)
            else:
                return loss, outputs
        return super().gradients(inputs, target, weight)

    def bad_gradients(self) -> list[str]:
        if self.squares is not None and np.isfinite(float(self.squares)):
            return []
        return super().bad_gradients()

    def clip(self) -> None:
        if self.clip_norm is None and self.clip_value is None:
            return
        if self.native:
            try:
                return self._clip()
            except (TraceError, EscapedValueError, UnsupportedError) as error:
                self._refuse(error)
        super().clip()

    def update(self) -> None:
        if self.native:
            try:
                return self._update()
            except (TraceError, EscapedValueError, UnsupportedError) as error:
                self._refuse(error)
        super().update()

    def begin_epoch(self) -> None:
        """Record the step again with the next batch: Python's own variables may have changed what it does."""
        self.hooked = has_hooks(self.model)
        for compiled in (self._gradients, self._clip, self._update):
            compiled.record_again()

    def _refuse(self, error: Exception) -> None:
        self.refused = True
        reason = str(error).splitlines()[0]
        warnings.warn(f"the training goes on without native code: {reason}", stacklevel=6)


def has_hooks(model: Any) -> bool:
    """Whether somebody wants to see the numbers between the modules."""
    return any(m.has_hooks for m in model.modules()) if hasattr(model, "modules") else False


def _cut_off(value: Any) -> Any:
    return value.detach() if isinstance(value, pb.Tensor) else value
