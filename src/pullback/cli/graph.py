"""`pullback graph`: how an expression, or the loss of a trained run, is computed, and how its gradient goes back."""

from __future__ import annotations

import json
from typing import Any

import click

from ..core.errors import PullbackError
from ..glass.language import text
from ..glass.serve import Server
from .options import BadInput, Command, File, Whole, language_option, option
from .program import program_options, read_program
from .refused import reason
from .served import Served
from .words import words_of

__all__ = ["graph"]


@click.command(cls=Command, help="help.graph")
@program_options
@option("--mermaid", is_flag=True)
@option("--dot", is_flag=True)
@option("--json", "as_json", is_flag=True)
@option("--svg", metavar="FILE", type=File())
@option("--html", metavar="FILE", type=File())
@option("--serve", is_flag=True)
@option("--port", metavar="N", type=Whole(0, 65535), default=0)
@language_option
def graph(lang: str, mermaid: bool, dot: bool, as_json: bool, serve: bool, port: int, **given: Any) -> None:
    """Draw, write files, or serve the page."""
    svg, html = given.pop("svg"), given.pop("html")
    if mermaid + dot + as_json > 1:
        raise BadInput(text("command.one_form", lang))
    if port and not serve:
        raise BadInput(text("command.port", lang))
    try:
        program = read_program(**given, lang=lang)
        served = Served(program)
        drawing = served.drawing
        files = {path: write() for path, write in ((svg, drawing.svg), (html, drawing.to_html)) if path is not None}
        for path, content in files.items():
            path.write_text(content, encoding="utf-8")
        server = Server(served, port=port, lang=lang) if serve else None
    except (PullbackError, ValueError, OSError, ModuleNotFoundError) as error:
        raise BadInput(reason(error, words_of(lang))) from None
    if as_json:
        click.echo(json.dumps(drawing.to_dict(), ensure_ascii=False, indent=2, allow_nan=False))
    elif dot:
        click.echo(drawing.dot())
    elif mermaid or not (files or serve):
        click.echo(drawing.mermaid())
    else:
        for path in files:
            click.echo(text("command.written", lang, file=path))
    if server is not None:
        click.echo(text("serve.open", lang, address=server.address))
        click.echo(text("serve.stop", lang))
        server.run()
        click.echo(text("serve.stopped", lang))
