"""Trainer: the loop that one would write by hand, and what it does when something goes wrong."""

import re
from itertools import pairwise

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import ShapeError
from pullback.data import ArrayDataset, DataLoader, Dataset, Subset
from pullback.train import Callback, GradientHealth, NonFiniteError, Trainer
from pullback.train.health import Snapshot


def classes(count=60, features=5, number=3, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, number, count)
    x = draw.normal(size=(count, features)) + labels[:, None]
    return x.astype(np.float32), labels


def network(*widths, dtype=None, seed=0):
    pb.random.manual_seed(seed)
    layers = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow, dtype=dtype), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def trainer_of(model, loss=None, lr=0.1, **settings):
    loss = loss or nn.CrossEntropyLoss()
    return Trainer(model, loss, optim.SGD(model.parameters(), lr=lr), **({"progress": None} | settings))


def weights(model):
    return {name: p.numpy().copy() for name, p in model.named_parameters()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


# ------------------------------------------------------------------------------------ what it computes


def test_fit_is_the_loop_written_by_hand_bit_for_bit():
    x, y = classes()
    model, twin = network(5, 8, 3), network(5, 8, 3)
    trainer_of(model).fit((x, y), epochs=3, batch_size=16, seed=7)
    optimizer, loss = optim.SGD(twin.parameters(), lr=0.1), nn.CrossEntropyLoss()
    loader = DataLoader(ArrayDataset(x, y), 16, shuffle=True, seed=7)
    for _ in range(3):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss(twin(inputs), labels).backward()
            optimizer.step()
    assert_same(weights(model), weights(twin))


def test_fit_follows_gradient_descent_in_numpy():
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(20, 3)), draw.normal(size=(20, 1))
    model = nn.Linear(3, 1, dtype="float64")
    w, b = model.weight.numpy().copy(), model.bias.numpy().copy()
    history = trainer_of(model, nn.MSELoss()).fit((x, y), epochs=5, batch_size=20, shuffle=False)
    for epoch in range(5):
        errors = x @ w.T + b - y
        assert history["loss"][epoch] == pytest.approx(float((errors**2).mean()), rel=1e-13)
        w, b = w - 0.1 * 2 * errors.T @ x / 20, b - 0.1 * 2 * errors.mean(axis=0)
    np.testing.assert_allclose(model.weight.numpy(), w, rtol=1e-12)
    np.testing.assert_allclose(model.bias.numpy(), b, rtol=1e-12)


def test_evaluate_counts_every_item_once_with_uneven_batches_and_a_shuffling_loader():
    x, y = classes(count=37)
    model = network(5, 3)
    trainer = trainer_of(model)
    logits = x @ model[0].weight.numpy().T + model[0].bias.numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, accuracy = -np.log(p[np.arange(37), y]).mean(), (logits.argmax(axis=1) == y).mean()
    for data in ((x, y), DataLoader(ArrayDataset(x, y), 8, shuffle=True, seed=0, drop_last=True)):
        figures = trainer.evaluate(data, batch_size=16)
        assert figures["loss"] == pytest.approx(loss, rel=1e-5)
        assert figures["accuracy"] == accuracy


def test_a_summed_loss_is_averaged_over_the_items():
    x, y = classes(count=10)
    model = network(5, 3)
    mean = trainer_of(model).evaluate((x, y), batch_size=4)["loss"]
    summed = trainer_of(model, nn.CrossEntropyLoss(reduction="sum")).evaluate((x, y), batch_size=4)["loss"]
    assert summed == pytest.approx(mean, rel=1e-6)


def test_predict_keeps_the_order_and_takes_every_form_of_data():
    x, y = classes(count=23)
    model = network(5, 3)
    trainer = trainer_of(model)
    expected = x @ model[0].weight.numpy().T + model[0].bias.numpy()
    shuffling = DataLoader(ArrayDataset(x, y), 4, shuffle=True, seed=3)
    for data in (x, pb.asarray(x), (x,), (x, y), ArrayDataset(x), ArrayDataset(x, y), shuffling):
        outputs = trainer.predict(data, batch_size=5)
        assert isinstance(outputs, np.ndarray)
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    assert shuffling.epoch == 0


def test_evaluating_and_predicting_use_evaluation_mode_and_give_every_mode_back():
    model = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)))
    model.train()
    model[2].eval()
    before = [m.training for m in model.modules()]
    trainer, (x, y) = trainer_of(model), classes()
    assert trainer.evaluate((x, y)) == trainer.evaluate((x, y))
    np.testing.assert_array_equal(trainer.predict(x), trainer.predict(x))
    assert [m.training for m in model.modules()] == before
    with pytest.raises(ShapeError):
        trainer.predict(np.zeros((2, 4), np.float32))
    assert [m.training for m in model.modules()] == before


def test_models_with_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, a, b):
            return self.layer(a + b)

    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 40, 3)).astype(np.float32)
    y = (a + b).sum(axis=1, keepdims=True)
    trainer = trainer_of(Sum(), nn.MSELoss(), metrics=("r2",))
    trainer.fit((a, b, y), epochs=40, batch_size=10, seed=0)
    assert trainer.evaluate((a, b, y))["r2"] > 0.99
    assert trainer.predict((a, b, y)).shape == (40, 1)


def test_auto_metrics_are_accuracy_for_labels_and_none_for_values():
    x, y = classes()
    assert set(trainer_of(network(5, 3)).evaluate((x, y))) == {"loss", "accuracy"}
    assert set(trainer_of(network(5, 3), nn.MSELoss()).evaluate((x, np.eye(3, dtype=np.float32)[y]))) == {"loss"}


def test_accuracy_of_logits_is_split_at_zero():
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": np.ones((1, 1), np.float32), "bias": np.zeros(1, np.float32)})
    x = np.array([[0.3], [-0.3]], np.float32)
    y = np.array([[1.0], [0.0]], np.float32)
    trainer = trainer_of(model, nn.BCEWithLogitsLoss(), metrics=("accuracy",))
    assert trainer.evaluate((x, y))["accuracy"] == 1.0


# --------------------------------------------------------------------------------------- the history


def test_the_history_has_every_epoch_and_every_validation():
    x, y = classes()
    trainer = trainer_of(network(5, 3))
    history = trainer.fit((x, y), epochs=2, validation={"test": (x, y), "small": (x[:5], y[:5])}, seed=0)
    assert trainer.history is history and not history.interrupted
    assert history["epoch"] == [1, 2] and history["lr"] == [0.1, 0.1]
    assert history["test_loss"][1] == trainer.evaluate((x, y))["loss"]
    assert history["small_accuracy"][1] == trainer.evaluate((x[:5], y[:5]))["accuracy"]
    assert "validation_loss" in trainer.fit((x, y), 1, (x, y)).last


def test_no_epochs_change_nothing():
    model = network(5, 3)
    before = weights(model)
    assert len(trainer_of(model).fit(classes(), epochs=0)) == 0
    assert_same(before, weights(model))


def test_callbacks_are_told_everything_in_order():
    events = []

    class Recorder(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda trainer, *more: events.append((name, trainer.state.epoch, trainer.state.batch))
            return super().__getattribute__(name)

    x, y = classes(count=10)
    trainer_of(network(5, 3), callbacks=[Recorder()]).fit((x, y), epochs=1, batch_size=5)
    assert events == [
        ("on_train_begin", 0, 0),
        ("on_epoch_begin", 1, 0),
        ("on_batch_begin", 1, 1),
        ("on_gradients", 1, 1),
        ("on_batch_end", 1, 1),
        ("on_settled", 1, 1),
        ("on_batch_begin", 1, 2),
        ("on_gradients", 1, 2),
        ("on_batch_end", 1, 2),
        ("on_epoch_end", 1, 2),
        ("on_settled", 1, 2),
        ("on_train_end", 1, 2),
    ]


def test_all_hear_of_the_end_also_when_one_cannot_write():
    ended = []

    class Full(Callback):
        def on_train_end(self, trainer):
            ended.append("full")
            raise OSError(28, "No space left on device")

    class Last(Callback):
        def on_train_end(self, trainer):
            ended.append("last")

    with pytest.raises(OSError, match="No space left"):
        trainer_of(network(5, 3), callbacks=[Full(), Last(), Full()]).fit(classes(count=10), 1)
    assert ended == ["full", "last", "full"]


def test_stop_ends_the_training_after_the_step():
    class Stop(Callback):
        def on_batch_end(self, trainer):
            if (trainer.state.epoch, trainer.state.batch) == (2, 3):
                trainer.stop()

    x, y = classes(count=50)
    history = trainer_of(network(5, 3), callbacks=[Stop()]).fit((x, y), 9, (x, y), batch_size=10)
    assert len(history) == 2 and not history.interrupted
    assert history.last["batches"] == 3 and history.last["complete"] is False
    assert "validation_loss" not in history.last


def test_on_gradients_may_clip_them():
    class Clip(Callback):
        def on_gradients(self, trainer):
            for p in trainer.model.parameters():
                p.grad = p.grad * 0

    model = network(5, 3)
    before = weights(model)
    trainer_of(model, callbacks=[Clip()]).fit(classes(), epochs=1)
    assert_same(before, weights(model))


# ------------------------------------------------------------------------------ what can go wrong


def test_nan_in_the_data_is_found_in_the_array_and_row_where_it_is_and_no_step_uses_it():
    x, y = classes(count=60)
    x[41, 2] = np.nan
    model = network(5, 3)
    trainer = trainer_of(model)
    steps = []

    class Watch(Callback):
        def on_batch_end(self, trainer):
            steps.append(weights(model))

    trainer.callbacks.append(Watch())
    with pytest.raises(NonFiniteError, match=re.escape("arrays[0] (inputs), row 41 at position [2] is nan")) as caught:
        trainer.fit((x, y), epochs=2, batch_size=8, seed=0)
    assert re.search(r"the loss is nan in epoch 1, batch \d+", str(caught.value))
    assert_same(weights(model), steps[-1])
    assert all(np.isfinite(w).all() for w in weights(model).values())


def test_nan_in_a_subset_is_named_by_the_row_of_the_whole():
    x, y = classes(count=60)
    x[41, 2] = np.inf
    data = Subset(ArrayDataset(x, y), np.arange(30, 60))
    with pytest.raises(NonFiniteError, match=r"row 41 at position \[2\] is inf"):
        trainer_of(network(5, 3)).fit(data, epochs=1)


def test_nan_in_targets_in_evaluation_and_in_a_data_set_of_ones_own():
    x, _ = classes()
    values = np.ones((60, 3), np.float32)
    values[7, 1] = np.nan
    trainer = trainer_of(network(5, 3), nn.MSELoss())
    with pytest.raises(NonFiniteError, match=r"arrays\[1\] \(targets\), row 7 at position \[1\]"):
        trainer.fit((x, values), epochs=1)
    with pytest.raises(NonFiniteError, match=r"in an evaluation: .*arrays\[1\] \(targets\), row 7"):
        trainer.evaluate((x, values))

    class Own(Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, index):
            return x[index], values[index]

    with pytest.raises(NonFiniteError, match=r"targets of this batch, row 7"):
        trainer.fit(Own(), epochs=1, batch_size=60, shuffle=False)


def test_a_learning_rate_that_is_too_large_is_named():
    x = np.linspace(1, 5, 5, dtype=np.float32)[:, None]
    model = nn.Linear(1, 1)
    with pytest.raises(NonFiniteError, match=r"learning rate .*1\.0"), np.errstate(all="ignore"):
        trainer_of(model, nn.MSELoss(), lr=1.0).fit((x, 2 * x), epochs=500, batch_size=5)
    assert all(np.isfinite(w).all() for w in weights(model).values())


def test_a_gradient_that_is_not_finite_stops_before_the_step():
    def steep(outputs, targets):
        """At most 1e32 on the way forward; on the way back, 1e30 · 1e30 comes first and overflows float32."""
        return (outputs * 1e-30 * 1e30 * 1e30).sum()

    model = network(5, 3)
    before = weights(model)
    x, _ = classes()
    with pytest.raises(NonFiniteError, match=r"gradient of 0.weight and of 1 more is not finite in epoch 1, batch 1"):
        trainer_of(model, steep).fit((x, np.zeros((60, 3), np.float32)), epochs=1)
    assert_same(before, weights(model))


def test_a_label_out_of_range_is_the_losss_error_with_the_place_added():
    x, y = classes()
    y[50] = 3
    model = network(5, 3)
    with pytest.raises(IndexError, match="label 3 at index") as caught:
        trainer_of(model).fit((x, y), epochs=1, batch_size=60, shuffle=False)
    assert "raised by fit in epoch 1, batch 1" in caught.value.__notes__


@pytest.mark.parametrize(
    "data, kind, message",
    [
        ((np.zeros((0, 5), np.float32), np.zeros(0, int)), ValueError, "dataset is empty"),
        ((np.zeros((3, 5), np.float32), np.zeros(2, int)), ValueError, "first axes of one length"),
        (np.zeros((3, 5), np.float32), TypeError, "expected batches (inputs, targets), got 1 part"),
        (iter([]), TypeError, "an iterator is empty after the first epoch"),
        (3, TypeError, "data: expected a DataLoader, a data set, or a tuple of arrays"),
    ],
)
def test_bad_data_is_refused(data, kind, message):
    model = network(5, 3)
    before = weights(model)
    with pytest.raises(kind, match=re.escape(message)):
        trainer_of(model).fit(data, epochs=1)
    assert_same(before, weights(model))


def test_bad_arguments_are_refused():
    model = network(5, 3)
    with pytest.raises(TypeError, match="a sequence such as"):
        trainer_of(model, metrics="accuracy")
    with pytest.raises(ValueError, match="'auto', 'bar', 'lines' or None"):
        trainer_of(model, progress="yes")
    with pytest.raises(ValueError, match="epochs: expected 0 or more"):
        trainer_of(model).fit(classes(), epochs=-1)
    with pytest.raises(ValueError, match="batch_size expected at least 1"):
        trainer_of(model).fit(classes(), epochs=1, batch_size=0)
    with pytest.raises(ShapeError, match=re.escape("expected a scalar, got shape (32,)")):
        trainer_of(model, nn.CrossEntropyLoss(reduction="none")).fit(classes(), epochs=1)


def test_callbacks_hear_of_the_end_also_after_an_error():
    ended = []

    class End(Callback):
        def on_train_end(self, trainer):
            ended.append(trainer.state.batch)

        def on_batch_end(self, trainer):
            raise RuntimeError("a callback's own error")

    with pytest.raises(RuntimeError, match="own error"):
        trainer_of(network(5, 3), callbacks=[End()]).fit(classes(), epochs=1)
    assert ended == [1]


# ------------------------------------------------------------------------------------------- health


def test_health_is_the_gradient_and_the_update_of_the_last_step():
    x, y = classes(count=20)
    model, twin = network(5, 4, 3), network(5, 4, 3)
    health = GradientHealth()
    history = trainer_of(model, lr=0.01, callbacks=[health]).fit((x, y), epochs=1, batch_size=10, shuffle=False)
    optimizer, loss = optim.SGD(twin.parameters(), lr=0.01), nn.CrossEntropyLoss()
    for part in (slice(0, 10), slice(10, 20)):
        before = weights(twin)
        optimizer.zero_grad()
        loss(twin(pb.asarray(x[part])), pb.asarray(y[part])).backward()
        optimizer.step()
    for layer in ("0", "2"):
        names = [f"{layer}.weight", f"{layer}.bias"]
        parameters = dict(twin.named_parameters())
        gradient = np.concatenate([parameters[n].grad.numpy().ravel() for n in names])
        moved = np.concatenate([(parameters[n].numpy() - before[n]).ravel() for n in names])
        old = np.concatenate([before[n].ravel() for n in names])
        record = history.last["health"][layer]
        assert record["gradient"] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
        assert record["ratio"] == pytest.approx(np.linalg.norm(moved) / np.linalg.norm(old), rel=1e-4)
        assert record["kind"] == "Linear" and record["verdict"] == "fine"
    assert [h.layer for h in health.latest] == ["0", "2"]


@pytest.mark.parametrize(
    "depth, lr, activation, word",
    [(12, 0.1, nn.Sigmoid, "vanishing"), (2, 100.0, nn.Tanh, "exploding")],
)
def test_health_finds_the_classical_illnesses(depth, lr, activation, word):
    pb.random.manual_seed(0)
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(5, 5), activation()]
    model = nn.Sequential(*layers, nn.Linear(5, 3))
    history = trainer_of(model, lr=lr, callbacks=[GradientHealth()]).fit(classes(), epochs=1, batch_size=60)
    assert history.last["health"]["0"]["verdict"] == word


def test_health_of_an_optimiser_that_writes_in_place():
    model = network(5, 3)
    snapshot = Snapshot(model)
    for p in model.parameters():
        p._payload.read()[...] *= 1.25
    assert snapshot.compare()[0].ratio == pytest.approx(0.25)


def test_health_of_a_frozen_layer_and_of_weights_that_were_zero():
    x, y = classes()
    model = network(5, 4, 3)
    for p in model[0].parameters():
        p.requires_grad_(False)
    nn.init.zeros_(model[2].weight), nn.init.zeros_(model[2].bias)
    record = trainer_of(model, callbacks=[GradientHealth()]).fit((x, y), 1, batch_size=60).last["health"]
    assert record["0"]["verdict"] == "none"
    assert np.isnan(record["2"]["ratio"]) and record["2"]["verdict"] == "fine"
