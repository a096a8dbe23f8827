"""checkpoint: keep nothing of a function's inside, and compute it once more on the way back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.cell import Cell, Store, active_store, storing
from ..core.interpret import Interpreter, current, interpreting, levels
from .node import Node
from .reverse import Reverse

__all__ = ["Replay", "checkpoint"]


class _Promise:
    """Stands in a node for the inputs it dropped."""

    def __init__(self, replay: Replay, index: int) -> None:
        self.replay = replay
        self.index = index

    def restore(self, node: Node) -> Any:
        self.replay.run()
        return node.inputs


class Replay:
    """A function call that can be repeated: arguments, interpreters and the state that was read."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.top: Interpreter = current()
        self.nodes: list[Node] = []
        self.seen: dict[Cell, Any] = {}

    def strip(self, node: Node) -> None:
        """Take what a freshly recorded node saved, and leave a promise."""
        node.inputs = _Promise(self, len(self.nodes))  # type: ignore[assignment]  # walk_back asks it
        node.output = None
        self.nodes.append(node)

    def run(self) -> None:
        """Repeat the call and hand every node that still waits what it needs."""
        again = _Collector()
        top = _with_replay(self.top, again)
        with interpreting(top), storing(_Remembered(self.seen)):
            self.function()
        if len(again.saved) != len(self.nodes):
            raise RuntimeError(
                f"checkpoint: the function recorded {len(self.nodes)} mappings forward but {len(again.saved)} when "
                f"it was repeated; it must do the same both times (a Python-side random choice or a global that "
                f"changed?)"
            )
        for node, (inputs, output) in zip(self.nodes, again.saved, strict=True):
            if isinstance(node.inputs, _Promise):
                node.inputs, node.output = inputs, output


class _Collector:
    """Collects what the nodes of a repetition save, in order."""

    def __init__(self) -> None:
        self.saved: list[tuple[Any, Any]] = []

    def strip(self, node: Node) -> None:
        self.saved.append((node.inputs, node.output))


class _Remembering:
    """A store that passes everything on and remembers the first value read from each cell."""

    def __init__(self, outer: Store | None, seen: dict[Cell, Any]) -> None:
        self.outer = outer
        self.seen = seen
        self.written: dict[Cell, None] = {}

    def read(self, cell: Cell) -> Any:
        value = cell.value if self.outer is None else self.outer.read(cell)
        if cell not in self.written:
            self.seen.setdefault(cell, value)
        return value

    def write(self, cell: Cell, value: Any) -> None:
        self.written[cell] = None
        if self.outer is None:
            cell.value = value
        else:
            self.outer.write(cell, value)


class _Remembered:
    """A store that answers as the first time, and keeps writes to itself."""

    def __init__(self, seen: dict[Cell, Any]) -> None:
        self.values = dict(seen)

    def read(self, cell: Cell) -> Any:
        return self.values.get(cell, cell.value)

    def write(self, cell: Cell, value: Any) -> None:
        self.values[cell] = value


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with the same value and gradients, but without its intermediate values in memory.

    The function runs a second time on the way back (Chen et al., "Training Deep Nets with Sublinear
    Memory Cost", 2016). State that it read, random numbers included, is as it was the first time; state
    that it writes is written once. Gradients also reach tensors that `f` closes over.

    >>> import pullback as pb
    >>> float(pb.grad(pb.checkpoint(lambda x: pb.exp(pb.sin(x))))(0.0))
    1.0
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        top = current()
        if not any(isinstance(level, Reverse) and level.recording for level in levels(top)):
            return f(*args, **kwargs)
        replay = Replay(lambda: f(*args, **kwargs))
        with (
            interpreting(_with_replay(top, replay)),
            storing(_Remembering(active_store(), replay.seen)),
        ):
            return f(*args, **kwargs)

    return checkpointed


def _with_replay(top: Interpreter, replay: Any) -> Interpreter:
    """Return the stack with `replay` attached to the innermost reverse interpreter that records."""
    stack = levels(top)
    at = next(i for i, level in enumerate(stack) if isinstance(level, Reverse) and level.recording)
    innermost = stack[at]
    assert isinstance(innermost, Reverse)
    rebuilt: Interpreter = innermost.with_(replay=replay)
    for level in reversed(stack[:at]):
        rebuilt = level.over(rebuilt)
    return rebuilt
