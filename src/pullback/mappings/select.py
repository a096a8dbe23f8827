"""Selection: mappings whose value is, place by place, one of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, fixed, real
from ..core.spec import default_dtype, dtype_of, operand
from .arithmetic import positive
from .compare import equal, greater, isfinite, less, logical_not

__all__ = ["clip", "maximum", "minimum", "nan_to_num", "stop_gradient", "where"]

inf, nan = float("inf"), float("nan")

# ------------------------------------------------------------------------------------------------ where


def _conditions(rng: np.random.Generator) -> list[Sample]:
    shapes = (
        ((2, 3), (2, 3), (2, 3)),
        ((), (), ()),
        ((3,), (2, 1), ()),
        ((), (4,), (3, 1)),
        ((4, 1), (), (5,)),
        ((0, 3), (3,), ()),
    )
    return [
        Sample((np.asarray(rng.random(c) < 0.5), np.asarray(rng.normal(size=x)), np.asarray(rng.normal(size=y))))
        for c, x, y in shapes
    ]


def _select(condition: Any, x: Any, y: Any) -> Any:
    chosen: Any = np.where(condition, x, y)
    return chosen[()]


_where = elementwise(
    "where",
    _select,
    (
        lambda condition, x, y, out: 0,
        lambda condition, x, y, out: condition,
        lambda condition, x, y, out: logical_not(condition),
    ),
    arguments=("condition", "x", "y"),
    uses=INPUTS,
    formula=r"{x} \text{{ if }} {condition} \text{{ else }} {y}",
    words="{x} where {condition} holds and {y} elsewhere",
    lower="where",
    onnx="Where",
    samples=fixed(_conditions),
    special={(True, 1.0, nan): 1.0, (False, inf, 2.0): 2.0},
    special_slope={(1.0, 1.0, nan): (0.0, 1.0, 0.0), (0.0, nan, 2.0): (0.0, 0.0, 1.0)},
)


def _where_pullback(g: Any, out: Any, condition: Any, x: Any, y: Any, *, needs: Sequence[Any]) -> tuple[Any, ...]:
    # Not g · condition: an infinite or undefined cotangent times 0 is NaN, and the branch not taken gets exactly 0.
    return (
        None,
        _where(condition, g, 0) if needs[1] else None,
        _where(condition, 0, g) if needs[2] else None,
    )


def _where_pushforward(ts: Sequence[Any], out: Any, condition: Any, x: Any, y: Any) -> Any:
    _, tx, ty = ts
    if tx is None and ty is None:
        return None
    return _where(condition, 0 if tx is None else tx, 0 if ty is None else ty)


_where.pullback = _where_pullback
_where.pushforward = _where_pushforward


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return `x` where `condition` holds and `y` elsewhere; the three broadcast.

    The gradient of the branch that is not taken is exactly 0, whatever its values are. But mind the trap
    one step further back: if that branch was computed by a mapping whose own derivative is infinite or NaN
    there, then 0 · inf = NaN comes back through it. The remedy is to make the branch safe before it is
    computed, with a second `where`:

        wrong:  pb.where(x > 0, pb.sqrt(x), 0.0)
        right:  pb.where(x > 0, pb.sqrt(pb.where(x > 0, x, 1.0)), 0.0)

    `condition` is boolean (any other dtype is read as "not zero"). Two Python floats take the default dtype.

    >>> import pullback as pb
    >>> pb.where(pb.tensor([True, False]), pb.tensor([1.0, 2.0]), 0.0).tolist()
    [1.0, 0.0]
    """
    if x.__class__ in _NUMBERS and y.__class__ in _NUMBERS:
        x, y = operand(x), operand(y)
        if dtype_of(x) != dtype_of(y):
            x, y = (default_dtype().type(v) for v in (x, y))
    return _where(condition, x, y)


_NUMBERS = frozenset({float, int, bool})

# ----------------------------------------------------------------------------------- maximum and minimum


def number_like(number: float, x: Any) -> Any:
    """Return `number` in the dtype of `x`: where truth values and Python numbers meet, there is no other to give it."""
    return dtype_of(x).type(number)


def _ties(rng: np.random.Generator) -> list[Sample]:
    return [*real((-5, 5), (-5, 5))(rng), Sample((rng.normal(size=(3, 4)), 0.0))]


maximum = elementwise(
    "maximum",
    np.maximum,
    (
        lambda a, b, y: _where(equal(a, b), number_like(0.5, y), greater(a, b)),
        lambda a, b, y: _where(equal(a, b), number_like(0.5, y), less(a, b)),
    ),
    uses=INPUTS,
    formula=r"\max({a}, {b})",
    words="the larger of {a} and {b}",
    lower="maximum",
    onnx="Max",
    samples=fixed(_ties),
    special={(nan, 1.0): nan, (1.0, nan): nan, (-inf, inf): inf},
    special_slope={(2.0, 2.0): (0.5, 0.5), (3.0, 2.0): (1.0, 0.0)},
    kink="where both are equal each gets half of the gradient, as in PyTorch and JAX",
)

minimum = elementwise(
    "minimum",
    np.minimum,
    (
        lambda a, b, y: _where(equal(a, b), number_like(0.5, y), less(a, b)),
        lambda a, b, y: _where(equal(a, b), number_like(0.5, y), greater(a, b)),
    ),
    uses=INPUTS,
    formula=r"\min({a}, {b})",
    words="the smaller of {a} and {b}",
    lower="minimum",
    onnx="Min",
    samples=fixed(_ties),
    special={(nan, 1.0): nan, (1.0, nan): nan, (-inf, inf): -inf},
    special_slope={(2.0, 2.0): (0.5, 0.5), (3.0, 2.0): (0.0, 1.0)},
    kink="where both are equal each gets half of the gradient, as in PyTorch and JAX",
)

# ------------------------------------------------------------------------------------------------- clip


def _bounds(rng: np.random.Generator) -> list[Sample]:
    return [*real((-5, 5), (-2, 2))(rng), Sample((rng.normal(size=(3, 4)), 0.0))]


_clip_below = elementwise(
    "clip_below",
    np.maximum,
    (lambda x, bound, y: logical_not(less(x, bound)), lambda x, bound, y: less(x, bound)),
    arguments=("x", "bound"),
    uses=INPUTS,
    formula=r"\max({x}, {bound})",
    words="{x}, but at least {bound}",
    lower="maximum",
    onnx="Clip",
    samples=fixed(_bounds),
    special={(nan, 1.0): nan, (-inf, 0.0): 0.0},
    special_slope={(2.0, 2.0): (1.0, 0.0), (1.0, 2.0): (0.0, 1.0), (nan, 2.0): (1.0, 0.0)},
    kink="at the bound the gradient goes to {x}, as in PyTorch's clamp",
)

_clip_above = elementwise(
    "clip_above",
    np.minimum,
    (lambda x, bound, y: logical_not(greater(x, bound)), lambda x, bound, y: greater(x, bound)),
    arguments=("x", "bound"),
    uses=INPUTS,
    formula=r"\min({x}, {bound})",
    words="{x}, but at most {bound}",
    lower="minimum",
    onnx="Clip",
    samples=fixed(_bounds),
    special={(nan, 1.0): nan, (inf, 0.0): 0.0},
    special_slope={(2.0, 2.0): (1.0, 0.0), (3.0, 2.0): (0.0, 1.0), (nan, 2.0): (1.0, 0.0)},
    kink="at the bound the gradient goes to {x}, as in PyTorch's clamp",
)


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Return `x` with what lies below `min` replaced by `min` and what lies above `max` by `max`.

    The bounds are numbers or arrays that broadcast with `x`; None leaves a side open. Where `min > max`
    the value is `max`. The gradient at a bound goes to `x` (1, as in PyTorch's clamp), beyond it to the bound.

    >>> import pullback as pb
    >>> pb.clip(pb.tensor([-2.0, 0.5, 3.0]), 0.0, 1.0).tolist()
    [0.0, 0.5, 1.0]
    """
    if min is None and max is None:
        return positive(x)
    if min is not None:
        x = _clip_below(x, min)
    return x if max is None else _clip_above(x, max)


# ------------------------------------------------------------------------------------ values, and no more

stop_gradient = elementwise(
    "stop_gradient",
    lambda x: x,
    None,
    doc="""Return `x` as a constant: no gradient and no tangent passes.

    >>> import pullback as pb
    >>> float(pb.grad(lambda x: x * pb.stop_gradient(x))(3.0))
    3.0
    """,
    formula="{x}",
    words="{x}, taken as a constant",
    lower="copy",
    onnx="Identity",
    samples=real((-5, 5)),
    special={-0.0: -0.0, inf: inf},
)


def _infinite_entries(rng: np.random.Generator) -> list[Sample]:
    return [
        *real((-5, 5), nan=0.0, posinf=None, neginf=None)(rng),
        *real((-5, 5), nan=-1.0, posinf=10.0, neginf=-20.0)(rng),
    ]


_nan_to_num = elementwise(
    "nan_to_num",
    lambda x, *, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)[()],
    lambda x, y, *, nan, posinf, neginf: isfinite(x),
    uses=INPUTS,
    formula=r"\operatorname{{nan\_to\_num}}({x})",
    words="{x} with finite numbers in place of NaN and infinities",
    lower="nan_to_num",
    onnx=unsupported("ONNX has no operator for it; it is Where(IsNaN(x), …)"),
    samples=fixed(_infinite_entries),
    kink="where {x} is not finite the value is a constant, and the gradient 0",
)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Return `x` with NaN replaced by `nan` and the infinities by `posinf` and `neginf`.

    None stands for the largest and the most negative finite number of the dtype. The gradient is 0 where
    something was replaced. It does not remedy a NaN that arises on the way back (see `where`).

    >>> import pullback as pb
    >>> pb.nan_to_num(pb.tensor([float("nan"), 2.0])).tolist()
    [0.0, 2.0]
    """
    return _nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
