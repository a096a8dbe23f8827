"""The printed table and the JSON: the same figures twice."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

from .figures import Figure, ratio, reached
from .installed import BY_HAND

__all__ = ["as_json", "show"]

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]cannot say[/]"}


def show(console: Console, workload: ModuleType, figures: Sequence[Figure]) -> None:
    """Print one workload: a block of lines per quantity, goals on pullback's line."""
    table = Table(title=workload.TITLE, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading in ("", "", "median", "quartiles", "÷ pullback"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    table.add_column()
    for quantity in dict.fromkeys(f.quantity for f in figures):
        block = [f for f in figures if f.quantity == quantity]
        ours = next((f for f in block if f.contender == "pullback"), None)
        for i, f in enumerate(block):
            goals = [g for g in workload.GOALS if g.quantity == quantity] if f.contender == "pullback" else []
            words = "\n".join(f"{g.words(f.unit)} {MARKS[reached(g, figures)]}" for g in goals)
            name = f"[bold]{f.contender}[/]" if f.contender == "pullback" else f.contender
            times = None if ours is None else ratio(f, ours)
            spread = "" if f.quartiles is None else " … ".join(map(_rounded, f.quartiles))
            multiple = "" if times is None else f"{times:.2f}"
            table.add_row(quantity if i == 0 else "", name, _median(f), spread, multiple, words, f"[dim]{f.note}[/]")
        table.add_section()
    console.print(table)
    console.print()


def as_json(results: dict[str, tuple[ModuleType, Sequence[Figure]]]) -> dict[str, Any]:
    """The figures, the goals and the surroundings as plain data."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "versions": versions([f.contender for _, figures in results.values() for f in figures]),
        "workloads": {
            name: {
                "title": workload.TITLE,
                "figures": [dataclasses.asdict(f) for f in figures],
                "goals": [dataclasses.asdict(g) | {"reached": reached(g, figures)} for g in workload.GOALS],
            }
            for name, (workload, figures) in results.items()
        },
    }


def versions(contenders: Sequence[str]) -> dict[str, str]:
    """The installed versions of NumPy and the contenders."""
    found = {}
    for name in dict.fromkeys(["numpy", *(c for c in contenders if c != BY_HAND)]):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _median(f: Figure) -> str:
    return "–" if f.median is None else f"{_rounded(f.median)} {f.unit}"


def _rounded(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"
