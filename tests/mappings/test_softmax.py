"""Softmax and its logarithm against SciPy."""

import numpy as np
import pytest
import scipy.special

import pullback as pb
from pullback.core.mapping import CATALOGUE

PAIRS = [(pb.softmax, scipy.special.softmax), (pb.log_softmax, scipy.special.log_softmax)]


@pytest.mark.parametrize(("ours", "scipys"), PAIRS)
@pytest.mark.parametrize("axis", [0, 1, -1, -3])
def test_values_and_derivatives(ours, scipys, axis, check, rng):
    x = rng.normal(size=(2, 3, 4))
    check(lambda x: ours(x, axis), x, expected=scipys(x, axis=axis))
    check(lambda x: ours(x, 0), x[0, 1, ::-2], expected=scipys(x[0, 1, ::-2]))


@pytest.mark.parametrize(("ours", "scipys"), PAIRS)
def test_large_and_infinite_scores(ours, scipys):
    x = np.array([[1e4, 0.0, -1e4], [-np.inf, 1.0, 1.0], [-1e30, 1e30, 1e30]])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(ours(x).numpy(), scipys(x, axis=-1), rtol=1e-12)
    slope = pb.grad(lambda x: pb.sum(pb.softmax(x) * np.array([1.0, 2.0, 3.0])))(x).numpy()
    assert np.isfinite(slope).all() and slope[1, 0] == 0
    assert np.isnan(pb.softmax(np.full(2, -np.inf)).numpy()).all()


@pytest.mark.parametrize(("ours", "scipys"), PAIRS)
def test_dtypes_and_empty(ours, scipys):
    assert ours(np.zeros((2, 3), np.float32)).dtype == np.float32
    assert pb.grad(lambda x: pb.sum(ours(x)))(np.zeros((2, 3), np.float32)).dtype == np.float32
    assert ours(np.zeros((2, 0))).shape == (2, 0)
    got = ours(pb.tensor([1, 2, 3]))
    np.testing.assert_allclose(got.numpy(), scipys([1, 2, 3]), rtol=1e-12)
    assert pb.trace(ours)(np.array([1, 2, 3])).dtype == got.dtype
    assert ours([0.0, 0.0]).dtype == np.float32
    with pytest.raises(pb.ShapeError, match="axis -1 does not exist"):
        ours(1.0)
    with pytest.raises(pb.ShapeError, match="axis 2 does not exist"):
        ours(np.zeros((2, 3)), 2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_closed_form_is_the_derivative_of_the_body(name, rng):
    mapping = CATALOGUE[name]
    x, g = rng.normal(size=(2, 4, 3))
    for axis in (-1, -2):
        value, pullback = pb.vjp(lambda x, a=axis: mapping(x, axis=a), x)
        by_body, body_pullback = pb.vjp(lambda x, a=axis: mapping.body(x, axis=a), x)
        np.testing.assert_allclose(value.numpy(), by_body.numpy(), rtol=1e-13)
        np.testing.assert_allclose(pullback(g)[0].numpy(), body_pullback(g)[0].numpy(), rtol=1e-11, atol=1e-14)
