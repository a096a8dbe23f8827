"""Comparing a run of native code with the eager run of the same graph from the same state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import tree
from ..core.cell import Cell
from ..core.errors import PullbackError
from ..core.value import Value
from ..transforms.graph import Graph, is_array, peel

__all__ = ["BOUNDS", "VerifyError", "compared", "unchanged"]

BOUNDS = {4: 1e-4, 8: 1e-10}
"""How far a floating-point result may be from the eager one, in units of the largest element, by bytes an element."""


class VerifyError(PullbackError):
    """A compiled run differs from the eager one by more than the stated bound."""


@contextmanager
def unchanged(graph: Graph) -> Iterator[None]:
    """Put the cells that a graph writes back to what they held before."""
    before = [(cell, _copied(cell.value)) for cell in dict.fromkeys((*graph.reads, *graph.writes))]
    try:
        yield
    finally:
        for cell, value in before:
            cell.value = value


def _copied(value: Any) -> Any:
    return np.array(value) if isinstance(value, np.ndarray) else value


def compared(name: str, graph: Graph, arguments: Sequence[Any], native: Any) -> Any:
    """Run natively and eagerly from the same state; return the native results and keep the native state.

    `native()` is the native run. Raises VerifyError, with the state as it was before, where they differ.
    """
    with unchanged(graph):
        eager = _arrays(graph.run(arguments))
        wanted = {cell: _copied(cell.value) for cell in graph.writes}
    before = [(cell, _copied(cell.value)) for cell in graph.writes]
    result = native()
    differences = _differences(eager, wanted, _arrays(result))
    if differences:
        for cell, value in before:
            cell.value = value
        raise VerifyError(
            f"compile: {name!r} compiled differs from eager by more than the bound "
            f"({BOUNDS[4]:g} in float32, {BOUNDS[8]:g} in float64, of the largest element); the state is as before the "
            f"call.\n  " + "\n  ".join(differences)
        )
    return result


def _arrays(result: Any) -> list[Any]:
    return [np.asarray(peel(x)) if isinstance(x, Value) or is_array(x) else x for x in tree.flatten(result)[0]]


def _differences(eager: list[Any], wanted: dict[Cell, Any], native: list[Any]) -> list[str]:
    found = [_difference(f"result {i}", a, b) for i, (a, b) in enumerate(zip(eager, native, strict=True))]
    found += [_difference(cell.name or "a cell", value, cell.value) for cell, value in wanted.items()]
    return [line for line in found if line]


def _difference(what: str, eager: Any, native: Any) -> str:
    """Return in words how two values differ; nothing where they are the same within the bound."""
    if not is_array(eager):
        return "" if eager is native or eager == native else f"{what}: eager {eager!r}, compiled {native!r}"
    a, b = np.asarray(eager), np.asarray(native)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{what}: eager {a.dtype}{list(a.shape)}, compiled {b.dtype}{list(b.shape)}"
    if a.dtype.kind != "f":
        return "" if np.array_equal(a, b) else f"{what}: {int(np.sum(a != b))} of {a.size} elements differ"
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return f"{what}: what is not finite differs"
    scale = max(1.0, float(np.abs(a[finite]).max(initial=0.0)))
    apart = float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / scale
    return "" if apart <= BOUNDS.get(a.dtype.itemsize, BOUNDS[4]) else f"{what}: apart by {apart:.2g}"
