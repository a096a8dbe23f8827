"""`python -m benchmarks`: run the workloads one after the other and print what they found."""

from __future__ import annotations

import json
import os
from pathlib import Path
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
    second_order,
    step,
    table,
    unrolled,
)
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
    settings = Settings(CONTENDERS, quick)
    names = ", ".join(f"{name} {version}" for name, version in table.versions(CONTENDERS).items())
    console.print(f"[dim]{table.processor()}, {os.cpu_count()} cores. {names}[/]\n", highlight=False)
    results: dict[str, tuple[ModuleType, list[Figure]]] = {}
    for name in only or WORKLOADS:
        with console.status(f"measuring: {name}"):
            figures = WORKLOADS[name].figures(settings)
        results[name] = WORKLOADS[name], figures
        table.show(console, WORKLOADS[name], figures)
    if json_file is not None:
        json_file.write_text(json.dumps(table.as_json(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"Written to {json_file}", highlight=False)


if __name__ == "__main__":
    main()
