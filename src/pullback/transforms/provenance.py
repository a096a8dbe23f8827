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


_MOST = 4096
_cuts: dict[int, tuple[Any, Cut]] = {}
_scalars: deque[int] = deque()
_exits: deque[Cut] = deque(maxlen=256)


class _Watching:
    """How many `keep_values` are open, in all threads."""

    count = 0


watching = _Watching()


def note(y: Any, kind: str, links: Sequence[Any], cuts: Sequence[Cut], words: str, is_ours: Any) -> None:
    """Remember that the array `y` ends the graph here."""
    cut = _cut(kind, links, cuts, words, is_ours)
    for part in y if y.__class__ is tuple else (y,):
        _remember(part, cut)


def note_exit(link: Any, words: str, is_ours: Any) -> None:
    """Remember that numbers left the graph for NumPy or Python."""
    _exits.append(_cut("detached", (link,), (), words, is_ours))


def cut_of(array: Any) -> Cut | None:
    """Return the end of the graph that an array is; None for one that is not known."""
    known = _cuts.get(id(array))
    if known is None:
        return None
    held = known[0]
    return known[1] if (held() if isinstance(held, weakref.ref) else held) is array else None


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


def _remember(part: Any, cut: Cut) -> None:
    key = id(part)
    if isinstance(part, np.ndarray):
        _cuts[key] = weakref.ref(part, lambda _: _cuts.pop(key, None)), cut
        return
    _cuts[key] = part, cut  # NumPy's numbers have no weak references: the last few thousand are held
    _scalars.append(key)
    if len(_scalars) > _MOST:
        _cuts.pop(_scalars.popleft(), None)
