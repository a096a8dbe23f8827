"""np.linalg on tensors: NumPy's values, PyTorch's gradients, and a clear refusal of what has no mapping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb

RNG = np.random.default_rng(0)
VECTOR, MATRIX, STACK = RNG.normal(size=7), RNG.normal(size=(4, 5)), RNG.normal(size=(3, 4, 5))
INF = np.inf
KNOWN = [
    (VECTOR, {}), (VECTOR, {"ord": 1}), (VECTOR, {"ord": 2}), (VECTOR, {"ord": INF}), (VECTOR, {"ord": -INF}),
    (MATRIX, {}), (MATRIX, {"ord": "fro"}), (MATRIX, {"ord": 1}), (MATRIX, {"ord": -1}), (MATRIX, {"ord": INF}),
    (MATRIX, {"ord": -INF}), (MATRIX, {"axis": 0}), (MATRIX, {"axis": -1, "ord": 1}), (MATRIX, {"axis": (1,)}),
    (MATRIX, {"axis": 1, "ord": INF}), (MATRIX, {"axis": (1, 0), "ord": 1}), (STACK, {}), (STACK, {"axis": (0, 2)}),
    (STACK, {"axis": (0, 2), "ord": INF}), (STACK, {"axis": (-1, -3), "ord": -1}), (STACK, {"axis": 1}),
]  # fmt: skip


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("x", "options"), KNOWN)
def test_norm_is_numpy_s_and_its_gradient_is_that_of_finite_differences(x, options, keepdims):
    t = pb.tensor(x, requires_grad=True)
    y = np.linalg.norm(t, **options, keepdims=keepdims)
    expected = np.linalg.norm(x, **options, keepdims=keepdims)
    assert isinstance(y, pb.Tensor) and y.shape == np.shape(expected)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-14)
    weights = RNG.normal(size=y.shape)
    (y * weights).sum().backward()
    for index in list(np.ndindex(x.shape))[::3]:
        moved = [x.copy(), x.copy()]
        moved[0][index] += 1e-6
        moved[1][index] -= 1e-6
        high, low = (np.sum(weights * np.linalg.norm(m, **options, keepdims=keepdims)) for m in moved)
        assert abs((high - low) / 2e-6 - t.grad.numpy()[index]) < 1e-7


@pytest.mark.parametrize(("x", "options"), KNOWN)
def test_gradients_are_pytorch_s(x, options):
    torch = pytest.importorskip("torch")
    if options.get("ord") in (-INF, -1) or (len(np.shape(x)) > 2 and not options):
        options = {key: value for key, value in options.items() if key != "ord"}
    t, other = pb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    np.linalg.norm(t, **options).sum().backward()
    dim = options.get("axis")
    torch.linalg.norm(other, options.get("ord"), dim=dim).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), other.grad.numpy(), rtol=1e-12, atol=1e-14)


@given(st.sampled_from(["vector_norm", "matrix_norm"]), st.booleans(), st.sampled_from([1, INF, -INF, None]))
def test_the_array_api_s_two_norms(name, keepdims, ord):
    options = {"keepdims": keepdims} | ({} if ord is None else {"ord": ord})
    f = getattr(np.linalg, name)
    np.testing.assert_allclose(f(pb.tensor(STACK), **options).numpy(), f(STACK, **options), rtol=1e-14)


@pytest.mark.parametrize("name", ["matmul", "tensordot", "vecdot", "outer", "matrix_transpose"])
def test_products(name):
    f = getattr(np.linalg, name)
    args = [VECTOR, VECTOR] if name == "outer" else [STACK] if name == "matrix_transpose" else [SQUARES, SQUARES]
    t = [pb.tensor(x, requires_grad=True) for x in args]
    y = f(*t)
    np.testing.assert_allclose(y.numpy(), f(*args), rtol=1e-14)
    y.sum().backward()
    assert all(x.grad is not None for x in t)


SQUARES = RNG.normal(size=(3, 3))


def test_whole_numbers_zeros_and_numbers_whose_squares_overflow():
    assert np.linalg.norm(pb.tensor([3, 4])).item() == 5
    zero = pb.tensor(np.zeros(3), requires_grad=True)
    np.linalg.norm(zero).backward()
    assert zero.grad.numpy().tolist() == [0, 0, 0]  # as in PyTorch; NumPy has no gradient
    assert np.linalg.norm(pb.tensor([1e300, 1e300], dtype="float64")).item() == pytest.approx(2**0.5 * 1e300)
    assert np.linalg.norm(pb.tensor(np.float32([3, 4]))).dtype == np.float32


def test_inside_the_transforms():
    np.testing.assert_allclose(pb.grad(np.linalg.norm)(pb.tensor(VECTOR)).numpy(), VECTOR / np.linalg.norm(VECTOR))
    rows = pb.vmap(np.linalg.norm)(pb.tensor(MATRIX))
    np.testing.assert_allclose(rows.numpy(), np.linalg.norm(MATRIX, axis=1), rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda t: np.linalg.norm(t, 2), TypeError, "singular values"),
        (lambda t: np.linalg.norm(t, "nuc"), TypeError, "singular values"),
        (lambda t: np.linalg.norm(t, "fr"), ValueError, "ord must be None, 'fro', 1, -1, inf or -inf, got 'fr'"),
        (lambda t: np.linalg.norm(t, 3, axis=0), ValueError, "ord must be None, 1, 2, inf or -inf for tensors, got 3"),
        (lambda t: np.linalg.norm(t, axis=5), ValueError, "axis 5"),
        (lambda t: np.linalg.norm(t, axis=(0, 2)), ValueError, "axis 2 does not exist in a tensor with 2 axes"),
        (lambda t: np.linalg.norm(t, axis=(0, 0)), ValueError, "two different axes"),
        (lambda t: np.linalg.norm(t, axis=(0, 1, 1)), ValueError, "one axis or two"),
        (lambda t: np.linalg.norm(pb.stack([t, t]), 1), ValueError, "say which: axis="),
        (lambda t: np.linalg.inv(t), TypeError, "np.linalg.inv has no mapping for tensors"),
        (lambda t: np.linalg.svd(t), TypeError, "np.linalg.svd has no mapping for tensors"),
        (lambda t: np.linalg.trace(t), TypeError, "np.linalg.trace has no mapping for tensors"),
        (lambda t: np.fft.fft(t), TypeError, "np.fft.fft has no mapping for tensors"),
    ],
)
def test_what_there_is_no_mapping_of_is_refused(call, error, says):
    with pytest.raises(error, match=says.replace("(", r"\(").replace("|", r"\|")):
        call(pb.tensor(SQUARES))
