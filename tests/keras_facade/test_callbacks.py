"""Callbacks in Keras' manner: when they are told what, and what each of them does."""

import csv

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.keras import callbacks, layers
from pullback.train import NonFiniteError

rng = np.random.default_rng(0)
x = rng.standard_normal((40, 3)).astype(np.float32)
y = (x.sum(1, keepdims=True) + 0.1).astype(np.float32)


@pytest.fixture(autouse=True)
def seed():
    pb.random.manual_seed(0)


def network(optimizer="adam"):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


class Figures(callbacks.Callback):
    """Puts figures of our own in the place of those that were measured."""

    def __init__(self, **figures):
        self.figures = figures

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.figures.items()})


def fit(model, *told, epochs=10, **settings):
    return model.fit(x, y, epochs=epochs, batch_size=20, verbose=0, callbacks=list(told), **settings)


def test_they_are_told_everything_in_keras_order():
    events = []

    class Told(callbacks.Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda *details: events.append((name, *(d for d in details if isinstance(d, int))))
            return super().__getattribute__(name)

    told = Told()
    model = network()
    fit(model, told, epochs=1, validation_split=0.5)
    model.evaluate(x, y, verbose=0, callbacks=[told])
    model.predict(x, verbose=0, callbacks=[told])
    assert events == [
        ("on_train_begin",), ("on_epoch_begin", 0), ("on_train_batch_begin", 0), ("on_train_batch_end", 0),
        ("on_test_begin",), ("on_test_end",), ("on_epoch_end", 0), ("on_train_end",),
        ("on_test_begin",), ("on_test_end",), ("on_predict_begin",), ("on_predict_end",),
    ]  # fmt: skip
    assert told.params == {"steps": 2, "verbose": 0} and told.model is model


@pytest.mark.parametrize(
    ("settings", "figures", "epochs", "best"),
    [
        ({"patience": 2}, [5, 4, 4, 4, 1], 4, 1),
        ({"patience": 0}, [5, 4, 4.5, 1], 3, 1),
        ({"patience": 1, "min_delta": 0.5}, [5, 4.8, 4.0, 3.9, 1], 2, 0),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 2, 9], 4, 2),
        ({"patience": 2, "baseline": 3}, [5, 5, 5, 5], 2, 0),
        ({"patience": 2, "baseline": 6}, [5, 5, 5, 5], 3, 0),
        ({"patience": 1, "start_from_epoch": 3}, [1, 2, 3, 4, 3, 3], 6, 4),
        ({"patience": 2}, [5, float("nan"), float("nan"), 1], 3, 0),
    ],
)
def test_early_stopping(settings, figures, epochs, best):
    stopping = callbacks.EarlyStopping("figure", **settings)
    history = fit(network(), Figures(figure=[*figures, *[0] * 20][:20]), stopping, epochs=min(20, len(figures) + 5))
    assert len(history.epoch) == epochs and stopping.best_epoch == best


def test_the_best_weights_come_back(capsys):
    model = network(keras.optimizers.SGD(0.1))
    kept = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stopping = callbacks.EarlyStopping("figure", patience=2, restore_best_weights=True, verbose=1)
    fit(model, Figures(figure=[3, 1, 2, 2, 2]), note, stopping)
    for found, wanted in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(found, wanted)
    printed = capsys.readouterr().out
    assert "Epoch 4: early stopping\nRestoring model weights from the end of the best epoch: 2." in printed


def test_an_epoch_without_a_validation_does_not_count():
    stopping = callbacks.EarlyStopping(patience=1)
    history = fit(network(), stopping, epochs=4, validation_split=0.5, validation_freq=2)
    assert history.epoch == [0, 1, 2, 3] and len(history.history["val_loss"]) == 2


def test_the_rate_falls_on_a_plateau(capsys):
    model = network(keras.optimizers.SGD(0.1))
    reduce = callbacks.ReduceLROnPlateau("figure", factor=0.5, patience=2, cooldown=1, min_lr=0.03, verbose=1)
    figures = [5, 4, 4, 4, 4, 4, 4, 4, 4, 4]
    history = fit(model, Figures(figure=figures), reduce)
    rates = [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03, 0.03, 0.03]
    assert history.history["learning_rate"] == pytest.approx(rates)
    assert "Epoch 4: ReduceLROnPlateau reducing learning rate to 0.05." in capsys.readouterr().out


@pytest.mark.parametrize("schedule", [lambda epoch: 0.1 / (epoch + 1), lambda epoch, lr: 0.1 if not epoch else lr / 2])
def test_a_rate_for_each_epoch(schedule):
    model = network(keras.optimizers.SGD(0.7))
    history = fit(model, callbacks.LearningRateScheduler(schedule), epochs=2)
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.05])
    assert model.optimizer.learning_rate == pytest.approx(0.05) == model.optimizer.inner.lr
    with pytest.raises(ValueError, match="schedule to give a number"):
        fit(model, callbacks.LearningRateScheduler(lambda epoch: None))


def test_rates_by_the_step():
    steps = keras.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.01, 0.001])
    model = network(keras.optimizers.SGD(steps))
    rates = []
    note = callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: rates.append(float(model.optimizer.inner.lr))
    )
    fit(model, note, epochs=2)
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001]) and model.optimizer.iterations == 4
    with pytest.raises(TypeError, match="follows PiecewiseConstantDecay"):
        model.optimizer.learning_rate = 1.0


def test_files_with_the_model(tmp_path):
    model = network()
    each = callbacks.ModelCheckpoint(tmp_path / "sub" / "{epoch:02d}-{figure:.1f}.keras")
    best = callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="figure", save_best_only=True)
    weights = callbacks.ModelCheckpoint(tmp_path / "w.safetensors", save_weights_only=True, save_freq=3)
    kept = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.predict(x, verbose=0)))
    fit(model, Figures(figure=[3, 1, 2]), note, each, best, weights, epochs=3)
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["01-3.0.keras", "02-1.0.keras", "03-2.0.keras"]
    found = keras.models.load_model(tmp_path / "best.keras").predict(x, verbose=0)
    np.testing.assert_array_equal(found, kept[1])
    other = network()
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(other.predict(x, verbose=0), kept[2])
    with pytest.raises(KeyError, match="there are epoch, loss"):
        fit(model, callbacks.ModelCheckpoint(tmp_path / "{accuracy}.keras"), epochs=1)


def test_a_table(tmp_path):
    model = network()
    history = fit(model, callbacks.CSVLogger(tmp_path / "a.csv"), epochs=2, validation_split=0.5)
    more = fit(
        model, callbacks.CSVLogger(tmp_path / "a.csv", append=True), epochs=3, initial_epoch=2, validation_split=0.5
    )
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"] and list(rows[0]) == ["epoch", "loss", "val_loss"]
    assert [float(row["loss"]) for row in rows] == history.history["loss"] + more.history["loss"]
    assert more.epoch == [2]


def test_event_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    fit(network(), callbacks.TensorBoard(tmp_path), epochs=2, validation_split=0.5)
    parts = {name: b"".join(p.read_bytes() for p in (tmp_path / name).iterdir()) for name in ("train", "validation")}
    assert all(b"epoch_loss" in content for content in parts.values())


def test_nan_is_an_error_or_a_quiet_end(capsys):
    bad = x.copy()
    bad[30] = np.nan
    model = network()
    with pytest.raises(NonFiniteError, match="row 30"):
        model.fit(bad, y, batch_size=20, verbose=0, shuffle=False)
    before = model.get_weights()
    history = model.fit(bad, y, batch_size=20, verbose=0, shuffle=False, callbacks=[callbacks.TerminateOnNaN()])
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"
    assert history.epoch == [] and model.stop_training
    after = model.get_weights()
    assert all(np.isfinite(w).all() for w in after) and not np.array_equal(before[0], after[0])


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: callbacks.EarlyStopping(mode="best"), ValueError, "'auto', 'min' or 'max'"),
        (lambda: fit(network(), callbacks.EarlyStopping()), KeyError, "there is no figure 'val_loss'; there are loss"),
        (lambda: fit(network(), callbacks.ReduceLROnPlateau()), KeyError, "there is no figure 'val_loss'"),
        (lambda: callbacks.ReduceLROnPlateau(factor=2), ValueError, "between 0 and 1"),
        (lambda: callbacks.ModelCheckpoint("a", save_freq="batch"), ValueError, "'epoch' or a number of steps"),
        (lambda: callbacks.LambdaCallback(on_epoch=print), TypeError, "expected some of on_train_begin"),
        (lambda: fit(network(), print), TypeError, "keras.callbacks.Callback objects"),
    ],
)
def test_wrong_use(use, error, message):
    with pytest.raises(error, match=message):
        use()
