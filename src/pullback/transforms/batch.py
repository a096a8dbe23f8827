"""vmap: run a function on every example of a batch at once, as if it saw one example."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..core import space, tree
from ..core.errors import ShapeError, TraceError
from ..core.interpret import Interpreter, current, interpreting
from ..core.mapping import Mapping
from ..core.spec import Spec, spec_of
from ..core.value import Face, Value
from .arguments import array_leaf
from .reverse import present

__all__ = ["Batch", "vmap"]


class Batch(Interpreter):
    """Owns values that carry a hidden axis 0 of length `size`, one entry per example."""

    described = "vmap"

    def __init__(self, below: Interpreter, size: int, randomness: str, key: Interpreter | None = None) -> None:
        super().__init__(below, key)
        self.below: Interpreter = below
        self.size = size
        self.randomness = randomness

    def over(self, below: Interpreter | None) -> Batch:
        assert below is not None
        return Batch(below, self.size, self.randomness, self.key)

    def spec(self, value: Value) -> Spec:
        whole = spec_of(value._payload)
        return Spec(whole.shape[1:], whole.dtype)

    def concrete(self, value: Value) -> Any:
        raise TraceError(
            "vmap: this value differs from example to example, so Python cannot branch on it or read it as one "
            "number.\n  wrong:  pb.vmap(lambda x: x if x > 0 else 0 * x)(xs)\n"
            "  right:  pb.vmap(lambda x: pb.where(x > 0, x, 0 * x))(xs)"
        )

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        key = self.key
        batched = [isinstance(x, Value) and x._owner is key for x in args]
        if not any(batched):
            return self.below.apply(mapping, args, static)
        if mapping.batch is None:
            assert mapping.body is not None, f"{mapping.name} has neither a batch rule nor a body"
            with interpreting(self):
                return mapping.body(*args, **static)
        values = [x._payload if is_batched else x for x, is_batched in zip(args, batched, strict=True)]
        with interpreting(self.below):
            y = mapping.batch(batched, values, **static)
        if y.__class__ is tuple:
            return tuple(Face.new(key, part) for part in y)
        return Face.new(key, y)


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Turn a function of one example into a function of a batch, equal to a loop and much quicker.

    `in_axes` names the axis that counts the examples: an int (or None: shared by all examples) for all
    arguments, or a tuple with an entry per argument, each an int, None or a container nested as the
    argument. `out_axes` says where the axis appears in the results. `randomness` says what random draws
    inside `f` do: `"error"`, `"same"` (one draw for all examples) or `"different"` (one per example).

    Raises ShapeError when the batch axes have different lengths or there is none.

    >>> import numpy as np, pullback as pb
    >>> pb.vmap(pb.grad(lambda x: x**3))(np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    if randomness not in ("error", "same", "different"):
        raise ValueError(f"vmap: randomness must be 'error', 'same' or 'different', got {randomness!r}")

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
        leaves, structure = tree.flatten(args)
        leaf_axes = [a for axis, arg in zip(axes, args, strict=True) for a in _prefix(axis, arg)]
        leaves = [  # a shared Python number stays one, and takes the dtype of the arrays that it meets
            x if axis is None and isinstance(x, int | float) else array_leaf(x, f"vmap: argument leaf {i}")
            for i, (x, axis) in enumerate(zip(leaves, leaf_axes, strict=True))
        ]
        leaf_axes = [_whole_axis(axis, x) for axis, x in zip(leaf_axes, leaves, strict=True)]
        size = _size(leaves, leaf_axes)
        level = Batch(current(), size, randomness)
        boxes = [
            x if axis is None else Face.new(level, space.move_axis(x, axis, 0))
            for x, axis in zip(leaves, leaf_axes, strict=True)
        ]
        with interpreting(level):
            result = f(*tree.unflatten(structure, boxes), **kwargs)
        outs, out_structure = tree.flatten(result)
        moved = []
        for axis, y in zip(_prefix(out_axes, result), outs, strict=True):
            if isinstance(y, Value) and y._owner is level:
                whole = y._payload
            elif axis is None:
                moved.append(present(array_leaf(y, "vmap: a result of the function")))
                continue
            else:
                whole = space.repeat(array_leaf(y, "vmap: a result of the function"), size)
            if axis is None:
                raise ValueError("vmap: out_axes is None for a result that differs from example to example")
            moved.append(present(space.move_axis(whole, 0, axis % spec_of(whole).ndim)))
        return tree.unflatten(out_structure, moved)

    return mapped


def _prefix(axis: Any, arg: Any) -> list[Any]:
    """Spread an axis, or a container of axes nested as `arg` is, over the leaves of `arg`."""
    if axis is None or isinstance(axis, int):
        return [axis] * len(tree.leaves(arg))
    if isinstance(axis, dict) and isinstance(arg, dict) and axis.keys() == arg.keys():
        return [a for key in arg for a in _prefix(axis[key], arg[key])]
    if isinstance(axis, tuple | list) and isinstance(arg, tuple | list) and len(axis) == len(arg):
        return [a for one_axis, one in zip(axis, arg, strict=True) for a in _prefix(one_axis, one)]
    raise ValueError(f"vmap: in_axes/out_axes entry {axis!r} is not nested as the value it speaks of")


def _whole_axis(axis: int | None, x: Any) -> int | None:
    if axis is None:
        return None
    ndim = spec_of(x).ndim
    if not -ndim <= axis < ndim:
        raise ShapeError(f"vmap: axis {axis} does not exist in an argument of shape {spec_of(x).shape}")
    return axis % ndim


def _size(leaves: Sequence[Any], axes: Sequence[int | None]) -> int:
    sizes = {spec_of(x).shape[axis]: None for x, axis in zip(leaves, axes, strict=True) if axis is not None}
    if not sizes:
        raise ShapeError("vmap: no argument has a batch axis (every entry of in_axes is None)")
    if len(sizes) > 1:
        raise ShapeError(f"vmap: the batch axes differ in length: {sorted(sizes)}")
    return next(iter(sizes))
