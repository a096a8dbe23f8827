"""ReduceLROnPlateau: a smaller learning rate when a metric has stopped to improve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell, active_store
from ..core.errors import TraceError
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = ["ReduceLROnPlateau"]


@dataclass(frozen=True)
class _Watch:
    """The best value so far, how many steps were no better, how many are still ignored, and what is left of lr."""

    best: float
    num_bad_epochs: int
    cooldown_counter: int
    shares: tuple[float, ...]


class ReduceLROnPlateau(Schedule):
    """Multiply the rate by `factor` when `step(metric)` was not better than the best for more than `patience` steps.

    Better is lower by `threshold` times the best (`mode="min"`, `threshold_mode="rel"`), or by `threshold`
    itself ("abs"), or higher (`mode="max"`). After a reduction `cooldown` steps are ignored. The rate stays
    above `min_lr` (a number, or a list with one for each group); a change by less than `eps` is left out.

    It decides by the number, so `step` belongs outside a traced step (TraceError inside); the traced step
    takes the rate as an input. Raises ValueError for settings out of range.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = pb.optim.ReduceLROnPlateau(optimiser, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    >>> optimiser.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: expected mode to be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: expected threshold_mode to be 'rel' or 'abs', got {threshold_mode!r}")
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: expected factor in [0, 1), got {factor}")
        for name, n in (("patience", patience), ("cooldown", cooldown)):
            if not n >= 0:
                raise ValueError(f"ReduceLROnPlateau: expected {name} >= 0, got {n}")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ReduceLROnPlateau: expected an optimiser, got {type(optimizer).__name__}")
        groups = len(optimizer.param_groups)
        if isinstance(min_lr, Sequence) and len(min_lr) != groups:
            raise ValueError(f"ReduceLROnPlateau: expected one min_lr for each of {groups} groups, got {len(min_lr)}")
        self.mode, self.factor, self.patience = mode, float(factor), patience
        self.threshold, self.threshold_mode, self.cooldown = float(threshold), threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, float(eps)
        best = math.inf if mode == "min" else -math.inf
        self._watch = Cell(_Watch(best, 0, 0, (1.0,) * groups), name="ReduceLROnPlateau.watch")
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · factor^(number of reductions)."""
        shares = self._watch.read().shares
        return m.multiply(lr, np.float64(shares[group] if group < len(shares) else 1.0))

    def step(self, metrics: Any = None) -> None:
        """Look at the metric, a number, and set the learning rates. Raises TraceError inside a traced step."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau.step: expected the metric, as in schedule.step(validation_loss)")
        if active_store() is not None:
            raise TraceError(
                "ReduceLROnPlateau.step: it decides by the number, which a traced step does not have.\n"
                "  wrong:  @pb.trace\n          def step(x): …; schedule.step(loss)\n"
                "  right:  for x in batches: loss = step(x)\n          schedule.step(loss)"
            )
        value, watch = float(metrics), self._watch.read()
        bad = 0 if self._is_better(value, watch.best) else watch.num_bad_epochs + 1
        watch = replace(watch, best=value if bad == 0 else watch.best, num_bad_epochs=bad)
        if watch.cooldown_counter > 0:
            watch = replace(watch, cooldown_counter=watch.cooldown_counter - 1, num_bad_epochs=0)
        if watch.num_bad_epochs > self.patience:
            watch = replace(self._reduced(watch), cooldown_counter=self.cooldown, num_bad_epochs=0)
        self._watch.write(watch)
        super().step()

    def _is_better(self, value: float, best: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        relative = self.threshold_mode == "rel"
        bound = best * (1.0 + sign * self.threshold) if relative else best + sign * self.threshold
        return value < bound if self.mode == "min" else value > bound

    def _reduced(self, watch: _Watch) -> _Watch:
        shares = list(watch.shares)
        for i, group in enumerate(self.optimizer.param_groups):
            if i == len(shares):
                shares.append(1.0)  # a group that was added later
            old = group["lr"]
            least = self.min_lr[i] if isinstance(self.min_lr, Sequence) else self.min_lr
            new = max(old * self.factor, least)
            if old - new > self.eps:
                shares[i] *= new / old
        return replace(watch, shares=tuple(shares))

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, the best value and the reductions, as `load_state_dict` takes them."""
        watch = asdict(self._watch.read())
        return {**super().state_dict(), **watch, "shares": list(watch["shares"])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken, and set the learning rates accordingly."""
        given = dict(state_dict)
        names = ("best", "num_bad_epochs", "cooldown_counter", "shares")
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(f"ReduceLROnPlateau.load_state_dict: the state has no {', '.join(missing)}")
        best, bad, cooldown, shares = (given.pop(name) for name in names)
        before = self._watch.read()
        self._watch.write(_Watch(float(best), int(bad), int(cooldown), tuple(float(s) for s in shares)))
        try:
            super().load_state_dict(given)
        except BaseException:
            self._watch.write(before)
            raise
