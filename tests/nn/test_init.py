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
