"""Stopping when nothing gets better any more."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .callbacks import Callback

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["EarlyStopping", "is_better", "mode_of", "watched"]

RISING = ("accuracy", "r2", "auc", "f1", "precision", "recall")


class EarlyStopping(Callback):
    """Ends the training when a figure of the epochs has not become better for some time.

    ``monitor``: the figure's name in the history. ``patience``: for how many epochs in a row it may fail to
    become better by more than ``min_delta``. ``mode``: "min", "max", or "auto": "max" for accuracy, r2 and the
    like, else "min". ``restore_best``: put the parameters back, at the end, to those of the best epoch. Epochs
    without the figure do not count. NaN is never better.

    ``best`` is the best figure, ``best_epoch`` its epoch, and ``stopped_epoch`` the one after which it ended the
    training, None if it did not. Raises KeyError if no epoch with a validation has the figure, ValueError for
    settings out of range.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 5,
        *,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = False,
    ) -> None:
        if patience < 1 or min_delta < 0:
            raise ValueError(
                f"EarlyStopping: expected patience >= 1 and min_delta >= 0, got {patience} and {min_delta}"
            )
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.mode = mode_of(monitor, mode)
        self.restore_best = restore_best
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.waited = 0
        self._weights: dict[str, Any] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        if not trainer.state.epoch:
            self._begin()
        elif self.stopped_epoch is not None:
            trainer.stop()

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        figure = watched(self.monitor, record, trainer.state.validation, "EarlyStopping")
        if figure is None:
            return
        if is_better(figure, self.best, self.mode, self.min_delta):
            self.best, self.best_epoch, self.waited = figure, record["epoch"], 0
            if self.restore_best:
                state = trainer.model.state_dict()
                self._weights = {name: np.array(value) for name, value in state.items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = record["epoch"]
            trainer.stop()

    def on_train_end(self, trainer: Trainer) -> None:
        if self.restore_best and self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "stopped_epoch": self.stopped_epoch,
            "weights": self._weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.waited, self.stopped_epoch = state_dict["waited"], state_dict["stopped_epoch"]
        self._weights = state_dict["weights"]

    def _begin(self) -> None:
        self.best, self.best_epoch, self.stopped_epoch, self.waited, self._weights = None, None, None, 0, None


def mode_of(monitor: str, mode: str) -> str:
    """ "min" or "max"; "auto" decides by the last word of the figure's name.

    >>> mode_of("validation_accuracy", "auto"), mode_of("loss", "auto")
    ('max', 'min')
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"mode: expected 'auto', 'min' or 'max', got {mode!r}")
    if mode != "auto":
        return mode
    return "max" if monitor.rpartition("_")[2] in RISING else "min"


def is_better(figure: float, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether a figure is better than the best so far by more than ``min_delta``."""
    if math.isnan(figure):
        return False
    if best is None:
        return True
    return figure < best - min_delta if mode == "min" else figure > best + min_delta


def watched(monitor: str, record: dict[str, Any], validation: Iterable[str], who: str) -> float | None:
    """The figure of an epoch's record; None for an epoch that was cut short or had no such validation.

    ``validation``: the names of the validation data. Raises KeyError for a figure that no epoch has.
    """
    if not record.get("complete", True):
        return None
    if monitor in record:
        return float(record[monitor])
    sets = [name for name in validation if monitor.startswith(f"{name}_")]
    if sets and not any(figure.startswith(f"{name}_") for name in sets for figure in record):
        return None
    names = ", ".join(repr(name) for name, value in record.items() if isinstance(value, float))
    raise KeyError(f"{who}: monitor: the epochs have no figure {monitor!r}; they have {names}")
