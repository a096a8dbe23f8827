"""What is visible of a diagram while some of its groups are closed: a closed group stands for all that is in it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from .diagram import Box, Diagram, Group, Input

__all__ = ["Edge", "View", "view"]


@dataclass(frozen=True)
class Edge:
    """An edge between visible items; items are named "b" or "g" and their number."""

    source: str
    target: str
    inputs: tuple[tuple[Input, Box], ...]
    """The inputs that it stands for, each with the box it leads to."""


@dataclass(frozen=True)
class View:
    """Visible boxes and closed groups in order, open groups around them, and the edges."""

    items: tuple[tuple[str, Box | Group], ...]
    frames: tuple[tuple[Group, str | None], ...]
    """Open groups with the names of the open groups around them, outer ones first; the root is left out."""
    parents: dict[str, str | None]
    """The open group around each item."""
    edges: tuple[Edge, ...]
    inside: dict[str, int]
    """How many mappings a closed group holds."""


def view(diagram: Diagram, opened: Set[int]) -> View:
    """Return what is visible of a diagram while the groups of these numbers are open."""
    items: list[tuple[str, Box | Group]] = []
    frames: list[tuple[Group, str | None]] = []
    parents: dict[str, str | None] = {}
    stands_for: dict[int, str] = {}
    inside: dict[str, int] = {}
    waiting: list[tuple[Group | int, str | None, str | None]] = [(diagram.groups, None, None)]
    while waiting:
        item, frame, closed = waiting.pop()
        if isinstance(item, int):
            name = closed or f"b{item}"
            stands_for[item] = name
            if closed is None:
                items.append((name, diagram.boxes[item]))
                parents[name] = frame
            elif diagram.boxes[item].kind == "mapping":
                inside[closed] = inside.get(closed, 0) + 1
            continue
        name = f"g{item.number}"
        if closed is None and item is not diagram.groups:
            if item.number in opened:
                frames.append((item, frame))
                frame = name
            else:
                items.append((name, item))
                parents[name] = frame
                inside[name] = 0
                closed = name
        waiting.extend((inner, frame, closed) for inner in reversed(item.items))
    merged: dict[tuple[str, str], list[tuple[Input, Box]]] = {}
    for box in diagram.boxes:
        for x in box.inputs:
            if x.source is not None:
                ends = stands_for[x.source], stands_for[box.number]
                if ends[0] != ends[1]:
                    merged.setdefault(ends, []).append((x, box))
    edges = tuple(Edge(a, b, tuple(inputs)) for (a, b), inputs in merged.items())
    return View(tuple(items), tuple(frames), parents, edges, inside)
