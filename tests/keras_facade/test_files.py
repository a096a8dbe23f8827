"""Models as files: what is read again is the same model, which goes on training where it was."""

import json

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import PullbackError
from pullback.keras import layers, models

rng = np.random.default_rng(0)
x = rng.standard_normal((30, 6, 4)).astype(np.float32)
y = rng.integers(0, 3, 30)


@pytest.fixture(autouse=True)
def seed():
    pb.random.manual_seed(0)
    keras.utils.clear_session()


def sequential():
    return keras.Sequential([
        layers.Conv1D(8, 3, padding="same", activation="relu", input_shape=(6, 4)), layers.BatchNormalization(),
        layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum"), layers.Dropout(0.1),
        layers.Flatten(), layers.Dense(3, keras.activations.activation_of("softmax"), name="end"),
    ])  # fmt: skip


def functional():
    entry = keras.Input((6, 4), name="entry")
    shared = layers.Dense(4, "tanh", kernel_initializer=keras.initializers.HeNormal())
    inner = keras.Sequential([layers.LSTM(5), layers.Dense(2)], name="inner")
    left, right = inner(shared(entry)), inner(shared(entry[:, ::-1] * 2 - 1))
    constant = layers.Concatenate()([left, right]) + np.ones(4, np.float32)
    return keras.Model(entry, {"end": layers.Dense(3, "softmax", name="end", trainable=False)(constant)})


class Net(keras.Model):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.flat, self.hidden, self.end = layers.Flatten(), layers.Dense(width, "relu"), layers.Dense(3, "softmax")

    def call(self, inputs):
        return self.end(self.hidden(self.flat(inputs)))


@pytest.mark.parametrize("make", [sequential, functional, lambda: Net(7, name="own")])
def test_the_same_model_comes_back_and_goes_on(make, tmp_path):
    model = make()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    targets = {"end": y} if make is functional else y
    model.fit(x, targets, epochs=2, verbose=0)
    model.optimizer.learning_rate = 0.005
    model.save(tmp_path / "a.keras")
    other = models.load_model(tmp_path / "a.keras", custom_objects={"Net": Net})
    assert type(other) is type(model) and other.name == model.name
    if model.graph is not None:
        assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
    assert len(other.trainable_weights) == len(model.trainable_weights)
    assert other.optimizer.learning_rate == 0.005 and other.metrics_names == model.metrics_names
    found = []
    for each in (model, other):
        pb.random.manual_seed(5)
        history = each.fit(x, targets, epochs=2, verbose=0)
        found.append([history.history, each.get_weights(), each.optimizer.iterations])
    assert found[0][0] == found[1][0] and found[0][2] == found[1][2] == 4
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_shared_stays_shared(tmp_path):
    model = functional()
    model.save(tmp_path / "a.keras")
    other = models.load_model(tmp_path / "a.keras")
    assert other.count_params() == model.count_params()
    assert sum(layer is other.get_layer("inner") for layer in other.layers) == 1
    np.testing.assert_array_equal(other.predict(x, verbose=0)["end"], model.predict(x, verbose=0)["end"])
    assert not other.get_layer("end").trainable


def test_a_copy_has_parameters_of_its_own():
    model = sequential()
    other = models.clone_model(model)
    assert [w.shape for w in other.get_weights()] == [w.shape for w in model.get_weights()]
    assert not np.array_equal(other.get_weights()[0], model.get_weights()[0])
    again = models.model_from_json(model.to_json())
    assert again.get_config() == model.get_config() == json.loads(model.to_json())


def named_loss(y_true, y_pred):
    return pb.mean((y_pred - y_true) ** 2, axis=-1)


def test_what_is_ones_own_is_asked_for_by_name(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", named_loss)
    model.save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match=r'custom_objects=\{"named_loss": named_loss\}'):
        models.load_model(tmp_path / "a.keras")
    assert models.load_model(tmp_path / "a.keras", {"named_loss": named_loss}).compiled.losses[0].name == "named_loss"
    with pytest.raises(PullbackError, match="compiled first"):
        models.load_model(tmp_path / "a.keras", compile=False).evaluate(x[:, 0], y)


def test_what_cannot_be_described_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.keras"
    sequential().save(path)
    before = path.read_bytes()
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2), layers.Dense(1)])
    with pytest.raises(TypeError, match="cannot be described in a file"):
        model.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_files_of_another_kind_and_damaged_ones(tmp_path):
    model = sequential()
    model.save_weights(tmp_path / "weights")
    with pytest.raises(ValueError, match="not what Model.save"):
        models.load_model(tmp_path / "weights")
    model.save(tmp_path / "a.keras")
    content = bytearray((tmp_path / "a.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        models.load_model(tmp_path / "a.keras")
    with pytest.raises(FileNotFoundError):
        models.load_model(tmp_path / "b.keras")
    with pytest.raises(PullbackError, match="shape of a sample"):
        keras.Sequential([layers.Dense(1)]).save(tmp_path / "c.keras")


@pytest.mark.parametrize("kind", ["layers.Layers", "os.system", "layers.fresh_name", "layers.Any", "nothing"])
def test_a_description_can_only_name_what_is_there(kind):
    made = {"class": kind, "args": {"list": ["true"]}, "kwargs": {"dict": []}}
    text = json.dumps(made | {"name": "a", "trainable": True})
    with pytest.raises(ValueError, match="there is no"):
        models.model_from_json(text)
