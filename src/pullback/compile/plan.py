"""The plan of a program: what has to be known to run it, and nothing of how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.cell import Cell
from .access import Array
from .cache import object_code
from .emit.machine import Code, Target, load

if TYPE_CHECKING:
    from .program import Call

__all__ = ["ARENA", "FIRST", "POOL", "STATUS", "WORKSPACE", "Holding", "Plan", "Segment"]

ARENA, STATUS, WORKSPACE, POOL, FIRST = 0, 1, 2, 3, 4
"""Entries of the table of addresses: the arena, the status, the threads' workspaces, what the threads share, and
then one an array."""


@dataclass(frozen=True)
class Holding:
    """What a plan does with one cell.

    `read` is the array that it reads, if it reads any, `written` the one that it writes. `in_place` says that the
    new value may be written over the old one: it is not read any more by then, and nothing can fail afterwards.
    """

    cell: Cell
    read: Array | None
    written: Array | None
    in_place: bool


@dataclass(frozen=True)
class Segment:
    """One call of native code, known by its name, or one evaluation of a mapping.

    `shareable` says that threads can share its work, `checks` that it may stop the plan.
    """

    name: str
    shareable: bool = False
    checks: bool = False
    call: Call | None = None


@dataclass
class Plan:
    """A program made ready to run.

    `inputs` are the arguments, `outputs` what is handed back: an access, or a constant. `fixed` are arrays whose
    contents are known, `constants` the cells that are given a value known beforehand. Arrays from outside have an
    entry in the table of addresses (`slots`), others a place in the arena, in bytes.
    """

    inputs: list[Array]
    outputs: list[Any]
    fixed: list[Array]
    holdings: list[Holding]
    constants: list[tuple[Cell, Any]]
    slots: dict[Array, int]
    places: dict[Array, int]
    arena: int
    workspace: int
    segments: list[Segment]
    target: Target
    text: str = field(default="", repr=False)
    """What its code is compiled from; nothing where it has none."""
    code: Code | None = field(default=None, repr=False)
    from_disk: bool = False
    """Whether the code had been compiled before."""

    @property
    def writes_state(self) -> bool:
        """Whether a run changes cells; then denormal numbers count as zero in it."""
        return any(h.written is not None for h in self.holdings)

    def load(self) -> None:
        """Compile the text, unless its object code is on disk, and load it."""
        if self.text:
            code, self.from_disk = object_code(self.text, self.target)
            self.code = load(code, self.target)
