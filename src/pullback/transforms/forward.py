"""Forward mode: every value carries its tangent along, and a mapping pushes both forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import space, tree
from ..core.cell import Cell
from ..core.errors import DtypeError, ShapeError
from ..core.interpret import Interpreter, current, interpreting
from ..core.mapping import Mapping
from ..core.spec import spec_of
from ..core.value import Face, Value
from .arguments import differentiable_leaf, leaf_name
from .reverse import Reverse, lower, present

__all__ = ["Forward", "bare", "jvp", "push"]


class Forward(Interpreter):
    """Evaluates one floor below, and pushes the tangents of active inputs through the mapping."""

    described = "jvp"

    def __init__(self, below: Interpreter, key: Interpreter | None = None) -> None:
        super().__init__(below, key)
        self.below: Interpreter = below

    def over(self, below: Interpreter | None) -> Forward:
        assert below is not None
        return Forward(below, self.key)

    def apply(self, mapping: Mapping, args: Sequence[Any], static: dict[str, Any]) -> Any:
        lowered = [lower(self, x) for x in args]
        values = [value for value, _ in lowered]
        tangents = [tangent for _, tangent in lowered]
        if not mapping.differentiable or all(t is None for t in tangents):
            return self.below.apply(mapping, values, static)
        if mapping.pushforward is None:
            assert mapping.body is not None, f"{mapping.name} has neither a pushforward nor a body"
            with interpreting(self):
                return mapping.body(*args, **static)
        y = self.below.apply(mapping, values, static)
        with interpreting(self.below):
            t = mapping.pushforward(tangents, y, *values, **static)
            if y.__class__ is tuple:
                ts = (None,) * len(y) if t is None else t
                return tuple(self._box(part, part_t) for part, part_t in zip(y, ts, strict=True))
            return self._box(y, t)

    def _box(self, y: Any, t: Any) -> Any:
        return y if t is None else Face.new(self.key, y, space.spread(t, spec_of(y)))


def bare(x: Any) -> Any:
    """Return a value without the graphs and tangents that reverse and forward mode add to it: as state is stored."""
    while isinstance(x, Value) and isinstance(x._owner, Reverse | Forward):
        x = x._payload.read() if x._payload.__class__ is Cell else x._payload
    return x


def push(function: Callable[..., Any], xs: Sequence[Any], ts: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate `function(*xs)` and push the tangents `ts` through it; None is a zero tangent."""
    level = Forward(current())
    boxes = [x if t is None else Face.new(level, x, t) for x, t in zip(xs, ts, strict=True)]
    with interpreting(level):
        y = function(*boxes)
    leaves, structure = tree.flatten(y)
    lowered = [lower(level, leaf) for leaf in leaves]
    values = tree.unflatten(structure, [value for value, _ in lowered])
    return values, [tangent for _, tangent in lowered]


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False
) -> tuple[Any, ...]:
    """Push tangents through a function: the Jacobian-vector product J·t, in one pass with the value.

    `primals` and `tangents` are tuples (one entry per argument of `f`) of equal nested containers of
    arrays. Returns `(f(*primals), tangent)`; with `has_aux`, `f` returns `(value, aux)` and so does jvp:
    `(value, tangent, aux)`.

    Raises ShapeError or DtypeError when a tangent does not fit its primal.

    >>> import pullback as pb
    >>> y, dy = pb.jvp(lambda x, y: (x**2 + x * y) * y**3, (1.0, 2.0), (1.0, 0.0))
    >>> float(y), float(dy)
    (24.0, 32.0)
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError(
            "jvp: primals and tangents must be tuples with one entry per argument of f\n"
            "  wrong:  pb.jvp(f, x, t)\n  right:  pb.jvp(f, (x,), (t,))"
        )
    xs, structure = tree.flatten(tuple(primals))
    ts, tangent_structure = tree.flatten(tuple(tangents))
    if structure != tangent_structure:
        raise ShapeError("jvp: tangents must be nested as primals are, one tangent per array")
    xs = [differentiable_leaf(x, f"jvp: {leaf_name(i, xs)}") for i, x in enumerate(xs)]
    ts = [_tangent(x, t, i) for i, (x, t) in enumerate(zip(xs, ts, strict=True))]
    aux_box: list[Any] = []

    def flat(*leaves: Any) -> Any:
        y = f(*tree.unflatten(structure, leaves))
        if has_aux:
            y, aux = y
            aux_box.append(aux)
        return y

    values, out_tangents = push(flat, xs, ts)
    value_leaves, out_structure = tree.flatten(values)
    dense = [
        present(space.zeros(value) if t is None else t) for value, t in zip(value_leaves, out_tangents, strict=True)
    ]
    result = tree.map(present, values), tree.unflatten(out_structure, dense)
    return (*result, aux_box[0]) if has_aux else result


def _tangent(x: Any, t: Any, index: int) -> Any:
    t = differentiable_leaf(t, f"jvp: tangent {index}")
    have, want = spec_of(t), spec_of(x)
    if have.shape != want.shape:
        raise ShapeError(f"jvp: tangent {index} must have the shape {want.shape} of its primal, got {have.shape}")
    if have.dtype != want.dtype:
        if isinstance(t, Value) or t.ndim:
            raise DtypeError(f"jvp: tangent {index} must have the dtype {want.dtype} of its primal, got {have.dtype}")
        t = t.astype(want.dtype)
    return t
