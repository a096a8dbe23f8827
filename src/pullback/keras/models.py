"""Models as files: layers and how they are joined, weights, what `compile` was told, the optimiser's state.

A model is saved as a safetensors file with a checksum. Layers are described by the arguments that they were made
with: names, numbers, lists. Nothing in a file is ever executed; classes of one's own are given when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ..nn import Module
from ..saving import load, load_metadata, save
from .description import Reader, describe
from .model import Model
from .sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

FORMAT = "pullback.keras"


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model; see `load_model`. Raises PullbackError for one without parameters, TypeError for a Lambda."""
    model._need_built("save")
    contents: dict[str, Any] = {"weights": Module.state_dict(model), "compiled": None}
    objective = model._objective
    if objective is not None:
        optimizer = objective.optimizer
        contents["compiled"] = json.dumps({"optimizer": describe(optimizer), "told": describe(objective.told)})
        contents["iterations"] = optimizer.iterations
        contents["learning_rate"] = optimizer.learning_rate
        contents["optimizer"] = None if optimizer.inner is None else optimizer.inner.state_dict()
    save(path, contents, {FORMAT: json.dumps(config_of(model))})


def load_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Any:
    """Read what `Model.save` wrote, verified: the same model, which goes on training where it was.

    ``custom_objects``: classes and functions of one's own, by name. ``compile``: also what `compile` was told.
    Raises FileNotFoundError, ValueError for a damaged file and one of another kind, or with a class that is not
    known.

    >>> import numpy as np, tempfile
    >>> from pullback import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> path = tempfile.mkdtemp() + "/model.keras"
    >>> model.save(path)
    >>> x = np.ones((1, 3), np.float32)
    >>> bool((keras.models.load_model(path).predict(x, verbose=0) == model.predict(x, verbose=0)).all())
    True
    """
    metadata = load_metadata(path)
    if FORMAT not in metadata:
        raise ValueError(f"load_model: {path} is not what Model.save of pullback.keras writes")
    contents = load(path)
    reader = Reader(custom_objects or {})
    model = reader.model(json.loads(metadata[FORMAT]))
    model.load_state_dict(contents["weights"])
    if compile and contents["compiled"] is not None:
        told = json.loads(contents["compiled"])
        optimizer = reader.read(told["optimizer"])
        model.compile(optimizer, **reader.read(told["told"]))
        if contents["optimizer"] is not None:
            optimizer.bind(model.parameters()).load_state_dict(contents["optimizer"])
        optimizer.iterations = contents["iterations"]
        if optimizer.schedule is None:
            optimizer.learning_rate = contents["learning_rate"]
    return model


def config_of(model: Model) -> dict[str, Any]:
    """The layers and how they are joined, as numbers, strings, lists and dictionaries."""
    found = describe(model)
    assert isinstance(found, dict)
    return found


def clone_model(model: Model, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A model of the same layers with parameters of its own."""
    return Reader(custom_objects or {}).model(config_of(model))


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `Model.to_json` described, with new parameters."""
    return Reader(custom_objects or {}).model(json.loads(text))
