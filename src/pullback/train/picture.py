"""The picture of a training: losses and metrics over the epochs."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history import History

__all__ = ["draw"]

COLOURS = ("#2f6f9f", "#d9782d", "#5a9367", "#8c5aa8")
INK, FAINT = "#30343a", "#d8dce1"
SHARES = ("accuracy",)
LINE_HEIGHT = 0.064
NOT_DRAWN = {"seconds", "lr", "health", "batches", "complete"}


def draw(history: History, path: str | os.PathLike[str], title: str) -> Path:
    """Draw one panel per figure, each with one line per data set, and write it to ``path``.

    Raises ImportError where matplotlib is not installed, ValueError where there is nothing to draw.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('drawing needs matplotlib, which is not installed: pip install "pullback[plot]"') from error
    panels = _panels(history)
    if not panels:
        raise ValueError("history: there is nothing to draw before the first epoch is complete")
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, 3.9), dpi=160, facecolor="white", layout="constrained")
    for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw_panel(axes, name, lines)
    if title:
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, color=INK)
    target = Path(path)
    part = target.with_name(f".part-{target.name}")
    try:
        figure.savefig(part)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target


Line = tuple[list[int], list[float]]


def _panels(history: History) -> dict[str, dict[str, Line]]:
    """For each figure the lines in its panel: "train", and the names of the validation data."""
    names = [name for name in history.names if name not in NOT_DRAWN]
    trained = [name for name in names if not any(name.endswith(f"_{other}") for other in names)]
    panels: dict[str, dict[str, Line]] = {}
    for base in trained:
        lines = {"train": _points(history, base)}
        for name in names:
            if name.endswith(f"_{base}"):
                lines[name.removesuffix(f"_{base}")] = _points(history, name)
        panels[base] = {label: line for label, line in lines.items() if line[0]}
    return {name: lines for name, lines in panels.items() if lines}


def _points(history: History, name: str) -> Line:
    points = [
        (record["epoch"], record[name])
        for record in history
        if isinstance(record.get(name), (int, float)) and math.isfinite(record[name])
    ]
    return [x for x, _ in points], [y for _, y in points]


def _draw_panel(axes: Any, name: str, lines: dict[str, Line]) -> None:
    for (label, (epochs, values)), colour in zip(lines.items(), COLOURS * len(lines), strict=False):
        axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o" if len(epochs) < 3 else "", label=label)
        axes.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=4, clip_on=False)
    if name == "loss" and _spans_decades(lines):
        axes.set_yscale("log")
        axes.yaxis.get_major_locator().set_params(subs=(1.0, 2.0, 5.0))
        axes.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
        axes.minorticks_off()
    _label_ends(axes, name, lines)
    axes.set_title(name, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    if name in SHARES:
        axes.yaxis.set_major_formatter(lambda value, position: f"{100 * value:g} %")


def _label_ends(axes: Any, name: str, lines: dict[str, Line]) -> None:
    """The name and the last value of each line beside its end, moved apart where they would overlap."""
    axes.margins(x=0.02)
    scale = math.log if axes.get_yscale() == "log" else float
    low, high = map(scale, axes.get_ylim())
    ends = sorted(
        ((scale(values[-1]) - low) / (high - low), label, values[-1], colour)
        for (label, (_, values)), colour in zip(lines.items(), COLOURS * len(lines), strict=False)
    )
    for height, (_, label, value, colour) in zip(_apart([end[0] for end in ends]), ends, strict=True):
        shown = f"{100 * value:.1f} %" if name in SHARES else f"{value:.3g}"
        axes.annotate(
            f"  {label} {shown}", (1.0, height), xycoords="axes fraction", va="center", fontsize=9, color=colour
        )


def _apart(heights: list[float]) -> list[float]:
    """Ascending heights, moved as little as makes neighbours stand `LINE_HEIGHT` apart: those that are too close
    become a group around their mean.

    >>> [round(height, 3) for height in _apart([0.1, 0.11, 0.8])]
    [0.073, 0.137, 0.8]
    """
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1]) < _bottom(groups[-2]) + LINE_HEIGHT * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_bottom(group) + LINE_HEIGHT * i for group in groups for i in range(len(group))]


def _bottom(group: list[float]) -> float:
    return sum(group) / len(group) - LINE_HEIGHT * (len(group) - 1) / 2


def _spans_decades(lines: dict[str, Line]) -> bool:
    values = [value for _, line in lines.values() for value in line]
    return min(values) > 0 and max(values) / min(values) > 20
