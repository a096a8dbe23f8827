"""Learning rates that change in the course of a training."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from .callback import Callback, Logs, Monitor

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch: ``schedule(epoch, lr)``, or ``schedule(epoch)``, from 0.

    The history gets ``learning_rate``. Raises ValueError for a schedule that gives no number.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._with_rate = len(inspect.signature(schedule).parameters) > 1

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.learning_rate) if self._with_rate else self.schedule(epoch)
        try:
            optimizer.learning_rate = float(rate)
        except (TypeError, ValueError):
            if optimizer.schedule is not None:
                raise
            raise ValueError(f"LearningRateScheduler: expected schedule to give a number, got {rate!r}") from None
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by ``factor`` when a figure has not become better for ``patience`` epochs.

    Better by more than ``min_delta``. After a change ``cooldown`` epochs do not count; ``min_lr`` is the least rate.
    The history gets ``learning_rate``. Raises KeyError for a figure that is not measured.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor: expected a number between 0 and 1, got {factor}")
        self.watch(monitor, mode, min_delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait, self.cooldown_counter, self.best = 0, 0, self.worst

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        figure = self.figure(logs)
        if figure is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_better(figure, self.best):
            self.best, self.wait = figure, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    rate = optimizer.learning_rate
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
