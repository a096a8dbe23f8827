"""What is refused, in the language of the command: click, and the operating system, speak English only."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import click

from ..core.errors import PullbackError

__all__ = ["reason", "refusal"]

Words = Mapping[str, str]
REASONS = {
    errno.ENOENT: "error.no_file",
    errno.EACCES: "error.denied",
    errno.EPERM: "error.denied",
    errno.EISDIR: "error.is_folder",
    errno.ENOTDIR: "error.no_folder",
    errno.EEXIST: "error.exists",
    errno.ENOSPC: "error.full",
    errno.EROFS: "error.read_only",
    errno.ENAMETOOLONG: "error.long_name",
}


def refusal(error: click.ClickException, words: Words) -> str:
    """Return what is wrong with a command, in the words of a catalogue."""
    hints: list[str] = []
    if isinstance(error, click.NoSuchOption):
        said, hints = words["error.no_option"].format(name=error.option_name), list(error.possibilities or ())
    elif isinstance(error, click.exceptions.NoSuchCommand):
        said, hints = words["error.no_command"].format(name=error.command_name), list(error.possibilities or ())
    elif isinstance(error, click.MissingParameter):
        said = words["error.missing"].format(name=_named(error))
    elif isinstance(error, click.BadParameter):
        said = words["error.value"].format(name=_named(error), message=error.message)
    elif type(error) is click.UsageError and error.ctx is not None and isinstance(error.ctx.command, click.Group):
        said = words["error.which_command"].format(names=", ".join(sorted(error.ctx.command.commands)))
    else:
        return error.format_message()
    return said + (words["error.perhaps"].format(names=", ".join(hints)) if hints else "")


def reason(error: Exception, words: Words) -> str:
    """Return why a file could not be read or written, in the words of a catalogue; of another error its own words."""
    if not isinstance(error, OSError) or not error.strerror or isinstance(error, PullbackError):
        return str(error)
    key = REASONS.get(error.errno or 0)
    said = error.strerror if key is None else words[key]
    return f"{error.filename}{words['error.colon']}{said}" if error.filename is not None else said


def _named(error: click.BadParameter) -> str:
    hint: Any = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param is not None else "")
    return str(hint if isinstance(hint, str) else " / ".join(hint)).replace("'", "")
