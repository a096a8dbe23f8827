"""Functional models: symbolic tensors, several inputs and outputs, shared layers, models in models, classes."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import PullbackError, ShapeError
from pullback.keras import layers

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def doubles():
    before = pb.default_dtype()
    pb.set_default_dtype(np.float64)
    pb.random.manual_seed(0)
    keras.utils.clear_session()
    yield
    pb.set_default_dtype(before)


def two_by_two():
    """Two inputs, two outputs, a shared layer and an operator."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(5, "tanh", name="shared")
    h = layers.Concatenate(name="both")([shared(a), shared(b) * 2])
    return keras.Model([a, b], [layers.Dense(3, "softmax", name="kind")(h), layers.Dense(1, name="size")(h)])


A, B = rng.standard_normal((20, 4)), rng.standard_normal((20, 4))
LABELS, SIZES = rng.integers(0, 3, 20), rng.standard_normal(20)


def by_hand(model, a, b):
    (w, v), (k, c), (s, d) = (model.get_layer(name).get_weights() for name in ("shared", "kind", "size"))
    h = np.concatenate([np.tanh(a @ w + v), 2 * np.tanh(b @ w + v)], axis=1)
    z = np.exp(h @ k + c)
    return z / z.sum(1, keepdims=True), h @ s + d


def test_it_computes_what_its_layers_do_and_shares_what_is_shared():
    model = two_by_two()
    assert [layer.name for layer in model.layers] == ["a", "b", "shared", "operation", "both", "kind", "size"]
    assert [w.shape for w in model.get_weights()] == [(4, 5), (5,), (10, 3), (3,), (10, 1), (1,)]
    wanted = by_hand(model, A, B)
    for given in ([A, B], {"b": B, "a": A}, (A, B)):
        for found, right in zip(model.predict(given, verbose=0), wanted, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-12)
    found = model([A, B])
    np.testing.assert_allclose(found[1].numpy(), wanted[1], rtol=1e-12)
    assert (model.input_names, model.output_names) == (["a", "b"], ["kind", "size"])


@pytest.mark.parametrize("form", [list, dict])
def test_one_step_follows_the_weighted_sum_of_the_losses(form):
    model = two_by_two()
    losses, weights = ["sparse_categorical_crossentropy", "mse"], [1.0, 0.25]
    x, y = [A, B], [LABELS, SIZES]
    if form is dict:
        names = model.output_names
        losses, weights, y = (dict(zip(names, part, strict=True)) for part in (losses, weights, y))
        x = {"a": A, "b": B}
    before = [w.copy() for w in model.get_weights()]
    p, s = by_hand(model, A, B)
    kind, size = -np.log(p[np.arange(20), LABELS]).mean(), ((s[:, 0] - SIZES) ** 2).mean()
    model.compile(keras.optimizers.SGD(0.1), losses, loss_weights=weights, metrics=[["accuracy"], ["mae"]])
    history = model.fit(x, y, batch_size=20, verbose=0).history
    assert list(history) == ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"] == model.metrics_names
    assert history["kind_loss"] == [pytest.approx(kind, rel=1e-10)]
    assert history["size_loss"] == [pytest.approx(size, rel=1e-10)]
    assert history["loss"] == [pytest.approx(kind + 0.25 * size, rel=1e-10)]
    assert history["size_mae"] == [pytest.approx(np.abs(s[:, 0] - SIZES).mean(), rel=1e-10)]

    def total(weights):
        model.set_weights(weights)
        p, s = by_hand(model, A, B)
        return -np.log(p[np.arange(20), LABELS]).mean() + 0.25 * ((s[:, 0] - SIZES) ** 2).mean()

    after = [w.copy() for w in model.get_weights()]
    for i, w in enumerate(before):
        slope = np.empty_like(w)
        for place in np.ndindex(w.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [v.copy() for v in before]
                moved[i][place] += step
                sides.append(total(moved))
            slope[place] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(after[i], w - 0.1 * slope, atol=1e-9)


def test_an_output_without_a_loss_is_not_trained():
    model = two_by_two()
    model.compile("sgd", {"size": "mse"})
    before = model.get_layer("kind").get_weights()
    history = model.fit([A, B], {"kind": LABELS, "size": SIZES}, verbose=0)
    assert list(history.history) == ["loss", "size_loss"]
    np.testing.assert_array_equal(before[0], model.get_layer("kind").get_weights()[0])


def test_dictionaries_of_inputs_and_outputs():
    x = {"u": keras.Input((2,)), "v": keras.Input((3,))}
    y = {"sum": layers.Dense(1)(layers.Concatenate()([x["u"], x["v"]])), "u": layers.Dense(2)(x["u"])}
    model = keras.Model(x, y)
    assert (model.input_names, model.output_names) == (["u", "v"], ["sum", "u"])
    found = model.predict({"v": B[:, :3], "u": A[:, :2]}, verbose=0)
    assert {name: part.shape for name, part in found.items()} == {"sum": (20, 1), "u": (20, 2)}
    model.compile("adam", {"sum": "mse", "u": "mae"}, metrics={"u": ["mse"]})
    history = model.fit({"u": A[:, :2], "v": B[:, :3]}, {"sum": SIZES, "u": A[:, :2]}, epochs=2, verbose=0)
    assert list(history.history) == ["loss", "sum_loss", "u_loss", "u_mse"]


def test_a_model_is_a_layer_and_part_of_a_model_is_a_model():
    x = keras.Input((4,))
    body = keras.Model(x, layers.Dense(3, "relu", name="last")(layers.Dense(6, "tanh", name="first")(x)), name="body")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], layers.Subtract()([body(a), body(b)]))
    assert model.count_params() == body.count_params() == 4 * 6 + 6 + 6 * 3 + 3
    np.testing.assert_allclose(
        model.predict([A, B], verbose=0), body.predict(A, verbose=0) - body.predict(B, verbose=0), rtol=1e-12
    )
    inner = keras.Model(body.input, body.get_layer("first").output)
    w, v = body.get_layer("first").get_weights()
    np.testing.assert_allclose(inner.predict(A, verbose=0), np.tanh(A @ w + v), rtol=1e-12)
    stack = keras.Sequential([body, layers.Dense(1)])
    assert stack.predict(A, verbose=0).shape == (20, 1)


def test_a_model_without_parameters_cannot_be_trained():
    x = keras.Input((2,))
    model = keras.Model(x, layers.Activation("relu")(x))
    model.compile("sgd", "mse")
    with pytest.raises(PullbackError, match="nothing to train"):
        model.fit(A[:, :2], A[:, :2])


def test_what_is_not_trainable_stays_and_normalisation_in_it_keeps_its_statistics():
    x = keras.Input((4,))
    frozen = layers.Dense(4, name="frozen", trainable=False)
    norm = layers.BatchNormalization(name="norm")
    model = keras.Model(x, layers.Dense(1)(norm(frozen(x))))
    norm.trainable = False
    model.compile("adam", "mse")
    before = frozen.get_weights() + norm.get_weights()
    model.fit(A, SIZES, epochs=3, verbose=0)
    for old, new in zip(before, frozen.get_weights() + norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.trainable_weights) == 2 and sum(w.size for w in model.trainable_weights) == 5


class Net(keras.Model):
    def __init__(self, width=6):
        super().__init__()
        self.hidden = layers.Dense(width, "tanh")
        self.drop = layers.Dropout(0.5)
        self.last = layers.Dense(1)

    def call(self, inputs, training=False):
        h = self.hidden(inputs)
        return self.last(self.drop(h) if training else h)


def test_a_class_with_call():
    model = Net()
    model.compile("adam", "mse", ["mae"])
    history = model.fit(A, SIZES, epochs=30, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    (w, b), (k, c) = model.hidden.get_weights(), model.last.get_weights()
    np.testing.assert_allclose(model.predict(A, verbose=0), np.tanh(A @ w + b) @ k + c, rtol=1e-10)
    assert [layer.name for layer in model.layers] == ["dense", "dropout", "dense_1"]
    dropped = [model(A, training=True).numpy() for _ in range(2)]
    assert not np.allclose(*dropped) and not model.training


def test_a_layer_of_ones_own_in_a_functional_model():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.factors = self.add_weight((input_shape[-1],), "ones")
            self.calls = self.add_weight((), "zeros", trainable=False)

        def call(self, inputs):
            return inputs * self.factors

    x = keras.Input((4,))
    layer = Scale()
    model = keras.Model(x, layer(x))
    assert [w.shape for w in model.get_weights()] == [(4,), ()] and len(model.trainable_weights) == 1
    np.testing.assert_array_equal(model.predict(A, verbose=0), A)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (layers.Add(), lambda a, b, c: a + b + c),
        (layers.Multiply(), lambda a, b, c: a * b * c),
        (layers.Average(), lambda a, b, c: (a + b + c) / 3),
        (layers.Maximum(), lambda a, b, c: np.maximum(np.maximum(a, b), c)),
        (layers.Minimum(), lambda a, b, c: np.minimum(np.minimum(a, b), c)),
        (layers.Concatenate(), lambda *xs: np.concatenate(xs, -1)),
        (layers.Concatenate(axis=1), lambda *xs: np.concatenate(xs, 1)),
    ],
)
def test_merging_layers(layer, function):
    xs = [rng.standard_normal((2, 3, 4)) for _ in range(3)]
    inputs = [keras.Input((3, 4)) for _ in xs]
    model = keras.Model(inputs, layer(inputs))
    wanted = function(*xs)
    assert model.outputs[0].shape == (None, *wanted.shape[1:])
    np.testing.assert_allclose(model.predict(xs, verbose=0), wanted, rtol=1e-12)


def test_merging_broadcasts_as_keras_does():
    wide, narrow = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4))
    np.testing.assert_allclose(layers.Add()([wide, narrow]).numpy(), wide + narrow[:, None], rtol=1e-12)


@pytest.mark.parametrize(
    ("axes", "a", "b", "subscripts"),
    [(1, (3,), (3,), "nk,nk->n"), (2, (5, 3), (4, 3), "nik,njk->nij"), ((1, 2), (3, 5), (4, 3), "nki,njk->nij")],
)
def test_dot(axes, a, b, subscripts):
    a, b = rng.standard_normal((2, *a)), rng.standard_normal((2, *b))
    wanted = np.einsum(subscripts, a, b)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    np.testing.assert_allclose(layers.Dot(axes)([a, b]).numpy(), wanted, rtol=1e-12)


def test_dot_of_unit_vectors_is_the_cosine():
    a, b = A[:, :3], B[:, :3]
    wanted = (a * b).sum(1, keepdims=True) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)[:, None]
    np.testing.assert_allclose(layers.Dot(1, normalize=True)([a, b]).numpy(), wanted, rtol=1e-12)


def test_unknown_lengths_stay_unknown():
    x = keras.Input((None, 3))
    h = layers.LSTM(4, return_sequences=True)(x)
    assert h.shape == (None, None, 4)
    model = keras.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(h)))
    assert model.predict(rng.standard_normal((2, 5, 3)), verbose=0).shape == (2, 1)
    assert model.predict(rng.standard_normal((2, 9, 3)), verbose=0).shape == (2, 1)


def test_operators_and_ops():
    x, y = keras.Input((3,)), keras.Input((3,))
    result = np.zeros(2) - ((x + 1) * y - 2 / (y * y + 1)) ** 2 @ np.ones((3, 2)) + keras.ops.exp(x)[:, :1]
    model = keras.Model([x, y], result)
    a, b = A[:, :3], B[:, :3]
    wanted = -(((a + 1) * b - 2 / (b * b + 1)) ** 2) @ np.ones((3, 2)) + np.exp(a)[:, :1]
    np.testing.assert_allclose(model.predict([a, b], verbose=0), wanted, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(keras.ops.square(a)), a**2)


def test_the_summary_says_what_is_connected_to_what(capsys):
    two_by_two().summary()
    printed = capsys.readouterr().out
    assert 'Model: "functional"' in printed and "Connected to" in printed
    assert "shared, operation" in printed and "Total params: 69" in printed


def test_a_chain_needs_no_connections(capsys):
    x = keras.Input((4,))
    keras.Model(x, layers.Dense(2)(x)).summary()
    assert "Connected" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: keras.Model(keras.Input((2,)), layers.ReLU()(keras.Input((2,)))), ValueError, "not among the inputs"),
        (lambda: keras.Model(A, A), TypeError, "expected symbolic tensors"),
        (lambda: keras.Model(keras.Input((2,))), TypeError, "inputs and outputs"),
        (lambda: np.sin(keras.Input((2,))), TypeError, "keras.ops.sin"),
        (lambda: np.asarray(keras.Input((2,))), TypeError, "has a shape and no numbers"),
        (lambda: 1 if keras.Input((2,)) else 2, TypeError, "nothing can depend"),
        (lambda: list(keras.Input((2,))), TypeError, "gone through"),
        (lambda: keras.Input((0,)), ValueError, "positive integers or None"),
        (lambda: two_by_two()([A]), ValueError, "expected 2 inputs, a, b; got 1"),
        (lambda: two_by_two()({"a": A}), ValueError, "there is no input 'b'"),
        (lambda: two_by_two()([A, B[:, :3]]), ShapeError, r"samples of shape \(4,\) for b"),
        (lambda: layers.Add()(A), ValueError, "a list of 1 inputs or more"),
        (lambda: layers.Subtract()([A, A, A]), ValueError, "two inputs"),
        (lambda: layers.Concatenate()([keras.Input((2, 3)), keras.Input((3, 2))]), ShapeError, "concat"),
        (lambda: layers.Dot(1)([A, B[:, :3]]), ShapeError, "axes of one length"),
        (lambda: keras.Model()(A), NotImplementedError, "must define call"),
        (lambda: layers.Dense(1).output, AttributeError, "was not called"),
        (lambda: two_by_two().get_layer("shared").output, AttributeError, "called 2 times"),
        (lambda: two_by_two().get_layer("shard"), ValueError, "there is no layer 'shard'"),
    ],
)
def test_wrong_use(use, error, message):
    with pytest.raises(error, match=message):
        use()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": {"kinds": "mse"}}, "there is no output 'kinds'; there are kind, size"),
        ({"loss": ["mse"]}, "one entry for each of the 2 outputs"),
        ({"loss": "mse", "metrics": ["mae", "mae", "mae"]}, "metrics: expected one entry"),
        ({"loss": "mse", "loss_weights": [1]}, "loss_weights: expected one entry"),
    ],
)
def test_settings_that_fit_no_output(settings, message):
    with pytest.raises(ValueError, match=message):
        two_by_two().compile("sgd", **settings)


def test_targets_that_fit_no_output():
    model = two_by_two()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    with pytest.raises(ValueError, match="there is none for 'size'"):
        model.fit([A, B], {"kind": LABELS})
    with pytest.raises(ValueError, match="an array for each of the 2 outputs"):
        model.fit([A, B], [LABELS])
    with pytest.raises(ShapeError, match="y: expected as many samples in each"):
        model.fit([A, B], [LABELS, SIZES[:5]])
    with pytest.raises(ShapeError, match="as many targets as samples"):
        model.fit([A, B], [LABELS[:5], SIZES[:5]])
    with pytest.raises(ShapeError, match="as many samples in each"):
        model.fit([A, B[:5]], [LABELS, SIZES])


def test_two_layers_of_one_name_are_refused():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match="two with the name 'same'"):
        keras.Model(x, layers.Dense(1, name="same")(layers.Dense(2, name="same")(x)))


def test_an_error_on_shapes_says_what_the_layer_was_called_on():
    with pytest.raises(ShapeError) as caught:
        layers.Add(name="sum")([keras.Input((4,)), keras.Input((3,))])
    assert caught.value.__notes__ == ["sum was called on shapes (None, 4), (None, 3), with 8 in the place of None"]
    with pytest.raises(TypeError, match="Dense: there is no argument 'activations'"):
        layers.Dense(3, activations="relu")
    assert repr(two_by_two()) == "<Model functional, 7 layers, built=True>"


def test_a_deep_chain_needs_no_recursion():
    x = y = keras.Input((2,))
    for _ in range(1500):
        y = layers.Activation("tanh")(y)
    assert len(keras.Model(x, y).layers) == 1501
