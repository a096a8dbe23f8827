"""Log-densities against SciPy and PyTorch, with their gradients, in the middle and in the tails."""

import numpy as np
import pytest

import pullback as pb
from pullback import distributions as d
from pullback.core.errors import DtypeError

stats = pytest.importorskip("scipy.stats", reason="SciPy is the oracle")
RNG = np.random.default_rng(0)
N = 200

CASES = {
    "normal": (
        d.normal_log_prob, (RNG.normal(size=N) * 50, RNG.normal(size=N), np.exp(RNG.normal(size=N) * 2)),
        lambda x, mean, std: stats.norm.logpdf(x, mean, std),
    ),
    "laplace": (
        d.laplace_log_prob, (RNG.normal(size=N) * 50, RNG.normal(size=N), np.exp(RNG.normal(size=N) * 2)),
        lambda x, loc, scale: (-np.abs(x.astype(np.longdouble) - loc) / scale - np.log(2 * scale)).astype(float),
    ),
    "poisson": (
        d.poisson_log_prob, (RNG.integers(0, 300, N).astype(float), np.exp(RNG.normal(size=N) * 3)),
        lambda x, rate: stats.poisson.logpmf(x, rate),
    ),
    "gamma": (
        d.gamma_log_prob, (np.exp(RNG.normal(size=N) * 3), np.exp(RNG.normal(size=N)), np.exp(RNG.normal(size=N))),
        lambda x, a, b: stats.gamma.logpdf(x, a, scale=1 / b),
    ),
    "beta": (
        d.beta_log_prob, (RNG.uniform(1e-6, 1 - 1e-6, N), np.exp(RNG.normal(size=N)), np.exp(RNG.normal(size=N))),
        lambda x, a, b: stats.beta.logpdf(x, a, b),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_scipys(name):
    f, args, oracle = CASES[name]
    expected = oracle(*args)
    np.testing.assert_allclose(f(*args).numpy(), expected, rtol=1e-12, atol=1e-12)
    assert f(*(a.astype(np.float32) for a in args)).dtype == np.float32


TORCH = {
    "normal": lambda t, x, a, b: t.distributions.Normal(a, b).log_prob(x),
    "laplace": lambda t, x, a, b: t.distributions.Laplace(a, b).log_prob(x),
    "poisson": lambda t, x, a: t.distributions.Poisson(a).log_prob(x),
    "gamma": lambda t, x, a, b: t.distributions.Gamma(a, b).log_prob(x),
    "beta": lambda t, x, a, b: t.distributions.Beta(a, b).log_prob(x),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle for the gradients")
    f, args, _ = CASES[name]
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in args]
    TORCH[name](torch, *leaves).sum().backward()
    gradients = pb.grad(lambda *a: pb.sum(f(*a)), tuple(range(len(args))))(*args)
    for got, leaf in zip(gradients, leaves, strict=True):
        np.testing.assert_allclose(got.numpy(), leaf.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_bernoulli_keeps_the_digits_of_both_tails():
    z = np.concatenate([np.linspace(-800, 800, 81), RNG.normal(size=50)])
    for x in (0, 1, True, 1.0, np.zeros(len(z), int)):
        sign = 1 if np.all(x) else -1
        got = d.bernoulli_log_prob(x, z).numpy()
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, -np.logaddexp(0, -sign * z.astype(np.longdouble)).astype(float), rtol=1e-12)
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle for the gradient")
    leaf = torch.tensor(z, requires_grad=True)
    x = (RNG.random(len(z)) < 0.5).astype(float)
    torch.distributions.Bernoulli(logits=leaf).log_prob(torch.tensor(x)).sum().backward()
    got = pb.grad(lambda z: pb.sum(d.bernoulli_log_prob(x, z)))(z)
    np.testing.assert_allclose(got.numpy(), leaf.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_categorical_keeps_its_digits_and_refuses_what_is_no_class():
    logits = RNG.normal(size=(20, 5)) * 100
    x = RNG.integers(0, 5, 20)
    wide = logits.astype(np.longdouble)
    top = wide.max(1)
    expected = wide[np.arange(20), x] - top - np.log(np.exp(wide - top[:, None]).sum(1))
    np.testing.assert_allclose(d.categorical_log_prob(x, logits).numpy(), expected.astype(float), rtol=1e-12)
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle for the gradient")
    leaf = torch.tensor(logits, requires_grad=True)
    torch.distributions.Categorical(logits=leaf).log_prob(torch.tensor(x)).sum().backward()
    got = pb.grad(lambda z: pb.sum(d.categorical_log_prob(x, z)))(logits)
    np.testing.assert_allclose(got.numpy(), leaf.grad.numpy(), rtol=1e-12, atol=1e-15)
    with pytest.raises(DtypeError, match="numbers of classes"):
        d.categorical_log_prob(x.astype(float), logits)
    with pytest.raises(IndexError, match="label 5 is out of range"):
        d.categorical_log_prob(np.array(5), logits[0])


def test_edges():
    assert d.poisson_log_prob(0.0, np.float64(0.0)).item() == 0.0
    assert d.poisson_log_prob(1.0, np.float64(0.0)).item() == -np.inf
    assert pb.grad(lambda rate: d.poisson_log_prob(0, rate))(np.float64(0.0)).item() == -1.0
    assert d.gamma_log_prob(np.float64(0.0), 1.0, 2.0).item() == np.log(2.0)
    assert d.beta_log_prob(np.array([0.0, 1.0]), 1.0, 1.0).tolist() == [0.0, 0.0]
    assert d.beta_log_prob(np.array([0.0, 1.0]), 2.0, 2.0).tolist() == [-np.inf, -np.inf]
    assert d.normal_log_prob(np.float64(1e200)).item() == -np.inf
    small = np.float64(1e-300)
    assert d.beta_log_prob(small, 2.0, 1e5).item() == pytest.approx(stats.beta.logpdf(small, 2.0, 1e5), rel=1e-12)


def test_numbers_take_the_dtype_of_the_arrays_and_parameters_broadcast():
    x = RNG.normal(size=(3, 1))
    got = d.normal_log_prob(x, 0.1, np.array([1.0, 2.0]))
    np.testing.assert_allclose(got.numpy(), stats.norm.logpdf(x, 0.1, [1.0, 2.0]), rtol=1e-12)
    assert d.normal_log_prob(x.astype(np.float32), 0.1, 2).dtype == np.float32
    assert d.gamma_log_prob(np.float64(0.7), 2.3, 0.9).item() == pytest.approx(
        stats.gamma.logpdf(0.7, 2.3, scale=1 / 0.9), rel=1e-12
    )
    assert d.poisson_log_prob(np.array([3, 4]), np.array([1.0, 2.0])).dtype == np.float64


def test_transforms_and_recordings():
    f, args, _ = CASES["gamma"]
    g = pb.grad(lambda *a: f(*a), (0, 1, 2))
    batched = pb.vmap(g)(*args)
    expected = pb.grad(lambda *a: pb.sum(f(*a)), (0, 1, 2))(*args)
    traced = pb.trace(pb.vmap(g))(*args)
    for a, b, c in zip(batched, expected, traced, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
        assert np.array_equal(a.numpy(), c.numpy())


def test_parameters_that_are_not_positive_are_refused():
    for call in (
        lambda: d.normal_log_prob(0.0, 0.0, 0.0),
        lambda: d.laplace_log_prob(0.0, 0.0, -1),
        lambda: d.gamma_log_prob(1.0, -2.0),
        lambda: d.gamma_log_prob(1.0, 2.0, float("nan")),
        lambda: d.beta_log_prob(0.5, 1.0, 0),
        lambda: d.poisson_log_prob(1, -1.0),
    ):
        with pytest.raises(ValueError, match=r"expected \w+ >=? 0, got"):
            call()
