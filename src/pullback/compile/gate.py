"""The gate in front of a plan: a call of which nothing is new costs a microsecond.

Whether a plan may run as it is, is asked of dozens of cells before each run. Asked in Python that takes as long as a
small step computes. The gate is a built-in function made of native code (`emit.gate`), which reads the same from the
objects themselves; where anything is not as expected it answers that, and Python does all as if there were no gate.

Where objects keep what the gate reads is looked up when it is first wanted, in objects whose contents are known, and
the gate is tried on them. On an interpreter or a NumPy that is built otherwise there is no gate.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import sysconfig
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from weakref import ref

import numpy as np

from ..core.cell import Cell
from ..core.interpret import EVALUATE
from ..core.value import Face
from ..transforms.reverse import TAPE
from .cache import object_code
from .emit import gate as words
from .emit.gate import Layout, gate_text
from .emit.machine import Code, host, load

__all__ = ["Argument", "Guard", "Output", "gate", "supported"]

Argument = tuple["np.dtype[Any]", int, tuple[int, ...]]
"""What an argument must be, dtype and shape, and its entry in the table between them."""

Guard = tuple[Any, str, Any, bool]
"""An object, the name of a slot of it, what must be in it, and whether only the cell and the plan may hold that."""

Output = tuple[Cell, int]
"""A cell that holds a new array at each call, and the array's entry in the table."""

HOLDERS = 2
"""How many references there are to an array that only its cell and the plan hold."""

_OBJECT_HEAD = 16
_FASTCALL = 0x80


class _Method(ctypes.Structure):
    """PyMethodDef: what Python knows of a built-in function."""

    _fields_ = (("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


class _NumbersOfAnArray(ctypes.Structure):
    """What follows the head of an object in an array (PyArrayObject_fields, which NumPy 2 keeps as it is)."""

    _fields_ = (
        ("data", ctypes.c_void_p), ("axes", ctypes.c_int), ("lengths", ctypes.c_void_p), ("steps", ctypes.c_void_p),
        ("base", ctypes.c_void_p), ("dtype", ctypes.c_void_p), ("flags", ctypes.c_int),
    )  # fmt: skip


def gate(
    callee: int, table: Any, status: Any, arguments: Sequence[Argument], guards: Sequence[Guard],
    outputs: Sequence[Output],
) -> Callable[..., Any] | None:  # fmt: skip
    """Return a function of the arguments that runs `callee`; None where this interpreter has no gates.

    It answers True when the plan has run, False when a check in it failed, None when something is not as expected and
    nothing has been done. With 0 for `callee` it runs nothing, and answers whether the plan may run. The entries of
    the arguments in the table are as good as unknown after a call. The caller keeps all that is given here alive.
    """
    kind = _kind()
    return None if kind is None else kind.gate(callee, table, status, arguments, guards, outputs)


def supported() -> bool:
    """Whether calls can go through a gate in this process."""
    return _kind() is not None


class _Kind:
    """The code of gates, and where objects keep what it reads."""

    def __init__(self, layout: Layout, slots: dict[tuple[type, str], int]) -> None:
        self.slots = slots
        object_code_, _ = object_code(gate_text(layout), host())
        self.code: Code = load(object_code_, host())
        self.method = _Method(b"gate", self.code.address("gate"), _FASTCALL, None)
        # A gate may be called while the interpreter ends, so the code is never given back.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        self.new = ctypes.pythonapi.PyCFunction_NewEx
        self.new.restype, self.new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
        self.hold = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value or 0

    def gate(
        self, callee: int, table: Any, status: Any, arguments: Sequence[Argument], guards: Sequence[Guard],
        outputs: Sequence[Output],
    ) -> Callable[..., Any]:  # fmt: skip
        width = 3 + max((len(shape) for _, _, shape in arguments), default=0)
        head = [0] * words.HEAD
        head[words.CALLEE], head[words.TABLE], head[words.STATUS] = callee, table.ctypes.data, status.ctypes.data
        head[words.HOLD] = self.hold
        head[words.MISSED], head[words.RAN], head[words.STOPPED] = id(None), id(True), id(False)
        head[words.ARRAY_TYPE], head[words.VALUE_TYPE] = id(np.ndarray), id(Face.new)
        head[words.OWNER], head[words.LINKLESS] = id(TAPE), id(None)
        head[words.COUNT], head[words.ARRAY] = len(arguments), width
        head[words.GUARDS], head[words.OUTPUTS] = len(guards), len(outputs)
        for dtype, entry, shape in arguments:
            head += [id(dtype), entry, len(shape), *shape] + [0] * (width - 3 - len(shape))
        for holder, name, held, alone in guards:
            head += [id(holder) + self.slots[type(holder), name], id(held), HOLDERS if alone else 0]
        for place, entry in outputs:
            head += [id(place) + self.slots[Cell, "value"], entry]
        found: Callable[..., Any] = self.new(ctypes.addressof(self.method), np.array(head, np.uint64), None)
        return found


@cache
def _kind() -> _Kind | None:
    if not _interpreter_is_known():
        return None
    layout = _layout()
    if layout is None:
        return None
    slots: dict[tuple[type, str], int] = {(Cell, name): _slot(Cell(None), name) for name in ("value", "leaf")}
    slots[ref, "object"] = _referent()
    if not all(slots.values()):
        return None
    kind = _Kind(layout, slots)
    return kind if _answers_rightly(kind) else None


def _interpreter_is_known() -> bool:
    return (
        sys.implementation.name == "cpython"
        and (3, 11) <= sys.version_info[:2] <= (3, 14)
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and not hasattr(sys, "gettotalrefcount")
        and object.__basicsize__ == _OBJECT_HEAD
        and struct.calcsize("P") == 8
        and sys.byteorder == "little"
        and np.__version__.startswith("2.")
    )


def _layout() -> Layout | None:
    """Return where things are, as far as objects with known contents show it."""
    value = Face.new.__new__(Face.new)
    payload, owner, link = (_slot(value, name) for name in ("_payload", "_owner", "_link"))
    if not (payload and owner and link) or not all(map(_is_laid_out, _samples())):
        return None
    at = {name: _OBJECT_HEAD + getattr(_NumbersOfAnArray, name).offset for name, _ in _NumbersOfAnArray._fields_}
    return Layout(8, at["data"], at["axes"], at["lengths"], at["dtype"], at["flags"], payload, owner, link)


def _slot(instance: Any, name: str) -> int:
    """Return at which byte of an object a slot stands; 0 if that cannot be seen."""
    mark = object()
    setattr(instance, name, mark)
    count = type(instance).__basicsize__ // 8
    found = [8 * i for i, word in enumerate((ctypes.c_size_t * count).from_address(id(instance))) if word == id(mark)]
    return found[0] if len(found) == 1 else 0


def _referent() -> int:
    """Return at which byte a weak reference keeps the address of what it refers to; None's when that is gone."""
    mark = np.empty(1)
    known = ref(mark)
    count = ref.__basicsize__ // 8
    words = (ctypes.c_size_t * count).from_address(id(known))
    found = [8 * i for i in range(count) if words[i] == id(mark)]
    del mark
    return found[0] if len(found) == 1 and words[found[0] // 8] == id(None) else 0


def _samples() -> list[Any]:
    whole = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return [whole, whole[:, ::2], whole.astype(np.int64), np.zeros(9, np.uint8)[1:].view(np.float64), np.array(1.0)]


def _is_laid_out(x: Any) -> bool:
    """Whether an array keeps its parts where they are expected."""
    if np.ndarray.__basicsize__ < _OBJECT_HEAD + ctypes.sizeof(_NumbersOfAnArray):
        return False
    seen = _NumbersOfAnArray.from_address(id(x) + _OBJECT_HEAD)
    usual = bool(x.flags.c_contiguous and x.flags.aligned)
    return bool(
        seen.data == x.__array_interface__["data"][0]
        and seen.dtype == id(x.dtype)
        and seen.axes == x.ndim
        and (x.ndim == 0 or tuple((ctypes.c_ssize_t * x.ndim).from_address(seen.lengths)) == x.shape)
        and ((seen.flags & words.CHECKED_FLAGS) == words.CHECKED_FLAGS) == usual
    )


def _answers_rightly(kind: _Kind) -> bool:
    """Whether a gate says yes and no as it should, of arguments, of cells and of who holds them."""
    table, status = np.zeros(2, np.uint64), np.zeros(1, np.int64)
    guarded, place = Cell(np.zeros(3)), Cell(np.zeros(2))
    entries = [(guarded, guarded.value)]
    argument = (np.dtype(np.float32), 0, (2, 3))
    guard = (guarded, "value", entries[0][1], True)
    ask = kind.gate(0, table, status, [argument], [guard], [(place, 1)])
    del guard
    good = np.zeros((2, 3), np.float32)
    value = Face.new(TAPE, good, None)
    yes = [ask(good), ask(value)]
    right = [good.ctypes.data, place.value.ctypes.data] == table.tolist()
    bad: list[Any] = [good.T, good.astype(float), good[:1], np.zeros((3, 2), np.float32), None, 1.0]
    bad += [Face.new(TAPE, 1.0), Face.new(EVALUATE, good), Face.new(TAPE, good, 1)]
    no = [ask(x) for x in bad] + [ask(), ask(good, good)]
    other = guarded.value
    no.append(ask(good))
    del other
    yes.append(ask(good))
    guarded.value = None
    no.append(ask(good))
    return right and all(x is True for x in yes) and all(x is None for x in no)
