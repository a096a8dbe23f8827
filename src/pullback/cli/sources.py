"""The data that a command names: `digits`, `idx:FOLDER`, `csv:FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import load_digits, load_idx_folder, random_split, read_csv

__all__ = ["Source", "read_again", "read_source"]

Arrays = tuple[NDArray[Any], NDArray[Any]]
TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Source:
    """Data to train on and to test with, scaled, and what is known about them.

    ``train``, ``test``: features of shape (n, inputs), and labels of shape (n,) (int64) or values of shape
    (n, 1). ``classes``: the names of the classes, None for values. ``inputs``: what the features were
    scaled with, x ↦ (x − mean)/std; ``target``: the same for values, None for labels. ``features`` and
    ``column``: the names of a CSV file's columns, and of the one that is predicted.
    """

    kind: str
    name: str
    source: str
    train: Arrays
    test: Arrays
    classes: list[Any] | None
    inputs: dict[str, Any]
    target: dict[str, Any] | None
    features: list[str] | None = None
    column: str | None = None

    @property
    def width(self) -> int:
        """The number of features of an item."""
        return int(self.train[0].shape[1])

    @property
    def outputs(self) -> int:
        """The number of outputs that a network for these data needs."""
        return 1 if self.classes is None else len(self.classes)

    def describe(self) -> dict[str, Any]:
        """Everything for the run's configuration."""
        return {
            "kind": self.kind,
            "source": self.source,
            "train_items": len(self.train[0]),
            "test_items": len(self.test[0]),
            "features": self.features,
            "column": self.column,
            "classes": self.classes,
            "inputs": self.inputs,
            "target": self.target,
        }


def read_source(
    data: str, words: Mapping[str, str], *, target: str | None, task: str | None, dtype: str, seed: int
) -> Source:
    """Read the data that the argument ``data`` names.

    Raises ValueError for a name of no kind, and the readers' errors.
    """
    kind, _, place = data.partition(":")
    if data == "digits" or (kind == "idx" and place):
        for option, value in (("target", target), ("task", task)):
            if value is not None:
                raise ValueError(words["error.target_unused"].format(option=option, value=data))
        return _read_digits(dtype) if data == "digits" else _read_idx(Path(place), dtype, words)
    if kind == "csv" and place:
        if target is None:
            raise ValueError(words["error.target"])
        return _read_csv(Path(place), target, task, dtype, seed, words)
    raise ValueError(words["error.data"].format(value=data))


def read_again(config: dict[str, Any], words: Mapping[str, str], place: str) -> Source:
    """Read the data that a run was trained on, split and scaled as they were then.

    ``config``: the run's configuration, from the file ``place``. Raises ValueError for one that does not say
    what is needed, and the readers' errors.
    """
    data, training = config["data"], config["training"]
    kind, source, column, dtype = (*map(data.get, ("kind", "source", "column")), config["network"]["dtype"])
    seed = training.get("seed")
    if not (kind in ("digits", "idx", "csv") and isinstance(source, str) and isinstance(seed, int)):
        raise ValueError(words["error.data_again"].format(place=place))
    if kind == "csv" and not isinstance(column, str):
        raise ValueError(words["error.data_again"].format(place=place))
    named = "digits" if kind == "digits" else f"{kind}:{source}"
    task = None if kind != "csv" else "regression" if data.get("classes") is None else "classification"
    return read_source(named, words, target=column, task=task, dtype=dtype, seed=seed)


def _read_digits(dtype: str) -> Source:
    train = load_digits("train", normalise=False, dtype=dtype)
    test = load_digits("test", normalise=False, dtype=dtype)
    return _images("digits", "digits", "digits", train, test, list(range(10)), 16.0)


def _read_idx(folder: Path, dtype: str, words: Mapping[str, str]) -> Source:
    (train_images, train_labels), (test_images, test_labels) = load_idx_folder(folder)
    if train_images.shape[1:] != test_images.shape[1:]:
        sizes = {"train": train_images.shape[1:], "test": test_images.shape[1:]}
        raise ValueError(words["error.idx_sizes"].format(folder=folder, **sizes))
    for labels in (train_labels, test_labels):
        if labels.dtype.kind not in "iu" or not len(labels) or labels.min() < 0:
            found = f"{labels.dtype}, {labels.min()}" if len(labels) else "0"
            raise ValueError(words["error.idx_labels"].format(folder=folder, found=found))
    classes = int(train_labels.max()) + 1
    if int(test_labels.max()) >= classes:
        ends = {"test": int(test_labels.max()), "train": classes - 1}
        raise ValueError(words["error.idx_classes"].format(folder=folder, **ends))
    largest = 255.0 if train_images.dtype == np.uint8 else float(np.abs(train_images).max()) or 1.0
    train = train_images.reshape(len(train_images), -1).astype(dtype), train_labels.astype(np.int64)
    test = test_images.reshape(len(test_images), -1).astype(dtype), test_labels.astype(np.int64)
    return _images("idx", folder.resolve().name, str(folder), train, test, list(range(classes)), largest)


def _images(
    kind: str, name: str, source: str, train: Arrays, test: Arrays, classes: list[int], largest: float
) -> Source:
    scaled = [(images / images.dtype.type(largest), labels) for images, labels in (train, test)]
    return Source(kind, name, source, scaled[0], scaled[1], list(classes), {"mean": 0.0, "std": largest}, None)


def _read_csv(path: Path, target: str, task: Any, dtype: str, seed: int, words: Mapping[str, str]) -> Source:
    table = read_csv(path, target, task=task)
    assert table.target is not None
    if table.classes is not None and len(table.classes) < 2:
        raise ValueError(words["error.csv_classes"].format(path=path, column=target, classes=table.classes))
    parts = random_split(range(len(table.features)), [TRAIN_SHARE, 1 - TRAIN_SHARE], seed=seed)
    chosen, held = (part.indices for part in parts)
    if not len(chosen) or not len(held):
        raise ValueError(words["error.csv_rows"].format(path=path, count=len(table.features)))
    inputs = _scaling(table.features[chosen])
    features = _scale(table.features, inputs).astype(dtype)
    if table.classes is not None:
        scaling, values = None, table.target
    else:
        scaling = _scaling(table.target[chosen])
        values = _scale(table.target, scaling).astype(dtype)[:, None]
    return Source(
        kind="csv",
        name=path.stem,
        source=str(path),
        train=(features[chosen], values[chosen]),
        test=(features[held], values[held]),
        classes=None if table.classes is None else list(table.classes),
        inputs=inputs,
        target=scaling,
        features=list(table.feature_names),
        column=target,
    )


def _scaling(values: NDArray[Any]) -> dict[str, Any]:
    """Mean and standard deviation along axis 0; a column that never varies is only shifted."""
    exact = values.astype(np.float64)
    deviation = exact.std(axis=0)
    return {"mean": exact.mean(axis=0).tolist(), "std": np.where(deviation > 0, deviation, 1.0).tolist()}


def _scale(values: NDArray[Any], scaling: dict[str, Any]) -> NDArray[np.float64]:
    return (values.astype(np.float64) - np.asarray(scaling["mean"])) / np.asarray(scaling["std"])
