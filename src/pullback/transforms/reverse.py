"""Reverse mode: record what is applied to what, then compose the pullbacks backwards.

`Tensor.backward()` and `grad`, `vjp`, … share this one interpreter. The ambient instance, in which every
thread starts, is the tape of the tensors that the user holds; a functional transform puts another one
on top of it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import space
from ..core.cell import Cell
from ..core.errors import FreedGraphError, GradientError
from ..core.interpret import EVALUATE, Interpreter, current, establish, interpreting, levels
from ..core.mapping import Mapping
from ..core.spec import Spec, default_dtype, spec_of
from ..core.value import Face, Value

if TYPE_CHECKING:
    from .checkpoint import Replay

__all__ = ["TAPE", "Leaf", "Node", "Part", "Reverse", "enable_grad", "no_grad", "tape", "walk_back"]

_serials = count(1)
_next_serial = _serials.__next__
_NO_STATIC: dict[str, Any] = {}
_PACKAGE = str(Path(__file__).resolve().parents[1])
_ndarray = np.ndarray
_SCALARS = frozenset({np.float32, np.float64})


class _Ours(dict[str, bool]):
    """Whether a file belongs to the package: asked for every node, so remembered."""

    def __missing__(self, file: str) -> bool:
        self[file] = answer = file.startswith(_PACKAGE)
        return answer


_is_ours = _Ours().__getitem__


class Leaf:
    """Where a walk back ends: an input that a gradient is asked for."""

    __slots__ = ("grad", "hooks", "serial")

    def __init__(self, grad: Cell | None = None) -> None:
        self.serial = _next_serial()
        self.grad = grad
        self.hooks: list[Callable[[Any], Any]] | None = None


class Node:
    """One recorded application of a mapping: what it was applied to, and what its pullback needs."""

    __slots__ = ("code", "grad", "hooks", "inputs", "lasti", "links", "mapping", "output", "serial", "static")

    def __init__(
        self,
        mapping: Mapping,
        static: dict[str, Any],
        links: Sequence[Any],
        inputs: tuple[Any, ...] | None,
        output: Any,
        code: CodeType,
        lasti: int,
    ) -> None:
        self.mapping = mapping
        self.static = static
        self.links = links
        self.inputs = inputs
        self.output = output
        self.code = code
        self.lasti = lasti
        self.serial = _next_serial()
        self.hooks: list[Callable[[Any], Any]] | None = None
        self.grad: Cell | None = None

    @property
    def origin(self) -> tuple[str, int]:
        """File and line of the user's program that made this node."""
        line = self.code.co_firstlineno
        for start, end, number in self.code.co_lines():
            if start <= self.lasti < end and number is not None:
                line = number
                break
        return self.code.co_filename, line


class Part:
    """The link of one output of a mapping that has several."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index

    @property
    def serial(self) -> int:
        """The serial number of the node."""
        return self.node.serial


class Reverse(Interpreter):
    """Evaluates one floor below and records a node for every result that depends on an active input."""

    described = "grad (or vjp)"

    def __init__(
        self,
        below: Interpreter,
        key: Interpreter | None = None,
        *,
        recording: bool = True,
        replay: Replay | None = None,
        since: int = 0,
    ) -> None:
        super().__init__(below, key)
        self.below: Interpreter = below
        self.recording = recording
        self.replay = replay
        self.since = since

    def over(self, below: Interpreter | None) -> Reverse:
        assert below is not None
        return self.with_(below=below)

    def with_(self, **changes: Any) -> Reverse:
        """Return the same floor with some of its settings changed."""
        settings: dict[str, Any] = {
            "below": self.below,
            "key": self.key,
            "recording": self.recording,
            "replay": self.replay,
            "since": self.since,
        }
        return type(self)(**(settings | changes))

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        key = self.key
        values: list[Any] = []
        links: list[Any] = []
        live = False
        for x in args:
            if isinstance(x, Value) and x._owner is key:
                payload = x._payload
                values.append(payload.read() if payload.__class__ is Cell else payload)
                link = x._link
                links.append(link)
                if link is not None:
                    live = True
            else:
                values.append(x)
                links.append(None)
        y = self.below.apply(mapping, values, static)
        if not live or not self.recording or not mapping.differentiable:
            return y
        return self.record(mapping, values, links, static, y)

    def record(self, mapping: Mapping, values: list[Any], links: list[Any], static: dict[str, Any], y: Any) -> Any:
        """Return `y` linked to a new node of the graph."""
        uses = mapping.uses
        if not uses.inputs:
            for i, v in enumerate(values):
                if v.__class__ not in _SCALARS:
                    values[i] = _hold(v)
        frame = sys._getframe(2)
        code = frame.f_code
        while _is_ours(code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
            code = frame.f_code
        node = Node(
            mapping,
            static or _NO_STATIC,
            tuple(links),
            tuple(values),
            y if uses.output or y.__class__ in _SCALARS else _hold(y),
            code,
            frame.f_lasti,
        )
        if self.replay is not None:
            self.replay.strip(node)
        if y.__class__ is tuple:
            return tuple(Face.new(self.key, part, Part(node, i)) for i, part in enumerate(y))
        return Face.new(self.key, y, node)


class Tape(Reverse):
    """The ambient reverse interpreter: whatever it returns is a tensor that the user can hold."""

    described = "the tape of tensors"

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        key = self.key
        values: list[Any] = []
        links: list[Any] = []
        live = False
        plain = False
        for x in args:
            if isinstance(x, Value):
                if x._owner is key:
                    payload = x._payload
                    values.append(payload.read() if payload.__class__ is Cell else payload)
                    link = x._link
                    links.append(link)
                    if link is not None:
                        live = True
                    continue
            elif x.__class__ is not _ndarray:
                plain = True
            values.append(x)
            links.append(None)
        if plain:
            values = _settle(mapping, values)
        y = self.below.apply(mapping, values, static)
        if live and self.recording and mapping.differentiable:
            return self.record(mapping, values, links, static, y)
        if y.__class__ is tuple:
            return tuple(Face.new(key, part) for part in y)
        return Face.new(key, y)


def _settle(mapping: Mapping, values: list[Any]) -> list[Any]:
    """Turn lists into arrays, and Python numbers too when no array is there to give them a dtype."""
    alone = True
    for i, v in enumerate(values):
        if v.__class__ in _PYTHON_NUMBERS:
            continue
        alone = False
        if not isinstance(v, np.generic | np.ndarray | Value):
            try:
                values[i] = a = np.asarray(v)
            except ValueError as error:
                raise ValueError(f"{mapping.name}: argument {i} is a ragged sequence: {error}") from None
            if a.dtype.kind not in "biufc":
                raise TypeError(
                    f"{mapping.name}: argument {i} must be an array, a tensor or a number, got {type(v).__name__}"
                )
            if a.dtype == np.float64:
                values[i] = a.astype(default_dtype())
    if alone:
        return [default_dtype().type(v) if v.__class__ is float else np.asarray(v)[()] for v in values]
    return values


_PYTHON_NUMBERS = frozenset({float, int, bool, complex})


def _hold(value: Any) -> Any:
    """Keep only the spec of an array whose numbers the way back does not read."""
    if value.__class__ is _ndarray:
        return Spec(value.shape, value.dtype) if value.ndim else value
    if isinstance(value, Value):
        return spec_of(value)
    if value.__class__ is tuple:
        return tuple(_hold(v) for v in value)
    return value


TAPE = Tape(EVALUATE)
establish(TAPE)


def tape(top: Interpreter | None = None) -> Reverse:
    """Return the tape that is on the stack; raises GradientError where there is none."""
    for level in levels(top):
        if level.key is TAPE:
            assert isinstance(level, Reverse)
            return level
    raise GradientError("tensors cannot be differentiated here: this code runs below the tape, on plain arrays")


def tape_over(top: Interpreter) -> Interpreter:
    """Return `top`, with a tape that records nothing put on it if there is none: a place to use tensors in."""
    return top if any(level.key is TAPE for level in levels(top)) else Tape(top, TAPE, recording=False)


# ------------------------------------------------------------------------------------------ the way back


def walk_back(
    seeds: Sequence[tuple[Any, Any]], *, retain: bool, level: Reverse | None = None, since: int = 0
) -> dict[Leaf, Any]:
    """Compose the pullbacks from the links in `seeds` back to the leaves, and return the leaves' cotangents.

    Nodes are visited in the reverse of the order in which they were recorded, each once, when all of its
    cotangents have arrived; nothing recurses. The rules run in the present context. With `level`, the
    saved values take part in the graph again (`create_graph`). Released nodes drop what they saved.
    """
    heap: list[int] = []
    targets: dict[int, Any] = {}
    pending: dict[int, Any] = {}
    for link, g in seeds:
        _deliver(link, g, heap, targets, pending)
    found: dict[Leaf, Any] = {}
    fit = space.fit
    add = space.add
    while heap:
        serial = -heappop(heap)
        node = targets.pop(serial)
        g = pending.pop(serial)
        if node.hooks is not None:
            for hook in list(node.hooks):
                g = hook(g)
        if node.__class__ is Leaf:
            found[node] = g
            continue
        inputs = node.inputs
        if inputs.__class__ is not tuple:
            inputs = _recall(node)
        if serial <= since:
            raise GradientError(
                f"{node.mapping.name}: this part of the graph was recorded before the traced step began "
                f"({_place(node)}), so a replay could not follow it. Compute it inside the step, or pass "
                f"its result as an argument."
            )
        mapping = node.mapping
        links = node.links
        output = node.output
        if level is not None:
            inputs, output = _relink(level, node)
        try:
            if mapping.pullback is None:
                gs = _body_pullback(mapping, g, inputs, node.static)
            elif mapping.outputs is not None:
                gs = mapping.pullback(tuple(g), output, *inputs, needs=links, **node.static)
            else:
                gs = mapping.pullback(g, output, *inputs, needs=links, **node.static)
        except Exception as error:
            error.add_note(f"on the way back through {mapping.name}, which was recorded at {_place(node)}")
            raise
        for link, x, gx in zip(links, inputs, gs, strict=True):
            if link is None or gx is None:
                continue
            kind = gx.__class__
            if kind is not x.__class__ or kind is _ndarray or isinstance(gx, Value):
                gx = fit(gx, x)
            if link.__class__ is Part:
                _deliver(link, gx, heap, targets, pending)
                continue
            at = link.serial
            have = pending.get(at)
            if have is None:
                pending[at] = gx
                targets[at] = link
                heappush(heap, -at)
            else:
                pending[at] = add(have, gx)
        if not retain:
            node.inputs = node.output = None
            node.links = ()
    return found


def _deliver(link: Any, g: Any, heap: list[int], targets: dict[int, Any], pending: dict[int, Any]) -> None:
    at = link.serial
    if at not in targets:
        heappush(heap, -at)
    if isinstance(link, Part):
        slots = pending.setdefault(at, [None] * (link.node.mapping.outputs or len(link.node.output)))
        slots[link.index] = space.add(slots[link.index], g)
        targets[at] = link.node
    else:
        pending[at] = space.add(pending.get(at), g)
        targets[at] = link


def _relink(level: Reverse, node: Node) -> tuple[tuple[Any, ...], Any]:
    key = level.key
    assert node.inputs is not None
    inputs = tuple(
        Face.new(key, x, link) if link is not None and x.__class__ is not Spec else x
        for x, link in zip(node.inputs, node.links, strict=True)
    )
    y = node.output
    if y.__class__ is tuple:
        return inputs, tuple(Face.new(key, part, Part(node, i)) for i, part in enumerate(y))
    return inputs, (y if y.__class__ is Spec else Face.new(key, y, node))


def settle(x: Any) -> Any:
    """Return the plain array of a tensor that depends on nothing; anything else as it is."""
    if isinstance(x, Value) and x._owner is TAPE and x._link is None and x._payload.__class__ is not Cell:
        return x._payload
    return x


def present(x: Any) -> Any:
    """Return a plain array as a tensor wherever tensors are in use; anything else as it is."""
    if isinstance(x, np.ndarray | np.generic) and any(level.key is TAPE for level in levels()):
        return Face.new(TAPE, x)
    return x


def _body_pullback(mapping: Mapping, g: Any, inputs: Sequence[Any], static: dict[str, Any]) -> list[Any]:
    """The pullback of a composite is that of its body."""
    assert mapping.body is not None, f"{mapping.name} has neither a pullback nor a body"
    body = mapping.body
    _, back = pull(lambda *xs: body(*xs, **static), inputs)
    return back(g)


def pull(
    function: Callable[..., Any], xs: Sequence[Any], wanted: Sequence[bool] | None = None
) -> tuple[Any, Callable[[Any], list[Any]]]:
    """Evaluate `function(*xs)` on arrays and return its value and its pullback; None is a zero cotangent."""
    level = Reverse(current())
    leaves = [Leaf() if wanted is None or wanted[i] else None for i in range(len(xs))]
    boxes = [x if leaf is None else Face.new(level, x, leaf) for x, leaf in zip(xs, leaves, strict=True)]
    with interpreting(level):
        y = function(*boxes)
    parts = y if y.__class__ is tuple else (y,)
    lowered = [lower(level, part) for part in parts]

    def back(g: Any) -> list[Any]:
        gs = g if y.__class__ is tuple else (g,)
        seeds = [(link, gi) for (_, link), gi in zip(lowered, gs, strict=True) if link is not None and gi is not None]
        found = walk_back(seeds, retain=True)
        return [None if leaf is None else found.get(leaf) for leaf in leaves]

    values = tuple(value for value, _ in lowered)
    return (values if y.__class__ is tuple else values[0]), back


def lower(level: Interpreter, x: Any) -> tuple[Any, Any]:
    """Take a value off its floor: return what lies below, and its link (None if it does not depend)."""
    if isinstance(x, Value) and x._owner is level.key:
        return x._payload, x._link
    return x, None


def _recall(node: Node) -> tuple[Any, ...]:
    """Return the inputs of a node that dropped them: recomputed if it is checkpointed, else an error."""
    if node.inputs is not None:
        return node.inputs.restore(node)  # type: ignore[attr-defined, no-any-return]  # a checkpoint's promise
    raise FreedGraphError(
        f"backward: the graph was walked before and its saved values are released (first met at "
        f"{node.mapping.name}, recorded at {_place(node)}).\n"
        f"  wrong:  loss.backward(); loss.backward()\n"
        f"  right:  loss.backward(retain_graph=True); loss.backward()"
    )


def _place(node: Node) -> str:
    file, line = node.origin
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}" + (f": {text}" if text else "")


# ------------------------------------------------------------------------------------ switching recording


@contextmanager
def _recording(wanted: bool) -> Iterator[None]:
    stack = levels()
    rebuilt: Interpreter = stack[-1]
    for level in reversed(stack[:-1]):
        level = level.over(rebuilt)
        rebuilt = level.with_(recording=wanted) if isinstance(level, Reverse) else level
    with interpreting(rebuilt):
        yield


def no_grad() -> Any:
    """Return a context manager (also a decorator) inside which nothing is recorded.

    >>> import pullback as pb
    >>> w = pb.value(2.0)
    >>> with pb.no_grad():
    ...     (w * 3).requires_grad
    False

    A transform opened inside (`pb.grad`, …) still records for itself.
    """
    return _recording(False)


def enable_grad() -> Any:
    """Return a context manager inside which recording is on again, within `no_grad`."""
    return _recording(True)
