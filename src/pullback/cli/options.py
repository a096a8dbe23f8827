"""Commands and options whose help is looked up in the catalogue of the language that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

from ..glass.language import locale_language
from .words import CATALOGUES, words_of

__all__ = ["BadInput", "Command", "Group", "Widths", "finite", "language", "language_option", "option"]

_CHOSEN = "pullback.language"


class BadInput(click.UsageError):
    """What the user gave cannot be used; ends the command with exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, click.get_current_context())


def language(context: click.Context | None = None) -> str:
    """The language that `--lang` chose in the command of ``context`` (the running one); else the locale's."""
    context = context or click.get_current_context(silent=True)
    return locale_language() if context is None else str(context.meta.get(_CHOSEN, locale_language()))


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Declare an option; its help is the catalogue's entry ``help.<name>``."""
    name = names[0].lstrip("-").replace("-", "_")
    return click.option(*names, help=f"help.{name}", **settings)


def language_option(function: Any) -> Any:
    """The option `--lang`, which is read before all others."""

    def choose(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
        context.meta[_CHOSEN] = chosen = value or language(context)
        return chosen

    return option("--lang", type=click.Choice(list(CATALOGUES)), is_eager=True, callback=choose)(function)


class _Translating(click.Command):
    """Help is declared by the catalogue's key and looked up when it is shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for the language first, wherever it stands: `--help --lang zh` is to be in Chinese."""
        for option, value in zip(args, [*args[1:], ""], strict=False):
            chosen = option.removeprefix("--lang=") if option.startswith("--lang=") else value
            if (option == "--lang" or option.startswith("--lang=")) and chosen in CATALOGUES:
                ctx.meta[_CHOSEN] = chosen
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        key, self.help = self.help, words_of(language())[self.help or ""]
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = key

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=words_of(language())["help.usage"])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        records = [_translated_record(record) for p in options if (record := p.get_help_record(ctx))]
        with formatter.section(words_of(language())["help.options"]):
            formatter.write_dl(records)


class Command(_Translating):
    """A command with translated help."""


class Group(_Translating, click.Group):
    """A group of commands with translated help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _Translating.format_options(self, ctx, formatter)
        with formatter.section(words_of(language())["help.commands"]):
            formatter.write_dl(
                [(name, words_of(language())[c.help or ""].split("\n")[0]) for name, c in sorted(self.commands.items())]
            )


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which click's ranges let through."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"expected a finite number, got {value}", context, parameter)
    return value


class Widths(click.ParamType):
    """Widths of layers: numbers with commas between them, or 0 for no layer."""

    name = "widths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, list):
            return value
        try:
            widths = [int(part) for part in value.split(",")]
        except ValueError:
            widths = [-1]
        if widths == [0]:
            return []
        if min(widths) < 1:
            self.fail(words_of(language())["error.layers"].format(value=value), param, ctx)
        return widths


def _translated_record(record: tuple[str, str]) -> tuple[str, str]:
    """The key at the beginning of an option's help, replaced by the catalogue's words."""
    names, text = record
    key, space, rest = text.partition("  ")
    if names == "--help":
        key = "help.help"
    return names, words_of(language())[key] + space + rest
