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

from .figures import FLOOR, QUICKEST, Figure, Goal, Verdict, judge, ratio
from .installed import BY_HAND

__all__ = ["as_json", "show", "show_goals"]

MARKS = {True: "[green]✓[/]", False: "[red]falls short[/]", None: "[dim]cannot say[/]"}


def show(console: Console, workload: ModuleType, figures: Sequence[Figure]) -> None:
    """Print one workload: a block of lines per quantity, its goals below."""
    console.print(f"[bold]{workload.TITLE}[/]", highlight=False)
    for quantity in dict.fromkeys(f.quantity for f in figures):
        block = [f for f in figures if f.quantity == quantity]
        console.print(_block(quantity, block))
        for goal in (g for g in workload.GOALS if g.quantity == quantity):
            console.print(f"    goal {_words(goal, judge(goal, figures), block[0].unit)}", highlight=False)
    console.print()


def _block(quantity: str, block: Sequence[Figure]) -> Table:
    if block[0].unit == "µs" and all(f.median is None or f.median >= 1000 for f in block):
        block = [_in_milliseconds(f) for f in block]
    floor = next((f for f in block if f.contender == FLOOR), None)
    ours = next((f for f in block if f.contender == "pullback"), None)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(f"  [not dim]{quantity}[/]", min_width=30, no_wrap=True)
    for heading, width in (("median", 10), ("quartiles", 15), ("÷ pullback", 10)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    if floor is not None:
        table.add_column("of the peak", justify="right", no_wrap=True)
    table.add_column("")
    for f in block:
        name = f"[bold]{f.contender}[/]" if f.contender == "pullback" else f.contender
        times = None if ours is None else ratio(f, ours)
        spread = "" if f.quartiles is None else " … ".join(map(_rounded, f.quartiles))
        cells = [f"    {name}", _median(f), spread, "" if times is None else f"{_rounded(times)}"]
        if floor is not None:
            share = None if f is floor else ratio(floor, f)
            cells.append("" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}")
        table.add_row(*cells, f"[dim]{f.note}[/]")
    return table


def _in_milliseconds(f: Figure) -> Figure:
    if f.median is None:
        return f
    samples = tuple(s / 1e3 for s in f.samples)
    quartiles = None if f.quartiles is None else (f.quartiles[0] / 1e3, f.quartiles[1] / 1e3)
    return dataclasses.replace(f, unit="ms", median=f.median / 1e3, quartiles=quartiles, samples=samples)


def _words(goal: Goal, verdict: Verdict, unit: str) -> str:
    """The goal, what was reached, and what could be."""
    wanted = goal.words(unit)
    if goal.times == QUICKEST and verdict.peer is not None:
        wanted += f", which is {verdict.peer}"
    found = "" if verdict.value is None else f": {_rounded(verdict.value)}"
    if goal.times is None and verdict.value is not None:
        found += f" {unit}"
    least = ""
    if verdict.floor is not None:
        beyond = "beyond what this machine can do; " if verdict.floor > goal.most else ""
        least = f" [dim]({beyond}the floor alone: {_rounded(verdict.floor)})[/]"
    return f"{wanted}{found} {MARKS[verdict.reached]}{least}"


def show_goals(console: Console, results: dict[str, tuple[ModuleType, Sequence[Figure]]]) -> None:
    """Print every goal once more, in one list, and how many are reached."""
    console.print("[bold]All goals[/]")
    count: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for workload, figures in results.values():
        for goal in workload.GOALS:
            block = [f for f in figures if f.quantity == goal.quantity]
            if block:
                verdict = judge(goal, figures)
                count[verdict.reached] += 1
                console.print(f"  {goal.quantity}: {_words(goal, verdict, block[0].unit)}", highlight=False)
    unknown = f", {count[None]} cannot be said" if count[None] else ""
    console.print(f"{count[True]} reached, {count[False]} fall short{unknown}", highlight=False)


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
                "goals": [
                    dataclasses.asdict(goal) | dataclasses.asdict(judge(goal, figures)) for goal in workload.GOALS
                ],
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
