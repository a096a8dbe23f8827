"""Callbacks: what happens beside the steps of a training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .health import LayerHealth, Snapshot
from .history import json_line

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["Callback", "GradientHealth", "JSONLines"]


class Callback:
    """What you subclass to do something during a training; override the methods that you need.

    Each gets the `Trainer`, whose ``state`` says where the training is: ``epoch`` and ``epochs``, ``batch`` and
    ``batches`` (counted from 1; None where the number of batches is not known), ``is_last_batch``, ``figures``
    (the loss and metrics of the epoch so far). ``trainer.stop()`` ends the training after the current step.

    >>> class StopWhenGood(Callback):
    ...     def on_epoch_end(self, trainer, record):
    ...         if record["loss"] < 0.1:
    ...             trainer.stop()
    """

    def on_train_begin(self, trainer: Trainer) -> None:
        """Before the first step."""

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Before the first step of an epoch; when one is continued, ``trainer.state.batch`` is not 0."""

    def on_batch_begin(self, trainer: Trainer) -> None:
        """Before each batch."""

    def on_gradients(self, trainer: Trainer) -> None:
        """After the gradients of a step are there (clipped, if that is wanted) and before the parameters change."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After each batch."""

    def on_validation_begin(self, trainer: Trainer) -> None:
        """Before each measurement on the validation data."""

    def on_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """After each measurement on the validation data, in the middle of an epoch or at its end."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """After an epoch and its validation. What is added to ``record`` stands in the history.

        Also after an epoch that was cut short: ``record["complete"]`` is False then, and only then there.
        """

    def on_settled(self, trainer: Trainer) -> None:
        """When all that belongs to a step is done, or all that belongs to an epoch after its last step.

        The moment for a checkpoint: what is captured here is enough to go on from.
        """

    def on_interrupt(self, trainer: Trainer) -> None:
        """After the step during which Ctrl-C was pressed."""

    def on_train_end(self, trainer: Trainer) -> None:
        """At the end, also when an error ends the training."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: numbers, strings, arrays, lists and dictionaries of them."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; called before `on_train_begin`, when a checkpoint has one."""


class GradientHealth(Callback):
    """Measures the gradients layer by layer on the last step of each epoch, so it costs next to nothing.

    The epoch's record gets ``health``: for each layer the gradient norm, the update-to-weight ratio and a
    verdict; see `LayerHealth`. ``latest`` has the same as a list.
    """

    def __init__(self) -> None:
        self.latest: list[LayerHealth] = []
        self._snapshot: Snapshot | None = None

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self.latest, self._snapshot = [], None

    def on_gradients(self, trainer: Trainer) -> None:
        if trainer.state.is_last_batch:
            self._snapshot = Snapshot(trainer.model)

    def on_batch_end(self, trainer: Trainer) -> None:
        if self._snapshot is not None:
            self.latest, self._snapshot = self._snapshot.compare(), None

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self.latest:
            record["health"] = {health.layer: health.record() for health in self.latest}


class JSONLines(Callback):
    """Writes each epoch's record as one line of JSON as soon as it is there, and a last line at the end.

    ``path``: a file that must not exist yet; when a training is continued, it is written anew up to the epoch
    that is continued. `History.read` reads it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: IO[str] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        if trainer.state.resumed:
            trainer.history.write(self.path, end=False)
        mode = "a" if trainer.state.resumed else "x"
        self._file = open(self.path, mode, encoding="utf-8")  # noqa: SIM115  # closed by on_train_end

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._write(record)

    def on_train_end(self, trainer: Trainer) -> None:
        if self._file is not None:
            try:
                self._write({"interrupted": trainer.history.interrupted})
            finally:
                file, self._file = self._file, None
                file.close()

    def _write(self, record: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json_line(record))
        self._file.flush()
