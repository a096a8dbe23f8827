"""Evaluation and prediction as native code: what they compute is what eager passes compute, and nothing changes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pullback as pb
from pullback import keras, nn, optim
from pullback.data import ContainerDataset, DataLoader
from pullback.train import Callback, Trainer
from pullback.train import native_pass as native
from pullback.train.native_pass import NativePass


def problem(count=203):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 12)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def trained(compile):
    """A trainer whose model has seen some batches: running averages are not those of the beginning."""
    pb.random.manual_seed(4)
    model = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.Tanh(), nn.Dropout(0.5), nn.Linear(24, 2))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, progress=None, compile=compile)
    trainer.fit(problem(), epochs=1, batch_size=16, seed=1)
    return trainer


def state(trainer):
    return {**trainer.model.state_dict(), **{f"random.{k}": v for k, v in pb.random.get_state().items()}}


def test_native_and_eager_passes_agree_and_change_nothing():
    eager, trainer = trained(False), trained(True)
    trainer.model.load_state_dict(eager.model.state_dict())
    before = {k: np.array(v) for k, v in state(trainer).items()}
    x, _ = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (256, 50):  # whole, and with a smaller last batch
            found, expected = trainer.evaluate(problem(), batch_size=size), eager.evaluate(problem(), batch_size=size)
            assert found == pytest.approx(expected, rel=1e-5)
            outputs, right = trainer.predict(x, batch_size=size), eager.predict(x, batch_size=size)
            np.testing.assert_allclose(outputs, right, rtol=1e-4, atol=1e-6)
    assert trainer._forward.native.last is not None and trainer._predicted.native.last is not None
    assert eager._forward.native.last is None
    after = state(trainer)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[k], np.array(after[k])) for k in before)
    assert trainer.model.training


def test_a_smaller_last_batch_is_compiled_once():
    trainer = trained(True)
    for _ in range(3):
        trainer.evaluate(problem(), batch_size=50)
    assert sum(map(len, trainer._forward.native.graphs.values())) == 2


def test_the_same_data_give_the_same_bits_each_time(monkeypatch):
    monkeypatch.setattr(native, "AFTER", 3)
    trainer = trained("auto")
    x, _ = problem()
    first = trainer.predict(x, batch_size=20)
    assert trainer._predicted.native.last is not None
    assert np.array_equal(first, trainer.predict(x, batch_size=20))
    assert trainer.evaluate(problem(), batch_size=20) == trainer.evaluate(problem(), batch_size=20)


def test_automatically_it_begins_at_the_hundredth_batch():
    trainer, (x, _) = trained("auto"), problem(202)
    trainer.predict(x[:200], batch_size=2)
    assert trainer._predicted.native.last is None
    trainer.predict(x, batch_size=2)
    assert trainer._predicted.native.last is not None


def test_validations_are_native_when_the_steps_are():
    seen = []

    class Watching(Callback):
        def on_validation(self, trainer, figures):
            seen.append((trainer.state.step, trainer._forward.native.last is not None))

    trainer = trained("auto")
    trainer.callbacks.append(Watching())
    trainer.fit(problem(200), epochs=3, validation=problem(30), batch_size=4, seed=1)
    assert seen == [(50, False), (100, True), (150, True)]


def test_what_python_decides_is_looked_at_in_each_pass():
    factor = [1.0]
    model = nn.Linear(12, 2)
    optimizer = optim.SGD(model.parameters())
    trainer = Trainer(model, lambda y, t: pb.mean(y) * factor[0], optimizer, metrics=(), progress=None, compile=True)
    once = trainer.evaluate(problem())["loss"]
    factor[0] = 3.0
    assert trainer.evaluate(problem())["loss"] == pytest.approx(3 * once, rel=1e-6)


def test_what_cannot_be_recorded_runs_eagerly_and_says_why_once():
    class Branching(nn.Linear):
        def forward(self, x):
            return super().forward(x) if float(pb.sum(x)) > 0 else super().forward(-x)

    pb.random.manual_seed(0)
    model = Branching(12, 2)
    trainers = [
        Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters()), progress=None, compile=c)
        for c in (True, False)
    ]
    x, _ = problem()
    with pytest.warns(UserWarning, match="prediction goes on without native code: trace: this value is only") as told:
        found = trainers[0].predict(x, batch_size=50)
    assert len(told) == 1 and told[0].filename == __file__
    assert np.array_equal(found, trainers[1].predict(x, batch_size=50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainers[0].predict(x)


def test_hooks_see_every_batch():
    trainer, seen = trained(True), []
    trainer.model[0].register_forward_hook(lambda module, args, output: seen.append(float(pb.sum(output))))
    trainer.evaluate(problem(), batch_size=50)
    assert len(seen) == 5


def test_containers_go_through():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 2)

        def forward(self, parts):
            y = self.layer(parts["a"]) + parts["b"]
            return {"sum": y, "first": y[:, 0]}

    x, labels = problem()
    data = ContainerDataset(({"a": x, "b": x[:, :2]}, labels))
    model = Two()
    eager, trainer = (
        Trainer(
            model, lambda y, t: nn.CrossEntropyLoss()(y["sum"], t), optim.SGD(model.parameters()),
            metrics=(), progress=None, compile=c,
        )
        for c in (False, True)
    )  # fmt: skip
    loader = DataLoader(data, 50)
    assert trainer.evaluate(loader) == pytest.approx(eager.evaluate(loader), rel=1e-5)
    found, expected = trainer.predict(loader), eager.predict(loader)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-6)


def test_a_bad_number_is_reported_as_eager_passes_do():
    trainer = trained(True)
    x, y = problem()
    x[7, 3] = np.nan
    from pullback.train import NonFiniteError

    with pytest.raises(NonFiniteError, match="row 7"):
        trainer.evaluate((x, y))


def test_another_setting_is_refused():
    with pytest.raises(ValueError, match="compile: expected 'auto', True or False, got 'yes'"):
        NativePass(lambda x: x, "yes", "pass")


def test_keras_predicts_the_same(monkeypatch):
    pb.random.manual_seed(0)
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = problem()
    outputs, figures = model.predict(x, 50, 0), model.evaluate(x, y, 50, 0)
    monkeypatch.setattr(native, "AFTER", 1)
    begun, begin = [], NativePass.begin
    monkeypatch.setattr(NativePass, "begin", lambda self, *args: begun.append(self) or begin(self, *args))
    np.testing.assert_allclose(model.predict(x, 50, 0), outputs, rtol=1e-4, atol=1e-6)
    assert model.evaluate(x, y, 50, 0) == pytest.approx(figures, rel=1e-5)
    assert len(begun) == 2 and all(p.native.last is not None for p in begun)


def test_an_estimator_predicts_the_same(monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from pullback.sklearn import Classifier, network

    x, y = problem()
    model = Classifier(epochs=2, random_state=0).fit(x, y)
    expected = model.predict_proba(x)
    monkeypatch.setattr(native, "AFTER", 1)
    monkeypatch.setattr(network, "ROWS_AT_A_TIME", 50)
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(model.predict(x), model.classes_[expected.argmax(axis=1)])
