"""scan, map and fori_loop: a function applied step by step, with a carry from each step to the next."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import ShapeError
from ..core.spec import Spec, shape_of, spec_of
from ..mappings import stack, unstack
from ..transforms.arguments import array_leaf
from ..transforms.reverse import present
from .body import assemble
from .carry import arrays, fitting, paths, require_function, same_structure
from .enclose import enclose, is_tracing, outer_spec, refuse_state_in_a_batch, write_back
from .scan_mapping import apply_scan

__all__ = ["fori_loop", "map", "scan"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    r"""Apply a function step by step, each step starting from what the one before it carried on.

    (cₜ, yₜ) = f(cₜ₋₁, xₜ) for t = 1, …, T, with c₀ = `init`.

    `f(carry, x)` returns `(carry, y)`. `init` is a nested container of arrays, whose structure, shapes and
    dtypes the carry keeps; Python floats in it take the dtype of the other floating arrays (else the default
    dtype). `xs` is a container of arrays with a common leading axis, which is gone through (None: `length`
    steps without entries); `reverse` goes from its end. Returns the last carry, and what the steps gave,
    stacked along a new leading axis in the order of `xs`.

    It equals the Python loop bit for bit. Gradients and tangents of any order reach `init`, `xs` and whatever
    `f` closes over. In a traced step the loop becomes one equation, whose way back keeps only the carries;
    state that `f` reads and writes (random draws, running statistics) is carried along.

    Raises ShapeError or DtypeError when the carry changes, or `xs` has no common length.

    >>> import numpy as np, pullback as pb
    >>> last, before = pb.scan(lambda c, x: (c + x, c), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> last.item(), before.tolist()
    (6.0, [0.0, 1.0, 3.0])
    """
    require_function("scan", "f", f)
    entries, entry_structure = tree.flatten(xs)
    entries = [array_leaf(x, f"scan: {path}") for x, path in zip(entries, paths("xs", xs), strict=True)]
    steps = _steps(entries, length, paths("xs", xs))
    leaves, structure = tree.flatten(init)
    carry = arrays("scan", leaves, entries)
    if is_tracing() or not steps:
        return _recorded(f, tree.unflatten(structure, carry), tree.unflatten(entry_structure, entries), steps, reverse)
    names = paths("carry", init)
    columns = [unstack(x) for x in entries]
    given: list[list[Any]] = [[]] * steps
    first: Any = None
    y_structure: tree.Structure | None = None
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        before = tree.unflatten(structure, carry)
        after, y = _pair(f(before, tree.unflatten(entry_structure, [column[t] for column in columns])))
        after_leaves = same_structure("scan", "the carry that f returns", after, before, "the carry it gets", structure)
        carry = [
            new if _alike(new, old) else fitting("scan", new, old, name, f" at step {t}")
            for new, old, name in zip(after_leaves, carry, names, strict=True)
        ]
        if y_structure is None:
            first, y_structure = y, tree.flatten(y)[1]
        given[t] = same_structure("scan", "what f returns beside the carry", y, first, "in the first step", y_structure)
    assert y_structure is not None
    ys = [stack([row[i] for row in given]) for i in range(len(given[0]))]
    return tree.unflatten(structure, carry), tree.unflatten(y_structure, ys)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Apply a function to each entry of `xs` along its leading axis, one after the other, and stack the results.

    `xs` is a container of arrays with a common leading axis. The values are those of `vmap`; it takes longer
    and needs the memory of one entry at a time (in a traced step, where it is one equation).

    >>> import numpy as np, pullback as pb
    >>> pb.map(lambda x: x * x, np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 4.0, 9.0]
    """
    require_function("map", "f", f)
    return scan(lambda _, x: (None, f(x)), None, xs)[1]


def fori_loop(lower: int, upper: int, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Apply `body_fun(i, value)` for i = lower, …, upper − 1, and return the last value.

    `lower` and `upper` are Python integers; `i` is an int64 array of shape (). It is a `scan`, so that it can
    be differentiated in both modes.

    >>> import pullback as pb
    >>> pb.fori_loop(0, 4, lambda i, c: c + i, 10).item()
    16
    """
    require_function("fori_loop", "body_fun", body_fun)
    numbers = np.arange(_integer("lower", lower), max(_integer("upper", upper), lower))
    return scan(lambda value, i: (body_fun(i, value), None), init_val, numbers)[0]


def _alike(new: Any, old: Any) -> bool:
    return new.__class__ is old.__class__ and new.shape == old.shape and new.dtype == old.dtype


def _integer(name: str, x: Any) -> int:
    try:
        return operator.index(x)
    except TypeError:
        raise TypeError(f"fori_loop: expected {name} to be an integer, got {type(x).__name__}") from None


def _steps(entries: Sequence[Any], length: int | None, names: Sequence[str]) -> int:
    lengths = {}
    for x, name in zip(entries, names, strict=True):
        if not shape_of(x):
            raise ShapeError(f"scan: {name} has no axis to go through: its shape is ()")
        lengths[name] = shape_of(x)[0]
    if length is not None:
        try:
            lengths["length"] = operator.index(length)
        except TypeError:
            raise TypeError(f"scan: expected length to be an integer, got {type(length).__name__}") from None
    if not lengths:
        raise ValueError("scan: there must be xs to go through, or a length\n  right:  pb.scan(f, init, length=10)")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ShapeError(f"scan: the number of steps is not the same for all ({shown})")
    steps = next(iter(lengths.values()))
    if steps < 0:
        raise ValueError(f"scan: expected length >= 0, got {steps}")
    return steps


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        shown = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise TypeError(
            f"scan: f must return a pair (carry, y), got {shown}.\n"
            f"  wrong:  lambda carry, x: carry + x\n  right:  lambda carry, x: (carry + x, None)"
        )
    return result


def _recorded(f: Callable[..., Any], init: Any, xs: Any, steps: int, reverse: bool) -> tuple[Any, Any]:
    """Record `f` once, and apply the mapping to all that it uses: values from outside, state, carry and entries."""
    carry, entries = tree.leaves(init), tree.leaves(xs)
    specs = [outer_spec(x) for x in carry]
    specs += [Spec(spec.shape[1:], spec.dtype) for spec in (outer_spec(x) for x in entries)]
    enclosed = enclose("scan", f, tree.flatten((init, xs))[1], specs)
    level = enclosed.level
    after, y = _pair(enclosed.result)
    after_leaves = same_structure("scan", "the carry that f returns", after, init, "the carry it gets")
    y_leaves, y_structure = tree.flatten(y)
    outputs = [
        level.output(fitting("scan", new, old, name, ""), spec_of(old).dtype)
        for new, old, name in zip(after_leaves, carry, paths("carry", init), strict=True)
    ]
    outputs += [level.output(leaf) for leaf in y_leaves]
    state = {cell: level.cells[cell] for cell in level.writes}
    refuse_state_in_a_batch("scan", list(state))
    left = [level.output(value) for value in level.writes.values()]
    constants, symbols = level.constants()
    body = assemble(
        level, [*symbols, *(symbol for _, symbol in state.values()), *enclosed.arguments], [*left, *outputs]
    )
    results = apply_scan(
        body,
        constants,
        [*(before for before, _ in state.values()), *carry],
        entries,
        length=steps,
        reverse=reverse,
    )
    n = len(state)
    write_back(list(state), results[:n])
    last, ys = results[n : n + len(carry)], results[n + len(carry) :]
    structure = tree.flatten(init)[1]
    return tree.unflatten(structure, [present(x) for x in last]), tree.unflatten(y_structure, [present(y) for y in ys])
