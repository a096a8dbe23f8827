"""Layers and losses in Keras' manner, each beside its formula in NumPy."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import ShapeError
from pullback.keras import layers, losses

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def doubles():
    before = pb.default_dtype()
    pb.set_default_dtype(np.float64)
    pb.random.manual_seed(0)
    yield
    pb.set_default_dtype(before)


def softmax(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_a_dense_network_is_its_formula():
    model = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(3), layers.Activation("softmax")])
    x = rng.standard_normal((6, 5))
    y = model(x).numpy()
    kernel, bias, last, end = model.get_weights()
    assert kernel.shape == (5, 4) and not bias.any()
    model.set_weights([kernel, bias + 0.3, last, end - [0.1, 0.2, 0.3]])
    assert not np.allclose(model(x).numpy(), y)
    wanted = softmax(np.maximum(x @ kernel + bias + 0.3, 0) @ last + end - [0.1, 0.2, 0.3])
    np.testing.assert_allclose(model(x).numpy(), wanted, rtol=1e-12)


def test_kernels_start_as_glorot_says():
    layer = layers.Conv2D(32, 3)
    layer.build((None, 8, 8, 16))
    bound = np.sqrt(6 / (9 * 16 + 9 * 32))
    kernel = layer.kernel.numpy()
    assert kernel.shape == (3, 3, 16, 32) and 0.99 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.03) and not layer.bias.numpy().any()


def test_batch_normalization_and_what_it_remembers():
    x = rng.standard_normal((8, 3)) * 2 + 1
    layer = layers.BatchNormalization(momentum=0.9)
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), rtol=1e-10)
    mean, var = 0.1 * x.mean(0), 0.9 + 0.1 * x.var(0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), var, rtol=1e-12)
    np.testing.assert_allclose(layer(x).numpy(), (x - mean) / np.sqrt(var + 1e-3), rtol=1e-10)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-12)


def test_embedding_and_dropout():
    model = keras.Sequential([layers.Embedding(7, 4), layers.Flatten(), layers.Dropout(0.5)])
    words = np.array([[0, 6, 3], [1, 1, 2]])
    seen = model(words, training=True).numpy()
    table = model.layers[0].embeddings.numpy()
    assert np.abs(table).max() <= 0.05
    rows = table[words].reshape(2, 12)
    assert ((seen == 0) | np.isclose(seen, 2 * rows)).all() and 0 < (seen == 0).sum() < 24
    np.testing.assert_array_equal(model(words).numpy(), rows)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_lstm_is_its_formula():
    x = rng.standard_normal((3, 5, 2))
    layer = layers.LSTM(4, return_sequences=True)
    assert layer(keras.Input((5, 2))).shape == (None, 5, 4)
    kernel, recurrent, bias = (p.numpy() for p in (layer.kernel, layer.recurrent_kernel, layer.bias))
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 4))
    h, c, wanted = np.zeros((3, 4)), np.zeros((3, 4)), []
    for step in range(5):
        i, f, new, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
        h = sigmoid(o) * np.tanh(c)
        wanted.append(h)
    np.testing.assert_allclose(layer(x).numpy(), np.stack(wanted, axis=1), rtol=1e-10)
    layer.return_sequences = False
    np.testing.assert_allclose(layer(x).numpy(), h, rtol=1e-10)


def test_lstm_learns_to_count():
    words = rng.integers(0, 3, (200, 6))
    ones = (words == 1).sum(1)
    model = keras.Sequential([layers.Embedding(3, 4), layers.LSTM(8), layers.Dense(7, "softmax")])
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(words, ones, epochs=25, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


logits, labels = rng.standard_normal((6, 4)) * 3, np.array([0, 3, 1, 1, 2, 0])
one_hot, positive = np.eye(4)[labels], np.abs(logits) + 0.1
yes, p = rng.integers(0, 2, (6, 4)).astype(float), rng.uniform(0.01, 0.99, (6, 4))
log_softmax = np.log(softmax(logits))
share = np.log(positive / positive.sum(1, keepdims=True))
error = np.abs(logits - one_hot)
CASES = [
    (losses.CategoricalCrossentropy(), one_hot, positive, -(one_hot * share).sum(1).mean()),
    (losses.CategoricalCrossentropy(from_logits=True), one_hot, logits, -(one_hot * log_softmax).sum(1).mean()),
    (
        losses.CategoricalCrossentropy(label_smoothing=0.2), one_hot, positive,
        -((0.8 * one_hot + 0.05) * share).sum(1).mean(),
    ),
    (losses.SparseCategoricalCrossentropy(), labels, positive, -share[np.arange(6), labels].mean()),
    (losses.SparseCategoricalCrossentropy(True), labels[:, None], logits, -log_softmax[np.arange(6), labels].mean()),
    (losses.BinaryCrossentropy(), yes, p, -(yes * np.log(p) + (1 - yes) * np.log(1 - p)).mean()),
    (losses.BinaryCrossentropy(True), yes, np.log(p / (1 - p)), -(yes * np.log(p) + (1 - yes) * np.log(1 - p)).mean()),
    (losses.MeanSquaredError(), one_hot, logits, (error**2).mean()),
    (losses.MeanAbsoluteError(), one_hot, logits, error.mean()),
    (losses.Huber(0.5), one_hot, logits, np.where(error <= 0.5, error**2 / 2, 0.5 * (error - 0.25)).mean()),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "y_true", "y_pred", "wanted"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_losses_are_their_formulas(loss, y_true, y_pred, wanted):
    assert float(loss(y_true, pb.tensor(y_pred))) == pytest.approx(wanted, rel=1e-10)


def test_probabilities_of_0_and_1_have_a_finite_loss():
    certain = pb.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = losses.CategoricalCrossentropy()
    assert float(loss(np.eye(2), certain)) == pytest.approx(-np.log(1 - 1e-7), rel=1e-6)
    assert float(loss(np.eye(2)[::-1].copy(), certain)) == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_one_step_of_sgd_is_the_formula():
    x = rng.standard_normal((6, 5))
    model = keras.Sequential([layers.Dense(4, activation="softmax")])
    model.build((None, 5))
    kernel, bias = model.get_weights()
    model.compile(keras.optimizers.SGD(0.5), losses.CategoricalCrossentropy())
    history = model.fit(x, one_hot, batch_size=6, epochs=1, verbose=0)
    p = softmax(x @ kernel + bias)
    assert history.history["loss"] == [pytest.approx(-(one_hot * np.log(p)).sum(1).mean(), rel=1e-10)]
    delta = (p - one_hot) / 6
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.5 * x.T @ delta, rtol=1e-8)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.5 * delta.sum(0), rtol=1e-8)


def steps(settings, gradients):
    p = pb.nn.Parameter([1.0])
    optimizer = settings.bind([p])
    for g in gradients:
        p.grad = pb.tensor([g])
        optimizer.step()
    return p.item()


def test_two_steps_of_each_optimizer_are_the_formulas():
    a, b = 0.3, -0.2
    p, v = 1.0, 0.0
    for g in (a, b):
        v = 0.8 * v + 0.2 * g**2
        p -= 0.01 * g / (np.sqrt(v) + 1e-7)
    assert steps(keras.optimizers.RMSprop(0.01, rho=0.8), (a, b)) == pytest.approx(p, rel=1e-9)
    for decay, settings in (
        (0.0, keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.9)),
        (0.3, keras.optimizers.AdamW(0.01, 0.3, beta_1=0.8, beta_2=0.9)),
    ):
        p, mean, v = 1.0, 0.0, 0.0
        for t, g in enumerate((a, b), 1):
            mean, v = 0.8 * mean + 0.2 * g, 0.9 * v + 0.1 * g**2
            p -= 0.01 * decay * p
            p -= 0.01 * (mean / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-7)
        assert steps(settings, (a, b)) == pytest.approx(p, rel=1e-9)
    wanted = 1 - 0.01 * a - 0.01 * (0.5 * a + b)
    assert steps(keras.optimizers.SGD(0.01, momentum=0.5), (a, b)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(0), "positive integer"),
        (lambda: layers.Dense(3, activation="rleu"), "'relu', 'sigmoid'"),
        (lambda: layers.Dense(3, kernel_initializer="glorot")(pb.ones((2, 2))), "'glorot_uniform'"),
        (lambda: layers.Dropout(1.5), r"rate in \[0, 1\]"),
        (lambda: layers.LSTM(4)(pb.ones((2, 3))), "steps, in"),
        (lambda: losses.CategoricalCrossentropy()(labels, pb.tensor(logits)), "use sparse_categorical_crossentropy"),
        (lambda: losses.SparseCategoricalCrossentropy()(one_hot, pb.tensor(logits)), "use categorical_crossentropy"),
        (lambda: losses.MeanSquaredError()(labels, pb.tensor(logits)), "shape"),
    ],
)
def test_wrong_use(make, message):
    with pytest.raises((ValueError, ShapeError), match=message):
        make()
