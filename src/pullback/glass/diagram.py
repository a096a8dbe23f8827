"""What a drawing shows, before any layout: boxes, what leads into them, and the groups that fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..core.mapping import Mapping
from ..core.spec import Spec
from .receipt import Origin

__all__ = ["Box", "Diagram", "Group", "Input"]


@dataclass(frozen=True)
class Input:
    """One input of a mapping: an edge from the box it comes from, or a number written into the formula."""

    argument: str
    symbol: str
    source: int | None
    """Number of the box it comes from; None for a number that has no box of its own."""
    part: int
    """Which of the source's outputs it is."""
    value: Any
    """The array; None where it is not known."""
    product: Any = None
    """What the mapping's pullback sends back along the edge: an array, or None where nothing is."""


@dataclass(frozen=True)
class Box:
    """A mapping, a leaf or a constant, with the value that it hands on and the gradient that comes back to it."""

    number: int
    kind: str
    """"mapping", "leaf" or "constant"."""
    symbol: str
    spec: Spec
    serial: int | None = None
    value: Any = None
    gradient: Any = None
    """∂root/∂value as the engine computes it; of a mapping with several outputs a tuple."""
    mapping: Mapping | None = None
    static: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    origin: Origin | None = None
    scope: tuple[Any, ...] = ()
    parameter: bool = False
    """Whether a leaf belongs to a module."""
    named: bool = True
    """Whether the program has a name for a leaf or constant."""

    @property
    def parts(self) -> int:
        """How many results it has."""
        return len(self.value) if self.value.__class__ is tuple else 1


@dataclass
class Group:
    """Boxes that can be drawn as one. `items` are groups and numbers of boxes, in the order of the computation."""

    number: int
    kind: str
    """"root", "module", "repetition", "round" (one of a repetition), "chunk" or "inputs"."""
    title: str
    items: list[Group | int] = field(default_factory=list)
    times: int = 1
    path: str = ""
    """Of a module: its path in the outermost one."""

    def walk(self) -> Iterator[tuple[Group, Group | None]]:
        """Go through this group and all groups in it with their parents, outer ones first."""
        waiting: list[tuple[Group, Group | None]] = [(self, None)]
        while waiting:
            group, parent = waiting.pop()
            yield group, parent
            waiting.extend((item, group) for item in reversed(group.items) if isinstance(item, Group))


@dataclass(frozen=True)
class Diagram:
    """Everything that can be drawn of a graph, and which of its groups are open at first."""

    boxes: tuple[Box, ...]
    """Mappings in the order of the computation; leaves and constants before what reads them."""
    root: int
    """Number of the box whose value is differentiated (or returned)."""
    title: str
    groups: Group
    opened: frozenset[int]
    gradients: bool
    """Whether gradients are known."""
