"""Callbacks that write down what happens: a table, the learning rates, TensorBoard's event files."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .callbacks import Callback
from .history import write_whole

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["CSVLog", "LearningRateLog", "TensorBoard"]


class CSVLog(Callback):
    """Keeps a CSV file with a row per epoch and a column per figure.

    ``path``: a file that must not exist yet; when a training is continued, it is written anew. The file is
    replaced as a whole after each epoch, so it is never half of one; what is no single number or word
    (``health``, ``checks``) is left out, and a figure that an epoch has not is an empty cell.

    Raises FileExistsError.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_train_begin(self, trainer: Trainer) -> None:
        if not trainer.state.resumed:
            open(self.path, "x").close()

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        records = [*trainer.history, record]
        columns = [
            name for name in dict.fromkeys(name for r in records for name in r) if not _is_nested(records, name)
        ]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(records)
        write_whole(self.path, text.getvalue())


class LearningRateLog(Callback):
    """Keeps the learning rates that the steps were made with.

    ``rates`` has a list per step, with the rate of each of the optimiser's groups. An epoch's record gets
    ``learning_rates``: per group the least and the greatest rate of its steps.

    >>> import numpy as np, pullback as pb
    >>> from pullback import nn, optim
    >>> from pullback.train import Trainer
    >>> model = nn.Linear(1, 1); optimizer = optim.SGD(model.parameters(), lr=0.4); log = LearningRateLog()
    >>> trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=[log], progress=None)
    >>> x = np.ones((4, 1), np.float32)
    >>> _ = trainer.fit((x, x), 1, batch_size=1, each_step=[optim.LinearWarmup(optimizer, 4)])
    >>> log.rates
    [[0.1], [0.2], [0.3...], [0.4]]
    """

    def __init__(self) -> None:
        self.rates: list[list[float]] = []
        self._epoch = 0

    def on_train_begin(self, trainer: Trainer) -> None:
        if not trainer.state.epoch:
            self.rates, self._epoch = [], 0

    def on_epoch_begin(self, trainer: Trainer) -> None:
        if not trainer.state.batch:
            self._epoch = len(self.rates)

    def on_gradients(self, trainer: Trainer) -> None:
        self.rates.append([float(group["lr"]) for group in trainer.optimizer.param_groups])

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        groups = list(zip(*self.rates[self._epoch :], strict=True))
        record["learning_rates"] = [[min(rates), max(rates)] for rates in groups]

    def state_dict(self) -> dict[str, Any]:
        return {"rates": [list(rates) for rates in self.rates], "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rates, self._epoch = [list(rates) for rates in state_dict["rates"]], state_dict["epoch"]


class TensorBoard(Callback):
    """Writes event files that TensorBoard shows: each epoch's figures, and those of validations in between.

    ``folder``: where the event files go; a training that is continued adds a file. ``every_steps``: also the loss
    and metrics of the epoch so far, every so many steps; None for never. The figures stand over the step.

    Raises ImportError without the package tensorboardX.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"TensorBoard: every_steps expected 1 or more, got {every_steps}")
        writer_class()
        self.folder = Path(folder)
        self.every_steps = every_steps
        self._writer: Any = None

    def on_train_begin(self, trainer: Trainer) -> None:
        step = trainer.state.step
        purge = step + 1 if trainer.state.resumed else None  # what was written after the checkpoint comes again
        # The names of the files have the time in seconds: the step keeps two of one second apart.
        self._writer = writer_class()(str(self.folder), purge_step=purge, filename_suffix=f".{step}")

    def on_batch_end(self, trainer: Trainer) -> None:
        if self.every_steps is not None and trainer.state.step and trainer.state.step % self.every_steps == 0:
            self._write(trainer, {f"running/{name}": figure for name, figure in trainer.state.figures.items()})

    def on_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        self._write(trainer, figures)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        validated = tuple(f"{name}_" for name in trainer.state.validation)
        own = {name: x for name, x in record.items() if isinstance(x, float) and not name.startswith(validated)}
        layers = {
            f"{figure}/{layer}": health[figure]
            for layer, health in record.get("health", {}).items()
            for figure in ("gradient", "ratio")
        }
        self._write(trainer, own | layers)
        self._writer.flush()

    def on_train_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, trainer: Trainer, figures: dict[str, float]) -> None:
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, trainer.state.step)


def _is_nested(records: list[dict[str, Any]], name: str) -> bool:
    return any(isinstance(record.get(name), (dict, list, tuple)) for record in records)


def writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        message = "TensorBoard's event files need tensorboardX: pip install 'pullback[tensorboard]'"
        raise ImportError(message) from None
    return SummaryWriter
