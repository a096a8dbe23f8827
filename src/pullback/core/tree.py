"""Nested containers of arrays: take the leaves out, put other leaves in.

Containers are tuples, named tuples, lists, dicts (in insertion order) and None (which has no leaves).
Everything else is a leaf. The walk uses an explicit stack: depth is limited by memory alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Structure", "flatten", "leaves", "map", "unflatten"]


@dataclass(frozen=True)
class Structure:
    """The shape of a nested container: a flat programme in postfix order that rebuilds it."""

    steps: tuple[Any, ...]

    @property
    def leaf_count(self) -> int:
        """The number of leaves."""
        return sum(step is _LEAF for step in self.steps)


class _Mark:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_LEAF = _Mark("leaf")
_NONE = _Mark("None")


@dataclass(frozen=True)
class _Build:
    kind: type
    count: int
    keys: tuple[Any, ...] | None = None


def _open(node: Any) -> tuple[_Build, list[Any]] | None:
    kind = type(node)
    if kind is tuple or kind is list:
        return _Build(kind, len(node)), list(node)
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return _Build(kind, len(node)), list(node)
    if isinstance(node, dict):
        return _Build(kind, len(node), tuple(node)), list(node.values())
    return None


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of `tree` from left to right, and its structure.

    >>> flatten({"w": [1, 2], "b": 3})[0]
    [1, 2, 3]
    """
    found: list[Any] = []
    steps: list[Any] = []
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        if type(node) is _Build:
            steps.append(node)
            continue
        if node is None:
            steps.append(_NONE)
            continue
        opened = _open(node)
        if opened is None:
            found.append(node)
            steps.append(_LEAF)
        else:
            build, children = opened
            stack.append(build)
            stack.extend(reversed(children))
    return found, Structure(tuple(steps))


def unflatten(structure: Structure, new_leaves: Sequence[Any]) -> Any:
    """Rebuild a container of `structure` around other leaves. Raises ValueError if their number differs."""
    if len(new_leaves) != structure.leaf_count:
        raise ValueError(f"unflatten: expected {structure.leaf_count} leaves, got {len(new_leaves)}")
    rest = iter(new_leaves)
    stack: list[Any] = []
    for step in structure.steps:
        if step is _LEAF:
            stack.append(next(rest))
        elif step is _NONE:
            stack.append(None)
        else:
            children = stack[len(stack) - step.count :]
            del stack[len(stack) - step.count :]
            stack.append(_rebuild(step, children))
    return stack[0]


def _rebuild(build: _Build, children: list[Any]) -> Any:
    if build.keys is not None:
        return build.kind(zip(build.keys, children, strict=True))
    if build.kind is list or build.kind is tuple:
        return build.kind(children)
    return build.kind(*children)


def leaves(tree: Any) -> list[Any]:
    """Return the leaves of `tree` from left to right."""
    return flatten(tree)[0]


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to each leaf of `tree`, with the leaves at the same place of the `others`.

    >>> map(lambda a, b: a + b, (1, {"x": 2}), (10, {"x": 20}))
    (11, {'x': 22})

    Raises ValueError when the structures differ.
    """
    first, structure = flatten(tree)
    columns = [first]
    for other in others:
        column, other_structure = flatten(other)
        if other_structure != structure:
            raise ValueError(f"tree.map: the containers differ in structure: {structure} and {other_structure}")
        columns.append(column)
    return unflatten(structure, [function(*row) for row in zip(*columns, strict=True)])
