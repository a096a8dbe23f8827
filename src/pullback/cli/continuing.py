"""Going on with a run that was interrupted: its options and data, found in its folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from ..saving import load_metadata, save
from ..train.checkpoint import checkpoints, remove_checkpoint
from ..train.resume import find
from ..train.runs import CONFIG, WEIGHTS, read_config, write_json
from .sources import Source, read_source

__all__ = [
    "CHECKPOINTS",
    "Standing",
    "continued",
    "fingerprint",
    "given_epochs",
    "keep_last",
    "refuse_other_options",
    "remove_checkpoints",
    "save_weights",
]

CHECKPOINTS = "checkpoints"
EPOCHS = "epochs"
ALLOWED = {"resume", "epochs", "quiet", "debug", "lang"}


@dataclass(frozen=True)
class Standing:
    """Where a run is: how many epochs it has made, and how many batches of the next one."""

    epochs: int
    batch: int

    def line(self, total: int, words: Mapping[str, str]) -> str:
        """What is said when it goes on."""
        if self.batch:
            return words["goes_on.batch"].format(next=self.epochs + 1, batch=self.batch, epochs=total)
        if self.epochs:
            return words["goes_on"].format(done=self.epochs, epochs=total)
        return words["goes_on.begins"].format(epochs=total)


def continued(
    folder: Path, words: Mapping[str, str], epochs: int | None
) -> tuple[Source, dict[str, Any], dict[str, Any], Standing]:
    """The data, the options and the network of the run in ``folder``, and where it is.

    ``epochs``: how many it is to have in the end, None for as many as it was asked for. Raises ValueError for a run
    that has made so many already, one without a record of what was asked for or without a checkpoint, and data that
    are not those of then; OSError for a missing file.
    """
    config = read_config(folder / CONFIG)
    request = config.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("data"), str):
        raise ValueError(words["error.resume_request"].format(folder=folder))
    if not (folder / CHECKPOINTS).is_dir():
        raise ValueError(words["error.resume_nothing"].format(folder=folder))
    options, network = config["training"], config["network"]
    standing = _standing(folder / CHECKPOINTS)
    if epochs is None and standing.epochs >= options["epochs"] and _epochs_of_weights(folder) == standing.epochs:
        raise ValueError(words["error.resume_complete"].format(folder=folder, done=standing.epochs))
    if epochs is not None and standing.epochs >= epochs:
        raise ValueError(words["error.resume_epochs"].format(folder=folder, done=standing.epochs, epochs=epochs))
    if epochs is not None:
        options["epochs"] = epochs
    source = read_source(
        request["data"],
        words,
        target=request.get("target"),
        task=request.get("task"),
        dtype=network["dtype"],
        seed=options["seed"],
    )
    if fingerprint(source) != request.get("sha256"):
        raise ValueError(words["error.resume_data"].format(data=request["data"], folder=folder))
    if epochs is not None:
        write_json(folder / CONFIG, config)
    return source, options, network, standing


def _standing(folder: Path) -> Standing:
    """Where the newest whole checkpoint was written; damaged ones are mentioned when the training begins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contents = find(folder)
    training = {"epochs_done": 0, "batch": 0} if contents is None else contents["training"]
    return Standing(int(training["epochs_done"]), int(training["batch"]))


def save_weights(folder: Path, model: Any, history: Any) -> None:
    """Write the weights, with the number of complete epochs that they come from."""
    complete = sum(1 for record in history if record.get("complete", True))
    save(folder / WEIGHTS, model, {EPOCHS: str(complete)})


def _epochs_of_weights(folder: Path) -> int:
    """After how many epochs the weights were written; −1 where there are none, as after a full disk."""
    try:
        return int(load_metadata(folder / WEIGHTS).get(EPOCHS, -1))
    except (OSError, ValueError):
        return -1


def keep_last(folder: Path) -> None:
    """Remove all checkpoints but the last, from which a complete run goes on if more epochs are wanted."""
    for path in checkpoints(folder / CHECKPOINTS)[:-1]:
        remove_checkpoint(path)


def given_epochs() -> int | None:
    """The number after --epochs, None where it is the default."""
    context = click.get_current_context()
    given = context.get_parameter_source("epochs") is ParameterSource.COMMANDLINE
    return int(context.params["epochs"]) if given else None


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a run: first their name, at once, so that none is left in half."""
    aside = folder / f".{CHECKPOINTS}-{secrets.token_hex(3)}.part"
    os.rename(folder / CHECKPOINTS, aside)
    shutil.rmtree(aside)


def fingerprint(source: Source) -> str:
    """The SHA-256 of the arrays to train on and to test with, as they are after scaling."""
    digest = hashlib.sha256()
    for array in (*source.train, *source.test):
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def refuse_other_options(words: Mapping[str, str]) -> None:
    """A run goes on as it began: raise UsageError where DATA or an option says otherwise."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in ALLOWED:
            shown = parameter.opts[0] if isinstance(parameter, click.Option) else "DATA"
            raise click.UsageError(words["error.resume_options"].format(option=shown), context)
