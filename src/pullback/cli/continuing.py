"""Going on with a run that was interrupted: its options and data, found in its folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from ..train.runs import CONFIG, read_config
from .sources import Source, read_source

__all__ = ["CHECKPOINTS", "continued", "fingerprint", "refuse_other_options", "remove_checkpoints"]

CHECKPOINTS = "checkpoints"
ALLOWED = {"resume", "quiet", "debug", "lang"}


def continued(folder: Path, words: Mapping[str, str]) -> tuple[Source, dict[str, Any], dict[str, Any]]:
    """The data, the options and the network of the run in ``folder``.

    Raises ValueError for a run that is complete, one without a record of what was asked for, and data that are
    not those of then; OSError for a missing file.
    """
    config = read_config(folder / CONFIG)
    request = config.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("data"), str):
        raise ValueError(words["error.resume_request"].format(folder=folder))
    if not (folder / CHECKPOINTS).is_dir():
        raise ValueError(words["error.resume_complete"].format(folder=folder))
    options, network = config["training"], config["network"]
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
    return source, options, network


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that is over: first their name, at once, so that none is left in half."""
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
