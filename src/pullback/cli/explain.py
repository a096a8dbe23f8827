"""`pullback explain`: why the gradients of an expression, or of a trained run, are what they are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..core.errors import PullbackError
from ..glass.explain import explain as receipt_of
from ..glass.language import text
from ..glass.receipt import Receipt
from ..glass.sheet import to_sheet
from .options import BadInput, Command, File, language_option, option
from .program import Program, program_options, read_program
from .refused import reason
from .words import words_of

__all__ = ["explain"]


@click.command(cls=Command, help="help.explain")
@program_options
@option("--wrt", multiple=True, metavar="NAME")
@option("--steps", is_flag=True)
@option("--json", "as_json", is_flag=True)
@option("--html", metavar="FILE", type=File())
@language_option
def explain(wrt: tuple[str, ...], steps: bool, as_json: bool, html: Path | None, lang: str, **given: Any) -> None:
    """Print, or write, the receipts of the gradients that are asked for."""
    try:
        receipts = _receipts(read_program(**given, lang=lang), wrt)
        if html is not None:
            html.write_text(to_sheet(given["what"], receipts, lang), encoding="utf-8")
    except (PullbackError, ValueError, OSError) as error:
        raise BadInput(reason(error, words_of(lang))) from None
    if as_json:
        data = {"program": given["what"], "receipts": [receipt.to_dict() for receipt in receipts]}
        click.echo(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False))
    elif html is not None:
        click.echo(text("command.written", lang, file=html))
    else:
        click.echo("\n".join(receipt.text(lang, all_steps=steps) for receipt in receipts), nl=False)


def _receipts(program: Program, wrt: tuple[str, ...]) -> list[Receipt]:
    elements = program.elements(wrt)
    with np.errstate(all="ignore"):
        value = program.value()
        names = program.names(value)
        receipts = [receipt_of(value, names[e.name], index=e.index, names=names, lang=program.lang) for e in elements]
    # The command has no `.grad` that could differ from what it shows.
    return [dataclasses.replace(receipt, grad=receipt.gradient) for receipt in receipts]
