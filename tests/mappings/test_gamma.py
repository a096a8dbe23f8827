"""lgamma, digamma and polygamma against 40 digits, SciPy and each other."""

import numpy as np
import pytest

import pullback as pb

RNG = np.random.default_rng(0)
POINTS = np.concatenate(
    [
        10 ** RNG.uniform(-8, 6, 150),
        RNG.uniform(0, 10, 200),
        1 + RNG.normal(size=40) * 1e-3,
        2 + RNG.normal(size=40) * 1e-3,
        1.4616321449683622 + RNG.normal(size=40) * 1e-4,
        [1.4616321449683622, 0.5, 1.0, 1.5, 2.0, 2.5, 8.0, 1e-300, 1e300],
    ]
)


def ulp(got, exact):
    return float(abs(exact - float(got)) / float(np.spacing(abs(float(exact))))) if float(exact) else abs(float(got))


@pytest.mark.parametrize(("order", "bound"), [(None, 8), (0, 8), (1, 16), (2, 16), (5, 16)])
def test_within_the_stated_units_in_the_last_place(order, bound):
    mp = pytest.importorskip("mpmath", reason="the oracle with 40 digits needs mpmath")
    points = POINTS if order in (None, 0) else POINTS[(POINTS > 1e-30) & (POINTS < 1e30)]
    got = (pb.lgamma(points) if order is None else pb.polygamma(order, points)).numpy()
    with mp.workdps(40):
        exact = [mp.loggamma(x) if order is None else mp.polygamma(order, x) for x in map(mp.mpf, points.tolist())]
        worst = max(ulp(y, z) for y, z in zip(got, exact, strict=True))
    assert worst <= bound


def test_below_zero_against_scipy():
    special = pytest.importorskip("scipy.special")
    x = -RNG.integers(0, 30, 200) - RNG.uniform(0.01, 0.99, 200)
    np.testing.assert_allclose(pb.lgamma(x).numpy(), special.gammaln(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pb.digamma(x).numpy(), special.digamma(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_reflected_polygamma_is_the_derivative_of_the_one_before(order):
    x = -RNG.integers(0, 5, 20) - RNG.uniform(0.2, 0.8, 20)
    mp = pytest.importorskip("mpmath", reason="the oracle with 40 digits needs mpmath")
    with mp.workdps(40):
        exact = [float(mp.polygamma(order, mp.mpf(float(v)))) for v in x]
    np.testing.assert_allclose(pb.polygamma(order, x).numpy(), exact, rtol=1e-10)


def test_the_chain_of_derivatives():
    x = np.array([0.3, 1.7, 6.2, 30.0])
    f = lambda v: pb.sum(pb.lgamma(v))
    for order in range(4):
        f = (lambda g: lambda v: pb.sum(pb.grad(g)(v)))(f)
        np.testing.assert_allclose(f(x).item(), np.sum(pb.polygamma(order, x).numpy()), rtol=1e-14)


def test_numbers_arrays_and_dtypes_agree():
    x = np.linspace(0.1, 30, 400)
    for f in (pb.lgamma, pb.digamma, lambda v: pb.polygamma(2, v)):
        one_by_one = np.array([f(v).item() for v in x])
        np.testing.assert_allclose(f(x).numpy(), one_by_one, rtol=2e-15, atol=1e-15)
        assert f(x.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(f(x.astype(np.float32)).numpy(), one_by_one, rtol=3e-6, atol=1e-6)
    assert pb.lgamma(1e306).item() == np.inf and pb.lgamma(np.array([1e308])).item() == np.inf


def test_a_negative_order_is_refused():
    with pytest.raises(ValueError, match="expected n >= 0, got -1"):
        pb.polygamma(-1, 2.0)
    with pytest.raises(TypeError):
        pb.polygamma(1.5, 2.0)
