"""Callbacks in Keras' manner, the history among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import train

if TYPE_CHECKING:
    from .model import Sequential

__all__ = ["Callback", "EarlyStopping", "History"]

Logs = dict[str, float]


class Callback:
    """What you subclass to do something during `fit`. Epochs and batches count from 0; ``self.model`` is the model.

    ``logs`` has the loss and the metrics, at the end of an epoch also those on the validation data: ``val_loss``….
    ``self.model.stop_training = True`` ends the training.
    """

    model: Sequential

    def set_model(self, model: Sequential) -> None:
        """Remember the model."""
        self.model = model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first step."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first step of an epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each step."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After a complete epoch and its validation."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """At the end, also when an error ends the training."""


class History(Callback):
    """What `fit` returns: ``history``, a list of figures by name; ``epoch``, the numbers of the epochs, from 0."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class EarlyStopping(Callback):
    """Ends the training when a figure has not become better by more than ``min_delta`` for ``patience`` epochs.

    ``mode``: "min", "max", or "auto": "max" for accuracy and r2. ``restore_best_weights``: at the end, put back
    those of the best epoch. Raises KeyError for a figure that is not measured.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"EarlyStopping: mode: expected 'auto', 'min' or 'max', got {mode!r}")
        rising = mode == "max" or (mode == "auto" and monitor.endswith(("acc", "accuracy", "r2")))
        self.monitor, self.min_delta, self.patience = monitor, min_delta, patience
        self.restore_best_weights = restore_best_weights
        self._sign = -1 if rising else 1

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self._best = np.inf
        self._weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            raise KeyError(f"EarlyStopping: there is no figure {self.monitor!r}; there are {', '.join(logs)}")
        figure = self._sign * logs[self.monitor]
        if figure < self._best - self.min_delta:
            self._best, self.best_epoch, self.wait = figure, epoch, 0
            if self.restore_best_weights:
                self._weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)


class Bridge(train.Callback):
    """Tells callbacks in Keras' manner what the `Trainer` tells."""

    def __init__(self, model: Sequential, callbacks: list[Callback]) -> None:
        self.model, self.callbacks = model, callbacks
        for callback in callbacks:
            callback.set_model(model)

    def on_train_begin(self, trainer: Any) -> None:
        self._tell("on_train_begin")

    def on_epoch_begin(self, trainer: Any) -> None:
        self._tell("on_epoch_begin", trainer.state.epoch - 1)

    def on_batch_end(self, trainer: Any) -> None:
        self._tell("on_train_batch_end", trainer.state.batch - 1, trainer.state.figures)
        self._stop(trainer)

    def on_epoch_end(self, trainer: Any, record: dict[str, Any]) -> None:
        if record.get("complete", True):  # else Ctrl-C or a callback cut it short: there is no validation
            self._tell("on_epoch_end", trainer.state.epoch - 1, self._logs(record))
        self._stop(trainer)

    def on_train_end(self, trainer: Any) -> None:
        self._tell("on_train_end")

    def _logs(self, record: dict[str, Any]) -> Logs:
        names = ["loss", *(metric.name for metric in self.model.compiled.metrics)]
        logs = {name: record[name] for name in names}
        return logs | {f"val_{n}": record[f"validation_{n}"] for n in names if f"validation_{n}" in record}

    def _tell(self, event: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*details)

    def _stop(self, trainer: Any) -> None:
        if self.model.stop_training:
            trainer.stop()
