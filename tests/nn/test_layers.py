"""Layers: values and gradients against formulas and PyTorch; what they say when they are used wrongly."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(6)
X = rng.normal(size=(5, 4)) * 2


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-14)


class TestLinear:
    @pytest.mark.parametrize("bias", [True, False])
    def test_it_is_that_of_pytorch(self, like_torch, bias):
        import torch

        like_torch(nn.Linear(4, 3, bias), torch.nn.Linear(4, 3, bias), [X])

    @pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (0, 4)])
    def test_value_and_gradients(self, shape):
        layer = nn.Linear(4, 3, dtype="float64")
        w, b = np.asarray(layer.weight), np.asarray(layer.bias)
        x = rng.normal(size=shape)
        t = pb.tensor(x, requires_grad=True)
        y = layer(t)
        close(y, x @ w.T + b)
        g = rng.normal(size=y.shape)
        y.backward(g)
        flat_x, flat_g = x.reshape(-1, 4), g.reshape(-1, 3)
        close(layer.weight.grad, flat_g.T @ flat_x)
        close(layer.bias.grad, flat_g.sum(0))
        close(t.grad, g @ w)

    def test_without_bias(self):
        layer = nn.Linear(4, 3, bias=False)
        assert [name for name, _ in layer.named_parameters()] == ["weight"]
        close(layer(np.ones(4, np.float32)), np.asarray(layer.weight).sum(1), rtol=1e-6)
        assert repr(layer) == "Linear(in_features=4, out_features=3, bias=False)"

    @pytest.mark.parametrize("shape", [(5, 3), (3,), ()])
    def test_a_wrong_shape_names_the_layer_and_both_lengths(self, shape):
        with pytest.raises(ShapeError) as caught:
            nn.Linear(4, 2)(np.zeros(shape))
        text = str(caught.value)
        assert "Linear(in_features=4, out_features=2, bias=True)" in text
        assert "in_features = 4" in text and f"x of shape {shape}" in text

    @pytest.mark.parametrize("sizes", [(0, 2), (2, -1), (2.5, 1), (True, 2), ("4", 2)])
    def test_sizes_must_be_positive_integers(self, sizes):
        with pytest.raises(ValueError, match="positive integer"):
            nn.Linear(*sizes)

    def test_the_start_is_uniform_within_one_over_root_in_features(self):
        pb.random.manual_seed(0)
        layer = nn.Linear(100, 400, dtype="float64")
        w = np.asarray(layer.weight)
        assert np.abs(w).max() <= 0.1 and np.abs(w).max() > 0.0999
        assert w.var() == pytest.approx(0.01 / 3, rel=0.02)
        assert np.abs(np.asarray(layer.bias)).max() <= 0.1

    def test_the_dtype_is_the_default_or_the_one_given(self):
        assert nn.Linear(2, 2).weight.dtype == np.float32
        assert nn.Linear(2, 2, dtype="float64")(np.ones(2)).dtype == np.float64

    def test_the_functional_form_checks_its_shapes(self):
        with pytest.raises(ShapeError, match="weight"):
            F.linear(X, np.ones((3, 5)))
        with pytest.raises(ShapeError, match=r"bias of shape \(3,\)"):
            F.linear(X, np.ones((3, 4)), np.ones(4))


ACTIVATIONS = [
    ("Tanh", {}),
    ("ReLU", {}),
    ("Sigmoid", {}),
    ("SiLU", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {"alpha": 0.7}),
    ("Softplus", {}),
    ("Softmax", {"dim": 0}),
    ("Softmax", {"dim": -1}),
    ("LogSoftmax", {"dim": 1}),
    ("Identity", {}),
    ("Flatten", {}),
]


@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
def test_activations_are_those_of_pytorch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    x = rng.normal(size=(3, 4, 2)) * 4
    theirs = torch.tensor(x, requires_grad=True)
    want = getattr(torch.nn, name)(**options)(theirs)
    g = rng.normal(size=tuple(want.shape))
    want.backward(torch.tensor(g))
    ours = pb.tensor(x, requires_grad=True)
    have = getattr(nn, name)(**options)(ours)
    have.backward(g)
    close(have, want.detach().numpy())
    close(ours.grad, theirs.grad.numpy())


def test_activations_show_their_settings():
    shown = repr(nn.Sequential(nn.LeakyReLU(0.2), nn.ELU(), nn.GELU("tanh"), nn.Softmax(dim=1), nn.Dropout(0.1)))
    assert shown == (
        "Sequential(\n  (0): LeakyReLU(negative_slope=0.2)\n  (1): ELU(alpha=1.0)\n"
        "  (2): GELU(approximate='tanh')\n  (3): Softmax(dim=1)\n  (4): Dropout(p=0.1)\n)"
    )
    assert nn.Softmax(axis=0).dim == 0
    with pytest.raises(ValueError, match="approximate"):
        nn.GELU("fast")


class TestFlatten:
    @pytest.mark.parametrize(
        ("start", "end", "shape"),
        [(0, -1, (24,)), (1, -1, (2, 12)), (0, 1, (6, 4)), (-2, -1, (2, 12)), (1, 1, (2, 3, 4))],
    )
    def test_shapes(self, start, end, shape):
        x = np.arange(24.0).reshape(2, 3, 4)
        np.testing.assert_array_equal(np.asarray(nn.Flatten(start, end)(x)), x.reshape(shape))

    def test_an_empty_batch_and_a_number(self):
        assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
        assert F.flatten(2.0).shape == (1,)

    def test_axes_that_do_not_exist(self):
        with pytest.raises(ShapeError, match="axes from 2 to 1"):
            nn.Flatten(2, 1)(np.zeros((2, 3, 4)))
        with pytest.raises(ShapeError):
            nn.Flatten(1)(np.zeros(3))


class TestDropout:
    def test_training_drops_and_scales(self):
        pb.random.manual_seed(0)
        y = np.asarray(nn.Dropout(0.2)(np.ones((200, 200))))
        assert set(np.unique(y)) == {0.0, 1.25}
        assert (y == 0).mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / y.size))

    def test_the_gradient_has_the_same_mask(self):
        x = pb.tensor(np.ones(100), requires_grad=True)
        y = nn.Dropout(0.5)(x)
        y.sum().backward()
        np.testing.assert_array_equal(np.asarray(x.grad), np.asarray(y))

    def test_evaluation_is_the_identity_and_draws_nothing(self):
        layer = nn.Dropout(0.5).eval()
        state = pb.random.get_state()
        close(layer(X), X)
        assert pb.random.get_state() == state

    def test_the_ends(self):
        close(nn.Dropout(0.0)(X), X)
        close(nn.Dropout(1.0)(X), np.zeros_like(X))
        assert nn.Dropout(0.3)(X.astype(np.float32)).dtype == np.float32

    @pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, "half", True])
    def test_p_is_a_probability(self, p):
        with pytest.raises(ValueError, match=r"probability p in \[0, 1\]"):
            nn.Dropout(p)

    def test_integers_are_refused(self):
        with pytest.raises(DtypeError, match="int64"):
            nn.Dropout(0.5)(np.ones(3, np.int64))

    def test_inside_vmap_each_example_can_have_its_own_mask(self):
        layer = nn.Dropout(0.5)
        with pytest.raises(pb.PullbackError, match="randomness"):
            pb.vmap(layer)(np.ones((4, 50)))
        y = np.asarray(pb.vmap(layer, randomness="different")(np.ones((4, 50))))
        assert len({row.tobytes() for row in y}) == 4
        y = np.asarray(pb.vmap(layer, randomness="same")(np.ones((4, 50))))
        assert len({row.tobytes() for row in y}) == 1


class TestOneHot:
    def test_rows(self):
        np.testing.assert_array_equal(np.asarray(F.one_hot(np.array([2, 0]), 3)), np.eye(3)[[2, 0]])

    def test_labels_out_of_range(self):
        with pytest.raises((IndexError, ValueError), match="3"):
            F.one_hot(np.array([0, 3]), 3)


def test_a_network_and_its_gradients_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3)).double()
    T = torch.nn
    theirs = T.Sequential(T.Linear(4, 8), T.Tanh(), T.Linear(8, 8), T.GELU(), T.Linear(8, 3)).double()
    theirs.load_state_dict({name: torch.tensor(np.asarray(x)) for name, x in net.state_dict().items()})
    y = np.array([0, 1, 2, 1, 0])
    want = T.CrossEntropyLoss()(theirs(torch.tensor(X)), torch.tensor(y))
    want.backward()
    have = nn.CrossEntropyLoss()(net(X), y)
    have.backward()
    close(have, want.item())
    for (name, p), (their_name, q) in zip(net.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == their_name
        close(p.grad, q.grad.numpy())
