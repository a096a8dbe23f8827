"""Numeric CSV files with a header line."""

from __future__ import annotations

import csv
import math
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "read_csv"]

MISSING = {"", "?", "nan", "na", "n/a", "null", "none"}
MISSING_TARGET = {"", "?", "nan"}  # "none" and "NA" may be classes
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Table:
    """A CSV file as arrays.

    ``features``: float32 of shape (rows, columns without the target).
    ``target``: int64 of shape (rows,), positions in ``classes``, for classification; float32 of shape (rows,)
    for regression; None if no target was asked for.
    ``feature_names``: the names of the columns of ``features``, in the order of the file.
    ``target_name``: the name of the target's column.
    ``classes``: what the target's numbers stand for, text or integers in ascending order; None for
    regression.
    """

    features: NDArray[np.float32]
    target: NDArray[Any] | None
    feature_names: tuple[str, ...]
    target_name: str | None
    classes: tuple[str, ...] | tuple[int, ...] | None


def read_csv(
    path: str | os.PathLike[str],
    target: str | None,
    *,
    task: Literal["classification", "regression"] | None = None,
    delimiter: str = ",",
) -> Table:
    """Read a CSV file whose first line has the column names and whose other cells are numbers.

    ``path``: a UTF-8 file, with or without a byte order mark. Empty lines are skipped.
    ``target``: the name of the column to be predicted, which may hold text; None for a file without one.
    ``task``: None decides by the target: text or integers mean classification, other numbers regression.
    ``delimiter``: the character between the cells.

    Raises ValueError for an empty file, no such target, a name twice, a row with too few or too many cells,
    a cell that is missing, no number, or not finite in float32; the message names line and column. OSError
    if the file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "flowers.csv"
    >>> _ = path.write_text("length,width,kind\\n5.1,3.5,iris\\n1.4,0.2,rose\\n")
    >>> table = read_csv(path, target="kind")
    >>> table.feature_names, table.classes
    (('length', 'width'), ('iris', 'rose'))
    >>> table.features.shape, table.target
    ((2, 2), array([0, 1]))
    """
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task: expected 'classification', 'regression' or None, got {task!r}")
    path = Path(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = _lines(csv.reader(file, delimiter=delimiter, strict=True), path)
        header = _read_header(lines, path, target, delimiter)
        column = None if target is None else header.index(target)
        names = tuple(name for name in header if name != target)
        features, cells = _read_rows(lines, path, header, column)
    values, classes = None, None
    if target is not None:
        values, classes = _read_target(cells, path, target, task)
    table = np.frombuffer(features, np.float32).reshape(-1, len(names))
    return Table(table, values, names, target, classes)


def _lines(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of the line that it begins on."""
    begin = 1
    try:
        for row in reader:
            if row:
                yield begin, row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {begin}: not readable as CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, after line {begin - 1}: expected UTF-8 text, got {error}") from error


def _read_header(
    lines: Iterator[tuple[int, list[str]]], path: Path, target: str | None, delimiter: str
) -> list[str]:
    line, row = next(lines, (1, []))
    header = [name.strip() for name in row]
    if not any(header):
        raise ValueError(f"{path}: the file is empty; expected a header line with the names of the columns")
    if all(_is_number(name) for name in header):
        raise ValueError(f"{path}, line {line}: expected column names, got only numbers: {_some(header)}")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ValueError(f"{path}, line {line}: expected column names that differ, got {twice!r} twice")
    if target is not None and target not in header:
        hint = ""
        if len(header) == 1:
            other = next((mark for mark in ";\t|," if mark in header[0] and mark != delimiter), None)
            hint = f"; perhaps delimiter={other!r}" if other else ""
        raise ValueError(
            f"{path}: target: there is no column {target!r}; the columns are {_some(header)}{hint}"
        )
    if header == [target]:
        raise ValueError(f"{path}: expected at least one column besides the target {target!r}")
    return header


def _read_rows(
    lines: Iterator[tuple[int, list[str]]], path: Path, header: list[str], target: int | None
) -> tuple[array[float], list[tuple[int, str]]]:
    """All feature cells in one flat array, and the target's cells with their line numbers."""
    features, cells = array("f"), []
    names = [name for column, name in enumerate(header) if column != target]
    line = 0
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {line}: expected {len(header)} cells, as in the header, got {len(row)}"
            )
        if target is not None:
            cells.append((line, row.pop(target).strip()))
        features.extend(_read_numbers(row, path, line, names))
    if not line:
        raise ValueError(f"{path}: expected rows below the header line, got none")
    return features, cells


def _read_numbers(row: list[str], path: Path, line: int, names: Sequence[str]) -> list[float]:
    """The whole row at once; cell by cell only to find the one that is wrong."""
    try:
        numbers = list(map(float, row))
    except ValueError:
        numbers = []
    if numbers and _all_fit(numbers) and "_" not in "".join(row):
        return numbers
    return [_read_number(cell.strip(), path, line, name) for cell, name in zip(row, names, strict=True)]


def _all_fit(numbers: list[float]) -> bool:
    return math.isfinite(sum(numbers)) and max(numbers) <= FLOAT32_MAX and min(numbers) >= -FLOAT32_MAX


def _read_number(cell: str, path: Path, line: int, name: str) -> float:
    where = f"{path}, line {line}, column {name!r}"
    if cell.lower() in MISSING:
        raise ValueError(f"{where}: missing value: expected a number, got {cell!r}")
    if not _is_number(cell):
        raise ValueError(f"{where}: expected a number, got {cell!r}")
    number = float(cell)
    if not _all_fit([number]):
        raise ValueError(f"{where}: expected a finite number below 3.4e38 (float32), got {cell!r}")
    return number


def _read_target(
    cells: list[tuple[int, str]], path: Path, name: str, task: str | None
) -> tuple[NDArray[Any], tuple[str, ...] | tuple[int, ...] | None]:
    for line, cell in cells:
        if cell.lower() in MISSING_TARGET:
            raise ValueError(
                f"{path}, line {line}, column {name!r}: missing value: expected a target, got {cell!r}"
            )
    texts = [cell for _, cell in cells]
    whole = all(WHOLE_NUMBER.fullmatch(text) for text in texts)
    if task == "regression" or (task is None and not whole and _is_regression(cells, path, name)):
        return np.array([_read_number(text, path, line, name) for line, text in cells], np.float32), None
    labels = [int(text) for text in texts] if whole else texts
    classes: tuple[Any, ...] = tuple(sorted(set(labels)))
    position = {label: number for number, label in enumerate(classes)}
    return np.array([position[label] for label in labels], np.int64), classes


def _is_regression(cells: list[tuple[int, str]], path: Path, name: str) -> bool:
    """Whether all cells are numbers; some numbers and some text is more likely a slip than a choice."""
    numbers = [cell for cell in cells if _is_number(cell[1])]
    words = [cell for cell in cells if not _is_number(cell[1])]
    if numbers and words:
        raise ValueError(
            f"{path}: target: column {name!r} mixes text ({words[0][1]!r} in line {words[0][0]}) and numbers "
            f"({numbers[0][1]!r} in line {numbers[0][0]}); task='classification' takes every value as a class"
        )
    return bool(numbers)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"
