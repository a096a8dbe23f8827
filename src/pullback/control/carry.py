"""What a loop carries: numbers become arrays, and what comes out of a step is held to what went in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space, tree
from ..core.cell import Cell
from ..core.errors import DtypeError, ShapeError
from ..core.spec import default_dtype, shape_of
from ..core.value import Value
from ..mappings import not_equal
from ..transforms.arguments import array_leaf
from ..transforms.batch import Batch
from ..transforms.reverse import present
from ..transforms.trace import Trace
from .enclose import outer_spec

__all__ = ["arrays", "fitting", "holds", "paths", "predicate", "require_function", "same_structure"]


def require_function(where: str, name: str, function: Any) -> None:
    """Raise TypeError unless `function` can be called."""
    if not callable(function):
        raise TypeError(f"{where}: expected {name} to be a function, got {type(function).__name__}")


def arrays(where: str, leaves: Sequence[Any], beside: Sequence[Any] = ()) -> list[Any]:
    """Return the leaves of what a loop starts from as tensors.

    A Python float takes the dtype of the floating arrays among `leaves` and `beside`, else the default dtype.
    """
    real = [spec.dtype for spec in map(outer_spec, (*leaves, *beside)) if spec.dtype.kind == "f" and not spec.weak]
    floating = np.result_type(*real) if real else default_dtype()
    found = []
    for i, x in enumerate(leaves):
        weak = outer_spec(x).weak if isinstance(x, Value | bool | int | float | complex) else None
        if weak is None:
            found.append(present(array_leaf(x, f"{where}: leaf {i} of the initial value")))
            continue
        dtype = floating if weak is float else np.result_type(weak)
        found.append(space.caster()(x, dtype=dtype) if isinstance(x, Value) else present(np.asarray(x, dtype)[()]))
    return found


def fitting(where: str, x: Any, like: Any, path: str, step: str) -> Any:
    """Return a leaf of the carry that a step returned, after holding it to the one it got; numbers take its dtype."""
    spec = outer_spec(like)
    if x.__class__ in (bool, int, float):
        if spec.shape == () and np.can_cast(type(x), spec.dtype, "same_kind"):
            return present(spec.dtype.type(x))
        x = np.asarray(x)[()]
    elif not isinstance(x, Value):
        x = present(array_leaf(x, f"{where}: {path}, which the function returned,"))
    have = outer_spec(x)
    if have.shape != spec.shape:
        raise ShapeError(
            f"{where}: {path} must keep its shape from step to step; expected {spec}, got {have}{step}.\n"
            f"  wrong:  a carry that grows, or starts as a number and becomes an array\n"
            f"  right:  start with the final shape, such as pb.zeros({have.shape})"
        )
    if have.weak is not None and np.can_cast(have.weak, spec.dtype, "same_kind"):
        return space.caster()(x, dtype=spec.dtype) if isinstance(x, Value) else present(spec.dtype.type(x))
    if have.dtype != spec.dtype:
        raise DtypeError(
            f"{where}: {path} must keep its dtype from step to step; expected {spec}, got {have}{step}.\n"
            f"  wrong:  pb.{where}(…) that starts from {spec.dtype.name} and computes in {have.dtype.name}\n"
            f"  right:  start from {have.dtype.name} (a Python float takes the dtype of the arrays beside it),\n"
            f"          or return pb.astype(…, '{spec.dtype.name}')"
        )
    return x


def same_structure(
    where: str, what: str, got: Any, expected: Any, whose: str, structure: tree.Structure | None = None
) -> list[Any]:
    """Return the leaves of `got` after checking that it is nested as `expected`; raises ShapeError if it is not.

    `structure` is that of `expected`, if it is known.
    """
    leaves, have = tree.flatten(got)
    if have != (tree.flatten(expected)[1] if structure is None else structure):
        raise ShapeError(
            f"{where}: {what} must be nested as {whose}; expected {_outline(expected)}, got {_outline(got)}"
        )
    return leaves


def paths(name: str, container: Any) -> list[str]:
    """Return what each leaf of `container` is called in an error, such as `carry['h'][0]`."""
    found: list[str] = []
    stack = [(name, container)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            children = [(f"{path}[{key!r}]", child) for key, child in node.items()]
        elif isinstance(node, tuple) and hasattr(node, "_fields"):
            children = [(f"{path}.{field}", child) for field, child in zip(node._fields, node, strict=True)]
        elif type(node) in (tuple, list):
            children = [(f"{path}[{i}]", child) for i, child in enumerate(node)]
        else:
            if node is not None:
                found.append(f"the {path}" if path == name else path)
            continue
        stack.extend(reversed(children))
    return found


def _outline(container: Any) -> str:
    leaves, structure = tree.flatten(container)
    return repr(tree.unflatten(structure, [_Shown(str(outer_spec(x))) for x in leaves]))


class _Shown(str):
    def __repr__(self) -> str:
        return str(self)


# --------------------------------------------------------------------------------------------- predicates


def predicate(where: str, name: str, x: Any, *, numbers: bool = False) -> Any:
    """Return `x` after checking that it is one truth value; with `numbers` a number stands for "not zero"."""
    try:
        spec = outer_spec(x)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: {name} must be one truth value, got {type(x).__name__}") from None
    if spec.dtype.kind not in "biuf":
        raise TypeError(f"{where}: {name} must be one truth value, got {type(x).__name__}")
    if shape_of(x) != ():
        raise ShapeError(
            f"{where}: {name} must be one truth value of shape (), got shape {shape_of(x)}.\n"
            f"  wrong:  x > 0 of an array\n  right:  pb.all(x > 0), pb.any(x > 0), or vmap over the entries"
        )
    if spec.dtype.kind == "b":
        return x
    if not numbers:
        raise DtypeError(f"{where}: {name} must be boolean, got {spec.dtype}; write x != 0, or x > 0")
    return not_equal(x, 0)


def holds(x: Any) -> tuple[bool, bool] | None:
    """Return whether a predicate holds (for any example), and whether it differs by example; None if it is traced."""
    by_example = False
    while isinstance(x, Value):
        if isinstance(x._owner, Trace):
            return None
        by_example = by_example or isinstance(x._owner, Batch)
        x = x._payload.read() if x._payload.__class__ is Cell else x._payload
    return bool(np.any(x)), by_example
