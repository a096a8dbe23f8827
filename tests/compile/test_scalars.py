"""Every elementwise mapping that is emitted, held against NumPy: values, edges, every dtype, every width of registers.

The bounds in ulp are measured against the exact value (float64 for single precision) over dense sweeps.
"""

import ctypes
import itertools
import platform
from functools import cache

import numpy as np
import pytest
import scipy.special

from pullback.compile.emit.conversion import emit_conversion, register_kind
from pullback.compile.emit.function import Function, Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.scalars import LOWERED, can_emit, emit_scalar
from pullback.compile.emit.types import I64, PTR, type_of
from pullback.compile.rules import RULES
from pullback.core.interpret import EVALUATE, interpreting
from pullback.core.mapping import CATALOGUE

F32, F64, BOOL = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_)
INTEGERS = [np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]
OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
TARGETS = [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)]
REGISTERS = [t for t in TARGETS if "scalar" not in (t, getattr(t, "values", (t,))[0])]

EMITTED = {m.name: m for m in CATALOGUE.values() if m.family == "elementwise" and m.lower in LOWERED}
STATIC = {
    "leaky_relu": {"negative_slope": 0.01},
    "hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "elu": {"alpha": 1.0},
    "celu": {"alpha": 2.0},
    "hardshrink": {"lambd": 0.5},
    "softshrink": {"lambd": 0.5},
    "threshold": {"threshold": 0.5, "value": 2.0},
    "huber": {"delta": 1.5},
    "nan_to_num": {"nan": -1.0, "posinf": None, "neginf": -5.0},
}
inf, nan = np.inf, np.nan
EDGES = np.array(
    [0.0, -0.0, inf, -inf, nan, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, -1e-40, 1e-45, 3e38, -3e38, 88.7, -88.7]
    + [-103, 2, -2, 3, 100, -100, 1e-20, 0.625, 0.875, 1e5, -1e10, 16777217.0]
)


# ------------------------------------------------------------------------------------------- running a kernel


class Kernels:
    """A module of kernels y[i] = mapping(x[i], …) over flat arrays, compiled together."""

    def __init__(self, target, lanes=None):
        self.target = narrowed(target)
        self.module = Module(self.target.vector_bits)
        self.fixed_lanes = lanes
        self.code = None

    def add(self, name, lower, dtypes, result, static, literals=None):
        lanes = self.fixed_lanes or self.module.lanes(type_of(min(dtypes, key=lambda d: -d.itemsize)))
        parameters = [(PTR, "y"), *((PTR, f"x{i}") for i in range(len(dtypes))), (I64, "n")]
        f = Function(self.module, f"map.{name}", parameters, internal=False)
        with f.loop(0, f.argument("n"), lanes) as loop:
            xs = []
            for i, dtype in enumerate(dtypes):
                type = type_of(dtype).of(lanes)
                if literals and literals[i] is not None:
                    xs.append(f.constant(type.like(register_kind(dtype)), literals[i]))
                    continue
                x = f.load(type, f.at(f.argument(f"x{i}"), loop.index, type.of(1)))
                xs.append(f.compare("ne", x, f.constant(x, 0)) if dtype.kind == "b" else x)
            if lower == "convert":
                y = emit_conversion(f, xs[0], dtypes[0], result)
            else:
                y = emit_scalar(f, lower, xs, dtypes, np.result_type(*dtypes), result, static)
            y = f.convert(y, type_of(result).kind)
            f.store(y, f.at(f.argument("y"), loop.index, y.type.of(1)))

    def run(self, name, result, *xs):
        if self.code is None:
            self.code = load(compile_text(self.module.text(), self.target), self.target)
        y = np.empty(xs[0].size, result)
        function = self.code.function(f"map.{name}", *[ctypes.c_void_p] * (1 + len(xs)), ctypes.c_int64)
        function(y.ctypes.data, *(x.ctypes.data for x in xs), xs[0].size)
        return y


def evaluated(mapping, xs, static):
    with np.errstate(all="ignore"), interpreting(EVALUATE):
        return np.asarray(mapping.evaluate(*xs, **static))


def flat(xs):
    """Broadcast arrays, flattened and padded to whole registers with a value that they contain."""
    xs = [np.ravel(x) for x in np.broadcast_arrays(*xs)]
    return [np.ascontiguousarray(np.concatenate([x, np.repeat(x[:1], -x.size % 64)])) for x in xs]


def cases(name, dtype):
    """Arguments for a mapping in one floating dtype: its own samples, its special values, and all pairs of edges."""
    mapping = EMITTED[name]
    rng = np.random.default_rng(0)
    arity = len(mapping.arguments)
    made = [(flat(s.args), s.static) for s in mapping.samples(rng) if all(np.size(x) for x in s.args)]
    static = made[0][1]
    if name.startswith("bitwise"):
        yield from made
        return
    special = [key if isinstance(key, tuple) else (key,) for key in mapping.special]
    if special:
        made.append((flat([np.array([float(key[i]) for key in special]) for i in range(arity)]), static))
    if name != "binary_cross_entropy":  # of which numbers beyond [0, 1] are an error
        grid = np.meshgrid(*[EDGES] * min(arity, 2))
        made.append((flat([grid[i % 2] for i in range(arity)]), static))
        made.append(([np.ascontiguousarray(rng.normal(size=2048) * 3) for _ in range(arity)], static))
    kinds = [BOOL if name == "where" and i == 0 else dtype for i in range(arity)]
    for xs, static in made:
        with np.errstate(all="ignore"):
            yield (
                [x.astype(k) if x.dtype.kind == "f" or k.kind == "b" else x for x, k in zip(xs, kinds, strict=True)],
                static,
            )


def runnable(name, dtype):
    """The cases whose dtypes are emitted, each with the dtype of its result."""
    for xs, static in cases(name, dtype):
        result = evaluated(EMITTED[name], [x[:1] for x in xs], static).dtype
        dtypes = [x.dtype for x in xs]
        if can_emit(EMITTED[name].lower, dtypes, np.result_type(*dtypes), result):
            yield xs, static, result


# ------------------------------------------------------------------------------------------------- bounds

# In ulp of the exact value, for single precision. What is not here is exact or rounded once.
ULP = {
    "exp": 1.2, "expm1": 1.7, "log": 1, "log1p": 1.5, "log2": 1.5, "log10": 1.5, "pow": 1, "hypot": 1,
    "sigmoid": 2.5, "log_sigmoid": 2.5, "softplus": 2.5, "logaddexp": 2.5, "exp_of_difference": 1,
    "erf": 1.5, "erfc": 5, "gelu": 6.5, "gelu_tanh": 4, "silu": 2.5, "mish": 4, "elu": 2, "celu": 2.5, "selu": 3,
    "sin": 2.2, "cos": 2.2, "tan": 3, "asin": 2.5, "acos": 2, "atan": 2, "atan2": 3,
    "sinh": 2.5, "cosh": 2.5, "tanh": 1.5, "asinh": 1, "acosh": 1, "atanh": 1,
    "xlogy": 2, "xlog1py": 2, "tanhshrink": 2.5, "binary_cross_entropy": 3, "binary_cross_entropy_with_logits": 3,
    "softsign": 1.5, "hard_sigmoid": 1.5, "hard_swish": 2, "leaky_relu": 1, "huber": 3, "pinball": 2.5, "softshrink": 1,
}  # fmt: skip


def size_of_terms(name, xs):
    """What the rounding is relative to, where the terms of a sum may be larger than the sum itself."""
    sizes = [np.abs(x.astype(F64)) for x in xs]
    if name in ("logaddexp", "binary_cross_entropy_with_logits", "tanhshrink", "softshrink"):
        return np.maximum.reduce([*sizes, np.ones_like(sizes[0]) * (name != "tanhshrink")])
    if name == "huber":
        return np.square(sizes[0] + sizes[1])
    if name in ("pinball",):
        return (sizes[0] + sizes[1]) * (1 + sizes[2])
    if name == "exp_of_difference":
        return (1 + sizes[0] + sizes[1]) * np.exp(np.minimum(xs[0].astype(F64) - xs[1], 700.0)) * 2
    if name == "gelu_tanh":  # an exponential of u, in which the rounding of u counts |u| times
        return np.abs(EXACT["gelu_tanh"](xs[0].astype(F64))) * (1 + np.abs(xs[0].astype(F64)) ** 3 / 8)
    if name == "binary_cross_entropy":
        return np.full_like(sizes[0], 1.0)
    return np.zeros_like(sizes[0])


EXACT = {
    "sigmoid": scipy.special.expit,
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    "gelu": lambda x: x * (0.5 * scipy.special.erfc(x * -np.sqrt(0.5))),
    "gelu_tanh": lambda x: x * scipy.special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)),
    "silu": lambda x: x * scipy.special.expit(x),
}


def errors(name, got, xs, static):
    """The error of every element in ulp of the exact value, where that is finite and the result does not overflow."""
    wide = [x.astype(F64) if x.dtype.kind == "f" else x for x in xs]
    with np.errstate(all="ignore"):
        exact = EXACT[name](*wide) if name in EXACT else evaluated(EMITTED[name], wide, static)
        scale = np.maximum(np.maximum(np.abs(exact), size_of_terms(name, xs)), np.finfo(F32).tiny)
        ulp = np.spacing(np.minimum(scale, 3e38).astype(F32)).astype(F64)
        error = np.abs(got.astype(F64) - exact) / ulp
    meaningless = ~np.isfinite(exact) | ~np.isfinite(got) | (np.abs(exact) > 3e38)
    if name in ("sigmoid", "silu", "gelu_tanh", "mish"):  # e⁻ˣ overflows or is denormal there, in NumPy, too
        meaningless |= np.abs(exact) < 1e-35
    return np.where(meaningless, 0.0, error)


def same_kind(got, want):
    """Which elements agree in being NaN, infinite (with its sign) and zero (with its sign)."""
    agree = (np.isnan(got) == np.isnan(want)) & (np.isinf(got) == np.isinf(want))
    signed = np.isinf(want) | ((want == 0) & (got == 0))
    return agree & (~signed | (np.signbit(got) == np.signbit(want)))


def told(xs, got, want, wrong):
    return "; ".join(f"{[x[i] for x in xs]} gives {got[i]}, not {want[i]}" for i in np.flatnonzero(wrong)[:5])


# ------------------------------------------------------------------------------------------- floating point


def test_every_elementwise_mapping_that_names_an_instruction_is_known():
    named = {m.lower for m in CATALOGUE.values() if m.family == "elementwise" and isinstance(m.lower, str)}
    assert named <= LOWERED | set(RULES)
    assert LOWERED - named == {"convert"}, "nothing is written that no mapping asks for"
    assert set(ULP) <= set(EMITTED)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_values_are_numpys(target, dtype):
    todo = [(name, *case) for name in sorted(EMITTED) for case in runnable(name, dtype)]
    assert {name for name, *_ in todo} >= {n for n in EMITTED if not n.startswith("bitwise")}
    kernels = Kernels(target)
    for i, (name, xs, static, result) in enumerate(todo):
        kernels.add(f"k{i}", EMITTED[name].lower, [x.dtype for x in xs], result, static)
    for i, (name, xs, static, result) in enumerate(todo):
        got, want = kernels.run(f"k{i}", result, *xs), evaluated(EMITTED[name], xs, static)
        if result.kind != "f":
            assert (got == want).all(), f"{name}: {told(xs, got, want, got != want)}"
            continue
        wrong = ~same_kind(got, want) & ~forgiven(name, xs, want)
        assert not wrong.any(), f"{name}: {told(xs, got, want, wrong)}"
        if dtype == F32:
            off = errors(name, got, xs, static)
            wrong = off > ULP.get(name, 0.51)
            assert not wrong.any(), f"{name}: {off.max():.2f} ulp: {told(xs, got, want, wrong)}"
        else:
            with np.errstate(all="ignore"):
                want = EXACT[name](*xs) if name == "gelu_tanh" else want
                scale = np.fmax(np.abs(want), size_of_terms(name, xs))
                allowed = (DOUBLE_ULP.get(name, 2) + ULP.get(name, 0)) * np.spacing(np.clip(scale, 2.3e-308, 1e308))
                wrong = np.isfinite(want) & (got != want) & ~(np.abs(got - want) <= allowed)
            assert not wrong.any(), f"{name}: {told(xs, got, want, wrong)}"


# Where NumPy's own evaluation is further from the exact value than ours: how far the two may be apart.
DOUBLE_ULP = {"erf": 4, "erfc": 8, "gelu": 8, "mish": 4}


def forgiven(name, xs, want):
    """Where NumPy's way of writing a function overflows or underflows although its value does neither."""
    if name == "gelu_tanh":  # 1 + tanh(u) is 0 long before the value is
        return (xs[0] < -5) & (np.abs(want) == 0)
    if name == "mish":
        return (xs[0] < -80) & (want == 0)
    return np.zeros(want.shape, bool)


SWEEPS = {
    "exp": (-104, 89), "expm1": (-20, 89), "log1p": (-1, 10), "sigmoid": (-90, 90), "log_sigmoid": (-100, 100),
    "softplus": (-100, 100), "tanh": (-10, 10), "erf": (-4.5, 4.5), "erfc": (-5, 9.2), "gelu": (-12, 12),
    "gelu_tanh": (-5, 10), "silu": (-87, 50), "mish": (-80, 50), "elu": (-20, 5), "celu": (-40, 5), "selu": (-20, 5),
    "sin": (-10000, 10000), "cos": (-10000, 10000), "tan": (-10000, 10000), "asin": (-1, 1), "acos": (-1, 1),
    "atan": (-30, 30), "sinh": (-89, 89), "cosh": (-89, 89), "asinh": (-100, 100), "acosh": (1, 100),
    "atanh": (-1, 1), "log": (0, 10), "log2": (0, 10), "log10": (0, 10),
    "softsign": (-10, 10), "hard_sigmoid": (-5, 5), "hard_swish": (-5, 5),
}  # fmt: skip


@pytest.mark.parametrize("target", REGISTERS)
def test_single_precision_keeps_its_bounds_over_dense_sweeps(target):
    rng = np.random.default_rng(1)
    kernels = Kernels(target)
    for name in SWEEPS:
        kernels.add(name, EMITTED[name].lower, [F32], F32, STATIC.get(name, {}))
    bits = rng.integers(0, 2**32, 1 << 19, dtype=np.uint32).view(F32)
    for name, (low, high) in SWEEPS.items():
        inside = rng.uniform(low, high, 1 << 19).astype(F32)
        near = (rng.uniform(-1, 1, 1 << 17) * 10.0 ** rng.uniform(-6, 0, 1 << 17)).astype(F32)
        everywhere = bits if name not in ("gelu_tanh", "gelu", "erfc") else bits[np.abs(bits) < 3]
        for x in (inside, near, flat([everywhere])[0]):
            got = kernels.run(name, F32, x)
            off = errors(name, got, [x], STATIC.get(name, {}))
            worst = int(np.argmax(off))
            assert off[worst] <= ULP[name], f"{name}({x[worst]!r}) = {got[worst]!r}: {off[worst]:.2f} ulp"


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no wider type to compare with on this machine")
@pytest.mark.parametrize("target", REGISTERS)
def test_double_precision_keeps_its_bounds_over_dense_sweeps(target):
    rng = np.random.default_rng(5)
    kernels = Kernels(target)
    names = [n for n in SWEEPS if n not in ("erf", "erfc", "gelu", "gelu_tanh", "silu", "mish", "elu", "celu", "selu")]
    for name in names:
        kernels.add(name, EMITTED[name].lower, [F64], F64, STATIC.get(name, {}))
    for name in names:
        low, high = SWEEPS[name]
        near = rng.uniform(-1, 1, 1 << 15) * 10.0 ** rng.uniform(-9, 0, 1 << 15)
        for x in (rng.uniform(low, high, 1 << 17), np.abs(near) if low >= 0 else near):
            got = kernels.run(name, F64, x)
            exact = evaluated(EMITTED[name], [x.astype(np.longdouble)], STATIC.get(name, {}))
            assert exact.dtype == np.longdouble
            kept = np.isfinite(exact) & (np.abs(exact) > 1e-300)
            with np.errstate(all="ignore"):
                off = np.where(kept, np.abs(got - exact) / np.spacing(np.abs(exact).astype(F64)), 0)
            worst = int(np.argmax(off))
            bound = 3 if name in ("asinh", "acosh", "atanh") else ULP[name]
            assert off[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}: {off[worst]:.2f} ulp"


PAIRS = {"pow": (0, 8, -5, 5), "atan2": (-5, 5, -5, 5), "hypot": (-5, 5, -5, 5), "logaddexp": (-5, 5, -5, 5)}


@pytest.mark.parametrize("target", REGISTERS)
def test_functions_of_two_numbers_keep_their_bounds_over_dense_sweeps(target):
    rng = np.random.default_rng(2)
    kernels = Kernels(target)
    for name in PAIRS:
        kernels.add(name, EMITTED[name].lower, [F32, F32], F32, {})
    for name, (low, high, below, above) in PAIRS.items():
        inside = [rng.uniform(low, high, 1 << 18).astype(F32), rng.uniform(below, above, 1 << 18).astype(F32)]
        wide = [rng.integers(0, 2**32, 1 << 18, dtype=np.uint32).view(F32) for _ in range(2)]
        for xs in (inside, wide):
            got = kernels.run(name, F32, *xs)
            want = evaluated(EMITTED[name], xs, {})
            close = np.isclose(got, want, rtol=1e-6, atol=0)  # overflow and underflow meet at the last bit
            assert (same_kind(got, want) | close | (np.abs(want) > 3.4e38) | (np.abs(want) < 1e-44)).all(), name
            off = errors(name, got, xs, {})
            assert off.max() <= ULP[name], f"{name}: {off.max():.2f} ulp at {[x[np.argmax(off)] for x in xs]}"


@pytest.mark.parametrize("lanes", [1, 2, 32])
@pytest.mark.parametrize("target", TARGETS)
def test_any_number_of_lanes_gives_the_same_numbers(target, lanes):
    if target == "scalar" and lanes > 2:
        pytest.skip("a scalar target has no registers of 32 lanes")
    names = [n for n in sorted(EMITTED) if all(d == F32 for d in next(runnable_dtypes(n)))]
    full, other = Kernels(target), Kernels(target, lanes)
    x = np.concatenate([EDGES, np.random.default_rng(0).normal(size=1024 - EDGES.size) * 3]).astype(F32)
    xs = [x, np.roll(x, 7), np.roll(x, 13)]
    for name in names:
        for kernels in (full, other):
            kernels.add(name, EMITTED[name].lower, [F32] * len(EMITTED[name].arguments), F32, STATIC.get(name, {}))
    for name in names:
        arguments = xs[: len(EMITTED[name].arguments)]
        assert np.array_equal(full.run(name, F32, *arguments), other.run(name, F32, *arguments), equal_nan=True), name


def runnable_dtypes(name):
    for xs, _, result in runnable(name, F32):
        yield [*(x.dtype for x in xs), result]
    yield [BOOL]


def test_code_for_another_machine_is_emitted():
    kernels = Kernels("neon")
    for name in sorted(EMITTED):
        for dtypes in itertools.islice(runnable_dtypes(name), 1):
            if dtypes != [BOOL]:
                kernels.add(name, EMITTED[name].lower, dtypes[:-1], dtypes[-1], STATIC.get(name, {}))
    assert len(kernels.module.functions) > 90
    assert compile_text(kernels.module.text(), kernels.target)[:4] == b"\x7fELF"


@pytest.mark.parametrize("exponent", [-2, -1, 0, 0.5, 1, 2, 3, 4, 2.5])
def test_literal_exponents(exponent):
    kernels = Kernels(host().name)
    kernels.add("k", "pow", [F32, F32], F32, {}, [None, exponent])
    x = np.concatenate([EDGES[: EDGES.size - EDGES.size % 16], np.random.default_rng(0).normal(size=1024)]).astype(F32)
    got, want = kernels.run("k", F32, x, x), evaluated(EMITTED["pow"], [x, exponent], {})
    assert (same_kind(got, want) | (np.abs(want) < 1e-38)).all(), told([x], got, want, ~same_kind(got, want))
    finite = np.isfinite(want)
    np.testing.assert_allclose(got[finite], want[finite], rtol=4e-7, atol=1e-38)


# --------------------------------------------------------------------------------------- integers and truth


def draw(rng, dtype, size=1024):
    if dtype.kind == "b":
        return rng.random(size) < 0.5
    info = np.iinfo(dtype)
    x = rng.integers(max(info.min, -9), 12, size).astype(dtype)
    x[: size // 4] = rng.integers(info.min, info.max, size // 4, dtype=dtype, endpoint=True)
    x[-8:] = [0, 1, info.max, info.min, 0, info.min, info.max - 1, 2]
    return rng.permutation(x)


MIXED = [
    ("int8", "uint8"), ("uint8", "int32"), ("int64", "int16"), ("uint32", "int32"), ("uint64", "int8"),
    ("bool", "int16"), ("uint16", "bool"), ("int32", "float32"), ("float32", "int16"), ("bool", "float64"),
    ("float32", "float64"),
]  # fmt: skip


@cache
def on_integers():
    """Every mapping on integers and truth values, alone and mixed, that is emitted and that NumPy takes."""
    rng = np.random.default_rng(3)
    found = []
    for name, mapping in sorted(EMITTED.items()):
        if name == "where":
            kinds = [(BOOL, d, d) for d in [*INTEGERS, BOOL]] + [(np.dtype(np.int32), F32, F64)]
        elif len(mapping.arguments) == 1:
            kinds = [(d,) for d in [*INTEGERS, BOOL]]
        else:
            kinds = [(d,) * len(mapping.arguments) for d in [*INTEGERS, BOOL]]
            if len(mapping.arguments) == 2:
                kinds += [tuple(map(np.dtype, pair)) for pair in MIXED]
        for dtypes in kinds:
            xs = [draw(rng, d) if d.kind != "f" else rng.normal(size=1024).astype(d) for d in dtypes]
            if name.startswith("bitwise") and name.endswith("shift"):
                xs[1] = np.abs(xs[1] % 70).astype(dtypes[1])
            if name.startswith("binary_cross_entropy"):
                if any(d.kind == "u" for d in dtypes):  # NumPy negates it as it is, which wraps
                    continue
                xs = [x % 2 if x.dtype.kind != "b" else x for x in xs]
            try:
                want = evaluated(mapping, xs, STATIC.get(name, {}))
            except (TypeError, ValueError):
                continue
            if can_emit(mapping.lower, dtypes, np.result_type(*dtypes), want.dtype):
                found.append((name, xs, STATIC.get(name, {}), want))
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_integers_and_truth_values_are_numpys(target):
    tested = {name for name, *_ in on_integers()}
    not_on_integers = {
        name for name in EMITTED if not can_emit(EMITTED[name].lower, [INTEGERS[2]] * 2, INTEGERS[2], F64)
    }
    assert set(EMITTED) - tested <= not_on_integers
    assert len(tested) > 85
    kernels = Kernels(target)
    for i, (name, xs, static, want) in enumerate(on_integers()):
        kernels.add(f"k{i}", EMITTED[name].lower, [x.dtype for x in xs], want.dtype, static)
    for i, (name, xs, _, want) in enumerate(on_integers()):
        got = kernels.run(f"k{i}", want.dtype, *xs)
        about = f"{name} of {[str(x.dtype) for x in xs]}"
        if want.dtype.kind == "f":
            rtol = 1e-9 if name in DOUBLE_ULP else 10 * np.finfo(want.dtype).eps
            atol = 1e-300 if want.dtype == F64 else 1e-35
            if F32 in {x.dtype for x in xs} and want.dtype == F64:  # NumPy rounds single steps to float32
                rtol = atol = 1e-6
            if name == "logaddexp":  # whose value may be near 0
                atol = np.finfo(want.dtype).eps * 10
            wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
        else:
            wrong = got != want
        assert not wrong.any(), f"{about}: {told(xs, got, want, wrong)}"


def test_what_cannot_be_emitted_says_so():
    i64, u64 = np.dtype(np.int64), np.dtype(np.uint64)
    assert not can_emit("add", [np.dtype(np.float16)] * 2, np.dtype(np.float16), np.dtype(np.float16))
    assert not can_emit("add", [np.dtype(np.complex128)] * 2, np.dtype(np.complex128), np.dtype(np.complex128))
    assert not can_emit("pow", [i64, i64], i64, i64), "a negative exponent is an error"
    assert not can_emit("less", [i64, u64], F64, BOOL), "compared exactly, not as float64"
    assert not can_emit("no_such_mapping", [F32], F32, F32)


# ---------------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize("target", TARGETS)
def test_conversions_are_numpys(target):
    rng = np.random.default_rng(4)
    dtypes = [F32, F64, BOOL, *INTEGERS]
    kernels = Kernels(target)
    for old, new in itertools.product(dtypes, dtypes):
        kernels.add(f"{old}.{new}", "convert", [old], new, {})
    x86 = platform.machine() in ("x86_64", "AMD64")
    for old, new in itertools.product(dtypes, dtypes):
        if old.kind == "f":
            info = np.iinfo(new) if new.kind in "iu" else np.iinfo(np.int32)
            x = rng.uniform(max(info.min, -(2.0**62)), float(info.max) * 0.99, 1024).astype(old)
            x[: EDGES.size] = EDGES if x86 else 0.5
            x[EDGES.size : 512] = rng.normal(size=512 - EDGES.size) * 100
            x = x if new.kind != "u" or x86 else np.abs(x)
        else:
            x = draw(rng, old)
        with np.errstate(all="ignore"):
            want = x.astype(new)
        got = kernels.run(f"{old}.{new}", new, x)
        same = (got == want) | (np.isnan(got) & np.isnan(want)) if new.kind == "f" else got == want
        assert same.all(), f"{old} to {new}: {told([x], got, want, ~same)}"
