"""Rounding and parts: absolute value, sign, whole numbers, remainders, and the parts of a complex number."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import samples
from ..core.families import elementwise
from ..core.mapping import INPUTS, NOTHING, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import dtype_of
from .arithmetic import multiply, negative

__all__ = [
    "abs",
    "ceil",
    "conj",
    "copysign",
    "floor",
    "floor_divide",
    "imag",
    "nextafter",
    "real",
    "remainder",
    "round",
    "sign",
    "signbit",
    "trunc",
]

inf, nan = float("inf"), float("nan")

_complex_slope = unsupported(
    "derivatives of complex arguments are not defined; differentiate the real and the imaginary part"
)


def _on_reals(slope: Callable[..., Any]) -> Callable[..., Any]:
    """The rule `slope` for real arguments, a refusal for complex ones."""
    return lambda x, y: _complex_slope(x) if dtype_of(x).kind == "c" else slope(x, y)


# -------------------------------------------------------------------------------------- size and sign

abs = elementwise(
    "abs",
    operator.abs,
    _on_reals(lambda x, y: sign(x)),
    uses=INPUTS,
    formula=r"\left|{x}\right|",
    words="the absolute value of {x}",
    lower="abs",
    onnx="Abs",
    samples=samples.real((-5, 5), avoid=(0.0,)),
    special={-inf: inf, -0.0: 0.0, nan: nan},
    special_slope={-0.0: 0.0, -2.0: -1.0},
    kink="at 0 we choose 0, as PyTorch and JAX do",
)

sign = elementwise(
    "sign",
    np.sign,
    _on_reals(lambda x, y: 0),
    uses=NOTHING,
    formula=r"\operatorname{{sign}}({x})",
    words="the sign of {x}",
    lower="sign",
    onnx="Sign",
    samples=samples.real((-5, 5), avoid=(0.0,)),
    special={-inf: -1.0, 0.0: 0.0, nan: nan},
    special_slope={0.0: 0.0, 2.0: 0.0},
    kink="the derivative is 0 everywhere, also at the jump at 0",
)

copysign = elementwise(
    "copysign",
    np.copysign,
    (lambda a, b, y: multiply(sign(a), copysign(1, b)), lambda a, b, y: 0),
    uses=INPUTS,
    formula=r"\left|{a}\right| \operatorname{{sign}}({b})",
    words="the size of {a} with the sign of {b}",
    lower="copysign",
    onnx=unsupported("ONNX has no operator for the sign bit"),
    samples=samples.real((-5, 5), (-5, 5), avoid=(0.0,)),
    special={(2.0, -0.0): -2.0, (-inf, 1.0): inf},
    special_slope={(0.0, -1.0): (-0.0, 0.0), (2.0, -0.0): (-1.0, 0.0)},
    kink="at {a} = 0 we choose 0, as PyTorch does",
)

signbit = elementwise(
    "signbit",
    np.signbit,
    None,
    formula=r"\operatorname{{signbit}}({x})",
    words="whether the sign bit of {x} is set",
    lower="signbit",
    onnx=unsupported("ONNX has no operator for the sign bit"),
    samples=samples.real((-5, 5)),
    special={"-0.0": True, 0.0: False, 1.0: False, -inf: True},
)

nextafter = elementwise(
    "nextafter",
    np.nextafter,
    None,
    arguments=("a", "b"),
    formula=r"\operatorname{{nextafter}}({a}, {b})",
    words="the number next to {a} in the direction of {b}",
    lower=unsupported("it steps through the bits of a number; NumPy's own function runs"),
    onnx=unsupported("ONNX has no operator for it"),
    samples=samples.real((-5, 5), (-5, 5)),
    special={(0.0, 1.0): 5e-324, (1.0, 1.0): 1.0},
)

# --------------------------------------------------------------------------------------- whole numbers


def _rounding(name: str, evaluate: Callable[..., Any], formula: str, words: str, onnx: Any, special: Any) -> Any:
    return elementwise(
        name,
        evaluate,
        lambda x, y: 0,
        uses=NOTHING,
        formula=formula,
        words=words,
        lower=name,
        onnx=onnx,
        samples=samples.real((-5, 5), avoid=(*range(-5, 6), *(n + 0.5 for n in range(-5, 5)))),
        special=special,
        special_slope={2.0: 0.0, 0.5: 0.0},
        kink="the derivative is 0 everywhere, also at the jumps",
    )


floor = _rounding(
    "floor",
    np.floor,
    r"\lfloor {x} \rfloor",
    "{x} rounded down to a whole number",
    "Floor",
    {-0.5: -1.0, -0.0: -0.0, inf: inf, nan: nan},
)
ceil = _rounding(
    "ceil",
    np.ceil,
    r"\lceil {x} \rceil",
    "{x} rounded up to a whole number",
    "Ceil",
    {-0.5: -0.0, 1.5: 2.0, inf: inf, nan: nan},
)
trunc = _rounding(
    "trunc",
    np.trunc,
    r"\operatorname{{trunc}}({x})",
    "the whole number of {x} next to it in the direction of 0",
    unsupported("ONNX has no operator for it; it is Sign(x) · Floor(Abs(x))"),
    {-1.7: -1.0, 1.7: 1.0, nan: nan},
)
round = _rounding(
    "round",
    lambda x: np.rint(x) if dtype_of(x).kind in "fc" else x,
    r"\operatorname{{round}}({x})",
    "{x} rounded to the nearest whole number, halves to the even one",
    "Round",
    {0.5: 0.0, 1.5: 2.0, -2.5: -2.0, -0.2: -0.0, inf: inf, nan: nan},
)

floor_divide = elementwise(
    "floor_divide",
    operator.floordiv,
    (lambda a, b, y: 0, lambda a, b, y: 0),
    uses=NOTHING,
    formula=r"\left\lfloor \frac{{{a}}}{{{b}}} \right\rfloor",
    words="how many times {b} goes into {a}, rounded down",
    lower="floor_divide",
    onnx=unsupported("ONNX has no operator for it; it is Floor(Div(a, b))"),
    samples=fixed(
        lambda rng: [*samples.real((-5, 5), (0.5, 3))(rng), Sample((rng.uniform(0.1, 0.9, (2, 3)) - 3, -1.0))]
    ),
    special={(-7.0, 2.0): -4.0, (7.0, -2.0): -4.0, (1.0, 0.0): inf},
    kink="the derivatives are 0 everywhere, also at the jumps",
)

remainder = elementwise(
    "remainder",
    operator.mod,
    (lambda a, b, y: 1, lambda a, b, y: negative(floor_divide(a, b))),
    uses=INPUTS,
    formula=r"{a} \bmod {b}",
    words="what is left of {a} after {b} is taken away as often as it goes into it; it has the sign of {b}",
    lower="remainder",
    onnx=unsupported("ONNX's Mod takes the sign of the divisor for integers only"),
    samples=fixed(
        lambda rng: [
            Sample((rng.uniform(0.1, 0.9, (2, 3)) + [[-2, 0, 3]], np.ones((2, 3)))),
            Sample((rng.uniform(0.1, 0.9, (3,)) + [[-2], [4]], rng.uniform(-1.05, -1.0, (2, 1)))),
            Sample((np.asarray(7.3), np.asarray(2.0))),
            Sample((rng.uniform(2.1, 2.9, (4,)), 2.0)),
            Sample((rng.normal(size=(0, 3)), rng.normal(size=(3,)))),
        ]
    ),
    special={(-7.0, 3.0): 2.0, (7.0, -3.0): -2.0, (1.0, inf): 1.0, (1.0, 0.0): nan},
    special_slope={(7.5, 2.0): (1.0, -3.0), (-7.5, 2.0): (1.0, 4.0)},
    kink="at the jumps the derivatives of the branch above are taken: 1 and −⌊{a}/{b}⌋, as in PyTorch",
)

# --------------------------------------------------------------------------- parts of a complex number

conj = elementwise(
    "conj",
    np.conjugate,
    _on_reals(lambda x, y: 1),
    uses=NOTHING,
    formula=r"\overline{{{x}}}",
    words="the complex conjugate of {x} ({x} itself, if real)",
    lower="copy",
    onnx=unsupported("ONNX has no complex arithmetic"),
    samples=samples.real((-5, 5)),
    special={-0.0: -0.0, 2.0: 2.0},
)

real = elementwise(
    "real",
    lambda x: np.real(x)[()],
    _on_reals(lambda x, y: 1),
    uses=NOTHING,
    formula=r"\operatorname{{Re}}({x})",
    words="the real part of {x}",
    lower="copy",
    onnx=unsupported("ONNX has no complex arithmetic"),
    samples=samples.real((-5, 5)),
    special={-0.0: -0.0, 2.0: 2.0},
)

imag = elementwise(
    "imag",
    lambda x: np.imag(x)[()],
    _on_reals(lambda x, y: 0),
    uses=NOTHING,
    formula=r"\operatorname{{Im}}({x})",
    words="the imaginary part of {x}",
    lower="imag",
    onnx=unsupported("ONNX has no complex arithmetic"),
    samples=samples.real((-5, 5)),
    special={2.0: 0.0},
)
