"""Trigonometric and hyperbolic functions, their inverses, and the two of the plane: angle and distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, OUTPUT, Mapping, Uses, unsupported
from ..core.samples import real
from .arithmetic import add, divide, multiply, negative, reciprocal, square, subtract
from .compare import equal
from .exponential import sqrt
from .select import where

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "hypot",
    "sin",
    "sinh",
    "tan",
    "tanh",
]

inf, nan = float("inf"), float("nan")


def _function(
    name: str,
    evaluate: Callable[..., Any],
    derivative: Callable[..., Any],
    uses: Uses,
    words: str,
    domain: tuple[float, float],
    special: dict[float, float],
    special_slope: dict[float, float] | None = None,
    back: Callable[..., Any] | None = None,
) -> Mapping:
    """A function whose name, kernel, formula and ONNX operator all follow one pattern."""
    latex = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}.get(name, name)
    macro = rf"\operatorname{{{{{latex}}}}}" if name in ("asinh", "acosh", "atanh") else rf"\{latex}"
    return elementwise(
        name,
        evaluate,
        derivative,
        uses=uses,
        back=back,
        formula=macro + "({x})",
        words=words,
        lower=name,
        onnx=name.capitalize(),
        samples=real(domain),
        special=special,
        special_slope=special_slope or {},
    )


# ---------------------------------------------------------------------------------------- trigonometric

sin = _function(
    "sin", np.sin, lambda x, y: cos(x), INPUTS, "the sine of {x}", (-5, 5), {-0.0: -0.0, inf: nan}, {0.0: 1.0}
)
cos = _function(
    "cos", np.cos, lambda x, y: negative(sin(x)), INPUTS, "the cosine of {x}", (-5, 5), {0.0: 1.0, inf: nan}
)
tan = _function(
    "tan", np.tan, lambda x, y: add(square(y), 1), OUTPUT, "the tangent of {x}", (-1.2, 1.2), {-0.0: -0.0, inf: nan}
)


def _circle(x: Any) -> Any:
    """√(1 − x²), accurate near ±1."""
    return sqrt(multiply(subtract(1, x), add(x, 1)))


asin = _function(
    "asin",
    np.arcsin,
    lambda x, y: reciprocal(_circle(x)),
    INPUTS,
    "the angle whose sine is {x}",
    (-0.9, 0.9),
    {-0.0: -0.0, 1.0: np.pi / 2, 1.5: nan},
    {1.0: inf, -1.0: inf, 0.0: 1.0},
)
acos = _function(
    "acos",
    np.arccos,
    lambda x, y: negative(reciprocal(_circle(x))),
    INPUTS,
    "the angle whose cosine is {x}",
    (-0.9, 0.9),
    {1.0: 0.0, -1.0: np.pi, 1.5: nan},
    {1.0: -inf, -1.0: -inf, 0.0: -1.0},
)
atan = _function(
    "atan",
    np.arctan,
    lambda x, y: reciprocal(add(square(x), 1)),
    INPUTS,
    "the angle whose tangent is {x}",
    (-5, 5),
    {-0.0: -0.0, inf: np.pi / 2, -inf: -np.pi / 2},
    {inf: 0.0, 0.0: 1.0},
)

# ------------------------------------------------------------------------------------------- hyperbolic

sinh = _function(
    "sinh", np.sinh, lambda x, y: cosh(x), INPUTS, "the hyperbolic sine of {x}", (-4, 4), {-0.0: -0.0, -inf: -inf}
)
cosh = _function(
    "cosh", np.cosh, lambda x, y: sinh(x), INPUTS, "the hyperbolic cosine of {x}", (-4, 4), {0.0: 1.0, -inf: inf}
)


def _tanh_back(g: Any, y: Any, x: Any, *, needs: Any) -> tuple[Any]:
    slope = y * y
    if not slope.ndim:
        return (g * (1 - slope),)
    np.subtract(1, slope, slope)
    return (np.multiply(g, slope, slope),)


tanh = _function(
    "tanh",
    np.tanh,
    lambda x, y: subtract(1, square(y)),
    OUTPUT,
    "the hyperbolic tangent of {x}",
    (-4, 4),
    {-0.0: -0.0, inf: 1.0, -inf: -1.0, 1000.0: 1.0},
    {0.0: 1.0, inf: 0.0, 1000.0: 0.0},
    _tanh_back,
)
asinh = _function(
    "asinh",
    np.arcsinh,
    lambda x, y: reciprocal(hypot(x, 1)),
    INPUTS,
    "the number whose hyperbolic sine is {x}",
    (-5, 5),
    {-0.0: -0.0, inf: inf},
    {0.0: 1.0, inf: 0.0, 1e300: 1e-300},
)
acosh = _function(
    "acosh",
    np.arccosh,
    lambda x, y: reciprocal(multiply(sqrt(subtract(x, 1)), sqrt(add(x, 1)))),
    INPUTS,
    "the number whose hyperbolic cosine is {x}",
    (1.3, 5),
    {1.0: 0.0, inf: inf, 0.5: nan},
    {1.0: inf, inf: 0.0, 1e300: 1e-300},
)
atanh = _function(
    "atanh",
    np.arctanh,
    lambda x, y: reciprocal(multiply(subtract(1, x), add(x, 1))),
    INPUTS,
    "the number whose hyperbolic tangent is {x}",
    (-0.9, 0.9),
    {-0.0: -0.0, 1.0: inf, 1.5: nan},
    {1.0: inf, 0.0: 1.0},
)

# -------------------------------------------------------------------------------------------- the plane


def _distance(a: Any, b: Any) -> Any:
    """√(a² + b²), with 1 in place of 0 so that one can divide by it."""
    r = hypot(a, b)
    return where(equal(r, 0), 1, r)


def _over_distance(v: Any, a: Any, b: Any) -> Any:
    """v / (a² + b²), where the square of the distance may overflow although the quotient does not."""
    r = _distance(a, b)
    return divide(divide(v, r), r)


atan2 = elementwise(
    "atan2",
    np.arctan2,
    (lambda a, b, y: _over_distance(b, a, b), lambda a, b, y: negative(_over_distance(a, a, b))),
    uses=INPUTS,
    formula=r"\operatorname{{atan2}}({a}, {b})",
    words="the angle of the point with height {a} and width {b}",
    lower="atan2",
    onnx=unsupported("ONNX has no operator for the angle of a point"),
    samples=real((0.3, 5), (-5, 5)),
    special={(-0.0, -1.0): -np.pi, (0.0, 0.0): 0.0, (1.0, 0.0): np.pi / 2, (inf, inf): np.pi / 4},
    special_slope={(0.0, 0.0): (0.0, -0.0), (0.0, 2.0): (0.5, -0.0)},
    kink="at the origin, where the angle is undefined, we choose 0",
)

hypot = elementwise(
    "hypot",
    np.hypot,
    (lambda a, b, y: divide(a, _distance(a, b)), lambda a, b, y: divide(b, _distance(a, b))),
    uses=INPUTS,
    formula=r"\sqrt{{{a}^2 + {b}^2}}",
    words="the distance of the point with the coordinates {a} and {b} from the origin",
    lower="hypot",
    onnx=unsupported("ONNX has no operator for it; Sqrt(Add(Mul(a, a), Mul(b, b))) overflows too soon"),
    samples=real((0.3, 5), (-5, 5)),
    special={(3.0, -4.0): 5.0, (inf, nan): inf, (3e300, 4e300): 5e300, (0.0, 0.0): 0.0},
    special_slope={(0.0, 0.0): (0.0, 0.0), (3.0, 0.0): (1.0, 0.0), (3e300, 4e300): (0.6, 0.8)},
    kink="at the origin we choose 0, the smallest of the subgradients",
)
