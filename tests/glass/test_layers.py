"""The layer view against the textbook, written out in NumPy."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


def textbook(x, labels, weights, biases):
    """z, a, δ (per sample), and the gradients of W and b of tanh-relu-linear with softmax cross-entropy, by hand."""
    (w1, w2, w3), (b1, b2, b3) = weights, biases
    n = len(x)
    z1 = x @ w1.T + b1
    a1 = np.tanh(z1)
    z2 = a1 @ w2.T + b2
    a2 = np.where(z2 > 0, z2, 0.0)
    z3 = a2 @ w3.T + b3
    e = np.exp(z3 - z3.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    d3 = (p - np.eye(z3.shape[1])[labels]) / n
    d2 = (d3 @ w3) * (z2 > 0)
    d1 = (d2 @ w2) * (1 - np.tanh(z1) ** 2)
    return [(x, z1, a1, d1), (a1, z2, a2, d2), (a2, z3, z3, d3)]


@pytest.fixture
def network():
    rng = np.random.default_rng(3)
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).to(np.float64)
    for p in net.parameters():
        p.data = rng.normal(size=p.shape)
    x, labels = rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
    loss = nn.CrossEntropyLoss()(net(pb.tensor(x)), pb.tensor(labels))
    weights = [net[i].weight.numpy() for i in (0, 2, 4)]
    biases = [net[i].bias.numpy() for i in (0, 2, 4)]
    return loss, net, textbook(x, labels, weights, biases)


@pytest.mark.parametrize("sample", [0, 3, -1])
def test_a_sample_equals_the_textbook(network, sample):
    loss, _, expected = network
    view = pb.explain(loss, layers=True, sample=sample, lang="en")
    assert view.batch == 7 and len(view.layers) == 3
    for layer, (x, z, a, delta) in zip(view.layers, expected, strict=True):
        np.testing.assert_allclose(layer.x, x[sample], **TIGHT)
        np.testing.assert_allclose(layer.z, z[sample], **TIGHT)
        np.testing.assert_allclose(layer.a, a[sample], **TIGHT)
        np.testing.assert_allclose(layer.delta, delta[sample], **TIGHT)
        np.testing.assert_allclose(layer.weight_gradient, np.outer(delta[sample], x[sample]), **TIGHT)
        np.testing.assert_allclose(layer.bias_gradient, delta[sample], **TIGHT)
        np.testing.assert_allclose(layer.carried * layer.slope, layer.delta, **TIGHT)


def test_the_mean_over_the_batch_equals_the_textbook_and_the_engine(network):
    loss, net, expected = network
    view = pb.explain(loss, layers=True, lang="en")
    loss.backward()
    for layer, linear, (x, z, a, delta) in zip(view.layers, (net[0], net[2], net[4]), expected, strict=True):
        np.testing.assert_allclose(layer.z, z.mean(axis=0), **TIGHT)
        np.testing.assert_allclose(layer.a, a.mean(axis=0), **TIGHT)
        np.testing.assert_allclose(layer.delta, delta.mean(axis=0), **TIGHT)
        np.testing.assert_allclose(layer.weight_gradient, delta.T @ x, **TIGHT)
        np.testing.assert_allclose(layer.bias_gradient, delta.sum(axis=0), **TIGHT)
        assert np.array_equal(layer.weight_gradient, linear.weight.grad.numpy())
        assert layer.slope is None  # a mean of products is not the product of means


def test_delta_is_said_in_the_textbooks_terms(network):
    loss, _, _ = network
    view = pb.explain(loss, layers=True, sample=1, lang="en")
    assert [layer.statement for layer in view.layers] == [
        "δ1 = (W2ᵀ δ2) ⊙ f′(z1)",
        "δ2 = (W3ᵀ δ3) ⊙ f′(z2)",
        "δ3 = (softmax(z3) − onehot(c1)) · 1/7",
    ]
    assert [layer.name for layer in view.layers] == ["0", "2", "4"]
    assert [layer.activation for layer in view.layers] == [
        "the hyperbolic tangent of z", "z where it is positive, else 0", ""
    ]  # fmt: skip


def test_a_network_without_modules_and_with_weights_the_other_way_round():
    rng = np.random.default_rng(0)
    x, w1, w2 = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
    W1, W2 = pb.tensor(w1, requires_grad=True), pb.tensor(w2, requires_grad=True)
    b1 = pb.tensor(rng.normal(size=5), requires_grad=True)
    loss = pb.sum(pb.sigmoid(x @ W1 + b1) @ W2.T)
    first, second = pb.explain(loss, layers=True, sample=2, lang="en").layers
    z = x[2] @ w1 + b1.numpy()
    s = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(first.z, z, **TIGHT)
    np.testing.assert_allclose(first.a, s, **TIGHT)
    np.testing.assert_allclose(first.delta, np.ones(2) @ w2 * s * (1 - s), **TIGHT)
    np.testing.assert_allclose(first.weight_gradient, np.outer(x[2], first.delta), **TIGHT)
    np.testing.assert_allclose(second.weight_gradient, np.outer(np.ones(2), s), **TIGHT)
    assert first.statement == "δ1 = (W2ᵀ δ2) ⊙ f′(z1)" and first.bias.name == "b1" and second.bias is None
    # Had W2 been (5, 2), δ would come back through W2 itself.
    V = pb.tensor(w2.T.copy(), requires_grad=True)
    other = pb.explain(pb.sum(pb.sigmoid(x @ W1 + b1) @ V), layers=True, sample=2, lang="en").layers[0]
    assert other.statement == "δ1 = (W2 δ2) ⊙ f′(z1)"
    np.testing.assert_allclose(other.delta, first.delta, **TIGHT)


def test_a_shared_weight_and_a_dropout_mask_are_followed():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    W, mask = pb.tensor(w, requires_grad=True), np.array([2.0, 0.0, 2.0, 2.0])
    h = pb.tanh(x @ W.T) * mask
    loss = pb.sum(pb.tanh(h @ W.T))
    first, second = pb.explain(loss, layers=True, sample=0, lang="en").layers
    z1 = x[0] @ w.T
    z2 = (np.tanh(z1) * mask) @ w.T
    d2 = 1 - np.tanh(z2) ** 2
    d1 = (d2 @ w) * mask * (1 - np.tanh(z1) ** 2)
    np.testing.assert_allclose(second.delta, d2, **TIGHT)
    np.testing.assert_allclose(first.delta, d1, **TIGHT)
    np.testing.assert_allclose(first.weight_gradient, np.outer(d1, x[0]), **TIGHT)  # this layer's part alone


def test_the_view_as_text_and_as_data(network):
    loss, net, _ = network
    for lang in ("en", "zh"):
        view = pb.explain(loss, layers=True, sample=0, lang=lang)
        said = str(view)
        assert "δ2" in said and "∂L/∂W3" in said and "{" not in said
    data = pb.explain(loss, layers=True, sample=0, lang="en").to_dict()
    assert data["layers"][1]["delta"] == view.layers[1].delta.tolist()
    receipt = pb.explain(loss, net[0].weight, layers=True, lang="en")
    assert receipt.layers is not None and "δ1" in str(receipt)


def test_wrong_uses_say_what_to_do(network):
    loss, _, _ = network
    with pytest.raises(IndexError, match="sample 7 does not exist in a batch of 7"):
        pb.explain(loss, layers=True, sample=7)
    w = pb.value(2.0)
    with pytest.raises(pb.GradientError, match="no layers were found"):
        pb.explain(w * w, layers=True)
    with pytest.raises(pb.GradientError, match="computed from parameters"):
        pb.explain(pb.tensor(1.0), layers=True)
