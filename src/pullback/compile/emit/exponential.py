"""Exponential and logarithm, and the logistic family made of them, as polynomials in registers of any width.

Single precision uses coefficients fitted as minimax polynomials (tests/compile/fitting.py fits them again);
double precision polynomials interpolate in the Chebyshev nodes, far below the rounding of a double.
The bounds are in units in the last place of the exact value, measured over the whole range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .function import Function
from .types import Operand

__all__ = [
    "exp", "exp_of", "exp_of_difference", "expm1", "log", "log10", "log1p", "log2", "log_sigmoid", "logaddexp",
    "power_of_two", "sigmoid", "softplus", "softplus_bend",
]  # fmt: skip

inf, nan = math.inf, math.nan


@dataclass(frozen=True)
class Format:
    """What the methods need to know of a floating-point format."""

    integer: str
    fraction_bits: int
    bias: int
    exp_range: tuple[float, float]
    """Beyond it the exponential is 0 or infinite."""
    ln2: tuple[float, float]
    """ln 2 as a sum of two, the first of which has zeros at the end: its products with an exponent are exact."""
    exp_tail: tuple[float, ...]
    """(eʳ − 1 − r) / r² for |r| ≤ ln 2 / 2."""
    smallest_normal: float
    root_half_bits: int
    log2_e: tuple[float, float]
    log10_e: tuple[float, float]
    log10_2: tuple[float, float]
    """Sums of two, the first of them a number of the format; of log₁₀ 2 it has zeros at the end."""


SINGLE = Format(
    "i32", 23, 127, (-104.0, 89.0), (0.693359375, -2.12194440e-4),
    (0.0013950602151453495, 0.008368953131139278, 0.04166620597243309, 0.166665181517601, 0.5),
    2.0**-126, 0x3F3504F3,
    (1.4426950216293335, 1.9259629911266175e-08), (0.4342944920063019, -1.010305003642e-08),
    (0.30078125, 0.0002487456639812),
)  # fmt: skip
DOUBLE = Format(
    "i64", 52, 1023, (-746.0, 710.0), (0.69314718036912382, 1.9082149292705877e-10),
    (2.5100472505694996e-08, 2.7620201591031547e-07, 2.7557268275906696e-06, 2.4801521057868204e-05,
     0.00019841269863171557, 0.0013888888917367081, 0.008333333333330039, 0.041666666666623824,
     0.16666666666666669, 0.5),
    2.0**-1022, 0x3FE6A09E667F3BCD,
    (1.4426950408889634, 2.0355273740931033e-17), (0.4342944819032518, 1.098319650216765e-17),
    (0.3010299801826477, 1.5481333490135613e-08),
)  # fmt: skip


def format_of(x: Operand) -> Format:
    """Return the format of a value in a register."""
    return SINGLE if x.type.kind == "float" else DOUBLE


# --------------------------------------------------------------------------------------------- exponential


def _reduced(f: Function, x: Operand) -> tuple[Operand, Operand]:
    """Return n and r with x = n ln 2 + r, |r| ≤ ln 2 / 2."""
    format = format_of(x)
    n = f.round_even(f.mul(x, f.constant(x, 1 / math.log(2))))
    r = f.fma(n, f.constant(x, -format.ln2[0]), x)
    return n, f.fma(n, f.constant(x, -format.ln2[1]), r)


def power_of_two(f: Function, p: Operand, n: Operand, normal: bool = False) -> Operand:
    """Return p · 2ⁿ, rounded once, for a whole number n; `normal`: the result is known to be a normal number."""
    format = format_of(p)
    if _scales(f, p):
        # The instruction itself: LLVM's `ldexp` would have n converted to an integer and back.
        width, single = p.type.bits * p.type.lanes, p.type.kind == "float"
        name = f"@llvm.x86.avx512.mask.scalef.p{'s' if single else 'd'}.{width}"
        mask = "i16" if p.type.lanes == 16 else "i8"
        rounding = ("i32", "i32 4") if width == 512 else ()
        types = [str(p.type)] * 3 + [mask, *rounding[:1]]
        given = [p.typed, n.typed, p.typed, f"{mask} -1", *rounding[1:]]
        f.module.declare(f"declare {p.type} {name}({', '.join(types)})")
        return f.value(p.type, f"call {p.type} {name}({', '.join(given)})")
    i = f.convert(f.convert(n, "i32"), format.integer)
    shift = f.constant(i, format.fraction_bits)
    if normal:
        bits = f.bits_as(p, format.integer)
        return f.bits_as(f.add(bits, f.binary("shl", i, shift)), p.type.kind)
    # In two steps: 2ⁿ alone may lie outside of what the format holds, although the product does not.
    half = f.binary("ashr", i, f.constant(i, 1))
    for part in (half, f.sub(i, half)):
        bits = f.binary("shl", f.add(part, f.constant(i, format.bias)), shift)
        p = f.binary("fmul", p, f.bits_as(bits, p.type.kind), flags="")
    return p


def _scales(f: Function, p: Operand) -> bool:
    """Whether the target multiplies by powers of two in one instruction (AVX-512 does)."""
    return f.module.vector_bits == 512 and p.type.bits * p.type.lanes in (128, 256, 512)


def exp_of(f: Function, x: Operand, low: float | None, high: float | None, halvings: int = 0) -> Operand:
    """Return eˣ · 2⁻ʰ for x limited to [low, high]; None leaves a side open that x is known not to pass.

    The shorter the range, the quicker: within the normal numbers one step of scaling is enough.
    """
    format = format_of(x)
    if low is not None:
        x = f.larger(f.constant(x, low), x)
    if high is not None:
        x = f.smaller(f.constant(x, high), x)
    n, r = _reduced(f, x)
    p = f.fma(f.polynomial(r, format.exp_tail), f.mul(r, r), r)
    p = f.add(p, f.constant(x, 1.0))
    if halvings:
        n = f.sub(n, f.constant(n, halvings))
    bottom, top = (format.bias - 1) * math.log(2), (format.bias - 0.6) * math.log(2)
    normal = (0.0 if low is None else low) >= -bottom and (0.0 if high is None else high) <= top
    return power_of_two(f, p, n, normal)


def exp(f: Function, x: Operand) -> Operand:
    """eˣ, within 1.2 ulp."""
    return exp_of(f, x, *format_of(x).exp_range)


def exp_of_difference(f: Function, a: Operand, b: Operand) -> Operand:
    """e^(a − b), where b = −∞ counts as 0."""
    nothing = f.compare("oeq", b, f.constant(b, -inf))
    return exp(f, f.sub(a, f.select(nothing, f.constant(b, 0.0), b)))


_EXPM1_TAIL = (
    0.0001984588598133996, 0.0013940719654783607, 0.008333389647305012, 0.04166635870933533, 0.1666666567325592, 0.5,
)  # fmt: skip


def expm1(f: Function, x: Operand) -> Operand:
    """eˣ − 1, within 1.7 ulp."""
    format = format_of(x)
    low = -(format.fraction_bits + 4) * math.log(2)
    limited = f.smaller(f.constant(x, format.exp_range[1]), f.larger(f.constant(x, low), x))
    n, r = _reduced(f, limited)
    tail = _EXPM1_TAIL if format is SINGLE else format.exp_tail
    q = f.fma(f.polynomial(r, tail), f.mul(r, r), r)
    # 2ⁿ⁻¹ is a number for every n, and doubling is exact until it rightly overflows.
    one = f.constant(x, 1.0)
    half_scale = power_of_two(f, one, f.sub(n, one), normal=True)
    value = f.fma(half_scale, q, f.sub(half_scale, f.constant(x, 0.5)))
    value = f.add(value, value)
    return f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)


# ----------------------------------------------------------------------------------------------- logarithm

# (ln(1 + t) − t + t²/2) / t³ on [√½ − 1, √2 − 1]
_LOG_TAIL = (
    0.0674663856625557, -0.11675651371479034, 0.11888162791728973, -0.1240558922290802, 0.14219552278518677,
    -0.1666799634695053, 0.2000211924314499, -0.25000008940696716, 0.3333331346511841,
)  # fmt: skip
# (ln((1 + s)/(1 − s)) − 2s) / s³ in s², s = t/(2 + t)
_LOG_ODD_TAIL = (
    0.14616449685043406, 0.15331721600556042, 0.18182889125261723, 0.2222221113479508, 0.28571428625975487,
    0.39999999999899505, 0.666666666666667,
)  # fmt: skip


def _split(f: Function, x: Operand) -> tuple[Operand, Operand]:
    """Return the exponent e (an integer) and m in [√½, √2) with x = 2ᵉ m, for a positive normal x."""
    format = format_of(x)
    bits = f.bits_as(x, format.integer)
    fraction = f.constant(bits, format.fraction_bits)
    e = f.binary("ashr", f.sub(bits, f.constant(bits, format.root_half_bits)), fraction)
    return e, f.bits_as(f.sub(bits, f.binary("shl", e, fraction)), x.type.kind)


def _normal(f: Function, x: Operand) -> tuple[Operand, Operand]:
    """Return x scaled into the normal numbers, and the exponent that this took away."""
    format = format_of(x)
    small = f.compare("olt", x, f.constant(x, format.smallest_normal))
    bits = format.fraction_bits + 1
    scaled = f.select(small, f.mul(x, f.constant(x, 2.0**bits)), x)
    return scaled, f.select(small, f.constant(x, -float(bits)), f.constant(x, 0.0))


def _bent(f: Function, t: Operand) -> Operand:
    """Return ln(1 + t) − t for 1 + t in [√½, √2)."""
    square = f.mul(t, t)
    if format_of(t) is SINGLE:
        tail = f.mul(f.mul(f.polynomial(t, _LOG_TAIL), t), square)
        return f.fma(square, f.constant(t, -0.5), tail)
    s = f.div(t, f.add(t, f.constant(t, 2.0)))
    half = f.mul(square, f.constant(t, 0.5))
    z = f.mul(s, s)
    inner = f.fma(z, f.polynomial(z, _LOG_ODD_TAIL), half)
    return f.fma(s, inner, f.neg(half))


def _with_exponent(f: Function, e: Operand, t: Operand) -> Operand:
    """Return e ln 2 + ln(1 + t)."""
    high, low = format_of(t).ln2
    bent = f.fma(e, f.constant(t, low), _bent(f, t))
    return f.fma(e, f.constant(t, high), f.add(t, bent))


def _at_the_edges(f: Function, x: Operand, value: Operand) -> Operand:
    """Return the logarithm of x with its values at 0, below it, at infinity and NaN put in."""
    value = f.select(f.compare("ueq", x, f.constant(x, inf)), x, value)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), f.constant(x, -inf), value)
    return f.select(f.compare("olt", x, f.constant(x, 0.0)), f.constant(x, nan), value)


def _exponent_and_rest(f: Function, x: Operand) -> tuple[Operand, Operand]:
    scaled, taken = _normal(f, x)
    e, m = _split(f, scaled)
    return f.add(_whole(f, e, x), taken), f.sub(m, f.constant(x, 1.0))


def _whole(f: Function, e: Operand, like: Operand) -> Operand:
    """Return an exponent as a floating-point number; through 32 bits, as AVX2 converts no integer of 64."""
    return f.convert(f.convert(e, "i32"), like.type.kind)


def log(f: Function, x: Operand) -> Operand:
    """ln x, within 1 ulp."""
    e, t = _exponent_and_rest(f, x)
    return _at_the_edges(f, x, _with_exponent(f, e, t))


def log2(f: Function, x: Operand) -> Operand:
    """log₂ x, within 1.5 ulp, exact for powers of two."""
    e, t = _exponent_and_rest(f, x)
    return _at_the_edges(f, x, f.add(_in_another_base(f, t, format_of(x).log2_e), e))


def log10(f: Function, x: Operand) -> Operand:
    """log₁₀ x, within 1.5 ulp."""
    format = format_of(x)
    e, t = _exponent_and_rest(f, x)
    high, low = format.log10_2
    value = f.fma(e, f.constant(x, low), _in_another_base(f, t, format.log10_e))
    return _at_the_edges(f, x, f.fma(e, f.constant(x, high), value))


def _in_another_base(f: Function, t: Operand, factor: tuple[float, float]) -> Operand:
    """Return ln(1 + t) times a factor, which is a sum of two."""
    high, low = factor
    rest = f.fma(_bent(f, t), f.constant(t, high + low), f.mul(t, f.constant(t, low)))
    return f.fma(t, f.constant(t, high), rest)


def _log1p(f: Function, x: Operand, large: bool) -> Operand:
    """Return ln(1 + x) for x > −1; `large`: x may be so large that 1/(1 + x) is no normal number."""
    format = format_of(x)
    one = f.constant(x, 1.0)
    u = f.add(x, one)
    # What the sum 1 + x lost by rounding: u is 1 + x − lost exactly.
    back = f.sub(u, one)
    lost = f.add(f.sub(one, f.sub(u, back)), f.sub(x, back))
    e, m = _split(f, u)
    scale = e
    if large:
        limit = f.constant(e, format.bias - 1)
        scale = f.select(f.compare("slt", e, limit), e, limit)
    bits = f.binary("shl", f.sub(f.constant(e, format.bias), scale), f.constant(e, format.fraction_bits))
    t = f.fma(lost, f.bits_as(bits, x.type.kind), f.sub(m, one))
    return _with_exponent(f, _whole(f, e, x), t)


def log1p(f: Function, x: Operand) -> Operand:
    """ln(1 + x), within 1.5 ulp."""
    value = _log1p(f, x, large=True)
    value = f.select(f.compare("oeq", x, f.constant(x, 0.0)), x, value)
    value = f.select(f.compare("ueq", x, f.constant(x, inf)), x, value)
    value = f.select(f.compare("oeq", x, f.constant(x, -1.0)), f.constant(x, -inf), value)
    return f.select(f.compare("olt", x, f.constant(x, -1.0)), f.constant(x, nan), value)


# ----------------------------------------------------------------------------------------- logistic family


def sigmoid(f: Function, x: Operand) -> Operand:
    """1 / (1 + e⁻ˣ), within 2.5 ulp; 0 where e⁻ˣ overflows, as in NumPy."""
    one = f.constant(x, 1.0)
    return f.div(one, f.add(exp(f, f.neg(x)), one))


def softplus_bend(f: Function, size: Operand) -> Operand:
    """ln(1 + e^(−size)) for size ≥ 0."""
    low = format_of(size).exp_range[0]
    return _log1p(f, exp_of(f, f.neg(size), low, None), large=False)


def softplus(f: Function, x: Operand) -> Operand:
    """max(x, 0) + ln(1 + e^(−|x|)), within 2.5 ulp."""
    return f.add(f.larger(f.constant(x, 0.0), x), softplus_bend(f, f.abs(x)))


def log_sigmoid(f: Function, x: Operand) -> Operand:
    """−softplus(−x), within 2.5 ulp."""
    return f.neg(softplus(f, f.neg(x)))


def logaddexp(f: Function, a: Operand, b: Operand) -> Operand:
    """ln(eᵃ + eᵇ), within 2.5 ulp of the larger of |a|, |b| and the value."""
    # Equal arguments may be equal infinities, whose difference is NaN.
    same = f.compare("oeq", a, b)
    distance = f.select(same, f.constant(a, 0.0), f.sub(a, b))
    largest = f.select(f.compare("ogt", a, b), a, b)
    value = f.add(largest, softplus_bend(f, f.abs(distance)))
    return f.select(f.compare("uno", a, b), f.add(a, b), value)
