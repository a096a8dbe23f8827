"""Where a training is, and what it was asked to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .accumulation import Accumulation
from .metrics import Metric, results
from .step import Step

__all__ = ["Plan", "TrainerState"]


@dataclass
class TrainerState:
    """Where a training is. ``epoch`` and ``batch`` count from 1; ``batches`` is None where it is not known.

    ``step``: how often the parameters were changed, over all epochs. ``resumed``: whether `fit` was told to go on
    from what is in a folder. ``validation``: the names of the validation data. ``at_epoch_end``: whether the
    latest epoch is complete, with all that belongs to it.
    """

    epochs: int
    epoch: int = 0
    batch: int = 0
    batches: int | None = None
    is_last_batch: bool = False
    metrics: list[Metric] = field(default_factory=list)
    stopped: bool = False
    step: int = 0
    resumed: bool = False
    at_epoch_end: bool = True
    checks: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    validation: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        """The loss and the metrics of the epoch so far."""
        return results(self.metrics)


@dataclass(frozen=True)
class Plan:
    """What a running `fit` was asked to do beside the plain steps."""

    step: Step
    accumulation: Accumulation
    each_step: tuple[Any, ...]
    each_epoch: tuple[Any, ...]
    validation: dict[str, Iterable[Any]]
    validate_every: int
    validate_every_steps: int | None
