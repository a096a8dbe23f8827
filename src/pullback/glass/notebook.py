"""How tensors, modules and traced functions show themselves in a notebook: as text would, but to look at."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from ..core.spec import spec_of
from ..core.value import Value
from ..transforms.backward import numbers_of
from ..transforms.node import Node
from ..transforms.reverse import TAPE
from ..transforms.trace import Graph
from .language import text
from .shown import Allowance, shown

__all__ = ["graph_html", "module_html", "tensor_html"]

CELL = "padding:1px 7px;text-align:right;font-family:ui-monospace,monospace;font-size:12px;border:0"
QUIET = "opacity:.7;font-size:12px"
POSITIVE, NEGATIVE = "19,133,119", "178,58,120"


def tensor_html(x: Value) -> str:
    """Return a tensor as its type and a table of its numbers, coloured by sign and size; a large one as its corner."""
    spec = spec_of(x)
    facts = [f"{type(x).__name__.lower()} {spec}"]
    if x._owner is not TAPE:
        return f"<code>{escape(repr(x))}</code>"
    if isinstance(x._link, Node):
        facts.append(text("notebook.made_by", name=x._link.mapping.name))
    elif x._link is not None:
        facts.append("requires_grad")
    head = f'<div style="{QUIET}">{escape(" · ".join(facts))}</div>'
    data = shown(np.asarray(numbers_of(x)), Allowance())
    if not isinstance(data, dict):
        return f'<div>{head}<code style="font-size:14px">{escape(str(data))}</code></div>'
    rows = "".join(f"<tr>{''.join(_cell(item, data) for item in row)}</tr>" for row in data["rows"])
    rest = "" if data["whole"] or not data.get("norm") else text(
        "notebook.corner", low=data["low"], high=data["high"], mean=data["mean"], norm=data["norm"]
    )
    table = f'<table style="border-collapse:collapse">{rows}</table>'
    return f'<div>{head}{table}<div style="{QUIET}">{escape(rest)}</div></div>'


def _cell(item: Any, data: dict[str, Any]) -> str:
    colour = "transparent"
    numeric = isinstance(item, int | float) and not isinstance(item, bool)
    most = max((abs(x) for x in (data.get("low"), data.get("high")) if isinstance(x, int | float)), default=0)
    if numeric and most:
        colour = f"rgba({NEGATIVE if item < 0 else POSITIVE},{0.4 * min(1.0, abs(item) / most):.2f})"
    return f'<td style="{CELL};background:{colour}">{escape(f"{item:.5g}" if numeric else str(item))}</td>'


def module_html(module: Any) -> str:
    """Return a module as a tree that folds, with the shapes and the number of its parameters."""
    parts = list(module.named_modules())
    closing: list[str] = []
    out: list[str] = []
    for path, inner in parts:
        depth = path.count(".") + 1 if path else 0
        while len(closing) > depth:
            out.append(closing.pop())
        name = f"{path.split('.')[-1]}: " if path else ""
        extra = inner.extra_repr()
        own = [f"{escape(key)} {spec_of(p)}" for key, p in inner.named_parameters(recurse=False)]
        count = sum(p.size for p in inner.parameters())
        line = f"<b>{escape(name + type(inner).__name__)}</b> <code>{escape(extra)}</code> "
        line += f'<span style="{QUIET}">{escape(text("notebook.parameters", count=f"{count:,}"))}</span>'
        out.append(f'<details open style="margin-left:{1.2 if path else 0}em"><summary>{line}</summary>')
        if own:
            out.append(f'<div style="margin-left:2.4em;{QUIET}">{", ".join(own)}</div>')
        closing.append("</details>")
    return "<div>" + "".join([*out, *reversed(closing)]) + "</div>"


def graph_html(graph: Graph) -> str:
    """Return the drawing of a traced function."""
    from .graph import graph as draw

    return draw(graph)._repr_html_()
