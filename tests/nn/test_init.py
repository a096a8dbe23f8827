"""Starting values: their distribution, and the shapes they refuse."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import ShapeError
from pullback.nn import init


@pytest.fixture(autouse=True)
def start():
    pb.random.manual_seed(1)


def filled(fill, shape=(300, 200), **options):
    p = nn.Parameter(np.zeros(shape))
    assert fill(p, **options) is p and p.requires_grad
    return np.asarray(p)


def var_within(x, variance, kurtosis):
    assert abs(x.mean()) < 5 * math.sqrt(variance / x.size)
    assert abs(x.var() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / x.size)


UNIFORM, NORMAL = 1.8, 3.0  # kurtosis


@pytest.mark.parametrize("shape", [(300, 200), (40, 30, 5, 5)])
@pytest.mark.parametrize(
    ("fill", "options", "variance", "kurtosis"),
    [
        (init.xavier_uniform_, {}, lambda i, o: 2 / (i + o), UNIFORM),
        (init.xavier_normal_, {"gain": 2.0}, lambda i, o: 8 / (i + o), NORMAL),
        (init.kaiming_uniform_, {}, lambda i, o: 2 / i, UNIFORM),
        (init.kaiming_uniform_, {"a": math.sqrt(5)}, lambda i, o: 1 / (3 * i), UNIFORM),
        (init.kaiming_normal_, {"mode": "fan_out"}, lambda i, o: 2 / o, NORMAL),
        (init.kaiming_normal_, {"nonlinearity": "tanh"}, lambda i, o: 25 / 9 / i, NORMAL),
    ],
)
def test_variance(fill, options, variance, kurtosis, shape):
    kernel = math.prod(shape[2:])
    var_within(filled(fill, shape, **options), variance(shape[1] * kernel, shape[0] * kernel), kurtosis)


def test_uniform_bounds_are_kept():
    bound = math.sqrt(6 / 500)
    w = filled(init.xavier_uniform_)
    assert 0.999 * bound < np.abs(w).max() <= bound


def test_normal_and_uniform():
    w = filled(init.normal_, mean=3.0, std=2.0)
    var_within(w - 3, 4.0, NORMAL)
    w = filled(init.uniform_, low=-1.0, high=1.0)
    var_within(w, 1 / 3, UNIFORM)


def test_constants():
    assert filled(init.zeros_, (3,)).tolist() == [0] * 3
    assert filled(init.ones_, (3,)).tolist() == [1] * 3
    assert filled(init.constant_, (2,), value=0.25).tolist() == [0.25] * 2


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 3, 2, 2), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal(shape, gain):
    w = filled(init.orthogonal_, shape, gain=gain).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-13)


def test_orthogonal_matrices_are_spread_uniformly():
    traces = [np.trace(filled(init.orthogonal_, (3, 3))) for _ in range(400)]
    # For a uniform orthogonal matrix the trace has mean 0 and variance 1; without the choice of signs it has not.
    assert abs(np.mean(traces)) < 5 / 20 and 0.7 < np.var(traces) < 1.35


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="swish"):
        init.calculate_gain("swish")


@pytest.mark.parametrize("name", ["relu", "tanh", "leaky_relu", "linear", "sigmoid", "selu"])
def test_gains_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


def test_float32_parameters_stay_float32_and_seeds_decide():
    draws = []
    for seed in (4, 4, 5):
        pb.random.manual_seed(seed)
        p = init.kaiming_normal_(nn.Parameter(np.zeros((3, 3), np.float32)))
        assert p.dtype == np.float32
        draws.append(p.tolist())
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("fill", [init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_])
def test_vectors_have_no_fans(fill):
    with pytest.raises(ShapeError, match="two axes"):
        fill(nn.Parameter(np.zeros(3)))


def test_modes():
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', got 'fan_mid'"):
        init.kaiming_normal_(nn.Parameter(np.zeros((2, 2))), mode="fan_mid")


def test_a_truncated_normal_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy, the oracle of this test, is not installed")
    for mean, std, a, b in ((0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.9, 4.0), (0.0, 1.0, -0.1, 0.1)):
        w = filled(init.trunc_normal_, mean=mean, std=std, a=a, b=b)
        want = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
        assert w.min() >= a and w.max() <= b
        assert stats.kstest(w.ravel(), want.cdf).pvalue > 1e-3
    assert filled(init.trunc_normal_, (5, 4)).dtype == np.float64
    with pytest.raises(ValueError, match="no weight between a = 2 and b = -2"):
        filled(init.trunc_normal_, a=2, b=-2)


def test_identities_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    for shape in ((3, 5), (5, 3)):
        np.testing.assert_array_equal(filled(init.eye_, shape), torch.nn.init.eye_(torch.empty(shape)).numpy())
    for shape, groups in (((4, 4, 3), 1), ((6, 2, 3, 4), 3), ((6, 4, 3, 2, 5), 2), ((2, 5, 1, 1), 1)):
        want = torch.nn.init.dirac_(torch.empty(shape), groups).numpy()
        np.testing.assert_array_equal(filled(init.dirac_, shape, groups=groups), want)
    x = np.random.default_rng(0).normal(size=(2, 4, 7))
    weight = filled(init.dirac_, (4, 4, 3))
    np.testing.assert_array_equal(np.asarray(pb.conv1d(x, weight, padding=1)), x)


def test_sparse_columns():
    w = filled(init.sparse_, (40, 30), sparsity=0.33, std=2.0)
    assert ((w == 0).sum(axis=0) == math.ceil(0.33 * 40)).all()
    var_within(w[w != 0], 4.0, NORMAL)


@pytest.mark.parametrize(
    ("fill", "shape", "options", "error", "text"),
    [
        (init.eye_, (3,), {}, ShapeError, r"eye_: expected two axes, got shape \(3,\)"),
        (init.dirac_, (3, 4), {}, ShapeError, "three to five axes"),
        (init.dirac_, (3, 4, 1), {"groups": 2}, ValueError, "groups=2"),
        (init.sparse_, (3, 4, 1), {"sparsity": 0.5}, ShapeError, "two axes"),
        (init.sparse_, (3, 4), {"sparsity": 1.5}, ValueError, "got 1.5"),
    ],
)
def test_what_does_not_fit_changes_nothing(fill, shape, options, error, text):
    p = nn.Parameter(np.ones(shape))
    with pytest.raises(error, match=text):
        fill(p, **options)
    assert (np.asarray(p) == 1).all()
