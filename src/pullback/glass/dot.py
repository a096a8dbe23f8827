"""A drawing as DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Set

from .diagram import Diagram, Group
from .labels import edge_lines, lines
from .view import view

__all__ = ["to_dot"]

STYLES = {
    "mapping": 'shape=box, style="rounded,filled", fillcolor="#ffffff", color="#64748b"',
    "leaf": 'shape=box, style="rounded,filled", fillcolor="#e7f5ee", color="#2f7d5b"',
    "constant": 'shape=box, style="rounded,filled,dashed", fillcolor="#f4f4f5", color="#8b8b94"',
    "group": 'shape=box3d, style="filled", fillcolor="#eeecfb", color="#6d5bd0"',
    "root": 'shape=box, style="rounded,filled,bold", fillcolor="#fdf0e3", color="#c2570c"',
}


def to_dot(diagram: Diagram, opened: Set[int], direction: str, lang: str) -> str:
    """Return a digraph of what is visible while the groups of these numbers are open."""
    seen = view(diagram, opened)
    out = [
        f"digraph {_quoted(diagram.title)} {{",
        '  graph [rankdir=TB, fontname="Helvetica", compound=true]',
        '  node [fontname="Helvetica", fontsize=11]',
        '  edge [fontname="Helvetica", fontsize=9, color="#64748b"]',
    ]
    inner: dict[str | None, list[str]] = {}
    for name, item in seen.items:
        style = "group" if isinstance(item, Group) else "root" if item.number == diagram.root else item.kind
        label = "\n".join(lines(name, item, seen, diagram, direction, lang))
        inner.setdefault(seen.parents[name], []).append(f"{name} [label={_quoted(label)}, {STYLES[style]}]")
    children: dict[str | None, list[Group]] = {}
    for group, outer in seen.frames:
        children.setdefault(outer, []).append(group)
    waiting: list[tuple[str | Group, int]] = [(group, 1) for group in reversed(children.get(None, []))]
    waiting.extend((line, 1) for line in reversed(inner.get(None, [])))
    while waiting:
        what, depth = waiting.pop()
        pad = "  " * depth
        if isinstance(what, str):
            out.append(pad + what)
            continue
        name = f"g{what.number}"
        out.append(f"{pad}subgraph cluster_{name} {{")
        out.append(f'{pad}  label={_quoted(what.title)}; style="rounded"; color="#a89fe0"; fontname="Helvetica"')
        waiting.append(("}", depth))
        waiting.extend((group, depth + 1) for group in reversed(children.get(name, [])))
        waiting.extend((line, depth + 1) for line in reversed(inner.get(name, [])))
    for edge in seen.edges:
        ends = (edge.target, edge.source) if direction == "backward" else (edge.source, edge.target)
        label = "\n".join(edge_lines(edge, diagram, direction))
        out.append(f"  {ends[0]} -> {ends[1]}" + (f" [label={_quoted(label)}]" if label else ""))
    return "\n".join([*out, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", " ").replace("\0", "")
    return f'"{escaped}"'
