"""Tables of other libraries: data frames of pandas and polars, data sets of Hugging Face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.spec import default_dtype
from .csvfile import FLOAT32_MAX, Table
from .dataset import Dataset

__all__ = ["HuggingFaceDataset", "read_frame"]

def read_frame(
    frame: Any,
    target: str | None,
    *,
    task: Literal["classification", "regression"] | None = None,
    source: str = "frame",
) -> Table:
    """A data frame of pandas or polars as a `Table`, as `read_csv` makes one from a file.

    ``target``: the column to be predicted, of text, integers, booleans or numbers; None for no target. All other
    columns must be numbers or booleans. Raises ValueError naming column and row for a missing value, one that is
    not finite in float32, a column of another kind, no such target, and a frame without rows or features.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ValueError(f"{source}: expected column names that differ, got {names}")
    if target is not None and target not in names:
        raise ValueError(f"{source}: target: there is no column {target!r}; the columns are {', '.join(names)}")
    features = [name for name in names if name != target]
    if not len(frame) or not features:
        raise ValueError(f"{source}: expected rows and a column besides the target, got shape {tuple(frame.shape)}")
    columns = {name: np.asarray(frame[original]) for name, original in zip(names, frame.columns, strict=True)}
    table = np.empty((len(frame), len(features)), np.float32)
    for place, name in enumerate(features):
        table[:, place] = _numbers(columns[name], name, source)
    if target is None:
        return Table(table, None, tuple(features), None, None)
    values, classes = _target(columns[target], target, task, source)
    return Table(table, values, tuple(features), target, classes)


class HuggingFaceDataset(Dataset):
    """The rows of a data set of Hugging Face's ``datasets`` library as tuples.

    ``dataset``: anything with ``column_names``, ``len``, and rows by number as dictionaries; a list of numbers gives
    a dictionary of columns. ``columns``: which columns make an item, in this order; by default all. Images come
    as arrays of shape (height, width, channels), Python floats in the default dtype.

    Raises ValueError for a column that there is not. A streamed one has no length: use
    ``IterableDataset(lambda: ((row["text"], row["label"]) for row in dataset))``.
    """

    def __init__(self, dataset: Any, *columns: str) -> None:
        there = getattr(dataset, "column_names", None)
        if there is None or not hasattr(dataset, "__len__"):
            raise TypeError(
                f"HuggingFaceDataset: expected a data set with column_names and a length, got "
                f"{type(dataset).__name__}; of a DatasetDict choose a part, such as dataset['train']"
            )
        if isinstance(there, dict):
            raise TypeError(f"HuggingFaceDataset: expected one part of it, such as dataset[{next(iter(there))!r}]")
        missing = [name for name in columns if name not in there]
        if missing:
            raise ValueError(f"HuggingFaceDataset: there is no column {missing[0]!r}; there are {', '.join(there)}")
        self.dataset = dataset
        self.columns = columns or tuple(there)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        row = self.dataset[int(index)]
        return tuple(_value(row[name]) for name in self.columns)


def _numbers(column: NDArray[Any], name: str, source: str) -> NDArray[np.float32]:
    where = f"{source}, column {name!r}"
    if column.dtype.kind == "O":
        column = _plain(column, where)
    if column.dtype.kind not in "biuf":
        raise ValueError(f"{where}: expected numbers, got {column.dtype}; choose other columns, or encode it first")
    values = column.astype(np.float64)
    wrong = ~(np.abs(values) <= FLOAT32_MAX)
    if wrong.any():
        row = int(np.argmax(wrong))
        kind = "missing value" if np.isnan(values[row]) else "expected a finite number below 3.4e38 (float32)"
        raise ValueError(f"{where}, row {row}: {kind}: got {column[row]!r}")
    return values.astype(np.float32)


def _plain(column: NDArray[Any], where: str) -> NDArray[Any]:
    """A column of Python objects as numbers, where that is what they are."""
    for row, value in enumerate(column):
        if value is None or value is np.ma.masked or type(value).__name__ == "NAType":
            raise ValueError(f"{where}, row {row}: missing value: expected a number, got {value!r}")
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            if isinstance(value, (bool, np.bool_)):
                continue
            raise ValueError(f"{where}, row {row}: expected a number, got {value!r:.60} ({type(value).__name__})")
    return np.array([float(value) for value in column])


def _target(
    column: NDArray[Any], name: str, task: str | None, source: str
) -> tuple[NDArray[Any], tuple[Any, ...] | None]:
    whole = column.dtype.kind in "biu"
    if task == "regression" or (task is None and column.dtype.kind == "f"):
        return _numbers(column, name, source), None
    values = column.tolist()
    for row, value in enumerate(values):
        if value is None or value != value or type(value).__name__ == "NAType":
            raise ValueError(f"{source}, column {name!r}, row {row}: missing value: expected a target, got {value!r}")
    labels = [int(value) for value in values] if whole else [str(value) for value in values]
    classes = tuple(sorted(set(labels)))  # type: ignore[type-var]  # all of one kind
    position = {label: number for number, label in enumerate(classes)}
    return np.array([position[label] for label in labels], np.int64), classes


def _value(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) or (isinstance(value, Sequence) and _first_float(value)):
        return np.asarray(value, default_dtype())
    return np.asarray(value)


def _first_float(values: Any) -> bool:
    while isinstance(values, Sequence) and not isinstance(values, str) and len(values):
        values = values[0]
    return isinstance(values, float)
