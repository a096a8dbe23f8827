"""A static picture: the page's own layout and painting, run outside of a browser."""

from __future__ import annotations

import json
from typing import Any

from .html import page_file

__all__ = ["to_svg"]

SOURCES = ("dagre.min.js", "view.js", "layout.js", "paint.js")
SECONDS = 20
CLONE = "globalThis.structuredClone = (x) => JSON.parse(JSON.stringify(x));"
"""What the layout library takes from a browser."""


def to_svg(data: dict[str, Any]) -> str:
    """Return the SVG of a drawing's data. Raises ModuleNotFoundError without the extra "graph"."""
    try:
        import quickjs
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "svg: the layout library is written in JavaScript, and what runs it here is not installed.\n"
            "  to install it:  pip install 'pullback[graph]'\n"
            "  without it:     drawing.html('graph.html'), drawing.mermaid(), drawing.dot()",
            name="quickjs",
        ) from None
    context = quickjs.Context()
    context.set_time_limit(SECONDS)
    context.eval(CLONE)
    context.eval("\n".join(page_file(name) for name in SOURCES))
    # As JSON, because a text that was put together from pieces does not cross over as it is.
    context.eval("const picture = (data, style) => JSON.stringify(staticSvg(data, style));")
    svg: str = json.loads(context.eval("picture")(json.dumps(data), page_file("drawing.css")))
    return svg
