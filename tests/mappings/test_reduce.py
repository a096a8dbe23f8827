"""Reductions against NumPy and SciPy, for values, gradients and every transform."""

import numpy as np
import pytest
import scipy.special

import pullback as pb

AXES = [None, 0, -1, (0, 2), (), (1, 0, 2)]

REAL = {
    "sum": (pb.sum, np.sum),
    "mean": (pb.mean, np.mean),
    "max": (pb.max, np.max),
    "min": (pb.min, np.min),
    "prod": (pb.prod, np.prod),
    "logsumexp": (pb.logsumexp, scipy.special.logsumexp),
    "norm": (pb.norm, lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))),
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("axis", AXES, ids=repr)
@pytest.mark.parametrize("keepdims", [False, True])
def test_real_reductions(name, axis, keepdims, check, rng):
    ours, numpys = REAL[name]
    x = rng.normal(size=(2, 3, 2))
    check(lambda x: ours(x, axis=axis, keepdims=keepdims), x, expected=numpys(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("axis", [None, 0, (0, 2)], ids=repr)
@pytest.mark.parametrize("correction", [0, 1, 0.5])
@pytest.mark.parametrize("keepdims", [False, True])
def test_var_and_std(axis, correction, keepdims, check, rng):
    x = rng.normal(size=(3, 2, 3)) + 5
    for ours, numpys in ((pb.var, np.var), (pb.std, np.std)):
        want = numpys(x, axis=axis, ddof=correction, keepdims=keepdims)
        check(lambda x, f=ours: f(x, axis=axis, correction=correction, keepdims=keepdims), x, expected=want)


@pytest.mark.parametrize("name", REAL)
def test_numbers_and_strided_arrays(name, check, rng):
    ours, numpys = REAL[name]
    check(lambda x: ours(x), rng.normal(), second=False)
    x = rng.normal(size=(4, 6))[::-2, ::3].T
    check(lambda x: ours(x, axis=0), x, expected=numpys(x, axis=0, keepdims=False))


def test_empty():
    x = np.zeros((0, 3))
    assert pb.sum(x).item() == 0 and pb.prod(x, axis=0).tolist() == [1, 1, 1]
    assert np.isnan(pb.mean(x, axis=0).numpy()).all() and pb.mean(x, axis=1).shape == (0,)
    assert np.isnan(pb.var(x, axis=0).numpy()).all() and pb.std(x, axis=1).shape == (0,)
    assert pb.logsumexp(x).item() == -np.inf and pb.norm(x).item() == 0
    assert not pb.any(x).item() and pb.all(x).item() and pb.count_nonzero(x).item() == 0
    assert pb.max(x, axis=1).shape == (0,)
    for f in (pb.max, pb.min, pb.argmax, pb.argmin):
        with pytest.raises(pb.ShapeError, match=rf"{f.__name__}: an array of shape .* has no element to choose"):
            f(x, axis=0)
        with pytest.raises(pb.ShapeError, match="no element"):
            f(x)
    for f in (pb.sum, pb.prod, pb.mean, pb.logsumexp, pb.norm):
        assert pb.grad(lambda x, f=f: pb.sum(f(x, axis=1)))(x).shape == (0, 3)
        assert pb.grad(f)(np.zeros((0,))).shape == (0,)


def test_ties_share_evenly():
    x = np.array([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(
        pb.grad(lambda x: pb.sum(pb.max(x, axis=1)))(x).numpy(), [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-15
    )
    np.testing.assert_allclose(pb.grad(pb.min)(x).numpy(), [[0, 1, 0], [0, 0, 0]])
    assert pb.jvp(pb.max, (x,), (np.array([[1.0, 0, 3], [0, 0, 0]]),))[1].item() == 2
    batched = pb.vmap(pb.grad(pb.max))(x)
    np.testing.assert_allclose(batched.numpy(), [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-15)
    assert np.isnan(pb.max(np.array([1.0, np.nan])).item())
    assert pb.grad(pb.max)(np.array([1.0, 1.0], np.float32)).dtype == np.float32


@pytest.mark.parametrize("zeros", [(), (0,), (1, 3), (0, 1, 2, 3, 4)])
def test_products_with_zeros_to_second_order(zeros, check, rng):
    x = rng.normal(size=5)
    x[list(zeros)] = 0
    check(pb.prod, x, expected=np.prod(x))
    check(pb.cumulative_prod, x, expected=np.cumprod(x))
    hessian = pb.hessian(pb.prod)(x).numpy()
    for i in range(5):
        for j in range(5):
            others = [x[k] for k in range(5) if k not in (i, j)]
            np.testing.assert_allclose(hessian[i, j], 0 if i == j else np.prod(others), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_totals(axis, check, rng):
    x = rng.normal(size=(5, 3))
    check(lambda x: pb.cumulative_sum(x, axis=axis), x, expected=np.cumsum(x, axis))
    check(lambda x: pb.cumulative_prod(x, axis=axis), x, expected=np.cumprod(x, axis))
    check(
        lambda x: pb.cumulative_sum(x, axis=axis, include_initial=True),
        x,
        expected=np.cumulative_sum(x, axis=axis, include_initial=True),
    )
    want = np.cumulative_prod(x, axis=axis, include_initial=True)
    check(lambda x: pb.cumulative_prod(x, axis=axis, include_initial=True), x, expected=want)


def test_running_totals_of_integers_and_errors():
    assert pb.cumulative_sum(pb.tensor([1, 2, 3])).tolist() == [1, 3, 6]
    assert pb.cumulative_sum(pb.tensor([True, True])).dtype == np.int64
    assert pb.cumulative_sum(pb.tensor([1, 2]), dtype="float64").dtype == np.float64
    for f in (pb.cumulative_sum, pb.cumulative_prod):
        with pytest.raises(pb.ShapeError, match="axis is needed"):
            f(np.zeros((2, 2)))
        with pytest.raises(pb.ShapeError, match="axis 2 does not exist"):
            f(np.zeros((2, 2)), axis=2)


def test_safe_slopes():
    zeros = np.zeros(3)
    for order in (1, 2, np.inf):
        np.testing.assert_array_equal(pb.grad(lambda x, o=order: pb.norm(x, ord=o))(zeros).numpy(), zeros)
    np.testing.assert_array_equal(pb.grad(pb.std)(np.full(3, 7.0)).numpy(), zeros)
    np.testing.assert_array_equal(pb.hessian(pb.std)(np.full(3, 7.0)).numpy(), np.zeros((3, 3)))
    np.testing.assert_array_equal(pb.grad(pb.logsumexp)(np.full(3, -np.inf)).numpy(), zeros)
    np.testing.assert_allclose(pb.grad(pb.logsumexp)(np.array([-np.inf, 0, 0])).numpy(), [0, 0.5, 0.5])
    assert pb.jvp(pb.norm, (zeros,), (np.ones(3),))[1].item() == 0


def test_norms(check, rng):
    x = rng.normal(size=(2, 3))
    for order in (1, 2, np.inf, -np.inf):
        want = np.linalg.vector_norm(x, ord=order, axis=1)
        check(lambda x, o=order: pb.norm(x, axis=1, ord=o), x, expected=want)
    with pytest.raises(ValueError, match="ord must be"):
        pb.norm(x, ord=3)


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1.0, 1e19, 1e30])
def test_norm_and_std_of_any_size(size):
    x = np.array([3.0, 4.0]) * size
    single = x.astype(np.float32)
    np.testing.assert_allclose(pb.norm(single).item(), 5 * size, rtol=1e-6)
    np.testing.assert_allclose(pb.grad(pb.norm)(single).numpy(), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(pb.std(single).item(), 0.5 * size, rtol=1e-5)
    np.testing.assert_allclose(pb.logsumexp(x).item(), scipy.special.logsumexp(x), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    x = np.ones((2, 3), dtype)
    for f in (pb.sum, pb.mean, pb.max, pb.min, pb.prod, pb.var, pb.std, pb.norm, pb.logsumexp):
        assert f(x).dtype == dtype, f.__name__
        assert f(x, axis=1).dtype == dtype, f.__name__
        if dtype != np.float16:
            assert pb.grad(f)(x).dtype == dtype, f.__name__
    assert pb.mean(np.full(5000, 60.0, np.float16)).item() == 60
    assert pb.mean(pb.tensor([1, 2])).dtype == np.float64
    assert pb.sum(np.ones(300, np.int8)).item() == 300
    assert pb.sum(np.ones(3, np.float32), dtype="float64").dtype == np.float64


def test_truth_counting_and_positions(rng):
    x = rng.integers(0, 3, (3, 4, 2))
    pairs = [(pb.any, np.any), (pb.all, np.all), (pb.count_nonzero, np.count_nonzero)]
    for ours, numpys in pairs:
        for axis in (None, 0, (0, 2)):
            for keepdims in (False, True):
                got = ours(x, axis=axis, keepdims=keepdims)
                np.testing.assert_array_equal(got.numpy(), numpys(x, axis=axis, keepdims=keepdims))
                got = pb.vmap(lambda x, f=ours, k=keepdims: f(x, keepdims=k))(x)
                np.testing.assert_array_equal(got.numpy(), np.stack([numpys(part, keepdims=keepdims) for part in x]))
    for ours, numpys in ((pb.argmax, np.argmax), (pb.argmin, np.argmin)):
        for axis in (None, 0, -1):
            for keepdims in (False, True):
                want = numpys(x, axis=axis, keepdims=keepdims)
                np.testing.assert_array_equal(ours(x, axis=axis, keepdims=keepdims).numpy(), want)
                np.testing.assert_array_equal(
                    pb.trace(lambda x, f=ours, a=axis, k=keepdims: f(x, a, k))(x).numpy(), want
                )
                batch = pb.vmap(lambda x, f=ours, a=axis, k=keepdims: f(x, a, k))(x)
                alone = np.stack([numpys(part, axis=axis, keepdims=keepdims) for part in x])
                np.testing.assert_array_equal(batch.numpy(), alone)
        assert ours(np.float64(3)).item() == 0
        with pytest.raises(pb.GradientError, match="depend"):
            ours(pb.tensor([1.0], requires_grad=True)).backward()


def test_wrong_axes():
    x = np.zeros((2, 3))
    for f in (pb.sum, pb.mean, pb.max, pb.prod, pb.var, pb.std, pb.norm, pb.logsumexp, pb.any, pb.argmax):
        with pytest.raises(pb.ShapeError, match="axis 2 does not exist in an array with 2 axes"):
            f(x, axis=2)
    with pytest.raises(pb.ShapeError, match="twice"):
        pb.sum(x, axis=(0, -2))


def test_lists_and_numbers():
    assert pb.sum([1.0, 2.0]).dtype == np.float32
    assert pb.max([3, 1]).item() == 3
    assert pb.mean(2.0).item() == 2
