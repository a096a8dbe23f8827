"""The elementwise catalogue against independent oracles, and its traps by name."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import UnsupportedError
from pullback.core.mapping import CATALOGUE

inf, nan = math.inf, math.nan
RNG = np.random.default_rng(0)

# name: (interval, NumPy's function). Holomorphic, so the complex step is their derivative's oracle.
ANALYTIC = {
    "exp": ((-5, 5), np.exp),
    "expm1": ((-5, 5), np.expm1),
    "log": ((0.1, 9), np.log),
    "log1p": ((-0.9, 9), np.log1p),
    "log2": ((0.1, 9), np.log2),
    "log10": ((0.1, 9), np.log10),
    "sqrt": ((0.1, 9), np.sqrt),
    "sin": ((-7, 7), np.sin),
    "cos": ((-7, 7), np.cos),
    "tan": ((-1.4, 1.4), np.tan),
    "asin": ((-0.95, 0.95), np.arcsin),
    "acos": ((-0.95, 0.95), np.arccos),
    "atan": ((-7, 7), np.arctan),
    "sinh": ((-5, 5), np.sinh),
    "cosh": ((-5, 5), np.cosh),
    "tanh": ((-5, 5), np.tanh),
    "asinh": ((-7, 7), np.arcsinh),
    "acosh": ((1.1, 9), np.arccosh),
    "atanh": ((-0.95, 0.95), np.arctanh),
    "sigmoid": ((-9, 9), lambda x: 1 / (1 + np.exp(-x))),
    "softplus": ((-9, 9), lambda x: np.log(1 + np.exp(x))),
    "log_sigmoid": ((-9, 9), lambda x: -np.log(1 + np.exp(-x))),
    "silu": ((-9, 9), lambda x: x / (1 + np.exp(-x))),
    "mish": ((-9, 9), lambda x: x * np.tanh(np.log(1 + np.exp(x)))),
}


def points(name: str, dtype: type = np.float64) -> np.ndarray:
    (low, high), _ = ANALYTIC[name]
    return np.random.default_rng(1).uniform(low, high, 50).astype(dtype)


def slope(f, x):
    """The elementwise derivative: one pushforward along the ones."""
    return pb.jvp(f, (x,), (np.ones(x.shape, x.dtype),))[1]


@pytest.mark.parametrize("name", ANALYTIC)
def test_value(name: str) -> None:
    x = points(name)
    np.testing.assert_allclose(getattr(pb, name)(x).numpy(), ANALYTIC[name][1](x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", ANALYTIC)
def test_first_derivative_by_the_complex_step(name: str) -> None:
    x = points(name)
    expected = ANALYTIC[name][1](x + 1e-100j).imag / 1e-100
    f = getattr(pb, name)
    np.testing.assert_allclose(slope(f, x).numpy(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(pb.grad(lambda x: pb.sum(f(x)))(x).numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ANALYTIC)
def test_second_derivative_by_differences_of_the_complex_step(name: str) -> None:
    x = points(name)
    h = 1e-5

    def first(x):
        return ANALYTIC[name][1](x + 1e-100j).imag / 1e-100

    expected = (first(x + h) - first(x - h)) / (2 * h)
    second = slope(lambda x: slope(getattr(pb, name), x), x)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ANALYTIC)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_dtype_is_kept_by_value_and_gradient(name: str, dtype: type) -> None:
    x = points(name, dtype)
    f = getattr(pb, name)
    assert f(x).dtype == dtype
    assert f(x[0]).dtype == dtype
    assert pb.grad(lambda x: pb.sum(f(x)))(x).dtype == dtype
    wide = ANALYTIC[name][1](x.astype(np.float64))
    np.testing.assert_allclose(f(x).numpy(), wide, rtol=8 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


# ------------------------------------------------------------------------------------------ weak numbers


@pytest.mark.parametrize("name", ["pow", "maximum", "minimum", "atan2", "hypot", "logaddexp", "copysign", "remainder"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_python_number_takes_the_dtype_of_the_array(name: str, dtype: type) -> None:
    f = getattr(pb, name)
    x = np.array([0.5, 2.5], dtype)
    for y in (f(x, 2), f(x, 0.3), f(2, x), f(0.3, x), pb.grad(lambda x: pb.sum(f(x, 0.3)))(x)):
        assert y.dtype == dtype
    assert f(0.5, 0.3).dtype == pb.default_dtype()


@pytest.mark.parametrize("name", ["pow", "divide", "multiply", "atan2", "hypot", "logaddexp"])
def test_a_python_number_is_never_rounded_to_the_default_dtype_on_the_way_back(name: str) -> None:
    f = getattr(pb, name)
    for g in (lambda x: f(x, 0.3), lambda x: f(0.3, x)):
        as_array = pb.grad(pb.grad(lambda x, g=g: pb.square(g(x))))(np.float64(1.7))
        h = 1e-4
        first = pb.grad(lambda x, g=g: pb.square(g(x)))
        by_differences = (float(first(np.float64(1.7 + h))) - float(first(np.float64(1.7 - h)))) / (2 * h)
        assert float(as_array) == pytest.approx(by_differences, rel=3e-8)


def test_where_between_two_python_numbers_takes_the_default_dtype() -> None:
    condition = np.array([True, False])
    assert pb.where(condition, 1.0, 0.0).dtype == pb.default_dtype()
    assert pb.where(condition, 1.0, 0).dtype == pb.default_dtype()
    assert pb.where(condition, 1, 0).dtype == np.int64
    assert pb.where(condition, np.float64(1), 0.0).dtype == np.float64


# ------------------------------------------------------------------------------------------------- traps


def test_pow_with_a_number_as_exponent_has_no_nan_at_zero() -> None:
    x = np.array([-2.0, 0.0, 3.0])
    for p, expected in ((0, 0 * x), (1, 1 + 0 * x), (2, 2 * x), (3, 3 * x**2), (2.0, 2 * x), (5, 5 * x**4)):
        np.testing.assert_array_equal(slope(lambda x, p=p: x**p, x).numpy(), expected)
    np.testing.assert_array_equal(slope(lambda x: slope(lambda x: x**3, x), x).numpy(), 6 * x)
    np.testing.assert_array_equal(slope(lambda x: slope(lambda x: x**2, x), x).numpy(), [2, 2, 2])


def test_cube_is_exact_on_whole_numbers_and_near_the_true_cube() -> None:
    x = np.arange(-50.0, 50.0)
    np.testing.assert_array_equal(pb.pow(x, 3).numpy(), x**3.0)
    assert pb.pow(np.array([2, 3]), 3).dtype == np.int64


def test_pow_in_base_and_exponent_at_zero() -> None:
    a = np.array([0.0, 0.0, 0.0, 2.0, 4.0])
    b = np.array([0.0, 1.0, 2.0, 0.0, -0.5])
    da, db = pb.grad(lambda a, b: pb.sum(pb.pow(a, b)), argnums=(0, 1))(a, b)
    np.testing.assert_allclose(da.numpy(), [0, 1, 0, 0, -0.5 * 4**-1.5], rtol=1e-15)
    np.testing.assert_allclose(db.numpy(), [0, 0, 0, math.log(2), 0.5 * math.log(4)], rtol=1e-15)


def test_mixed_second_derivative_of_pow_is_right_where_the_exponent_is_zero() -> None:
    # d/db d/da a^b = a^(b-1) (1 + b ln a), which is 1/a at b = 0: masking b itself would give 0 or a.
    mixed = pb.grad(lambda b: pb.grad(lambda a: pb.pow(a, b))(np.float64(3.0)))(np.float64(0.0))
    assert float(mixed) == pytest.approx(1 / 3, rel=1e-14)


def test_where_gives_the_branch_not_taken_exactly_zero() -> None:
    x = np.array([-1.0, 0.0, 4.0])
    safe = pb.grad(lambda x: pb.sum(pb.where(x > 0, pb.sqrt(pb.where(x > 0, x, 1.0)), 0.0)))(x)
    np.testing.assert_array_equal(safe.numpy(), [0.0, 0.0, 0.25])
    for bad in (nan, inf):
        _, back = pb.vjp(lambda x, y: pb.where(np.array([True, False]), x, y), np.ones(2), np.full(2, bad))
        gx, gy = back(np.array([bad, bad]))
        np.testing.assert_array_equal(gx.numpy(), [bad, 0.0])
        np.testing.assert_array_equal(gy.numpy(), [0.0, bad])


@pytest.mark.parametrize("zero", [0, 0.0])
def test_dividing_by_a_number_that_is_zero_has_an_infinite_slope(zero: float) -> None:
    x = pb.tensor([1.0, -1.0], requires_grad=True)
    (x / zero)[0].backward()
    np.testing.assert_array_equal(x.grad.numpy(), [np.inf, np.nan])  # inf · 0 in the element that was not chosen


def test_square_root_at_zero_has_an_infinite_slope() -> None:
    assert float(pb.grad(pb.sqrt)(0.0)) == inf


def test_clip_at_its_bounds_and_with_arrays() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    np.testing.assert_array_equal(slope(lambda x: pb.clip(x, 0.0, 1.0), x).numpy(), [0, 1, 1, 1, 0])
    low, high = np.full(5, 0.0), np.full(5, 1.0)
    gs = pb.grad(lambda x, low, high: pb.sum(pb.clip(x, low, high)), argnums=(0, 1, 2))(x, low, high)
    np.testing.assert_array_equal([g.numpy() for g in gs], [[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(pb.clip(x, 1.0, 0.0).numpy(), np.clip(x, 1.0, 0.0))
    np.testing.assert_array_equal(pb.clip(x, max=0.2).numpy(), np.minimum(x, 0.2))
    np.testing.assert_array_equal(pb.clip(x).numpy(), x)


def test_maximum_and_minimum_share_ties() -> None:
    for f in (pb.maximum, pb.minimum):
        ga, gb = pb.grad(lambda a, b, f=f: pb.sum(f(a, b)), argnums=(0, 1))(np.ones(2), np.ones(2))
        np.testing.assert_array_equal([ga.numpy(), gb.numpy()], 0.5 * np.ones((2, 2)))


def test_stop_gradient_in_every_mode() -> None:
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(slope(lambda x: x * pb.stop_gradient(x), x).numpy(), x)
    np.testing.assert_array_equal(pb.grad(lambda x: pb.sum(x * pb.stop_gradient(x)))(x).numpy(), x)


def test_nan_to_num() -> None:
    x = np.array([nan, inf, -inf, 2.0])
    np.testing.assert_array_equal(pb.nan_to_num(x).numpy(), np.nan_to_num(x))
    np.testing.assert_array_equal(pb.nan_to_num(x, 1.0, 2.0, 3.0).numpy(), [1, 2, 3, 2])
    np.testing.assert_array_equal(pb.grad(lambda x: pb.sum(pb.nan_to_num(x)))(x).numpy(), [0, 0, 0, 1])


def test_parts_of_a_complex_number_have_values_and_refuse_derivatives() -> None:
    z = np.array([1 + 2j, 3 - 4j])
    np.testing.assert_array_equal(pb.real(z).numpy(), z.real)
    np.testing.assert_array_equal(pb.imag(z).numpy(), z.imag)
    np.testing.assert_array_equal(pb.conj(z).numpy(), z.conj())
    np.testing.assert_array_equal(pb.abs(z).numpy(), [5**0.5, 5.0])
    for f in (pb.real, pb.imag, pb.conj, pb.abs):
        with pytest.raises(UnsupportedError, match="complex"):
            f.derivative[0](z, z)


def test_comparisons_and_bits_carry_no_gradient_and_keep_integers() -> None:
    x = pb.tensor([1.0, 2.0], requires_grad=True)
    assert not (x > 1.5).requires_grad
    i = np.array([5, 6], np.uint8)
    for f, expected in (
        (pb.bitwise_and(i, 3), i & 3),
        (pb.bitwise_or(i, 8), i | 8),
        (pb.bitwise_xor(i, i), i ^ i),
        (pb.bitwise_left_shift(i, 1), i << 1),
        (pb.bitwise_right_shift(i, 1), i >> 1),
        (pb.bitwise_invert(i), ~i),
        (pb.round(i), i),
        (pb.floor(i), i),
    ):
        assert f.dtype == expected.dtype
        np.testing.assert_array_equal(f.numpy(), expected)


def test_remainder_and_floor_divide_follow_the_divisor() -> None:
    a, b = np.array([7.5, -7.5, 7.5, -7.5]), np.array([2.0, 2.0, -2.0, -2.0])
    np.testing.assert_array_equal(pb.remainder(a, b).numpy(), a % b)
    da, db = pb.grad(lambda a, b: pb.sum(pb.remainder(a, b)), argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(da.numpy(), 1)
    np.testing.assert_array_equal(db.numpy(), -np.floor(a / b))
    np.testing.assert_array_equal(pb.floor_divide(a, b).numpy(), a // b)


# ------------------------------------------------------------------------------- activations and warnings

ACTIVATIONS = {
    "sigmoid": {},
    "log_sigmoid": {},
    "softplus": {},
    "relu": {},
    "leaky_relu": {"negative_slope": 0.2},
    "elu": {"alpha": 0.7},
    "celu": {"alpha": 1.5},
    "selu": {},
    "relu6": {},
    "hardtanh": {},
    "softsign": {},
    "silu": {},
    "mish": {},
    "gelu": {},
    "hard_sigmoid": {},
    "hard_swish": {},
}


@pytest.mark.parametrize("name", [*ACTIVATIONS, "tanh", "erf", "erfc", "atan", "asinh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_floating_point_warning_at_any_ordinary_input(name: str, dtype: type) -> None:
    x = np.concatenate([np.linspace(-3, 3, 25), [-1e4, -800.0, -100.0, 100.0, 800.0, 1e4]]).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, dy = pb.jvp(getattr(pb, name), (x,), (np.ones_like(x),))
        one = getattr(pb, name)(x[-6])
    assert np.isfinite(y.numpy()).all() and np.isfinite(dy.numpy()).all() and np.isfinite(one.numpy())
    assert y.dtype == dy.dtype == one.dtype == dtype


@pytest.mark.parametrize("name", [*ACTIVATIONS, "gelu tanh"])
def test_value_gradient_and_kinks_equal_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    name, _, tanh = name.partition(" ")
    static = {"approximate": "tanh"} if tanh else ACTIVATIONS[name]
    theirs = {"log_sigmoid": "logsigmoid", "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish"}.get(name, name)
    kinks = {"hardtanh": [-1.0, 1.0], "relu6": [0.0, 6.0], "hard_sigmoid": [-3.0, 3.0], "hard_swish": [-3.0, 3.0]}
    x = np.concatenate([np.linspace(-8, 8, 65), [0.0, -40.0, 40.0], kinks.get(name, [])])
    t = torch.tensor(x, requires_grad=True)
    f = getattr(torch, theirs, None) if name == "sigmoid" else getattr(torch.nn.functional, theirs)
    y = f(t, **static)
    y.sum().backward()
    rtol = 1e-7 if name == "hard_sigmoid" else 1e-12  # PyTorch's 1/6 is a float32 there
    leaf = pb.tensor(x, requires_grad=True)
    ours = getattr(pb, name)(leaf, **static)
    pb.sum(ours).backward()
    np.testing.assert_allclose(ours.numpy(), y.detach().numpy(), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(leaf.grad.numpy(), t.grad.numpy(), rtol=rtol, atol=1e-14)


def test_second_derivatives_of_activations_equal_differences_of_the_first() -> None:
    x = np.linspace(-4, 4, 34)  # no kink among them
    h = 1e-5
    for name, static in [*ACTIVATIONS.items(), ("gelu", {"approximate": "tanh"})]:
        f = lambda x, name=name, static=static: getattr(pb, name)(x, **static)
        expected = (slope(f, x + h).numpy() - slope(f, x - h).numpy()) / (2 * h)
        second = slope(lambda x, f=f: slope(f, x), x).numpy()
        np.testing.assert_allclose(second, expected, rtol=1e-7, atol=1e-8, err_msg=name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pb.gelu(1.0, approximate="sigmoid"), "approximate must be 'none' or 'tanh', got 'sigmoid'"),
        (lambda: pb.elu(1.0, alpha=-1.0), "alpha must not be negative, got -1.0"),
        (lambda: pb.celu(1.0, alpha=0.0), "alpha must be positive, got 0.0"),
        (lambda: pb.hardtanh(1.0, min_val=1.0, max_val=-1.0), "min_val must be less than max_val, got 1.0 and -1.0"),
    ],
)
def test_static_parameters_out_of_range_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_unsigned_and_boolean_inputs_do_not_wrap() -> None:
    i = np.array([0, 1, 3], np.uint8)
    np.testing.assert_allclose(pb.sigmoid(i).numpy(), 1 / (1 + np.exp(-i.astype(float))), rtol=1e-15)
    np.testing.assert_allclose(pb.log_sigmoid(i).numpy(), -np.log1p(np.exp(-i.astype(float))), rtol=1e-15)
    np.testing.assert_allclose(pb.erf(i).numpy(), [math.erf(n) for n in i], rtol=1e-15)


# ----------------------------------------------------------------------------------- the error functions


def ulps(got: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact.astype(got.dtype)))))


ERROR_POINTS = np.concatenate(
    [
        RNG.uniform(-6, 6, 600),
        RNG.uniform(-0.6, 0.6, 300),
        RNG.uniform(6, 26, 100),
        [0.46875, -0.46875, 4.0, -4.0, 0.5, 26.5],
        10.0 ** RNG.uniform(-300, -1, 50),
    ]
)


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_functions_to_the_last_bits(name: str) -> None:
    exact = np.array([getattr(math, name)(x) for x in ERROR_POINTS])  # the C library's, within 2 units
    assert ulps(CATALOGUE[name].evaluate(ERROR_POINTS), exact) <= 6
    single = ERROR_POINTS[np.abs(ERROR_POINTS) > 1e-37].astype(np.float32)
    exact = np.array([getattr(math, name)(float(x)) for x in single])
    normal = np.abs(exact) > np.finfo(np.float32).tiny
    got = CATALOGUE[name].evaluate(single)
    assert got.dtype == np.float32
    assert ulps(got[normal], exact[normal]) <= 0.51


def test_inverse_error_function_to_the_last_bits() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate(
        [RNG.uniform(-1, 1, 500), 1 - 10.0 ** RNG.uniform(-15, -1, 200), 10.0 ** RNG.uniform(-300, -1, 50)]
    )
    assert ulps(CATALOGUE["erfinv"].evaluate(x), special.erfinv(x)) <= 8
    np.testing.assert_allclose([math.erf(v) for v in pb.erfinv(x).numpy()], x, rtol=4e-15)


def test_a_number_and_an_array_of_it_agree() -> None:
    x = np.linspace(-5, 5, 101)
    for name in ("erf", "erfc", "sigmoid", "relu", "gelu", "silu"):
        f = getattr(pb, name)
        np.testing.assert_allclose([float(f(v)) for v in x], f(x).numpy(), rtol=2e-15, atol=1e-300)


def test_error_function_of_any_layout() -> None:
    x = RNG.normal(size=(3, 40, 300))
    for view in (x, x[::2, ::-1], np.asfortranarray(x), x.transpose(2, 0, 1), x[:0], x[0, 0, 0]):
        expected = np.vectorize(math.erf, otypes=[float])(view)
        np.testing.assert_allclose(pb.erf(view).numpy(), expected, rtol=1e-15)
