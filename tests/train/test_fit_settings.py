"""What `fit` does beside plain steps: accumulation, clipping, schedules, validations in between, streams."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.data import ArrayDataset, DataLoader, IterableDataset
from pullback.train import Callback, EarlyStopping, LearningRateLog, NonFiniteError, Trainer


def data(count=22, features=3):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, features))
    return x, x.sum(axis=1, keepdims=True) + 0.1 * draw.normal(size=(count, 1))


def model_of(seed=0):
    pb.random.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4, dtype="float64"), nn.Tanh(), nn.Linear(4, 1, dtype="float64"))


def trainer_of(model, loss=None, lr=0.1, **settings):
    optimizer = optim.SGD(model.parameters(), lr=lr)
    return Trainer(model, loss or nn.MSELoss(), optimizer, **({"progress": None} | settings))


def weights(model):
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("count", [24, 22])
def test_accumulated_batches_are_one_large_batch_also_where_the_last_is_smaller(reduction, count):
    x, y = data(count)
    large, parts = model_of(), model_of()
    lr = 0.1 if reduction == "mean" else 0.01
    for model, size, every in ((large, 12, 1), (parts, 4, 3)):
        trainer = trainer_of(model, nn.MSELoss(reduction=reduction), lr)
        trainer.fit((x, y), 3, batch_size=size, shuffle=False, accumulate=every)
        assert trainer.state.step == 6
    np.testing.assert_allclose(weights(parts), weights(large), rtol=1e-12)


def test_one_of_one_batch_is_the_plain_step_bit_for_bit():
    x, y = data()
    one, other = model_of(), model_of()
    trainer_of(one).fit((x, y), 2, batch_size=5, seed=0)
    trainer_of(other).fit((x, y), 2, batch_size=5, seed=0, accumulate=1)
    assert weights(one).tobytes() == weights(other).tobytes()


@pytest.mark.parametrize("every", [1, 3])
def test_an_optimiser_that_asks_for_the_loss_several_times(every):
    """L-BFGS on a least squares problem: fit's steps are those of the closure written by hand."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))

    def made():
        pb.random.manual_seed(0)
        model = nn.Linear(4, 2, dtype=np.float64)
        return model, optim.LBFGS(model.parameters(), max_iter=4, line_search_fn="strong_wolfe")

    model, optimizer = made()
    trainer = Trainer(model, nn.MSELoss(), optimizer, progress=None)
    history = trainer.fit((x, y), 3, batch_size=10, shuffle=False, accumulate=every)
    other, by_hand = made()
    groups = [slice(i, i + 10 * every) for i in range(0, 30, 10 * every)]
    for _ in range(3):
        for group in groups:

            def closure(rows=group):
                by_hand.zero_grad()
                loss = nn.MSELoss()(other(pb.tensor(x[rows])), pb.tensor(y[rows]))
                loss.backward()
                return loss

            by_hand.step(closure)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9)
    assert trainer.state.step == 3 * len(groups)
    if every == 3:
        best = np.linalg.lstsq(np.c_[x, np.ones(30)], y, rcond=None)[0]
        assert history["loss"][-1] == pytest.approx(((np.c_[x, np.ones(30)] @ best - y) ** 2).mean(), rel=1e-4)


def test_a_closure_that_fails_leaves_everything_as_it_was():
    x = np.ones((4, 2))
    model = nn.Linear(2, 1, dtype=np.float64)
    before = [p.numpy().copy() for p in model.parameters()]

    def loss(outputs, target):
        return pb.sum(pb.log(outputs * 0 - 1))

    with pytest.raises(NonFiniteError, match="the loss is nan in epoch 1, batch 1"):
        Trainer(model, loss, optim.LBFGS(model.parameters()), progress=None).fit((x, x[:, :1]), 1)
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)
        assert p.grad is None


def test_gradients_are_clipped_before_callbacks_see_them_and_after_they_were_put_together():
    seen = []

    class Watch(Callback):
        def on_gradients(self, trainer):
            seen.append(np.concatenate([p.grad.numpy().ravel() for p in trainer.model.parameters()]))

    x, y = data()
    trainer_of(model_of(), callbacks=[Watch()]).fit((100 * x, y), 1, batch_size=4, accumulate=3, clip_norm=0.25)
    assert len(seen) == 2 and all(np.linalg.norm(g) == pytest.approx(0.25, rel=1e-5) for g in seen)
    seen.clear()
    trainer_of(model_of(), callbacks=[Watch()], lr=1e-3).fit((x, 100 * y), 1, batch_size=11, clip_value=0.01)
    assert max(np.abs(g).max() for g in seen) == 0.01


def test_schedules_step_as_often_as_they_are_told_to():
    x, y = data(20)
    model = model_of()
    optimizer = optim.SGD(model.parameters(), lr=0.8)
    warmup, halving = optim.LinearWarmup(optimizer, 4), optim.ExponentialLR(optimizer, 0.5)
    log = LearningRateLog()
    trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=[log], progress=None)
    history = trainer.fit((x, y), 2, batch_size=5, accumulate=2, each_step=[warmup], each_epoch=[halving])
    assert (warmup.last_epoch, halving.last_epoch) == (4, 2)
    np.testing.assert_allclose(log.rates, [[0.2], [0.4], [0.3], [0.4]])
    np.testing.assert_allclose(history["learning_rates"], [[[0.2, 0.4]], [[0.3, 0.4]]])


def test_a_schedule_that_watches_a_figure_gets_it():
    x, y = data(20)
    model = model_of()
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    plateau = optim.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=0)  # the loss falls: never better
    trainer = Trainer(model, nn.MSELoss(), optimizer, progress=None)
    pair = (plateau, "validation_loss")
    history = trainer.fit((x, y), 6, (x, y), batch_size=10, each_epoch=[pair], validate_every=2)
    assert history["lr"] == [0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(KeyError, match="fit: each_epoch: monitor: the epochs have no figure 'test_loss'"):
        trainer.fit((x, y), 1, (x, y), each_epoch=[(plateau, "test_loss")])


def test_validations_every_few_epochs_and_every_few_steps():
    figures = []

    class Watch(Callback):
        def on_validation(self, trainer, found):
            assert trainer.model.training
            figures.append((trainer.state.epoch, trainer.state.step, found["validation_loss"]))

    x, y = data(20)
    trainer = trainer_of(model_of(), callbacks=[Watch()])
    history = trainer.fit((x, y), 5, (x, y), batch_size=5, validate_every=2, validate_every_steps=3)
    assert [(epoch, step) for epoch, step, _ in figures] == [
        (1, 3), (2, 6), (2, 8), (3, 9), (4, 15), (4, 16), (5, 18), (5, 20)
    ]  # fmt: skip
    assert [value is not None for value in history["validation_loss"]] == [False, True, False, True, True]
    assert history.epochs[1]["checks"] == [{"step": 6, "validation_loss": figures[1][2]}]
    assert figures[-1][2] == trainer.evaluate((x, y))["loss"]


def test_a_stream_and_a_loader_that_is_validated_with():
    x, y = data(20)
    stream = IterableDataset(lambda: zip(x, y, strict=True))
    one, other = model_of(), model_of()
    trainer = trainer_of(one)
    trainer.fit(stream, 2, stream, batch_size=8)
    trainer_of(other).fit((x, y), 2, batch_size=8, shuffle=False)
    assert weights(one).tobytes() == weights(other).tobytes() and trainer.state.step == 6
    loader = DataLoader(ArrayDataset(x, y), 8, shuffle=True, seed=0)
    trainer_of(one).fit(loader, 2, loader)
    assert loader.epoch == 2, "measuring does not move the training's position"


def test_early_stopping_waits_and_restores_the_best():
    x, y = data()
    model = model_of()
    kept = {}

    class Worse(Callback):
        """Replaces the figure by one that is best in the third epoch."""

        def on_epoch_end(self, trainer, record):
            record["validation_loss"] = [5.0, 4.0, 1.0, 0.95, float("nan"), 0.95][record["epoch"] - 1]
            kept[record["epoch"]] = weights(trainer.model)

    stopping = EarlyStopping(patience=3, min_delta=0.1, restore_best=True)
    history = trainer_of(model, callbacks=[Worse(), stopping]).fit((x, y), 50, (x, y))
    assert len(history) == 6 and (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (1.0, 3, 6)
    np.testing.assert_array_equal(weights(model), kept[3])
    rising = EarlyStopping("validation_accuracy")
    assert rising.mode == "max" and EarlyStopping("loss").mode == "min"


def test_an_epoch_without_a_validation_does_not_count():
    x, y = data()
    stopping = EarlyStopping(patience=1, mode="max")  # the loss falls, so the second validation is worse
    history = trainer_of(model_of(), callbacks=[stopping]).fit((x, y), 50, (x, y), validate_every=3)
    assert len(history) == 6 and stopping.stopped_epoch == 6


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 0}, {"accumulate": 1.5}, {"accumulate": True}, {"clip_norm": 0}, {"clip_norm": -1.0},
        {"clip_value": float("nan")}, {"validate_every": 0}, {"validate_every_steps": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range(options):
    model = model_of()
    before = weights(model)
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        trainer_of(model).fit(data(), 1, **options)
    assert weights(model).tobytes() == before.tobytes()
    for wrong in ({"patience": 0}, {"min_delta": -1}, {"mode": "x"}):
        with pytest.raises(ValueError, match="expected"):
            EarlyStopping(**wrong)
