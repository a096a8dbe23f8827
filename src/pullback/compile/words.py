"""A graph in words: two graphs in the same words become the same program.

Symbols, arrays and functions inside are numbered as they come. An array is told by its numbers, and where it has been
before by that, for what is done to one array twice may be done once. Where something cannot be put in words that say
all of it (a function, an object of somebody else's), `Unsayable` is raised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from types import CellType, FunctionType
from typing import Any

import numpy as np

from ..core.mapping import CATALOGUE, Mapping
from ..core.spec import Spec
from ..transforms.graph import Equation, Graph, Symbol

__all__ = ["Unsayable", "in_words"]

PACKAGE = __name__.split(".")[0]
LARGEST = 1 << 26
"""How many bytes of arrays are put in words; reading more takes longer than it saves."""

_EXACT = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_DECIDING = ("evaluate", "spec", "body", "unrolled", "unrolled_size", "tables")
"""The facets of a mapping that have a part in what becomes of it."""


class Unsayable(Exception):
    """Something cannot be put in words that say all of it."""


def in_words(graph: Graph, otherwise: Callable[[Any], Any] | None = None) -> Any:
    """Return nested lists and tuples that say what a graph is, cells by their numbers among those it reads and writes.

    `otherwise` gives the words for what has none. Without it that raises Unsayable, and so does a mapping that is
    not the library's own; what the graph hands back as it is, is left out then.
    """
    teller = _Teller(otherwise)
    cells = {cell: number for number, cell in enumerate(dict.fromkeys((*graph.reads, *graph.writes)))}
    level = _Level(teller, (*graph.inputs, *graph.reads.values()), graph.equations)

    def result(x: Any) -> Any:
        return level.word(x) if x.__class__ is Symbol or otherwise is not None else ["given"]

    outputs = [result(x) for x in graph.outputs]
    writes = [(cells[cell], result(x)) for cell, x in graph.writes.items()]
    return len(graph.inputs), level.inputs, level.equations, outputs, writes


class _Level:
    """The words of a graph, or of a function inside one: symbols are numbered within it."""

    def __init__(self, teller: _Teller, inputs: Sequence[Symbol], equations: Sequence[Equation]) -> None:
        self.teller = teller
        self.numbers: dict[int, int] = {}
        self.inputs = [self.word(s) for s in inputs]
        self.equations = [self._equation(e) for e in equations]

    def word(self, x: Any) -> Any:
        """Return a symbol as its number, the first time with its type, and anything else in words."""
        if x.__class__ is not Symbol:
            return ["is", self.teller.word(x)]
        number = self.numbers.get(x.index)
        if number is not None:
            return number
        self.numbers[x.index] = len(self.numbers)
        return len(self.numbers) - 1, *_type(x.spec)

    def _equation(self, e: Equation) -> Any:
        word, say = self.word, self.teller.word
        static = [(name, say(value)) for name, value in sorted(e.static.items())] if e.static else ()
        ins, outs = [word(x) for x in e.inputs], [word(s) for s in e.outputs]
        return self.teller.mapping(e.mapping), ins, static, outs, e.several, e.constant


def _type(spec: Spec) -> Any:
    return spec.shape, spec.dtype.str, spec.weak and spec.weak.__name__


class _Teller:
    """Finds words for what is no symbol."""

    def __init__(self, otherwise: Callable[[Any], Any] | None) -> None:
        self.otherwise = otherwise
        self.known: dict[int, tuple[int, Any]] = {}
        """Arrays and functions that have come, by `id`; they are kept so that it stays theirs."""
        self.mappings: dict[Mapping, Any] = {}
        self.bytes = 0

    def mapping(self, mapping: Mapping) -> Any:
        """Return the words for a mapping."""
        found = self.mappings.get(mapping)
        if found is None:
            if self.otherwise is None and not _is_ours(mapping):
                raise Unsayable(f"{mapping.name} is not a mapping of the library's")
            found = self.mappings[mapping] = mapping.name, mapping.family, str(mapping.lower)
        return found

    def word(self, x: Any) -> Any:
        """Return the words for a constant or a static parameter. Lists that begin with a word say what something is."""
        kind = x.__class__
        if kind in _EXACT:
            return x
        if kind is tuple:
            return tuple([self.word(y) for y in x])
        if kind is list:
            return ["list", *map(self.word, x)]
        if kind is dict:
            return ["dict", *((self.word(k), self.word(v)) for k, v in x.items())]
        if kind is slice:
            return ["slice", self.word(x.start), self.word(x.stop), self.word(x.step)]
        if isinstance(x, np.dtype):
            return ["dtype", x.str]
        if isinstance(x, np.ndarray | np.generic):
            return self._array(x)
        if isinstance(x, type) and x.__module__ in ("builtins", "numpy"):
            return ["type", x.__module__, x.__qualname__]
        if kind.__module__.startswith(f"{PACKAGE}."):
            if is_dataclass(x):
                return ["made", kind.__module__, kind.__qualname__, *(self.word(getattr(x, f.name)) for f in fields(x))]
            if hasattr(x, "inputs") and hasattr(x, "equations") and hasattr(x, "outputs"):
                return self._function(x)
        if self.otherwise is None:
            raise Unsayable(f"there are no words for {kind.__name__}")
        return ["other", self.otherwise(x)]

    def _array(self, x: Any) -> Any:
        if x.dtype.kind not in "biufc":
            if self.otherwise is None:
                raise Unsayable(f"there are no words for {x.dtype}")
            return ["other", self.otherwise(x)]
        if x.ndim and id(x) in self.known:
            return ["again", self.known[id(x)][0]]
        self.bytes += x.nbytes
        if self.otherwise is None and self.bytes > LARGEST:
            raise Unsayable("there are too many numbers")
        told = x.tobytes()
        about = ["array", x.__class__.__name__, x.dtype.str, x.shape, told if x.nbytes <= 64 else _digest(told)]
        return [self._enter(x), *about] if x.ndim else about

    def _function(self, x: Any) -> Any:
        """Return the words for a function inside the graph, such as the body of a loop."""
        if id(x) in self.known:
            return ["again", self.known[id(x)][0]]
        number = self._enter(x)
        level = _Level(self, x.inputs, x.equations)
        return ["function", number, level.inputs, level.equations, [level.word(y) for y in x.outputs]]

    def _enter(self, x: Any) -> int:
        number = len(self.known)
        self.known[id(x)] = number, x
        return number


def _digest(told: bytes) -> str:
    return hashlib.sha256(told).hexdigest()


def _is_ours(mapping: Mapping) -> bool:
    """Whether a mapping is the catalogue's of that name, and all that decides what becomes of it the library's own."""
    if CATALOGUE.get(mapping.name) is not mapping:
        return False
    return all(_deciding_is_ours(getattr(mapping, facet), set()) for facet in _DECIDING)


def _deciding_is_ours(x: Any, seen: set[int]) -> bool:
    """Whether a facet is the library's or NumPy's, and so is every function that it has from around it."""
    if id(x) in seen:
        return True
    seen.add(id(x))
    if isinstance(x, FunctionType):
        module = x.__globals__.get("__name__", "")
        around = (_contents(cell) for cell in x.__closure__ or ())
        return _is_named_ours(module) and all(_deciding_is_ours(y, seen) for y in around)
    if isinstance(x, tuple | list):
        return all(_deciding_is_ours(y, seen) for y in x)
    return not callable(x) or isinstance(x, np.ufunc) or _is_named_ours(getattr(x, "__module__", None) or "builtins")


def _is_named_ours(module: str) -> bool:
    return module.split(".")[0] in (PACKAGE, "numpy", "builtins", "math", "_operator")


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None
