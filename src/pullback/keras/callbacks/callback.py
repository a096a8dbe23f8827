"""Callback, History, LambdaCallback: what happens beside the steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["Callback", "History", "LambdaCallback", "Logs", "Monitor"]

Logs = dict[str, float]


class Callback:
    """What you subclass to do something during `fit`. Epochs and batches count from 0; ``self.model`` is the model.

    ``logs`` has the loss and the metrics, at the end of an epoch also those on the validation data: ``val_loss``….
    ``self.model.stop_training = True`` ends the training. ``self.params`` has ``epochs``, ``steps`` and ``verbose``.
    """

    model: Model
    params: dict[str, Any]

    def set_model(self, model: Model) -> None:
        """Remember the model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Remember how the training was begun."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first step."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first step of an epoch."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each step."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each step."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before a validation, and in `evaluate`."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After a validation, and in `evaluate`."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """At the beginning of `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """At the end of `predict`."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After a complete epoch and its validation; what is added to ``logs`` stands in the history."""

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


class LambdaCallback(Callback):
    """Calls functions: ``on_epoch_end=lambda epoch, logs: …``, and so for every other moment of `Callback`."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                known = ", ".join(name for name in vars(Callback) if name.startswith("on_"))
                raise TypeError(f"LambdaCallback: expected some of {known}; got {name}")
            if function is not None:
                setattr(self, name, function)


class Monitor(Callback):
    """What watches a figure of the epochs.

    ``mode``: "min", "max", or "auto": "max" for accuracy, AUC, precision, recall, F1 and r2.
    """

    def watch(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        """Say which figure, and what is better. Raises ValueError for another mode."""
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: mode: expected 'auto', 'min' or 'max', got {mode!r}")
        words = ("acc", "accuracy", "auc", "precision", "recall", "f1", "r2")
        rising = mode == "max" or (mode == "auto" and monitor.endswith(words))
        self.monitor, self.min_delta = monitor, abs(min_delta)
        self._sign = -1 if rising else 1
        self.worst = -float("inf") if rising else float("inf")

    def figure(self, logs: Logs | None) -> float | None:
        """The figure of this epoch; None for one without a validation. Raises KeyError where no epoch has it."""
        if logs and self.monitor in logs:
            return logs[self.monitor]
        validated = any(name.startswith("val_") for name in logs or ())
        if self.monitor.startswith("val_") and self.params.get("validates") and not validated:
            return None
        raise KeyError(
            f"{type(self).__name__}: there is no figure {self.monitor!r}; there are {', '.join(logs or ())}"
        )

    def is_better(self, figure: float, than: float) -> bool:
        """Whether a figure is better than another by more than ``min_delta``; NaN never is."""
        return self._sign * figure < self._sign * than - self.min_delta
