"""ModelCheckpoint: files with the model, or its weights, in the course of a training."""

from __future__ import annotations

import os
from pathlib import Path

from .callback import Logs, Monitor

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch, or after every ``save_freq`` steps.

    ``filepath``: the file; ``{epoch:02d}`` (from 1) and figures such as ``{val_loss:.2f}`` are filled in.
    ``save_best_only``: only where ``monitor`` is better than ever before, and than ``initial_value_threshold``.
    ``save_weights_only``: as `Model.save_weights`, else as `Model.save`. A file is replaced as a whole, or not at all.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        self.watch(monitor, mode)
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not whole:
            raise ValueError(f"ModelCheckpoint: save_freq: expected 'epoch' or a number of steps, got {save_freq!r}")
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only, self.save_freq = save_best_only, save_weights_only, save_freq
        self.best = self.worst if initial_value_threshold is None else initial_value_threshold
        self._steps, self._epoch = 0, 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._steps += 1
        if self._steps >= int(self.save_freq):
            self._steps = 0
            self._save(self._epoch, logs or {}, batch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Logs, batch: int | None = None) -> None:
        moment = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            path = self.filepath.format(**moment, **logs)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} asks for {error}; there are {', '.join(moment | logs)}"
            ) from None
        if self.save_best_only:
            figure = self.figure(logs)
            if figure is None:
                return
            if not self.is_better(figure, self.best):
                if self.verbose:
                    print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            if self.verbose:
                print(f"\nEpoch {epoch + 1}: {self.monitor} improved from {self.best:.5f} to {figure:.5f}")
            self.best = figure
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
