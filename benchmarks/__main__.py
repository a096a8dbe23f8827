"""`python -m benchmarks`: run the workloads one after the other and print what they found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import ModuleType

import click
from rich.console import Console

from . import (
    chain,
    checkpointing,
    compiled,
    convolution,
    drawing,
    epoch,
    first_step,
    growth,
    importing,
    loading,
    memory,
    overhead,
    receipt,
    scanned,
    second_order,
    step,
    table,
    unrolled,
)
from .child import ChildFailed
from .figures import Figure, Settings
from .installed import CONTENDERS

WORKLOADS: dict[str, ModuleType] = {
    "overhead": overhead,
    "chain": chain,
    "step": step,
    "compiled": compiled,
    "epoch": epoch,
    "first-step": first_step,
    "unrolled": unrolled,
    "scanned": scanned,
    "second-order": second_order,
    "growth": growth,
    "convolution": convolution,
    "memory": memory,
    "loading": loading,
    "checkpoint": checkpointing,
    "import": importing,
    "receipt": receipt,
    "drawing": drawing,
}


@click.command(help="Time pullback beside other libraries, all in one run, and compare with the goals.")
@click.option("--only", multiple=True, type=click.Choice(list(WORKLOADS)), help="Run this workload only; repeatable.")
@click.option("--quick", is_flag=True, help="Fewer rounds and a shorter chain: does it run, not how fast.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write everything to this file.")
def main(only: tuple[str, ...], quick: bool, json_file: Path | None) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file or a pipe has no width of its own
    names = ", ".join(f"{name} {version}" for name, version in table.versions(CONTENDERS).items())
    console.print(f"[dim]{table.processor()}, {os.cpu_count()} cores. {names}[/]\n", highlight=False)
    results: dict[str, tuple[ModuleType, list[Figure]]] = {}
    chosen, failed = only or tuple(WORKLOADS), False
    with _progress(console) as tell:
        for number, name in enumerate(chosen, 1):
            place = f"{number} of {len(chosen)}, {name}"
            tell(place)
            settings = Settings(CONTENDERS, quick, lambda what, place=place: tell(f"{place}: {what}"))
            try:
                figures = WORKLOADS[name].figures(settings)
            except ChildFailed as failure:
                failed = True
                console.print(f"[red]{name} failed: {failure}[/]\n", highlight=False)
                continue
            results[name] = WORKLOADS[name], figures
            table.show(console, WORKLOADS[name], figures)
    table.show_goals(console, results)
    if json_file is not None:
        json_file.write_text(json.dumps(table.as_json(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"Written to {json_file}", highlight=False)
    if failed:
        raise SystemExit(1)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """What says where the measuring is, and for how long it has been going on.

    On the last line of a terminal; where the figures go to a file, in lines on the standard error stream.
    """
    begin = perf_counter()

    def words(where: str) -> str:
        return f"[dim]{(perf_counter() - begin) / 60:.1f} min, measuring {where}[/]"

    if not console.is_terminal:
        errors = Console(stderr=True)
        yield lambda where: errors.print(words(where), highlight=False, soft_wrap=True)
        return
    with console.status("measuring") as status:
        yield lambda where: status.update(words(where))


if __name__ == "__main__":
    main()
