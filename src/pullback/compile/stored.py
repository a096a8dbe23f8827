"""Plans on disk: where the same graph has become a plan before, for this processor, nothing is made again.

A plan's file is named after the digest of all that decides the plan: the graph in words, the target, the versions of
what compiles, and the library's own files. It holds what the runner needs and the name of the object code's file; what
a report says beyond that is made of the graph when somebody asks. Nothing is kept of a graph that cannot be put in
words that say all of it (see `words`), nor of a plan in which NumPy evaluates something.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.spec import default_dtype
from ..transforms.graph import Graph
from .access import Access, Array
from .cache import code_file
from .emit.machine import Target, compiler_version, host, load
from .files import in_use, keep, kept
from .plan import Holding, Plan, Segment
from .words import Unsayable, in_words

__all__ = ["digest", "plan_for"]

LARGEST = 32 << 20
"""Up to how many bytes a plan is kept: it holds the arrays whose contents are known beforehand."""


def plan_for(graph: Graph) -> Plan:
    """Return the plan of a graph, loaded: the one on disk, or a new one, which is then put there."""
    target = host()
    name = digest(graph, target)
    plan = None if name is None else _restored(graph, name, target)
    if plan is None:
        # A stored plan does without them, and they take longer to import than it to load.
        from .lowering import lowered
        from .planning import made

        plan = made(lowered(graph))
        plan.load()
        if name is not None and plan.target == target:
            _store(graph, plan, name)
    return plan


def digest(graph: Graph, target: Target) -> str | None:
    """Return the digest of all that decides the plan of a graph; None where no plan of it is kept."""
    if not in_use():
        return None
    try:
        words = in_words(graph)
    except Unsayable:
        return None
    settings = (compiler_version(), np.__version__, sys.version_info[:2], default_dtype().str)
    about = (_library(), settings, target, words)
    return hashlib.sha256(repr(about).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _library() -> str:
    """Return a digest of the names, sizes and times of the library's files, as they were at the first call."""
    return _files(Path(__file__).parents[1])


def _files(folder: Path) -> str:
    found = []
    waiting = [os.fspath(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    about = entry.stat()
                    found.append((entry.path, about.st_size, about.st_mtime_ns))
                elif entry.is_dir() and entry.name != "__pycache__":
                    waiting.append(entry.path)
    return hashlib.sha256(repr(sorted(found)).encode("utf-8", "surrogateescape")).hexdigest()


def _cells(graph: Graph) -> list[Cell]:
    """Return the cells of a graph in the order in which words and plans number them."""
    return list(dict.fromkeys((*graph.reads, *graph.writes)))


# ---------------------------------------------------------------------------------------------------- writing


def _store(graph: Graph, plan: Plan, name: str) -> None:
    """Write a plan, if all of it can be written."""
    if _files(Path(__file__).parents[1]) != _library():
        return  # somebody has changed the library since it was imported
    if any(segment.call is not None for segment in plan.segments):
        return
    if any(x is not y for x, y in zip(plan.outputs, graph.outputs, strict=True) if not isinstance(x, Access)):
        return
    if any(value is not graph.writes[cell] for cell, value in plan.constants):
        return
    numbers = {array: number for number, array in enumerate(plan.slots)}
    cells = {cell: number for number, cell in enumerate(_cells(graph))}

    def number(array: Array | None) -> int | None:
        return None if array is None else numbers[array]

    about = {
        "name": name,
        "code": code_file(plan.text, plan.target) if plan.text else None,
        "arrays": [(a.role, a.shape, a.dtype.str, a.order, slot) for a, slot in plan.slots.items()],
        "inputs": [numbers[a] for a in plan.inputs],
        "outputs": [numbers[x.array] if isinstance(x, Access) else None for x in plan.outputs],
        "fixed": [numbers[a] for a in plan.fixed],
        "holdings": [(cells[h.cell], number(h.read), number(h.written), h.in_place) for h in plan.holdings],
        "constants": [cells[cell] for cell, _ in plan.constants],
        "arena": plan.arena,
        "workspace": plan.workspace,
        "segments": [(s.name, s.shareable, s.checks) for s in plan.segments],
    }
    parts = [json.dumps(about, separators=(",", ":")).encode(), *(a.data.tobytes() for a in plan.fixed)]
    if sum(map(len, parts)) <= LARGEST:
        keep(f"{name}.plan", len(parts[0]).to_bytes(8, "little") + b"".join(parts))


# ---------------------------------------------------------------------------------------------------- reading


def _restored(graph: Graph, name: str, target: Target) -> Plan | None:
    """Return the plan on disk; None where there is none, or its code is gone."""
    contents = kept(f"{name}.plan")
    if contents is None:
        return None
    start = 8 + int.from_bytes(contents[:8], "little")
    about: dict[str, Any] = json.loads(contents[8:start])
    if about["name"] != name:  # a file under another's name
        return None
    code = None if about["code"] is None else kept(about["code"])
    if code is None and about["code"] is not None:
        return None
    plan = _plan(graph, about, contents[start:], target)
    if code is not None:
        plan.code = load(code, target)
    return plan


def _plan(graph: Graph, about: dict[str, Any], numbers: bytes, target: Target) -> Plan:
    arrays: list[Array] = []
    slots: dict[Array, int] = {}
    for role, shape, dtype, order, slot in about["arrays"]:
        array = Array(len(arrays), tuple(shape), np.dtype(dtype), role, tuple(order))
        arrays.append(array)
        slots[array] = slot
    at = 0
    fixed = [arrays[number] for number in about["fixed"]]
    for array in fixed:
        array.data = np.frombuffer(numbers, array.dtype, array.size, at).reshape(array.shape).copy()
        at += array.nbytes
    cells = _cells(graph)

    def known(number: int | None) -> Array | None:
        return None if number is None else arrays[number]

    inputs = [arrays[number] for number in about["inputs"]]
    outputs = [x if n is None else arrays[n].whole() for n, x in zip(about["outputs"], graph.outputs, strict=True)]
    holdings = [Holding(cells[cell], known(r), known(w), in_place) for cell, r, w, in_place in about["holdings"]]
    constants = [(cells[number], graph.writes[cells[number]]) for number in about["constants"]]
    segments = [Segment(*segment) for segment in about["segments"]]
    memory = about["arena"], about["workspace"]
    return Plan(inputs, outputs, fixed, holdings, constants, slots, {}, *memory, segments, target, from_disk=True)
