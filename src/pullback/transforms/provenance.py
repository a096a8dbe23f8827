"""Where a graph was cut: kept, while values are kept, for whoever asks why a gradient does not arrive.

Results that carry no gradient (computed inside `no_grad`, detached, integer-valued, taken out as NumPy
numbers) know nothing of where they came from; that is what makes them free. Inside `keep_values` the tape
notes for each of them what it was computed from and why the graph ends there. Nothing of this runs outside.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

__all__ = ["Cut", "cut_of", "exits", "forget_exits", "note", "note_exit", "watching"]


@dataclass(frozen=True)
class Cut:
    """An end of the graph: why it is there, what lies beyond it, and the line that made it."""

    kind: str
    """"no_grad", "detached" or "integer"."""
    links: tuple[Any, ...]
    """The leaves and nodes that the value was computed from."""
    cuts: tuple[Cut, ...]
    """Earlier ends that the value was computed from."""
    words: str
    code: CodeType
    lasti: int

    @property
    def origin(self) -> tuple[str, int]:
        """File and line of the user's program."""
        for start, end, number in self.code.co_lines():
            if start <= self.lasti < end and number is not None:
                return self.code.co_filename, number
        return self.code.co_filename, self.code.co_firstlineno


_cuts: dict[int, tuple[weakref.ref[Any], Cut]] = {}
_exits: deque[Cut] = deque(maxlen=256)


class _Watching:
    """How many `keep_values` are open, in all threads."""

    count = 0


watching = _Watching()


def note(y: Any, kind: str, links: Sequence[Any], cuts: Sequence[Cut], words: str, is_ours: Any) -> Any:
    """Return an array equal to `y`, of which it is remembered that the graph ends here.

    It is an object of its own, so that what is remembered goes when it goes: `y` itself may be kept by the
    very graph that lies beyond.
    """
    cut = _cut(kind, links, cuts, words, is_ours)
    return tuple(_remembered(part, cut) for part in y) if y.__class__ is tuple else _remembered(y, cut)


def note_exit(link: Any, words: str, is_ours: Any) -> None:
    """Remember that numbers left the graph for NumPy or Python."""
    _exits.append(_cut("detached", (link,), (), words, is_ours))


def cut_of(array: Any) -> Cut | None:
    """Return the end of the graph that an array is; None for one that is not known."""
    known = _cuts.get(id(array))
    return known[1] if known is not None and known[0]() is array else None


def exits() -> tuple[Cut, ...]:
    """Return the places where numbers left the graph."""
    return tuple(_exits)


def forget_exits() -> None:
    """Forget the places where numbers left the graph: another computation begins."""
    _exits.clear()


def _cut(kind: str, links: Sequence[Any], cuts: Sequence[Cut], words: str, is_ours: Any) -> Cut:
    frame = sys._getframe(2)
    while is_ours(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return Cut(kind, tuple(links), tuple(cuts), words, frame.f_code, frame.f_lasti)


def _remembered(part: Any, cut: Cut) -> Any:
    own = np.asarray(part).view()
    key = id(own)
    forget = _cuts.pop  # bound here: at the end of a program the module is emptied before the arrays
    _cuts[key] = weakref.ref(own, lambda _: forget(key, None)), cut
    return own
