"""The command `pullback` and how it ends: one line for an error, never a traceback unless asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from ..train.runs import package_version
from .explain import explain
from .graph import graph
from .options import BadInput, Group, asked_language, language_option
from .refused import refusal
from .train import train
from .words import words_of

__all__ = ["main"]


class Main(Group):
    """The group of all commands."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; standing alone, end the process with its exit code."""
        run: Any = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        try:
            code: Any = run()
        except click.ClickException as error:
            _print_error(error, asked_language(sys.argv[1:] if args is None else args))
            code = error.exit_code
        except click.Abort:
            code = 130
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Main, help="help.main")
@click.version_option(package_version(), prog_name="pullback", message="%(prog)s %(version)s", help="help.version")
@language_option
def main(lang: str) -> None:
    """The command line of pullback."""


for command in (train, explain, graph):
    main.add_command(command)


def _print_error(error: click.ClickException, lang: str) -> None:
    context = getattr(error, "ctx", None)
    words = words_of(lang)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    line = f"{words['error']}: {refusal(error, words)}"
    if context is not None and not isinstance(error, BadInput):
        line += f" ({words['error.hint'].format(command=context.command_path)})"
    click.echo(line, err=True)
