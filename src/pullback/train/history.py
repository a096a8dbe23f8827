"""What happened in a training: one record per epoch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["History"]

Record = dict[str, Any]


class History:
    """The records of the epochs, in order: ``loss``, the metrics, the same measured on validation data under
    names such as ``validation_loss``, ``lr``, ``seconds``, and ``health`` where it was measured.

    ``interrupted``: whether Ctrl-C ended the training. The record of an epoch that was cut short has
    ``"complete": False`` and ``batches``, the number of steps that were made.

    >>> history = History([{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.5}])
    >>> history["loss"]
    [0.9, 0.5]
    >>> len(history), history.last["epoch"]
    (2, 2)
    """

    def __init__(self, epochs: list[Record] | None = None, *, interrupted: bool = False) -> None:
        self.epochs: list[Record] = list(epochs or [])
        self.interrupted = interrupted

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.epochs)

    def __getitem__(self, name: str) -> list[Any]:
        """The values of one figure, epoch by epoch; None for an epoch in which it was not measured."""
        if not any(name in record for record in self.epochs):
            raise KeyError(f"history: there is no figure {name!r}; there are {', '.join(self.names) or 'none'}")
        return [record.get(name) for record in self.epochs]

    @property
    def names(self) -> list[str]:
        """The figures that were measured in at least one epoch, in the order of their first appearance."""
        return list(dict.fromkeys(name for record in self.epochs for name in record if name != "epoch"))

    @property
    def last(self) -> Record:
        """The record of the last epoch; empty before the first."""
        return self.epochs[-1] if self.epochs else {}

    def append(self, record: Record) -> None:
        """Add the record of an epoch."""
        self.epochs.append(record)

    def plot(self, path: str | os.PathLike[str], *, title: str = "") -> Path:
        """Draw the losses and metrics over the epochs; the ending of ``path`` decides the format (png, svg, pdf).

        Raises ImportError where matplotlib is not installed, ValueError for a history without epochs.
        """
        from .picture import draw

        return draw(self, path, title)

    def write(self, path: str | os.PathLike[str], *, end: bool = True) -> None:
        """Write ``metrics.jsonl``: one JSON object per line and epoch, then (with ``end``) one with ``interrupted``.

        The file appears complete or not at all. What is no number in JSON (NaN, infinity) is written as text.
        """
        records = [*self.epochs, self._end()] if end else self.epochs
        write_whole(Path(path), "".join(json_line(record) for record in records))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> History:
        """Read what `write` or the callback `JSONLines` wrote.

        Raises ValueError with the number of a line that is no JSON object.
        """
        history = cls()
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    raise ValueError(f"{path}, line {number}: expected a JSON object, got {line.strip()[:60]!r}")
                if "epoch" in record:
                    history.append(_from_json(record))
                else:
                    history.interrupted = record.get("interrupted") is True
        return history

    def __repr__(self) -> str:
        figures = ", ".join(f"{k}={v:.4g}" for k, v in self.last.items() if isinstance(v, float))
        return f"History({len(self)} epochs{', interrupted' if self.interrupted else ''}; {figures})"

    def _end(self) -> Record:
        return {"interrupted": self.interrupted}


def write_whole(path: Path, text: str) -> None:
    """Write a text file, which appears complete or not at all; line ends are kept as they are."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def json_line(record: Record) -> str:
    """A record as one line of strict JSON.

    >>> json_line({"epoch": 1, "loss": float("nan")})
    '{"epoch": 1, "loss": "nan"}\\n'
    """
    return json.dumps(_to_json(record), ensure_ascii=False, allow_nan=False) + "\n"


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_from_json(part) for part in value]
    return float(value) if value in ("nan", "inf", "-inf") else value
