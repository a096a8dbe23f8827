"""What `fit` takes as data, and how much each sample counts."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import PullbackError, ShapeError
from pullback.data import ArrayDataset, DataLoader
from pullback.keras import layers

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 3))
LABELS = rng.integers(0, 3, 12)
WEIGHTS = rng.uniform(0.1, 3, 12)


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


def network(loss="sparse_categorical_crossentropy", **settings):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(0.5), loss, **settings)
    return model


def one_weighted_step(model, weights):
    """The step by hand: the sum of the weighted losses divided by their number, as Keras reduces them."""
    kernel, bias = model.get_weights()
    p = softmax(X @ kernel + bias)
    delta = (p - np.eye(3)[LABELS]) * weights[:, None] / 12
    loss = -(weights * np.log(p[np.arange(12), LABELS])).mean()
    return loss, kernel - 0.5 * X.T @ delta, bias - 0.5 * delta.sum(0)


@pytest.mark.parametrize("one_hot", [False, True])
def test_samples_count_by_their_weights(one_hot):
    model = network("categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, kernel, bias = one_weighted_step(model, WEIGHTS)
    y = np.eye(3)[LABELS] if one_hot else LABELS
    assert model.evaluate(X, y, sample_weight=WEIGHTS, verbose=0)[0] == pytest.approx(loss, rel=1e-6)
    history = model.fit(X, y, sample_weight=WEIGHTS, batch_size=12, verbose=0)
    assert history.history["loss"] == [pytest.approx(loss, rel=1e-6)]
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("one_hot", [False, True])
def test_samples_count_by_their_classes(one_hot):
    model = network("categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy")
    by_class = {0: 3.0, 2: 0.5}
    _, kernel, bias = one_weighted_step(model, np.array([by_class.get(label, 1.0) for label in LABELS]))
    model.fit(X, np.eye(3)[LABELS] if one_hot else LABELS, class_weight=by_class, batch_size=12, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias, rtol=1e-6, atol=1e-12)


def test_a_weight_of_0_is_a_sample_that_is_not_there_but_for_the_divisor():
    pb.random.manual_seed(1)
    first, second = network(), network()
    second.set_weights(first.get_weights())
    first.fit(X, LABELS, sample_weight=(np.arange(12) < 6) * 2.0, batch_size=12, verbose=0)
    second.fit(X[:6], LABELS[:6], batch_size=12, verbose=0)
    np.testing.assert_allclose(first.get_weights()[0], second.get_weights()[0], rtol=1e-9)


def test_the_last_samples_are_held_back_with_their_weights():
    model = network(metrics=["accuracy"])
    history = model.fit(X, LABELS, sample_weight=WEIGHTS, validation_split=0.25, batch_size=9, verbose=0).history
    p = model.predict(X[9:], verbose=0)
    nll = -np.log(p[np.arange(3), LABELS[9:]])
    assert history["val_loss"] == [pytest.approx((WEIGHTS[9:] * nll).mean(), rel=1e-6)]
    again = model.fit(X[:9], LABELS[:9], validation_data=(X[9:], LABELS[9:], WEIGHTS[9:]), verbose=0, epochs=1)
    p = model.predict(X[9:], verbose=0)
    nll = -np.log(p[np.arange(3), LABELS[9:]])
    assert again.history["val_loss"] == [pytest.approx((WEIGHTS[9:] * nll).mean(), rel=1e-6)]


def forms():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    yield X, LABELS
    yield X.tolist(), LABELS.tolist()
    yield [X], LABELS[:, None]
    yield {"x": X}, LABELS
    yield pb.tensor(X), pb.tensor(LABELS)
    yield pandas.DataFrame(X), pandas.Series(LABELS)
    yield DataLoader(ArrayDataset(X, LABELS), 12), None
    yield Pairs(), None


class Pairs:
    """As `keras.utils.PyDataset` has it: batches by number."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, LABELS


@pytest.mark.parametrize("number", range(8))
def test_every_form_of_data_gives_the_same_step(number):
    x, y = list(forms())[number]
    entry = keras.Input((3,), name="x")
    model = keras.Model(entry, layers.Dense(3, "softmax")(entry))
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    _, kernel, _ = one_weighted_step(model, np.ones(12))
    model.fit(x, y, batch_size=12, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-6)


def test_a_generator_goes_on_where_the_epoch_ended():
    seen = []

    def batches():
        for i in range(100):
            seen.append(i)
            rows = slice(4 * (i % 3), 4 * (i % 3) + 4)
            yield X[rows], LABELS[rows], WEIGHTS[rows]

    model = network()
    history = model.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0, validation_data=(X, LABELS))
    assert seen == list(range(6)) and len(history.history["val_loss"]) == 2
    with pytest.raises(ValueError, match="expected steps_per_epoch"):
        model.fit(batches(), verbose=0)
    assert model.predict((X[i : i + 4] for i in (0, 4, 8)), steps=3, verbose=0).shape == (12, 3)


def test_fewer_steps_than_the_data_have(capsys):
    model = network()
    model.fit(X, LABELS, batch_size=4, steps_per_epoch=2, epochs=1)
    assert capsys.readouterr().out.splitlines()[1].startswith("2/2 ")
    assert model.optimizer.iterations == 2


def test_integers_are_looked_up_and_other_numbers_become_floats():
    words = rng.integers(0, 5, (12, 4))
    looked_up = keras.Sequential([layers.Embedding(5, 2), layers.Flatten(), layers.Dense(3)])
    assert looked_up.predict(words, verbose=0).shape == (12, 3)
    x = keras.Input((4,), dtype="int32")
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(layers.Embedding(5, 2)(x))))
    assert model.predict(words, verbose=0).shape == (12, 1)
    with pytest.raises(TypeError, match="expected integers for"):
        model.predict(words + 0.5, verbose=0)
    pixels = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    found = pixels.predict(words.astype(np.uint8), verbose=0)
    np.testing.assert_allclose(found, words @ pixels.get_weights()[0], rtol=1e-12)
    assert found.dtype == np.float64


def test_steps_one_by_one():
    model, other = network(metrics=["accuracy"]), network(metrics=["accuracy"])
    other.set_weights(model.get_weights())
    found = model.train_on_batch(X, LABELS)
    history = other.fit(X, LABELS, batch_size=12, shuffle=False, verbose=0).history
    assert found == [history["loss"][0], history["accuracy"][0]]
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    assert model.test_on_batch(X, LABELS) == other.evaluate(X, LABELS, verbose=0)
    np.testing.assert_array_equal(model.predict_on_batch(X), other.predict(X, verbose=0))


@pytest.mark.parametrize("bound", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_gradients_are_bounded(bound):
    model = network()
    model.compile(keras.optimizers.SGD(1.0, **{bound: 0.01}), "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(X, LABELS, batch_size=12, verbose=0)
    moved = [new - old for new, old in zip(model.get_weights(), before, strict=True)]
    figure = {
        "clipvalue": max(np.abs(m).max() for m in moved),
        "clipnorm": max(np.linalg.norm(m) for m in moved),
        "global_clipnorm": np.sqrt(sum((m**2).sum() for m in moved)),
    }[bound]
    assert figure == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda m: m.fit(X, LABELS, sample_weight=WEIGHTS, class_weight={0: 1.0}), ValueError, "or sample_weight"),
        (lambda m: m.fit(X, LABELS, class_weight=[1, 2]), TypeError, "a dictionary such as"),
        (lambda m: m.fit(X, LABELS, sample_weight=WEIGHTS[:5]), ShapeError, "as many weights as samples"),
        (lambda m: m.fit(X), ValueError, "y: expected targets"),
        (lambda m: m.fit(X, None), ValueError, "y: expected targets"),
        (lambda m: m.fit([[1, 2, 3], [1, 2]], [0, 1]), ValueError, "ragged"),
        (lambda m: m.fit(np.array([["a", "b", "c"]]), [0]), TypeError, "x: expected numbers"),
        (lambda m: m.fit(DataLoader(ArrayDataset(X, LABELS)), LABELS), ValueError, "x gives batches"),
        (lambda m: m.fit(X, LABELS, validation_data=(X,)), ValueError, r"validation_data: expected \(x, y\)"),
        (lambda m: m.fit(X, LABELS + 1, verbose=0), (IndexError, ValueError), "3"),
        (lambda m: keras.optimizers.Adam(clipnorm=1, clipvalue=1), ValueError, "one of clipnorm"),
        (lambda m: keras.optimizers.Adam(clipnorm=-1), ValueError, "above 0"),
    ],
)
def test_wrong_use(use, error, message):
    with pytest.raises(error, match=message):
        use(network())


def test_an_optimiser_belongs_to_one_model():
    optimizer = keras.optimizers.Adam()
    first, second = network(), network()
    first.compile(optimizer, "sparse_categorical_crossentropy")
    second.compile(optimizer, "sparse_categorical_crossentropy")
    first.fit(X, LABELS, verbose=0)
    with pytest.raises(PullbackError, match="made for other parameters"):
        second.fit(X, LABELS, verbose=0)
