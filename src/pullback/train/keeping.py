"""The callback that writes checkpoints: the last ones, and the best."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .callbacks import Callback
from .checkpoint import (
    CheckpointError,
    best_checkpoint,
    checkpoints,
    remove_checkpoint,
    remove_half_written,
    save_checkpoint,
    step_of,
    verify_checkpoint,
)
from .resume import capture
from .stopping import mode_of, watched

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Writes checkpoints, from which ``fit(…, resume=folder)`` goes on; also when Ctrl-C is pressed.

    ``folder``: where; a new one, or with ``resume`` the one that is continued. ``every_epochs``, ``every_steps``,
    ``every_seconds``: when, each None for never; a checkpoint after some seconds waits for the end of the step.
    ``at_end``: also when the training is complete, so that it can go on with more epochs.
    ``keep``: how many of the newest to keep. ``monitor``: a figure of the epochs, such as "validation_loss"; the
    checkpoint of the epoch with the best one is kept too, and ``best`` is its path; ``mode`` as in
    `EarlyStopping`. ``last`` is the path of the newest.

    A checkpoint holds the model, the optimiser with its schedules, the position in the data, the streams of random
    numbers, the metrics and the history so far, and the callbacks' states. It is written whole or not at all; see
    `pullback.train.checkpoint`.

    Raises FileExistsError if the folder has checkpoints of another training; CheckpointError, an OSError, if one
    cannot be written; the earlier ones stay as they were.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        at_end: bool = False,
        keep: int = 2,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        for name, number in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if number is not None and number < 1:
                raise ValueError(f"Checkpoint: {name} expected 1 or more, got {number}")
        if every_seconds is not None and not every_seconds > 0:
            raise ValueError(f"Checkpoint: every_seconds expected a number above 0, got {every_seconds}")
        self.folder = Path(folder)
        self.every_epochs, self.every_steps, self.every_seconds = every_epochs, every_steps, every_seconds
        self.at_end, self.keep = at_end, keep
        self.monitor = monitor
        self.mode = mode_of(monitor or "", mode)
        self.last: Path | None = None
        self._written: tuple[int, bool] | None = None
        self._score: float | None = None
        self._next = 0.0

    @property
    def best(self) -> Path | None:
        """The checkpoint with the best figure; None without ``monitor`` and before the first."""
        return best_checkpoint(self.folder, self.mode)

    def on_train_begin(self, trainer: Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_half_written(self.folder)
        self.last, self._written, self._score = None, None, None
        self._clear_the_way(trainer)
        self._next = time.monotonic() + (self.every_seconds or 0.0)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self.monitor is not None:
            self._score = watched(self.monitor, record, trainer.state.validation, "Checkpoint")

    def on_settled(self, trainer: Trainer) -> None:
        state = trainer.state
        ended = state.at_epoch_end
        due = ended and self.every_epochs is not None and state.epoch % self.every_epochs == 0
        due |= self.every_steps is not None and state.step % self.every_steps == 0
        due |= self.at_end and ended and state.epoch == state.epochs
        due |= self.every_seconds is not None and time.monotonic() >= self._next
        if due:
            self._save(trainer)
        if ended:
            self._score = None

    def on_interrupt(self, trainer: Trainer) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        state = trainer.state
        moment = state.step, state.at_epoch_end
        if moment == self._written:
            return
        score = self._score if state.at_epoch_end else None
        self.last = save_checkpoint(self.folder, capture(trainer), step=state.step, score=score)
        self._written = moment
        self._next = time.monotonic() + (self.every_seconds or 0.0)
        best = self.best
        for path in checkpoints(self.folder)[: -self.keep]:
            if path != best:
                remove_checkpoint(path)

    def _clear_the_way(self, trainer: Trainer) -> None:
        """Refuse to write among the checkpoints of another training; put damaged ones aside."""
        state = trainer.state
        for path in checkpoints(self.folder):
            if state.resumed and step_of(path) <= state.step:
                if step_of(path) == state.step:  # what the training goes on from
                    self.last, self._written = path, (state.step, state.at_epoch_end)
                continue
            if state.resumed and not _is_whole(path):
                os.rename(path, path.with_name(f"damaged-{path.name}-{secrets.token_hex(3)}"))
                continue
            raise FileExistsError(
                f"Checkpoint: {path} is there already, from another training or from later in this one; expected "
                f"a new folder, or fit(…, resume={str(self.folder)!r}) to go on from its newest checkpoint"
            )


def _is_whole(path: Path) -> bool:
    try:
        verify_checkpoint(path)
    except CheckpointError:
        return False
    return True
