"""The page: one HTML file with everything in it, which asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["page_file", "to_frame", "to_page"]

SCRIPTS = (
    "dagre.min.js", "view.js", "layout.js", "paint.js", "matrix.js", "links.js", "picture.js", "words.js", "local.js",
    "full.js", "receipt.js", "steps.js", "canvas.js", "app.js",
)  # fmt: skip
STYLES = ("drawing.css", "page.css", "picture.css")


@cache
def page_file(name: str) -> str:
    """Return the text of one of the files that pages are made of."""
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf8")


def to_page(data: dict[str, Any], serve_url: str | None = None) -> str:
    """Return the page of a drawing's data.

    Its policy lets only the script that it comes with run, and no request leave; with `serve_url`, requests to
    where it came from.
    """
    script = '"use strict";\n(() => {\n' + "\n".join(page_file(name) for name in SCRIPTS) + "\n})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        f"connect-src {chr(39)}{'self' if serve_url else 'none'}{chr(39)}; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "LANG": html.escape(data["lang"]),
        "TITLE": html.escape(f"{data['title']} · pullback"),
        "POLICY": html.escape(policy),
        "STYLE": "\n".join(page_file(name) for name in STYLES),
        "DATA": inert(data | {"serve": serve_url}),
        "SCRIPT": script,
    }
    page = page_file("page.html")
    head, *rest = page.split("{{")
    return head + "".join(parts[name] + text for name, _, text in (part.partition("}}") for part in rest))


def inert(data: Any) -> str:
    """Write JSON so that nothing in it can end the element that it stands in.

    >>> inert({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def to_frame(data: dict[str, Any], height: int = 620) -> str:
    """Return the page in a frame of its own, for a notebook."""
    page = html.escape(to_page(data))
    return (
        f'<iframe srcdoc="{page}" sandbox="allow-scripts" title="{html.escape(data["title"])}" '
        f'style="width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"></iframe>'
    )
