"""`python -m examples`: run the examples one after the other and print which figures they reached.

An example is a file of this folder, or of articles/, with

- ``main(quick: bool = False, seed: int = 0) -> dict``: runs, prints its progress, and returns its figures by name;
  ``quick`` shrinks it to a few seconds, ``seed`` is left out where nothing is random;
- ``GOALS: dict[str, tuple[str, float]]``: for the figures that matter what the full run has to reach, such as
  ``{"test accuracy": (">=", 0.985)}``; the relation is ">=" or "<=".

The exit status is 0 if every example ran and, in full, reached its goals.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console
from rich.table import Table

import pullback as pb

FOLDER = Path(__file__).resolve().parent
RELATIONS = {">=": float.__ge__, "<=": float.__le__}


@dataclass
class Outcome:
    """What became of one example: its figures, one for each seed."""

    name: str
    goals: dict[str, tuple[str, float]] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    error: str = ""

    def reached(self, name: str) -> bool:
        """Whether the figure ``name`` keeps its goal with every seed."""
        relation, goal = self.goals[name]
        return all(RELATIONS[relation](value, float(goal)) for value in self.figures[name])


def examples() -> dict[str, Path]:
    """The examples by name: "digits_cnn", "articles/chain_rule"."""
    files = [*sorted(FOLDER.glob("*.py")), *sorted(FOLDER.glob("articles/*.py"))]
    found = {file.relative_to(FOLDER).with_suffix("").as_posix(): file for file in files}
    return {name: file for name, file in found.items() if not file.name.startswith("_")}


def load(name: str) -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("example_" + name.replace("/", "_"), examples()[name])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and the like look their module up
    spec.loader.exec_module(module)
    return module


def run(name: str, quick: bool, seeds: int) -> Outcome:
    """Run one example with each seed; an error is part of the outcome."""
    outcome = Outcome(name)
    try:
        module = load(name)
        outcome.goals = getattr(module, "GOALS", {})
        known = inspect.signature(module.main).parameters
        for seed in range(seeds if "seed" in known else 1):
            options = {"quick": quick, "seed": seed}
            start = time.perf_counter()
            figures = module.main(**{key: value for key, value in options.items() if key in known})
            outcome.seconds.append(time.perf_counter() - start)
            for figure in outcome.goals:
                outcome.figures.setdefault(figure, []).append(float(figures[figure]))
    except Exception as error:
        traceback.print_exc()
        outcome.error = f"{type(error).__name__}: {error}"
    return outcome


def show(console: Console, outcomes: list[Outcome], quick: bool) -> None:
    """Print the table: example, figure, goal, seconds."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("example", "figure"):
        table.add_column(heading, no_wrap=True)
    table.add_column("reached", justify="right", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for outcome in outcomes:
        seconds = _range(outcome.seconds, ".1f")
        if outcome.error:
            table.add_row(outcome.name, "[red]failed[/]", "", "[red]✗[/]", seconds)
            continue
        if not outcome.goals:
            table.add_row(outcome.name, "[dim]ran; states no goal[/]", "", "", seconds)
        for i, (name, (relation, goal)) in enumerate(outcome.goals.items()):
            mark = "" if quick else " [green]✓[/]" if outcome.reached(name) else " [red]✗[/]"
            words = "" if quick else f"{relation} {goal:g}{mark}"
            first = (outcome.name, seconds) if i == 0 else ("", "")
            table.add_row(first[0], name, _range(outcome.figures[name], ".4g"), words, first[1])
    console.print(table)
    for outcome in outcomes:
        if outcome.error:
            console.print(f"{outcome.name}: {outcome.error}", style="red", markup=False, highlight=False)


def _range(values: list[float], form: str) -> str:
    ends = [format(value, form) for value in (min(values, default=0.0), max(values, default=0.0))]
    return ends[0] if ends[0] == ends[1] else " … ".join(ends)


@click.command(help="Run the examples (all, or those named) and print which figures they reached.")
@click.argument("names", nargs=-1, type=click.Choice(list(examples())), metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Shrunken versions: do they run, not what do they reach.")
@click.option("--seeds", default=1, type=click.IntRange(min=1), help="Run each so many times, from seed 0 on.")
def main(names: tuple[str, ...], quick: bool, seeds: int) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file or a pipe has no width of its own
    pb.set_num_threads(1)  # for matrices this small more threads save nothing, and cost much where a core is busy
    outcomes = []
    for name in names or examples():
        console.rule(f"[bold]{name}", align="left")
        outcomes.append(run(name, quick, seeds))
    console.rule()
    show(console, outcomes, quick)
    missed = [o.name for o in outcomes if o.error or not (quick or all(map(o.reached, o.goals)))]
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
