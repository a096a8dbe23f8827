"""Sequential: compile, fit, evaluate, predict, what they print and what they refuse."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import PullbackError, ShapeError
from pullback.data import load_digits
from pullback.keras import layers

x, labels = load_digits("train")
x, labels = x[:300], labels[:300]


@pytest.fixture(autouse=True)
def seed():
    pb.random.manual_seed(0)
    keras.utils.clear_session()


def network(**settings):
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(10, activation="softmax")])
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | settings
    model.compile(**settings)
    return model


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", keras.optimizers.SGD(0.1, momentum=0.9)])
def test_it_learns_and_the_history_says_so(optimizer):
    model = network(optimizer=optimizer)
    history = model.fit(x, labels, epochs=40, batch_size=16, verbose=0, validation_split=0.2)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == list(range(40))
    assert history.history["loss"][-1] < 0.4 * history.history["loss"][0]
    assert history.history["accuracy"][-1] > 0.85
    p = model.predict(x[240:], verbose=0)  # the last fifth is what was held back
    assert history.history["val_accuracy"][-1] == pytest.approx((p.argmax(1) == labels[240:]).mean())
    assert history.history["val_loss"][-1] == pytest.approx(-np.log(p[np.arange(60), labels[240:]]).mean(), rel=1e-4)


def test_evaluate_gives_the_loss_and_the_metrics(capsys):
    model = network(loss="categorical_crossentropy")
    one_hot = np.eye(10, dtype=int)[labels]
    p = model.predict(x, batch_size=7)
    loss, accuracy = model.evaluate(x, one_hot)
    assert loss == pytest.approx(-np.log(p[np.arange(300), labels]).mean(), rel=1e-4)
    assert accuracy == pytest.approx((p.argmax(1) == labels).mean())
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("43/43 ━━━━━━━━━━━━━━━━━━━━ ") and printed[1].startswith("10/10 ━━")
    assert printed[1].endswith(f"s/step - accuracy: {accuracy:.4f} - loss: {loss:.4f}")
    assert model.evaluate(x, one_hot, verbose=0, return_dict=True) == {"loss": loss, "accuracy": accuracy}


def test_yes_or_no_with_one_target_per_sample():
    even = labels % 2 == 0
    model = keras.Sequential([layers.Dense(16, "relu", input_shape=(64,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", ["accuracy"])
    history = model.fit(x, even, epochs=30, batch_size=16, verbose=0)
    p = model.predict(x, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    assert model.evaluate(x, even, verbose=0)[1] == pytest.approx(((p[:, 0] > 0.5) == even).mean())


def test_images_through_convolution_and_pooling():
    images = x.reshape(-1, 8, 8, 1)
    model = keras.Sequential([
        keras.Input(shape=(8, 8, 1)), layers.Conv2D(8, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.BatchNormalization(), layers.Flatten(), layers.Dropout(0.1), layers.Dense(10),
    ])  # fmt: skip
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    history = model.fit(images, labels, epochs=12, batch_size=16, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    shapes = [(8, 8, 8), (4, 4, 8), (4, 4, 8), (128,), (128,), (10,)]
    assert [layer.output.shape[1:] for layer in model.layers] == shapes


def test_keras_lines_are_printed(capsys):
    network().fit(x, labels, epochs=2, batch_size=50, validation_data=(x[:10], labels[:10]))
    first, second, third, _ = capsys.readouterr().out.splitlines()
    assert (first, third) == ("Epoch 1/2", "Epoch 2/2")
    assert (
        second.startswith("6/6 ━━━━━━━━━━━━━━━━━━━━ ") and "/step - accuracy: " in second and " - val_loss: " in second
    )
    network().fit(x, labels, verbose=0)
    assert capsys.readouterr().out == ""


def test_in_a_terminal_the_bar_fills(capsys, monkeypatch):
    from pullback.keras import progress

    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "REDRAWS_PER_SECOND", 1e9)
    network().fit(x, labels, batch_size=50)
    _, first, *others = capsys.readouterr().out.split("\r")
    assert first.startswith("1/6 ━━━─") and [line.split("/")[0] for line in others] == ["2", "3", "4", "5", "6", "6"]


def test_summary(capsys):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10), layers.BatchNormalization(), layers.Dense(10)])
    model.summary()
    printed = capsys.readouterr().out
    assert "dense (Dense)" in printed and "dense_1 (Dense)" in printed and "(None, 10)" in printed
    assert "Total params: 800\nTrainable params: 780\nNon-trainable params: 20" in printed


def test_callbacks_and_early_stopping():
    told = []

    class Told(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            told.append((epoch, sorted(logs), self.model is model))

    model = network()
    noise = np.random.default_rng(0).integers(0, 10, 300)
    stopping = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(x, noise, epochs=60, validation_split=0.5, verbose=0, callbacks=[Told(), stopping])
    figures = history.history["val_loss"]
    assert len(figures) < 60 and stopping.best_epoch == int(np.argmin(figures)) == len(figures) - 3
    assert model.evaluate(x[150:], noise[150:], verbose=0)[0] == pytest.approx(min(figures), rel=1e-5)
    assert told[0] == (0, ["accuracy", "loss", "val_accuracy", "val_loss"], True) and len(told) == len(figures)


def test_stopping_in_the_middle_of_an_epoch():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    stopping = keras.callbacks.EarlyStopping()
    history = network().fit(x, labels, validation_split=0.2, verbose=0, epochs=3, callbacks=[Stop(), stopping])
    assert history.epoch == []


def test_weights_are_saved_and_a_second_fit_goes_on(tmp_path):
    model = network()
    model.fit(x, labels, verbose=0)
    steps = model.optimizer
    model.save_weights(tmp_path / "digits.safetensors")
    other = network()
    other.build((None, 64))
    other.load_weights(tmp_path / "digits.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    model.fit(x, labels, verbose=0)
    assert model.optimizer is steps


def test_the_same_seed_gives_the_same_weights():
    found = []
    for _ in range(2):
        pb.random.manual_seed(3)
        model = network()
        model.fit(x, labels, epochs=2, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: keras.Sequential([layers.Dense(1)]).fit(x, x), PullbackError, "compiled first"),
        (lambda: network(optimizer="adma"), ValueError, "'adam', 'adamw', 'rmsprop', 'sgd', 'adagrad'"),
        (lambda: network(optimizer=pb.optim.Adam), TypeError, "keras.optimizers"),
        (lambda: network(loss="crossentropy"), ValueError, "'sparse_categorical_crossentropy'"),
        (lambda: network(loss=None), ValueError, "expected a loss"),
        (lambda: network(loss=keras.losses.Huber), TypeError, "an object"),
        (lambda: network(metrics=["accurracy"]), ValueError, "'accuracy'"),
        (lambda: network(metrics="accuracy"), TypeError, "a list"),
        (lambda: network().fit(x, labels[:5]), ShapeError, "as many targets as samples"),
        (lambda: network().fit(x[:0], labels[:0]), ValueError, "no sample"),
        (lambda: network().fit(x, labels, validation_split=1), ValueError, "validation_split"),
        (lambda: network(loss="categorical_crossentropy").fit(x, labels, verbose=0), ShapeError, "use sparse"),
        (lambda: network().summary(), PullbackError, "shape of a sample"),
        (lambda: keras.Sequential([keras.Input((3,)), layers.Dense(1)])(x), ShapeError, r"samples of shape \(3,\)"),
        (lambda: keras.Sequential([pb.nn.Linear(2, 1)]), TypeError, "keras.layers"),
        (lambda: keras.Sequential().build((None, 3)), PullbackError, "without layers"),
        (lambda: keras.Sequential([layers.Dense(1), keras.Input((3,))]), ValueError, "first element"),
    ],
)
def test_wrong_use(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_layers_may_be_added_and_taken_away_until_an_optimiser_holds_them():
    model = network()
    model.build((None, 64))
    model.pop()
    model.add(layers.Dense(3, "softmax"))
    assert model.predict(x, verbose=0).shape == (300, 3)
    model.fit(x, labels % 3, verbose=0)
    model.add(layers.Dense(2, "softmax"))
    with pytest.raises(PullbackError, match="made for other parameters"):
        model.fit(x, labels % 2, verbose=0)


def test_ctrl_c_ends_fit_after_the_step_and_a_second_one_at_once():
    import signal

    def press(times):
        def pressed(batch, logs):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

        return [keras.callbacks.LambdaCallback(on_train_batch_end=pressed)]

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = network()
        history = model.fit(x, labels, epochs=3, verbose=0, callbacks=press(1))
        assert history.epoch == [] and model.optimizer.iterations == 1
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, labels, epochs=3, verbose=0, callbacks=press(2))
        assert model.optimizer.iterations == 2
    finally:
        signal.signal(signal.SIGINT, before)
