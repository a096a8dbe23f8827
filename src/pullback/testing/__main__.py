"""`python -m pullback.testing`: hold every mapping in the catalogue to every law, and print the table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..core.mapping import CATALOGUE
from .contract import LAWS, judge
from .law import Outcome
from .mutants import MutationResult, check_mutants
from .subject import Subject

SIGNS = {"kept": "[green]✓[/]", "not applicable": "[dim]–[/]", "broken": "[bold red]✗[/]"}


@click.command(help=__doc__)
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this mapping; may be given several times.")
@click.option("--law", "laws", multiple=True, metavar="NAME", help=f"Only this law. Laws: {', '.join(LAWS)}.")
@click.option("--no-mutants", is_flag=True, help="Leave out the mutation check.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(names: Sequence[str], laws: Sequence[str], no_mutants: bool, as_json: bool) -> None:
    """Run the contract and exit with 1 when there is a gap."""
    for given, known, what in ((names, CATALOGUE, "mapping"), (laws, LAWS, "law")):
        for name in given:
            if name not in known:
                raise click.UsageError(f"there is no {what} {name!r}; known: {', '.join(known)}")
    chosen = list(names or CATALOGUE)
    chosen_laws = list(laws or LAWS)
    start = time.perf_counter()
    outcomes: dict[str, list[Outcome]] = {}
    mutations: dict[str, MutationResult] = {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal) as progress:
        task = progress.add_task("", total=len(chosen))
        for name in chosen:
            progress.update(task, description=name)
            subject = Subject(CATALOGUE[name])
            outcomes[name] = [judge(subject, LAWS[law]) for law in chosen_laws]
            if not no_mutants:
                mutations[name] = check_mutants(subject)
            progress.advance(task)
    seconds = time.perf_counter() - start
    gaps = sum(o.status == "broken" for row in outcomes.values() for o in row)
    survivors = sum(len(result.survivors) for result in mutations.values())
    if as_json:
        click.echo(_json(outcomes, mutations, seconds))
    else:
        _print(Console(width=None if sys.stdout.isatty() else 100), outcomes, mutations, chosen_laws, seconds)
    sys.exit(1 if gaps or survivors else 0)


def _print(
    console: Console,
    outcomes: dict[str, list[Outcome]],
    mutations: dict[str, MutationResult],
    laws: Sequence[str],
    seconds: float,
) -> None:
    table = Table(title="The contract", title_justify="left", header_style="bold", padding=(0, 0), pad_edge=True)
    table.add_column("mapping", no_wrap=True)
    for law in laws:
        table.add_column("\n".join(law), justify="center", vertical="bottom")
    if mutations:
        table.add_column("mutants\nkilled", justify="right", vertical="bottom", no_wrap=True)
    for name, row in outcomes.items():
        cells = [SIGNS[outcome.status] for outcome in row]
        if mutations:
            result = mutations[name]
            colour = "red" if result.survivors else "dim" if not result.total else "green"
            cells.append(f"[{colour}]{result.killed}/{result.total}[/]" if result.total else f"[{colour}]–[/]")
        table.add_row(name, *cells)
    console.print(table)
    broken = [outcome for row in outcomes.values() for outcome in row if outcome.status == "broken"]
    for outcome in broken:
        console.print(f"[red]✗[/] {outcome.mapping}, {outcome.law}: ", end="")
        console.print(outcome.detail, markup=False, highlight=False)
    for name, result in mutations.items():
        for survivor in result.survivors:
            console.print(f"[red]✗[/] {name}: the mutant lives: ", end="")
            console.print(survivor, markup=False, highlight=False)
    statuses = [outcome.status for row in outcomes.values() for outcome in row]
    killed = sum(result.killed for result in mutations.values())
    total = sum(result.total for result in mutations.values())
    console.print(
        f"{len(outcomes)} mappings, {len(laws)} laws: {statuses.count('kept')} kept, "
        f"{statuses.count('not applicable')} not applicable, {len(broken)} broken"
        + (f"; {killed} of {total} mutants killed" if mutations else "")
        + f"; {seconds:.1f} s",
        highlight=False,
    )


def _json(outcomes: dict[str, list[Outcome]], mutations: dict[str, MutationResult], seconds: float) -> str:
    return json.dumps(
        {
            "seconds": round(seconds, 3),
            "mappings": {
                name: {
                    "laws": {o.law: {"status": o.status, "detail": o.detail} for o in row},
                    **(
                        {"mutants": {"killed": mutations[name].killed, "survivors": mutations[name].survivors}}
                        if name in mutations
                        else {}
                    ),
                }
                for name, row in outcomes.items()
            },
        },
        ensure_ascii=False,
        indent=1,
    )


if __name__ == "__main__":
    main()
