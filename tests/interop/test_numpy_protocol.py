"""NumPy's own functions on tensors: the value is NumPy's, the gradient flows, and the rest is refused."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb

RNG = np.random.default_rng(0)
A = RNG.uniform(0.2, 0.9, (3, 4))
B = RNG.uniform(0.2, 0.9, (3, 4))
SQUARE = RNG.uniform(0.2, 0.9, (3, 3))

# fmt: off
UNARY = (
    "abs", "absolute", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "sin", "cos", "tan",
    "arcsin", "arccos", "arctan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "asinh",
    "atanh", "negative", "positive", "reciprocal", "sign", "floor", "ceil", "trunc", "rint", "fabs", "isnan",
    "isfinite", "isinf", "signbit", "logical_not", "conjugate",
)
# fmt: on
# fmt: off
BINARY = (
    "add", "subtract", "multiply", "divide", "true_divide", "power", "pow", "maximum", "minimum", "arctan2",
    "atan2", "hypot", "logaddexp", "copysign", "floor_divide", "remainder", "mod", "equal", "not_equal", "less",
    "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor", "nextafter",
)
# fmt: on


def check(y: object, expected: object) -> None:
    assert isinstance(y, pb.Tensor)
    got = y.numpy()
    assert got.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(got, expected, rtol=1e-14)


@pytest.mark.parametrize("name", UNARY)
def test_unary_ufuncs(name: str) -> None:
    f = getattr(np, name)
    check(f(pb.tensor(A)), f(A))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("left_is_tensor", [True, False])
def test_binary_ufuncs_with_an_array_on_either_side(name: str, left_is_tensor: bool) -> None:
    f = getattr(np, name)
    check(f(pb.tensor(A), B) if left_is_tensor else f(A, pb.tensor(B)), f(A, B))


CALLS = {
    "sum": (lambda x: np.sum(x, axis=1, keepdims=True)),
    "sum positional axis": (lambda x: np.sum(x, 0)),
    "sum dtype": (lambda x: np.sum(x, dtype=np.float32)),
    "add.reduce": (lambda x: np.add.reduce(x)),
    "add.reduce axis": (lambda x: np.add.reduce(x, 1)),
    "maximum.reduce": (lambda x: np.maximum.reduce(x, axis=None)),
    "mean": (lambda x: np.mean(x, axis=-1)),
    "max": (lambda x: np.max(x, axis=0)),
    "amin": (lambda x: np.amin(x)),
    "concatenate": (lambda x: np.concatenate([x, x + 1], axis=1)),
    "stack": (lambda x: np.stack([x, x], axis=2)),
    "where": (lambda x: np.where(x > 0.5, x, 0.0)),
    "where keywords": (lambda x: np.where(A > 0.5, x, -x)),
    "matmul": (lambda x: np.matmul(SQUARE, x)),
    "operator @ of an array": (lambda x: SQUARE @ x),
    "dot": (lambda x: np.dot(SQUARE, x)),
    "reshape": (lambda x: np.reshape(x, (4, 3))),
    "reshape keyword": (lambda x: np.reshape(x, shape=(2, 6))),
    "transpose": (lambda x: np.transpose(x)),
    "transpose axes": (lambda x: np.transpose(x, (1, 0))),
    "ravel": (lambda x: np.ravel(x)),
    "squeeze": (lambda x: np.squeeze(x)),
    "expand_dims": (lambda x: np.expand_dims(x, 1)),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1)),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 1)),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 4))),
    "flip": (lambda x: np.flip(x, axis=1)),
    "roll": (lambda x: np.roll(x, 1, axis=0)),
    "tile": (lambda x: np.tile(x, (1, 2))),
    "repeat": (lambda x: np.repeat(x, 2, axis=0)),
    "take": (lambda x: np.take(x, np.array([0, 2]), axis=1)),
    "clip": (lambda x: np.clip(x, 0.4, 0.6)),
    "clip keywords": (lambda x: np.clip(x, min=0.4, max=None)),
    "round": (lambda x: np.round(x)),
    "nan_to_num": (lambda x: np.nan_to_num(x, nan=1.0)),
    "pad": (lambda x: np.pad(x, 1)),
    "tril": (lambda x: np.tril(x, 1)),
    "diagonal": (lambda x: np.diagonal(x)),
    "array + tensor": (lambda x: A + x),
    "number of NumPy * tensor": (lambda x: np.float64(2.0) * x),
    "array - tensor, comparison": (
        lambda x: (A - x) * (A < x)  # noqa: SIM300  # the array is asked first
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_give_numpys_value_and_a_gradient(name: str) -> None:
    f = CALLS[name]
    expected = f(B)
    check(f(pb.tensor(B)), expected)
    # The gradient of Σ w·f is that of the finite differences: f really took part in the graph.
    w = np.asarray(np.random.default_rng(1).normal(size=expected.shape)).astype(expected.dtype)
    leaf = pb.tensor(B, requires_grad=True)
    y = f(leaf)
    pb.sum(y * w).backward()
    if name == "round":
        assert leaf.grad is None
        return
    h = 1e-6
    for i in [(0, 0), (1, 2), (2, 3)]:
        up, down = B.copy(), B.copy()
        up[i] += h
        down[i] -= h
        slope = np.sum(w * (f(up) - f(down)).astype(np.float64)) / (2 * h)
        tolerance = 1e-8 if expected.dtype == np.float64 else 1.0
        assert leaf.grad.numpy()[i] == pytest.approx(slope, abs=tolerance)


def test_questions_are_answered_on_the_numbers() -> None:
    t = pb.tensor(A)
    assert np.allclose(t, A) is True
    assert np.array_equal(A, t)
    assert np.shape(t) == (3, 4) and np.ndim(t) == 2 and np.size(t) == 12


def test_the_shape_is_known_without_the_numbers() -> None:
    traced = pb.trace(lambda x: x * float(np.ndim(x) + np.size(x) + np.shape(x)[0] + np.size(x, 1)))
    assert float(traced(pb.tensor(np.ones((3, 4))))[0, 0]) == 2 + 12 + 3 + 4


def test_composes_with_the_transforms() -> None:
    g = pb.grad(lambda x: np.sum(np.sin(x) * np.exp(-x)))(B)
    np.testing.assert_allclose(g.numpy(), np.exp(-B) * (np.cos(B) - np.sin(B)), rtol=1e-14)
    check(pb.vmap(lambda x: np.max(x))(B), B.max(axis=1))


REFUSED = {
    "out of a ufunc": (lambda t: np.sin(t, out=np.empty((3, 4))), r"out=.*pullback\.sin"),
    "where of a ufunc": (lambda t: np.sin(t, where=A > 0.5), r"where=.*pullback\.sin"),
    "dtype of a ufunc": (lambda t: np.add(t, t, dtype=np.float32), r"dtype=.*pullback\.add"),
    "out of a function": (lambda t: np.sum(t, out=np.empty(())), r"out=.*pullback\.sum"),
    "where of a function": (lambda t: np.sum(t, where=A > 0.5), r"where=.*pullback\.sum"),
    "decimals": (lambda t: np.round(t, 2), r"decimals=2.*pullback\.round"),
    "unknown ufunc": (lambda t: np.heaviside(t, 0.5), r"np\.heaviside.*np\.asarray\(t\)"),
    "unknown function": (lambda t: np.fft.fft(t), r"np\.fft\.fft.*np\.asarray\(t\)"),
    "unknown reduce": (lambda t: np.subtract.reduce(t), r"np\.subtract\.reduce.*np\.asarray\(t\)"),
    "outer method": (lambda t: np.add.outer(t, t), r"np\.add\.outer"),
    "too many arguments": (lambda t: np.expand_dims(t, 0, 1), "expand_dims"),
    "missing branch": (lambda t: np.where(t > 0), "'x' is missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        call(pb.tensor(A))


def test_an_array_cannot_take_a_tensor_in_place() -> None:
    a = A.copy()
    with pytest.raises(TypeError, match=r"right:  a = a \+ t"):
        a += pb.tensor(B)
    assert np.array_equal(a, A)


def test_a_ufunc_that_is_not_numpys_is_not_taken_by_its_name() -> None:
    special = pytest.importorskip("scipy.special")
    with pytest.raises(TypeError, match=r"pullback\.erf"):
        special.erf(pb.tensor(A))
