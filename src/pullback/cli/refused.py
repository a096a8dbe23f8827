"""What click refuses, in the language of the command: click itself speaks English only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

__all__ = ["refusal"]


def refusal(error: click.ClickException, words: Mapping[str, str]) -> str:
    """Return what is wrong, in the words of a catalogue; of a value that a type refuses, in click's own."""
    hints: list[str] = []
    if isinstance(error, click.NoSuchOption):
        said, hints = words["error.no_option"].format(name=error.option_name), list(error.possibilities or ())
    elif isinstance(error, click.exceptions.NoSuchCommand):
        said, hints = words["error.no_command"].format(name=error.command_name), list(error.possibilities or ())
    elif isinstance(error, click.MissingParameter):
        said = words["error.missing"].format(name=_named(error))
    else:
        return error.format_message()
    return said + (words["error.perhaps"].format(names=", ".join(hints)) if hints else "")


def _named(error: click.BadParameter) -> str:
    hint: Any = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param is not None else "")
    return str(hint if isinstance(hint, str) else " / ".join(hint)).replace("'", "")
