"""Everything that decides how a training goes on, taken out of a `Trainer` and put back into one."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import random
from ..data import DataLoader
from .checkpoint import CheckpointError, checkpoints, latest_checkpoint, load_checkpoint

if TYPE_CHECKING:
    from .callbacks import Callback
    from .trainer import Trainer

__all__ = ["capture", "find", "restore"]

FORMAT = 1


def capture(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint of a running `fit` holds, between two steps: `model`, `optimizer`, `training`."""
    state = trainer.state
    underway = not state.at_epoch_end
    training = {
        "format": FORMAT,
        "epochs_done": state.epoch - underway,
        "batch": state.batch if underway else 0,
        "step": state.step,
        "seconds": state.seconds if underway else 0.0,
        "loader": _position(trainer.batches, state.batch if underway else None),
        "metrics": [{"name": m.name, "state": m.state_dict()} for m in state.metrics] if underway else [],
        "checks": list(state.checks) if underway else [],
        "history": [record for record in trainer.history if record.get("complete", True)],
        "schedules": [schedule.state_dict() for schedule in getattr(trainer.optimizer, "schedules", [])],
        "callbacks": {name: callback.state_dict() for name, callback in _named(trainer.callbacks)},
        "random": {
            "pullback": random.get_state(),
            "numpy": _numpy_state(),
            "python": _plain(python_random.getstate()),
        },
    }
    return {"model": trainer.model.state_dict(), "optimizer": trainer.optimizer.state_dict(), "training": training}


def restore(trainer: Trainer, contents: dict[str, Any]) -> dict[str, Any]:
    """Put back what `capture` took; return its part ``training``, from which `fit` goes on.

    Raises ValueError if the model, the optimiser, the schedules or the data are not those of then.
    """
    missing = {"model", "optimizer", "training"} - set(contents)
    training = contents.get("training")
    if missing or not isinstance(training, dict) or training.get("format") != FORMAT:
        raise CheckpointError("this checkpoint is not one of Trainer.fit; nothing was changed.")
    schedules = getattr(trainer.optimizer, "schedules", [])
    if len(schedules) != len(training["schedules"]):
        raise ValueError(
            f"resume: the optimiser had {len(training['schedules'])} schedules when the checkpoint was written and has "
            f"{len(schedules)} now; nothing was changed"
        )
    if isinstance(trainer.batches, DataLoader) != (training["loader"] is not None):
        raise ValueError("resume: the data were a DataLoader or data for one then, and are not now, or the reverse")
    if isinstance(trainer.batches, DataLoader):
        trainer.batches.load_state_dict(training["loader"])
    trainer.model.load_state_dict(contents["model"])
    for schedule, state in zip(schedules, training["schedules"], strict=True):
        schedule.load_state_dict(state)
    trainer.optimizer.load_state_dict(contents["optimizer"])
    for name, callback in _named(trainer.callbacks):
        if name in training["callbacks"]:
            callback.load_state_dict(training["callbacks"][name])
    streams = training["random"]
    random.set_state(streams["pullback"])
    kind, words, *rest = streams["numpy"]
    np.random.set_state((kind, np.array(words, np.uint32), *rest))  # noqa: NPY002  # a user's own code may draw from it
    version, numbers, gauss = streams["python"]
    python_random.setstate((version, tuple(numbers.tolist()), gauss))
    return training


def find(place: Any) -> dict[str, Any] | None:
    """The contents of a checkpoint, or of the newest whole one in a folder of them; None for an empty folder.

    Raises FileNotFoundError if there is no such folder, CheckpointError if what is there is damaged.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise FileNotFoundError(f"resume: {folder}: there is no such folder")
    if not checkpoints(folder):
        return load_checkpoint(folder) if (folder / "manifest.json").exists() else None
    newest = latest_checkpoint(folder)
    assert newest is not None
    return load_checkpoint(newest)


def _position(batches: Any, batch: int | None) -> dict[str, Any] | None:
    """Where the data are: after ``batch`` batches of the running epoch, None at its end.

    The loader itself is one batch further, because `fit` looks ahead for the last one.
    """
    if not isinstance(batches, DataLoader):
        return None
    position = batches.state_dict()
    return position if batch is None else position | {"batch": batch}


def _named(callbacks: Iterable[Callback]) -> list[tuple[str, Callback]]:
    """The callbacks by class name, numbered where there are several of one class."""
    counts: dict[str, int] = {}
    named = []
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, 0) + 1
        named.append((kind if counts[kind] == 1 else f"{kind} {counts[kind]}", callback))
    return named


def _numpy_state() -> list[Any]:
    kind, words, *rest = np.random.get_state()  # noqa: NPY002  # a user's own code may draw from it
    return [kind, np.asarray(words), *rest]


def _plain(state: Any) -> list[Any]:
    version, numbers, gauss = state
    return [version, np.array(numbers, np.int64), gauss]
