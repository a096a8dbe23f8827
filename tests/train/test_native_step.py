"""The native steps of a training: the same curves, the same bits after an interruption, eager where they cannot be."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.train import Callback, Trainer
from pullback.train import native_step as native


def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1)


def network(dropout=0.2):
    pb.random.manual_seed(4)
    return nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.Tanh(), nn.Dropout(dropout), nn.Linear(24, 3))


def trained(compile, epochs=4, model=None, trainer_settings=None, **settings):
    model = network() if model is None else model
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    trainer = Trainer(
        model, nn.CrossEntropyLoss(), optimizer, progress=None, compile=compile, **(trainer_settings or {})
    )
    history = trainer.fit(problem(), epochs=epochs, batch_size=16, seed=1, **settings)
    return trainer, [r["loss"] for r in history], [p.numpy().copy() for p in model.parameters()]


@pytest.mark.parametrize(
    "settings", [{}, {"clip_norm": 0.5}, {"clip_value": 0.01}, {"accumulate": 3}], ids=lambda s: ",".join(s) or "plain"
)
def test_native_and_eager_trainings_agree(settings):
    _, eager, _ = trained(False, **settings)
    trainer, loss, _ = trained(True, **settings)
    np.testing.assert_allclose(loss, eager, rtol=2e-4)
    assert trainer._plan.step._gradients.last is not None, "the steps were native"


def test_automatically_it_begins_at_the_hundredth_step():
    trainer, _, _ = trained("auto", epochs=7)
    assert trainer._plan.step._gradients.last is None
    trainer, loss, _ = trained("auto", epochs=9)
    assert trainer._plan.step._gradients.last is not None
    np.testing.assert_allclose(loss, trained(False, epochs=9)[1], rtol=2e-4)


def test_two_native_trainings_are_the_same_to_the_last_bit():
    (_, a, p), (_, b, q) = trained(True), trained(True)
    assert a == b
    assert all(np.array_equal(x, y) for x, y in zip(p, q, strict=True))


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    from pullback.train import Checkpoint

    _, _, weights = trained("auto", epochs=12)
    folder = tmp_path / "checkpoints"
    trained("auto", epochs=8, trainer_settings={"callbacks": [Checkpoint(folder)]})
    _, _, found = trained("auto", epochs=12, resume=folder)
    assert all(np.array_equal(x, y) for x, y in zip(weights, found, strict=True))


def test_a_model_that_cannot_be_recorded_trains_eagerly_and_says_why():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 3)

        def forward(self, x):
            y = self.layer(x)
            return y * 2 if float(pb.mean(y)) > 0 else y

    pb.random.manual_seed(0)
    with pytest.warns(UserWarning, match="goes on without native code: trace: this value is only known"):
        _, loss, _ = trained(True, model=Branching())
    pb.random.manual_seed(0)
    assert loss == trained(False, model=Branching())[1]


def test_hooks_keep_a_training_eager():
    seen = []
    model = network(dropout=0.0)
    model[0].register_forward_hook(lambda module, args, output: seen.append(float(pb.sum(output))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(True, model=model)
    assert len(seen) == 4 * 13


def test_what_python_decides_is_looked_at_once_an_epoch():
    class Weighted(Callback):
        def on_epoch_begin(self, trainer):
            factor[0] = 1.0 + trainer.state.epoch

    factor = [1.0]

    def run(compile):
        factor[0] = 1.0
        model = network(dropout=0.0)
        trainer = Trainer(
            model, lambda y, t: pb.mean(y**2) * factor[0] + nn.CrossEntropyLoss()(y, t),
            optim.SGD(model.parameters(), lr=0.01), progress=None, callbacks=[Weighted()], compile=compile,
        )  # fmt: skip
        return [r["loss"] for r in trainer.fit(problem(), epochs=3, batch_size=16, seed=1)]

    np.testing.assert_allclose(run(True), run(False), rtol=1e-4)


def test_a_loss_that_is_not_finite_changes_nothing():
    model = network()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), progress=None, compile=True)
    x, y = problem()
    trainer.fit((x, y), epochs=1, batch_size=16, seed=1)
    before = [p.numpy().copy() for p in model.parameters()]
    x[37] = np.inf
    with pytest.raises(ArithmeticError):
        trainer.fit((x, y), epochs=1, batch_size=200, shuffle=False)
    assert all(np.array_equal(p.numpy(), b) for p, b in zip(model.parameters(), before, strict=True))


def test_another_word_for_compile_is_refused():
    with pytest.raises(ValueError, match="expected 'auto', True or False, got 'jit'"):
        trained("jit")


def test_the_hundredth_is_what_the_documentation_says():
    assert native.AFTER == 100
