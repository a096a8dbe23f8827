"""Files in which the figures of the epochs are written down."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import IO, Any

from ...train.logs import writer_class
from .callback import Callback, Logs

__all__ = ["CSVLogger", "TensorBoard"]


class CSVLogger(Callback):
    """Writes a row for each epoch: ``epoch``, from 0, and the figures in the order of their names.

    ``append``: go on with a file that is there; else it is written anew.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: IO[str] | None = None
        self._writer: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._header = not (self.append and self.filename.exists() and self.filename.stat().st_size)
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, encoding="utf-8", newline="")  # noqa: SIM115  # closed at the end
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        if self._writer is None:
            names = sorted(logs or {})
            validated = [f"val_{name}" for name in names if f"val_{name}" not in names]
            expected = self.params.get("validates") and not any(name.startswith("val_") for name in names)
            columns = ["epoch", *names, *(validated if expected else ())]
            self._writer = csv.DictWriter(
                self._file, columns, delimiter=self.separator, restval="NA", extrasaction="ignore"
            )
            if self._header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **(logs or {})})
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoard(Callback):
    """Writes the figures of the epochs for TensorBoard, in ``log_dir/train`` and ``log_dir/validation``.

    Raises ImportError without the package tensorboardX.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        writer_class()
        self.log_dir = Path(log_dir)
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            if part not in self._writers:
                self._writers[part] = writer_class()(str(self.log_dir / part))
            self._writers[part].add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
