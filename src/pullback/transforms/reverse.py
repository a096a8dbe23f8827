"""Reverse mode, the way forward: record what is applied to what, so that `walk` can compose the pullbacks.

`Tensor.backward()` and `grad`, `vjp`, … share this one interpreter. The ambient instance, in which every
thread starts, is the tape of the tensors that the user holds; a functional transform puts another one
on top of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cell import Cell
from ..core.errors import DtypeError, GradientError, PullbackError
from ..core.interpret import EVALUATE, Interpreter, current, escaped, establish, interpreting, levels
from ..core.mapping import BOTH, Mapping
from ..core.scope import present_scope
from ..core.spec import Spec, default_dtype, spec_of
from ..core.value import Face, Value
from . import provenance
from .node import Node, Part, next_serial

if TYPE_CHECKING:
    from .checkpoint import Replay

__all__ = [
    "TAPE",
    "Reverse",
    "Tape",
    "detached",
    "enable_grad",
    "keep_values",
    "lower",
    "no_grad",
    "note_exit",
    "present",
    "settle",
    "tape",
    "tape_over",
]

_new = object.__new__
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ndarray = np.ndarray
_SCALARS = frozenset({np.float32, np.float64})
_PYTHON_NUMBERS = frozenset({float, int, bool, complex})
_ARRAYS = (np.generic, np.ndarray, Value)


class _Ours(dict[str, bool]):
    """Whether a file belongs to the package: asked for every node, so remembered."""

    def __missing__(self, file: str) -> bool:
        self[file] = answer = file.startswith(_PACKAGE)
        return answer


_is_ours = _Ours().__getitem__


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
        keeping: bool = False,
    ) -> None:
        super().__init__(below, key)
        self.below: Interpreter = below
        self.recording = recording
        self.replay = replay
        self.since = since
        self.keeping = keeping

    def over(self, below: Interpreter | None) -> Reverse:
        assert below is not None
        return self.with_(below=below)

    def with_(self, **changes: Any) -> Reverse:
        """Return the same floor with some of its settings changed."""
        return type(self)(**self.settings(**changes))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments that make a floor like this one, some of them changed."""
        own: dict[str, Any] = {
            "below": self.below,
            "key": self.key,
            "recording": self.recording,
            "replay": self.replay,
            "since": self.since,
            "keeping": self.keeping,
        }
        return own | changes

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
        uses = BOTH if self.keeping else mapping.uses
        if not uses.inputs:
            for i, v in enumerate(values):
                # What does not depend on a leaf stays, so that the graph can be run again (it is small or shared).
                if links[i] is not None:
                    kind = v.__class__
                    if kind is _ndarray and v.ndim:
                        values[i] = Spec(v.shape, v.dtype)
                    elif kind not in _SCALARS:
                        values[i] = _hold(v)
        frame = sys._getframe(3)  # this one, apply, and what called it are ours
        code = frame.f_code
        while _is_ours(code.co_filename):
            caller = frame.f_back
            if caller is None:
                break
            frame = caller
            code = frame.f_code
        # Nodes and tensors are filled in by hand: __init__ would take a third of the time of recording.
        node = _new(Node)
        node.mapping = mapping
        node.static = static
        node.links = tuple(links)
        node.inputs = tuple(values)
        node.output = y if uses.output or y.__class__ in _SCALARS else _hold(y)
        node.code = code
        node.lasti = frame.f_lasti
        node.scope = present_scope()
        node.serial = next_serial()
        node.hooks = None
        node.grad = None
        if self.replay is not None:
            self.replay.strip(node)
        if y.__class__ is tuple:
            return tuple(Face.new(self.key, part, Part(node, i)) for i, part in enumerate(y))
        result = _new(Face.new)
        result._owner = self.key
        result._payload = y
        result._link = node
        return result


class Tape(Reverse):
    """The ambient reverse interpreter: whatever it returns is a tensor that the user can hold."""

    described = "the tape of tensors"
    lesson = (
        "Rules and evaluations work on what they are given; a tensor that they close over is not part of it.\n"
        "  wrong:  @f.pullback\n          def _(g, y, x): return g * w\n"
        "  right:  make w an argument of the mapping, or use w.numpy() if no gradient is to reach it"
    )

    def with_(self, **changes: Any) -> Reverse:
        settings = self.settings(**changes)
        return (Keeping if settings["keeping"] else Tape)(**settings)

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        key = self.key
        values: list[Any] = []
        links: list[Any] = []
        live = False
        anchored = False  # something has a dtype that Python numbers can take
        foreign = False
        for x in args:
            link = None
            kind = x.__class__
            if isinstance(x, Value):
                anchored = True
                if x._owner is key:
                    link = x._link
                    if link is not None:
                        live = True
                    x = x._payload
                    if x.__class__ is Cell:
                        x = x.read()
                elif self.below is EVALUATE:
                    raise escaped(mapping.name, x)
            elif kind is _ndarray:
                anchored = True
            elif kind not in _PYTHON_NUMBERS:
                foreign = True
            values.append(x)
            links.append(link)
        if foreign or not anchored:
            values = _settle(mapping, values)
        if self.below is not EVALUATE:
            y = self.below.apply(mapping, values, static)
        else:
            try:
                y = mapping.evaluate(*values, **static) if static else mapping.evaluate(*values)
            except (ValueError, TypeError) as error:
                raise _in_our_words(mapping, values, static, error) from None
        if live and self.recording and mapping.differentiable:
            return self.record(mapping, values, links, static, y)
        if y.__class__ is tuple:
            return tuple(Face.new(key, part) for part in y)
        result = _new(Face.new)
        result._owner = key
        result._payload = y
        result._link = None
        return result


def _in_our_words(mapping: Mapping, values: list[Any], static: dict[str, Any], error: Exception) -> Exception:
    """Return the error of the mapping's own shape rule in place of NumPy's, which names no argument."""
    if isinstance(error, PullbackError) or mapping.spec is None:
        return error
    specs = [spec_of(v) for v in values]
    try:
        mapping.spec(*specs, **static)
    except PullbackError as better:
        return better
    except (ValueError, TypeError, IndexError):
        pass
    if isinstance(error, TypeError) and str(error).startswith("ufunc "):
        came = ", ".join(f"{n}: {s.dtype}" for n, s in zip(mapping.arguments, specs, strict=False))
        return DtypeError(f"{mapping.name}: not defined for these dtypes ({came})")
    return error


class Keeping(Tape):
    """The tape inside `keep_values`: it also notes where, and why, a result carries no gradient."""

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        result = super().apply(mapping, args, static)
        first = result[0] if result.__class__ is tuple and result else result
        if not isinstance(first, Value) or first._link is not None:
            return result
        mine = [x for x in args if isinstance(x, Value) and x._owner is self.key]
        links = [x._link for x in mine if x._link is not None]
        cuts = [cut for x in mine if x._link is None and (cut := provenance.cut_of(_content(x))) is not None]
        if links or cuts:
            y = tuple(map(_content, result)) if result.__class__ is tuple else _content(result)
            if not links:
                kind = cuts[0].kind
            elif not self.recording:
                kind = "no_grad"
            else:
                kind = "detached" if spec_of(first).dtype.kind == "f" else "integer"
            y = provenance.note(y, kind, links, cuts, mapping.name, _is_ours)
            return tuple(Face.new(self.key, part) for part in y) if y.__class__ is tuple else Face.new(self.key, y)
        return result


def _content(x: Value) -> Any:
    payload = x._payload
    return payload.read() if payload.__class__ is Cell else payload


def detached(x: Value, y: Any, words: str) -> Any:
    """Return an array equal to `y`, of which it is noted that it is the value of `x` cut off from the graph."""
    links = () if x._link is None else (x._link,)
    earlier = () if links else (provenance.cut_of(_content(x)),)
    cuts = tuple(cut for cut in earlier if cut is not None)
    return provenance.note(y, "detached", links, cuts, words, _is_ours) if links or cuts else y


def note_exit(x: Value, words: str) -> None:
    """Note, where ends of the graph are noted, that the numbers of `x` leave it."""
    if x._owner is TAPE and x._link is not None:
        provenance.note_exit(x._link, words, _is_ours)


def _settle(mapping: Mapping, values: list[Any]) -> list[Any]:
    """Turn lists into arrays, and Python numbers too when no array is there to give them a dtype."""
    alone = True
    for i, v in enumerate(values):
        if v.__class__ in _PYTHON_NUMBERS:
            continue
        alone = False
        if not isinstance(v, _ARRAYS):
            values[i] = _array(mapping, i, v)
    if alone:
        return [default_dtype().type(v) if v.__class__ is float else np.asarray(v)[()] for v in values]
    return values


def _array(mapping: Mapping, index: int, sequence: Any) -> Any:
    try:
        a = np.asarray(sequence)
    except ValueError as error:
        raise ValueError(f"{mapping.name}: argument {index} is a ragged sequence: {error}") from None
    if a.dtype.kind not in "biufc":
        raise TypeError(
            f"{mapping.name}: argument {index} must be an array, a tensor or a number, got {type(sequence).__name__}"
        )
    return a.astype(default_dtype()) if a.dtype == np.float64 else a




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
    level: Interpreter | None = current() if top is None else top
    while level is not None:
        if level.key is TAPE:
            assert isinstance(level, Reverse)
            return level
        level = level.below
    raise GradientError("tensors cannot be differentiated here: this code runs below the tape, on plain arrays")


def tape_over(top: Interpreter) -> Interpreter:
    """Return `top`, with a tape that records nothing put on it if there is none: a place to use tensors in."""
    return top if any(level.key is TAPE for level in levels(top)) else Tape(top, TAPE, recording=False)


def lower(level: Interpreter, x: Any) -> tuple[Any, Any]:
    """Take a value off its floor: return what lies below, and its link (None if it does not depend)."""
    if isinstance(x, Value) and x._owner is level.key:
        return x._payload, x._link
    return x, None


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


# ------------------------------------------------------------------------------------ switching recording


@contextmanager
def _switched(**settings: bool) -> Iterator[None]:
    stack = levels()
    rebuilt: Interpreter = stack[-1]
    for level in reversed(stack[:-1]):
        level = level.over(rebuilt)
        rebuilt = level.with_(**settings) if isinstance(level, Reverse) else level
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
    return _switched(recording=False)


def enable_grad() -> Any:
    """Return a context manager inside which recording is on again, within `no_grad`."""
    return _switched(recording=True)


@contextmanager
def keep_values() -> Iterator[None]:
    """Return a context manager inside which the graph keeps every value, also those no pullback needs.

    `backward` keeps the graph then, too, unless it is told otherwise. It costs memory, and gives an explanation
    all the numbers that went forward. It also notes where the graph is cut (`detach`, `no_grad`, integers), so that
    an explanation can say why a gradient is missing.

    >>> import numpy as np, pullback as pb
    >>> w = pb.tensor(np.ones(3), requires_grad=True)
    >>> with pb.keep_values():
    ...     loss = (w + np.arange(3.0)).sum()
    """
    if not provenance.watching.count:
        provenance.forget_exits()
    provenance.watching.count += 1
    try:
        with _switched(keeping=True):
            yield
    finally:
        provenance.watching.count -= 1
