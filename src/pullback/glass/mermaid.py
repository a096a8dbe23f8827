"""A drawing as Mermaid text, which many web pages and editors turn into a picture."""

from __future__ import annotations

from collections.abc import Set

from .diagram import Box, Diagram, Group
from .labels import edge_lines, lines
from .view import view

__all__ = ["to_mermaid"]

SHAPES = {"mapping": ("[", "]"), "leaf": ("([", "])"), "constant": ("[/", "/]")}
CLASSES = """\
  classDef leaf fill:#e7f5ee,stroke:#2f7d5b,color:#12352a
  classDef constant fill:#f4f4f5,stroke:#8b8b94,color:#27272a,stroke-dasharray:4 3
  classDef group fill:#eeecfb,stroke:#6d5bd0,color:#2b2361
  classDef root fill:#fdf0e3,stroke:#c2570c,color:#4a2108,stroke-width:2px
  classDef mapping fill:#ffffff,stroke:#64748b,color:#0f172a"""


def to_mermaid(diagram: Diagram, opened: Set[int], direction: str, lang: str) -> str:
    """Return a Mermaid flowchart of what is visible while the groups of these numbers are open."""
    seen = view(diagram, opened)
    inner: dict[str | None, list[str]] = {}
    frames = {f"g{group.number}": (group, outer) for group, outer in seen.frames}
    for name, item in seen.items:
        label = "<br/>".join(map(_escape, lines(name, item, seen, diagram, direction, lang)))
        left, right = ("[[", "]]") if isinstance(item, Group) else SHAPES[item.kind]
        inner.setdefault(seen.parents[name], []).append(f'{name}{left}"{label}"{right}:::{_class(item, diagram)}')
    out = ["flowchart TB"]
    children: dict[str | None, list[str]] = {}
    for name, (_, outer) in frames.items():
        children.setdefault(outer, []).append(name)
    waiting: list[tuple[str, int, bool]] = [(name, 1, True) for name in reversed(children.get(None, []))]
    waiting.extend((line, 1, False) for line in reversed(inner.get(None, [])))
    while waiting:
        line, depth, is_frame = waiting.pop()
        pad = "  " * depth
        if not is_frame:
            out.append(pad + line)
            continue
        out.append(f'{pad}subgraph {line}["{_escape(frames[line][0].title)}"]')
        waiting.append(("end", depth, False))
        waiting.extend((name, depth + 1, True) for name in reversed(children.get(line, [])))
        waiting.extend((text, depth + 1, False) for text in reversed(inner.get(line, [])))
    for edge in seen.edges:
        ends = (edge.target, edge.source) if direction == "backward" else (edge.source, edge.target)
        label = "<br/>".join(map(_escape, edge_lines(edge, diagram, direction)))
        arrow = f'-->|"{label}"|' if label else "-->"
        out.append(f"  {ends[0]} {arrow} {ends[1]}")
    return "\n".join([*out, CLASSES]) + "\n"


def _class(item: Box | Group, diagram: Diagram) -> str:
    if isinstance(item, Group):
        return "group"
    return "root" if item.number == diagram.root else item.kind


def _escape(text: str) -> str:
    """Write text so that Mermaid reads no syntax in it."""
    return "".join(c if c.isalnum() or c in " .,=+-−·×∂‖()→^∞_²³" or ord(c) > 0x2000 else f"#{ord(c)};" for c in text)
