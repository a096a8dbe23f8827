"""Commands and options whose help is looked up in the catalogue of the language that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..glass.language import locale_language
from .words import CATALOGUES, words_of

__all__ = [
    "BadInput",
    "Command",
    "File",
    "Group",
    "Number",
    "OneOf",
    "Whole",
    "Widths",
    "asked_language",
    "language",
    "language_option",
    "option",
]

_CHOSEN = "pullback.language"


class BadInput(click.UsageError):
    """What the user gave cannot be used; ends the command with exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, click.get_current_context())


def language(context: click.Context | None = None) -> str:
    """The language that `--lang` chose in the command of ``context`` (the running one); else the locale's."""
    context = context or click.get_current_context(silent=True)
    return locale_language() if context is None else str(context.meta.get(_CHOSEN, locale_language()))


def asked_language(args: Sequence[str]) -> str:
    """The language that the last `--lang` among the words of a command chose; else the locale's."""
    chosen = locale_language()
    for word, value in zip(args, [*args[1:], ""], strict=False):
        value = word.removeprefix("--lang=") if word.startswith("--lang=") else value
        if (word == "--lang" or word.startswith("--lang=")) and value in CATALOGUES:
            chosen = value
    return chosen


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Declare an option; its help is the catalogue's entry ``help.<name>``."""
    name = names[0].lstrip("-").replace("-", "_")
    return click.option(*names, help=f"help.{name}", **settings)


def language_option(function: Any) -> Any:
    """The option `--lang`, which is read before all others."""

    def choose(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
        context.meta[_CHOSEN] = chosen = value or language(context)
        return chosen

    return option("--lang", type=OneOf(list(CATALOGUES)), is_eager=True, callback=choose)(function)


class _Translating(click.Command):
    """Help is declared by the catalogue's key and looked up when it is shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for the language first, wherever it stands: `--help --lang zh` is to be in Chinese."""
        if any(word == "--lang" or word.startswith("--lang=") for word in args):
            ctx.meta[_CHOSEN] = asked_language(args)
        surplus = not ctx.allow_extra_args
        ctx.allow_extra_args = True  # so that it is refused here, in the language that was chosen
        try:
            rest = super().parse_args(ctx, args)
        except click.BadOptionUsage as error:
            flags = [name for p in self.params if isinstance(p, click.Option) and p.is_flag for name in p.opts]
            key = "error.takes_no_value" if error.option_name in flags else "error.needs_value"
            said = words_of(language(ctx))[key].format(name=error.option_name)
            raise click.BadOptionUsage(error.option_name, said, ctx) from None
        if surplus and ctx.args and not ctx.resilient_parsing:
            raise click.UsageError(words_of(language(ctx))["error.surplus"].format(words=" ".join(ctx.args)), ctx)
        return rest

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        key, self.help = self.help, words_of(language())[self.help or ""]
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = key

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = words_of(language())
        known = {"[OPTIONS]": words["help.some_options"], "COMMAND [ARGS]...": words["help.some_command"]}
        pieces = " ".join(known.get(piece, piece) for piece in self.collect_usage_pieces(ctx))
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


class OneOf(click.Choice[str]):
    """One of a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(super().convert, "error.one_of", value, param, ctx, choices=", ".join(self.choices))


class Whole(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(super().convert, "error.whole", value, param, ctx, range=_range(self))


class Number(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _converted(super().convert, "error.number", value, param, ctx, range=_range(self))
        if math.isfinite(found):  # which ranges let pass
            return found
        raise click.BadParameter(words_of(language(ctx))["error.finite"].format(value=value), ctx, param)


class File(click.Path):
    """A file to write, which is no folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=False, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(super().convert, "error.file", value, param, ctx)


def _converted(
    convert: Callable[..., Any], key: str, value: Any, param: click.Parameter | None, ctx: click.Context | None,
    **facts: Any,
) -> Any:  # fmt: skip
    """What click makes of a value; what it refuses is said in the language of the command."""
    try:
        return convert(value, param, ctx)
    except click.BadParameter:
        said = words_of(language(ctx))[key].format(value=value, **facts)
        raise click.BadParameter(said, ctx, param) from None


def _range(kind: click.IntRange | click.FloatRange) -> str:
    """A range as people write it: "x ≥ 1", "0 ≤ x < 1"."""
    low = "" if kind.min is None else f"{kind.min:g} {'<' if kind.min_open else '≤'} "
    high = "" if kind.max is None else f" {'<' if kind.max_open else '≤'} {kind.max:g}"
    if low and not high:
        return f"x {'>' if kind.min_open else '≥'} {kind.min:g}"
    return f"{low}x{high}"


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
    words = words_of(language())
    return names, words[key] + space + rest.replace("[default: ", "[" + words["help.default"])
