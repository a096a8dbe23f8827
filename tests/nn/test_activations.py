"""Activations, dropout of channels and Bilinear against PyTorch; the laws of every layer; wrong use."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(12)
X = rng.normal(size=(3, 4, 2, 2)) * 4

CASES = [
    ("ReLU", {"inplace": True}),
    ("ReLU6", {}),
    ("LeakyReLU", {"negative_slope": 0.2, "inplace": True}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 4, "init": 0.4}),
    ("RReLU", {"lower": 0.1, "upper": 0.5}),
    ("ELU", {"alpha": 0.7}),
    ("CELU", {"alpha": 2.0}),  # PyTorch rounds 1/alpha to float32
    ("SELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("SiLU", {}),
    ("Mish", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2.5, "threshold": 4.0}),
    ("Softsign", {}),
    ("Tanhshrink", {}),
    ("LogSigmoid", {}),
    ("GLU", {"dim": 1}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("Hardswish", {}),
    ("Hardsigmoid", {}),
    ("Hardshrink", {"lambd": 1.5}),
    ("Softshrink", {"lambd": 1.5}),
    ("Threshold", {"threshold": 0.3, "value": -2.0}),
    ("Softmax", {"dim": 1}),
    ("Softmin", {"dim": -1}),
    ("Softmax2d", {}),
    ("LogSoftmax", {"dim": 1}),
    ("Identity", {}),
    ("Tanh", {}),
    ("Sigmoid", {}),
    ("Flatten", {}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_activations_are_those_of_pytorch(like_torch, name, options):
    import torch

    ours = getattr(nn, name)(**options).eval()
    theirs = getattr(torch.nn, name)(**{k: v for k, v in options.items() if k != "inplace"}).eval()
    limit = {}
    if name == "Hardsigmoid":
        limit = {"target": 1e-7, "reason": "PyTorch's kernel has the slope 1/6 in float32"}
    like_torch(ours, theirs, [X * 10 if name == "Softplus" else X], second=not name.startswith("Hards"), **limit)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_activations_keep_the_laws(laws, name, options):
    laws(getattr(nn, name)(**options).eval(), X)


@pytest.mark.parametrize(
    ("name", "args"),
    [("glu", (1,)), ("softmin", (1,)), ("hardswish", ()), ("hardsigmoid", ()), ("logsigmoid", ()), ("relu6", ())]
    + [("threshold", (0.3, -2.0)), ("softshrink", ()), ("hardshrink", ()), ("softsign", ()), ("softplus", (2.0,))],
)
def test_the_functions_are_those_of_pytorch(name, args):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    want = getattr(torch.nn.functional, name)(torch.tensor(X), *args).numpy()
    np.testing.assert_allclose(np.asarray(getattr(F, name)(X, *args)), want, rtol=1e-12)


def test_softplus_is_exact_as_a_mapping_and_linear_as_a_layer():
    x = np.array([25.0])
    assert nn.Softplus()(x).item() == 25.0 and pb.softplus(x).item() > 25.0


def test_rrelu_draws_slopes_in_training():
    pb.random.manual_seed(0)
    y = np.asarray(nn.RReLU(0.25, 0.75)(-np.ones(1000)))
    assert -0.75 <= y.min() < -0.74 and -0.26 < y.max() <= -0.25
    assert nn.RReLU(0.25, 0.75).eval()(-np.ones(1)).item() == -0.5


def test_settings_that_make_no_sense():
    for make in (
        lambda: nn.Hardtanh(1, -1),
        lambda: nn.CELU(0),
        lambda: nn.Softshrink(-1),
        lambda: nn.Softplus(beta=0),
        lambda: nn.RReLU(2, 1),
        lambda: nn.PReLU(0),
        lambda: nn.GELU("fast"),
        lambda: F.rrelu(X, 2, 1),
        lambda: F.softplus(X, beta=0),
        lambda: pb.hardshrink(X, lambd=-1),
    ):
        with pytest.raises(ValueError):
            make()
    with pytest.raises(ShapeError, match=r"axis 0 of x to have an even length.*\(3, 4, 2, 2\)"):
        F.glu(X, 0)
    with pytest.raises(ShapeError, match=r"weight of shape \(1,\) or \(4,\).*got \(3,\)"):
        nn.PReLU(3)(X)
    with pytest.raises(ShapeError, match="Softmax2d"):
        nn.Softmax2d()(X[0, 0])


class TestDropoutOfChannels:
    @pytest.mark.parametrize(
        ("layer", "shape", "axes"),
        [
            (nn.Dropout1d, (40, 50, 3), (2,)),
            (nn.Dropout1d, (200, 3), (1,)),
            (nn.Dropout2d, (40, 50, 2, 3), (2, 3)),
            (nn.Dropout2d, (40, 50, 3), (2,)),
            (nn.Dropout3d, (40, 50, 1, 2, 3), (2, 3, 4)),
            (nn.Dropout3d, (300, 1, 2, 3), (1, 2, 3)),
        ],
    )
    def test_whole_channels_go(self, layer, shape, axes):
        pb.random.manual_seed(0)
        y = np.asarray(layer(0.2)(np.ones(shape)))
        assert set(np.unique(y)) == {0.0, 1.25}
        np.testing.assert_array_equal(y.min(axis=axes), y.max(axis=axes))
        dropped = y.max(axis=axes) == 0
        assert dropped.mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / dropped.size))
        np.testing.assert_array_equal(np.asarray(layer(0.2).eval()(np.ones(shape))), 1)

    def test_a_wrong_rank(self):
        for layer, shape in ((nn.Dropout1d, (4,)), (nn.Dropout2d, (4, 5)), (nn.Dropout3d, (4, 5, 6))):
            with pytest.raises(ShapeError, match="axes, got shape"):
                layer()(np.ones(shape))
        with pytest.raises(ValueError, match="probability"):
            nn.Dropout2d(1.5)

    def test_alpha_dropout_keeps_mean_and_variance(self):
        pb.random.manual_seed(0)
        x = rng.normal(size=(400, 400))
        y = np.asarray(nn.AlphaDropout(0.3)(x))
        assert y.mean() == pytest.approx(0, abs=0.02) and y.var() == pytest.approx(1, abs=0.02)
        values, counts = np.unique(np.round(y, 12), return_counts=True)
        assert counts.max() / y.size == pytest.approx(0.3, abs=0.01)
        a = 1 / np.sqrt(0.7 * (1 + 0.3 * 1.7580993408473766**2))
        low = -1.7580993408473766
        assert values[counts.argmax()] == pytest.approx(a * low - a * low * 0.3, rel=1e-9)
        np.testing.assert_array_equal(np.asarray(nn.AlphaDropout(0.3).eval()(x)), x)
        assert not np.asarray(nn.AlphaDropout(1.0)(x)).any()
        with pytest.raises(DtypeError):
            nn.AlphaDropout()(np.ones(3, np.int64))

    @pytest.mark.parametrize("layer", [nn.Dropout1d, nn.AlphaDropout])
    def test_a_traced_step_draws_the_same(self, layer):
        x, drop = np.ones((6, 5)), layer(0.5)
        pb.random.manual_seed(3)
        want = [np.asarray(drop(x)) for _ in range(3)]
        pb.random.manual_seed(3)
        step = pb.trace(drop)
        for y in want:
            np.testing.assert_array_equal(np.asarray(step(pb.tensor(x))), y)


class TestBilinear:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("lead", [(5,), (2, 3), ()])
    def test_it_is_that_of_pytorch(self, like_torch, lead, bias):
        import torch

        inputs = [rng.normal(size=(*lead, 4)), rng.normal(size=(*lead, 3))]
        like_torch(nn.Bilinear(4, 3, 2, bias), torch.nn.Bilinear(4, 3, 2, bias), inputs)

    def test_laws(self, laws):
        laws(nn.Bilinear(4, 3, 2), rng.normal(size=(5, 4)), rng.normal(size=(5, 3)))

    def test_wrong_use(self):
        with pytest.raises(ShapeError, match=r"Bilinear\(in1_features=4.*x1 of shape \(…, 4\).*\(5, 3\)"):
            nn.Bilinear(4, 3, 2)(np.ones((5, 3)), np.ones((5, 3)))
        with pytest.raises(ShapeError, match="same axes in front"):
            nn.Bilinear(4, 3, 2)(np.ones((5, 4)), np.ones((2, 3)))
        with pytest.raises(ShapeError, match="weight"):
            F.bilinear(np.ones(4), np.ones(3), np.ones((2, 3, 4)))
        with pytest.raises(ValueError, match="in2_features"):
            nn.Bilinear(4, 0, 2)
