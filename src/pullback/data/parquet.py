"""Parquet files, read in a process of their own.

The libraries that read Parquet can be made to end the process by a damaged or hostile file (an allocation of a
size that the file claims). A process of its own keeps that away from a training that has run for hours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .csvfile import Table
from .tables import read_frame

__all__ = ["read_parquet"]

INSTALL = "reading Parquet needs polars or pandas: pip install 'pullback[tables]'"
MAGIC = b"PAR1"
CHILD = "from pullback.data.parquet import child; child()"


def read_parquet(
    path: str | os.PathLike[str],
    target: str | None,
    *,
    task: Literal["classification", "regression"] | None = None,
) -> Table:
    """Read a Parquet file of numeric columns, with polars where it is installed, else with pandas.

    ``target`` and ``task`` are those of `read_csv`, and so is the result. Raises ValueError for a file that is
    damaged or no Parquet file, and as `read_frame`; OSError if it cannot be read; ImportError without a library.
    """
    path = Path(path)
    with open(path, "rb") as file:
        begin = file.read(4)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 4, 0))
        if size < 12 or begin != MAGIC or file.read(4) != MAGIC:
            raise ValueError(f"{path}: not a Parquet file, or cut short: it does not begin and end with PAR1")
    _reader()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        done = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps([str(path), target, task, str(result)])],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            check=False,
        )
        if not result.exists():
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
            raise ValueError(f"{path}: not readable as Parquet: the library ended the process: {lines[0][:200]}")
        found = json.loads(result.read_text(encoding="utf-8"))
        if "error" in found:
            raise ValueError(found["error"])
        with np.load(result.with_suffix(".npz")) as arrays:
            values = arrays["target"] if target is not None else None
            classes = None if found["classes"] is None else tuple(found["classes"])
            return Table(arrays["features"], values, tuple(found["names"]), target, classes)


def child() -> None:
    """What the other process does: read the file, and leave arrays or an error behind."""
    path, target, task, place = json.loads(sys.argv[1])
    result = Path(place)
    try:
        frame = _reader()(path)
    except BaseException as error:  # a panic of polars is no Exception
        found: dict[str, Any] = {"error": f"{path}: not readable as Parquet: {type(error).__name__}: {error}"}
    else:
        try:
            table = read_frame(frame, target, task=task, source=path)
        except ValueError as error:
            found = {"error": str(error)}
        else:
            arrays = {"features": table.features} | ({} if table.target is None else {"target": table.target})
            np.savez(result.with_suffix(".npz"), **arrays)
            found = {"names": table.feature_names, "classes": table.classes}
    part = result.with_suffix(".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    os.replace(part, result)


def _reader() -> Any:
    try:
        from polars import read_parquet
    except ImportError:
        pass
    else:
        return read_parquet
    try:
        from pandas import read_parquet as read_with_pandas
    except ImportError:
        raise ImportError(INSTALL) from None
    return read_with_pandas
