"""Ending a training early."""

from __future__ import annotations

from typing import Any

from .callback import Callback, Logs, Monitor

__all__ = ["EarlyStopping", "TerminateOnNaN"]


class EarlyStopping(Monitor):
    """Ends the training when a figure has not become better by more than ``min_delta`` for ``patience`` epochs.

    ``mode``: "min", "max", or "auto": "max" for accuracy, r2 and the like. ``baseline``: to be beaten within the
    patience too. ``restore_best_weights``: at the end, put back those of the best epoch. ``start_from_epoch``:
    epochs before are not looked at. Raises KeyError for a figure that is not measured.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.watch(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best = self.worst
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        figure = self.figure(logs)
        if figure is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_better(figure, self.best):
            self.best, self.best_epoch = figure, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_better(figure, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Ends the training quietly, before the weights are harmed, when a loss or gradient is NaN or infinite.

    Without it `fit` raises NonFiniteError, which says where the number came from.
    """

    def terminate(self, batch: int) -> None:
        """Say so, and end the training."""
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
