"""A step of a training is one function over cells: traced and replayed it gives the same bits as the eager one."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras, nn, optim
from pullback.keras import layers
from pullback.train import Trainer
from pullback.train.step import Step, items_in

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((8, 16, 6)).astype(np.float32), rng.integers(0, 3, (8, 16))


def native():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, nn.CrossEntropyLoss(), lambda y: y


def in_keras_manner():
    entry = keras.Input((6,))
    h = layers.Dropout(0.3)(layers.BatchNormalization()(layers.Dense(8, "tanh")(entry)))
    model = keras.Model(entry, [layers.Dense(3, "softmax", name="kind")(h), layers.Dense(1, name="size")(h)])
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"], loss_weights=[1.0, 0.1])
    model.compiled.settle(model.output_names)
    return model, model.compiled.loss, lambda y: ([y, y[:, None].astype(np.float32)], [None, None])


def steps(make, wrap):
    pb.random.manual_seed(3)
    model, loss, target = make()
    model.train()
    step = wrap(Step(model, loss, optim.Adam(model.parameters(), lr=0.01), clip_norm=0.5, clip_value=0.3).__call__)
    seen = []
    for x, y in zip(X, Y, strict=True):
        value, _ = step([pb.tensor(x)], target(y))
        seen.append([np.asarray(value), *(np.asarray(v) for v in model.state_dict().values())])
    return seen, step


@pytest.mark.parametrize("make", [native, in_keras_manner])
def test_traced_and_eager_steps_are_the_same_bits(make):
    eager, _ = steps(make, lambda f: f)
    traced, step = steps(make, pb.trace)
    for one, other in zip(eager, traced, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert sum(map(len, step.graphs.values())) <= 2


def test_fit_makes_these_steps():
    pb.random.manual_seed(3)
    model, loss, _ = native()
    trainer = Trainer(model, loss, optim.Adam(model.parameters(), lr=0.01), progress=None)
    flat, labels = X.reshape(-1, 6), Y.reshape(-1)
    trainer.fit((flat, labels), 1, batch_size=16, shuffle=False, clip_norm=0.5, clip_value=0.3)
    eager, _ = steps(native, lambda f: f)
    for found, wanted in zip(model.state_dict().values(), eager[-1][1:], strict=True):
        np.testing.assert_array_equal(np.asarray(found), wanted)


def test_items_in_a_batch():
    assert items_in(np.zeros((5, 2))) == 5 and items_in(([np.zeros(4)], [None])) == 4 and items_in(3.0) == 1
