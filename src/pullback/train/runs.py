"""The folder that a training leaves behind, and the model that comes out of it again."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..saving import load
from ..tensor import asarray
from ..transforms import no_grad
from .history import History, write_whole
from .network import build_network

__all__ = ["Run", "load_run", "make_run_folder", "read_config", "versions", "write_json"]

FORMAT = 1
CONFIG, VERSIONS, METRICS, WEIGHTS = "config.json", "versions.json", "metrics.jsonl", "weights.safetensors"


@dataclass(frozen=True)
class Run:
    """A trained model with all that belongs to it.

    ``config``: the options, the network and the data of the training. ``history``: its epochs.
    """

    model: nn.Sequential
    config: dict[str, Any]
    history: History

    def predict(self, features: Any) -> NDArray[Any]:
        """The class (its name) or the value (in the target's own unit) for each row of ``features``.

        ``features``: shape (n, inputs), as they stand in the data's files: they are scaled here as they
        were for the training.
        """
        data = self.config["data"]
        scaled = (np.asarray(features) - np.asarray(data["inputs"]["mean"])) / np.asarray(data["inputs"]["std"])
        with no_grad():
            outputs = np.asarray(self.model(asarray(scaled.astype(self.config["network"]["dtype"]))))
        if data["classes"] is not None:
            return np.asarray(data["classes"])[outputs.argmax(axis=1)]
        return outputs[:, 0] * data["target"]["std"] + data["target"]["mean"]


def load_run(folder: str | os.PathLike[str]) -> Run:
    """The model of a run folder, in evaluation mode.

    It is rebuilt from ``config.json`` (which can only choose among known names and sizes) and the arrays in
    ``weights.safetensors``; nothing in the folder is executed.
    Raises ValueError for a configuration that is damaged or of another format, OSError for a missing file,
    and the errors of `pullback.load` and `load_state_dict`.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    try:
        model = build_network(config["network"])
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from None
    model.load_state_dict(load(folder / WEIGHTS))
    metrics = folder / METRICS
    history = History.read(metrics) if metrics.exists() else History()
    return Run(model.eval(), config, history)


def make_run_folder(folder: str | os.PathLike[str] | None, name: str) -> Path:
    """Make a new folder, ``runs/<name>-<time>`` if ``folder`` is None, and return its path.

    A folder is never used twice: Raises FileExistsError if ``folder`` exists; a name made from the time gets
    a number instead.
    """
    if folder is not None:
        path = Path(folder)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            message = f"{path}: exists already, and a run is never overwritten; expected a new name"
            raise FileExistsError(message) from None
        return path
    stem = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    number = 1
    while True:
        path = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path


def versions() -> dict[str, Any]:
    """What a result may depend on beside the data and the options."""
    return {
        "pullback": package_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
    }


def package_version() -> str:
    """The version of pullback that is installed; "0+unknown" for a bare source tree."""
    try:
        return importlib.metadata.version("pullback")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, which appears complete or not at all."""
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run. Raises ValueError if it is damaged or of another format, OSError."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise ValueError(f"{path}: expected the configuration of a run, format {FORMAT}; found {found!r}")
    for part in ("data", "network", "training"):
        if not isinstance(config.get(part), dict):
            raise ValueError(f"{path}: expected an object {part!r}, got {config.get(part)!r}")
    return config
