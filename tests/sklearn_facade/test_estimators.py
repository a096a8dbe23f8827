"""What the two estimators compute, beside NumPy; how they behave in scikit-learn's company; their errors."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pullback as pb
from pullback.data import load_digits
from pullback.sklearn import Classifier, Regressor

x, labels = load_digits("train", dtype=np.float64)
x, labels = x[:300], labels[:300]


def forward(model, x):
    """The network in NumPy: tanh between affine maps."""
    *hidden, last = zip(model.coefs_, model.intercepts_, strict=True)
    for weight, bias in hidden:
        x = np.tanh(x @ weight + bias)
    return x @ last[0] + last[1]


def test_probabilities_are_the_softmax_of_the_network():
    model = Classifier((12, 8), "tanh", epochs=2, random_state=0).fit(x, labels)
    powers = np.exp(forward(model, x))
    np.testing.assert_allclose(model.predict_proba(x), powers / powers.sum(1, keepdims=True), rtol=1e-10)
    np.testing.assert_array_equal(model.predict(x), model.classes_[powers.argmax(1)])
    np.testing.assert_allclose(model.network_(x).numpy(), forward(model, x), rtol=1e-10, atol=1e-12)
    assert [w.shape for w in model.coefs_] == [(64, 12), (12, 8), (8, 10)]


def test_the_loss_of_the_history_is_the_cross_entropy():
    steps = []
    model = Classifier(
        (), optimizer=lambda parameters, lr: steps.append(lr) or pb.optim.SGD(parameters, lr=lr),
        lr=1e-12, epochs=1, batch_size=300, random_state=0,
    ).fit(x, labels)  # fmt: skip
    wanted = -np.log(model.predict_proba(x)[np.arange(300), labels]).mean()
    assert model.history_["loss"] == [pytest.approx(wanted, rel=1e-9)] and steps == [1e-12]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_it_learns_the_digits(optimizer):
    model = Classifier((32,), optimizer=optimizer, lr=0.05 if optimizer == "sgd" else 0.01, epochs=15, random_state=0)
    model.fit(x, labels)
    assert model.score(x, labels) > 0.97 and model.n_iter_ == 15
    assert model.history_["loss"][-1] < 0.2 * model.history_["loss"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regression_of_several_targets(dtype):
    inputs = np.linspace(-1, 1, 80, dtype=dtype)[:, None]
    targets = np.concatenate([inputs**2, np.sin(3 * inputs)], axis=1)
    model = Regressor((16,), "tanh", epochs=200, batch_size=8, random_state=0).fit(inputs, targets)
    assert model.predict(inputs).shape == (80, 2) and model.predict(inputs).dtype == dtype
    np.testing.assert_allclose(model.predict(inputs), forward(model, inputs), rtol=1e-4, atol=1e-5)
    assert model.score(inputs, targets) > 0.98
    assert model.fit(inputs, targets[:, 0]).predict(inputs).shape == (80,)


def test_the_seed_decides_everything_and_the_global_stream_is_left_alone():
    before = pb.random.get_state()
    a, b = (Classifier((8,), epochs=3, random_state=5).fit(x, labels) for _ in range(2))
    other = Classifier((8,), epochs=3, random_state=6).fit(x, labels)
    assert pb.random.get_state() == before
    for mine, same, different in zip(a.coefs_, b.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(mine, same)
        assert not np.array_equal(mine, different)


def test_early_stopping_keeps_the_best_epoch():
    noise = np.random.default_rng(0).integers(0, 2, 300)  # nothing to be learnt
    model = Classifier((32,), epochs=80, early_stopping=True, patience=3, random_state=0).fit(x, noise)
    assert model.n_iter_ < 80
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses)) + 1
    assert best == model.n_iter_ - 3
    until = clone(model).set_params(epochs=best).fit(x, noise)
    for kept, wanted in zip(model.coefs_, until.coefs_, strict=True):
        np.testing.assert_array_equal(kept, wanted)


def test_in_a_pipeline_with_a_search_and_pickled():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Classifier(epochs=5, random_state=0)),
        {"classifier__hidden_layer_sizes": [(4,), (32,)]}, cv=2,
    ).fit(x, labels.astype(str))  # fmt: skip
    assert search.best_params_["classifier__hidden_layer_sizes"] == (32,)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(x), search.best_estimator_.predict_proba(x))
    assert clone(search.best_estimator_[-1]).get_params()["epochs"] == 5


def test_settings_changed_after_fit_do_not_change_what_was_learnt():
    model = Classifier((8,), "tanh", epochs=1, random_state=0).fit(x, labels)
    before = model.predict_proba(x)
    model.set_params(hidden_layer_sizes=(3, 3), activation="relu")
    np.testing.assert_array_equal(model.predict_proba(x), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adma"}, "one of adam, adamw, rmsprop, sgd"),
        ({"activation": "swisch"}, "one of tanh, relu"),
        ({"hidden_layer_sizes": (0,)}, "expected a width from 1"),
        ({"epochs": 0}, "epochs >= 1"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_are_none(settings, message):
    with pytest.raises(ValueError, match=message):
        Classifier(**{"epochs": 1, **settings}).fit(x, labels)


def test_errors():
    with pytest.raises(ValueError, match="one class only"):
        Classifier().fit(x, np.ones(300))
    with pytest.raises(NotFittedError):
        Classifier().network_
    with pytest.raises(ValueError, match="NaN"):
        Regressor().fit(np.full((3, 1), np.nan), [1.0, 2.0, 3.0])


def test_without_scikit_learn_the_error_names_the_command():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import pullback as pb\n"
        "try: pb.sklearn.Classifier\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'pullback[sklearn]'" in done.stdout


def test_weights_are_copies_and_the_loss_is_weighted():
    """With one batch per epoch a weight of k is k copies, and all weights may be scaled."""
    rng = np.random.default_rng(0)
    inputs, y, copies = x[:20], labels[:20] % 3, rng.integers(0, 4, 20)
    settings = {"epochs": 30, "batch_size": 1000, "random_state": 0}
    weighted = Classifier((8,), **settings).fit(inputs, y, sample_weight=copies * 0.3)
    repeated = Classifier((8,), **settings).fit(inputs.repeat(copies, axis=0), y.repeat(copies))
    plain = Classifier((8,), **settings).fit(inputs, y)
    np.testing.assert_allclose(weighted.predict_proba(inputs), repeated.predict_proba(inputs), rtol=1e-6)
    assert not np.allclose(plain.predict_proba(inputs)[:, :2], weighted.predict_proba(inputs)[:, :2], rtol=1e-3)
    targets = rng.standard_normal((20, 2))
    weighted = Regressor((8,), **settings).fit(inputs, targets, sample_weight=copies)
    repeated = Regressor((8,), **settings).fit(inputs.repeat(copies, axis=0), targets.repeat(copies, axis=0))
    np.testing.assert_allclose(weighted.predict(inputs), repeated.predict(inputs), rtol=1e-6)


def test_pieces_in_their_order_are_the_epochs_of_the_whole():
    """partial_fit on everything, n times, is fit with n epochs, bit for bit: weights, optimiser and order go on."""
    whole = Classifier((8,), epochs=4, random_state=3).fit(x, labels)
    pieces = Classifier((8,), epochs=99, random_state=3)
    for _ in range(4):
        pieces = pickle.loads(pickle.dumps(pieces.partial_fit(x, labels, classes=np.arange(10))))
    assert pieces.n_iter_ == 4 and pieces.history_["loss"] == whole.history_["loss"]
    for a, b in zip(whole.coefs_, pieces.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert pieces.set_params(epochs=2).fit(x, labels).n_iter_ == 2  # fit begins anew


def test_a_stream_of_pieces_is_learnt():
    model = Classifier((32,), random_state=0, lr=0.01)
    everything, all_labels = load_digits("train", dtype=np.float64)
    for _ in range(4):
        for start in range(0, 1400, 200):
            rows = slice(start, start + 200)
            model.partial_fit(everything[rows], all_labels[rows], classes=range(10))
    assert model.score(everything, all_labels) > 0.93
    regressor = Regressor((16,), "tanh", random_state=0)
    inputs = np.linspace(-1, 1, 200)[:, None]
    for _ in range(150):
        regressor.partial_fit(inputs, inputs[:, 0] ** 2)
    assert regressor.score(inputs, inputs[:, 0] ** 2) > 0.97 and regressor.predict(inputs).shape == (200,)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: Classifier().partial_fit(x, labels), "expected classes, all that there will be"),
        (lambda: Classifier().partial_fit(x, labels, classes=[0, 1]), "is not one of the classes"),
        (lambda: Classifier().partial_fit(x, labels, classes=[0]), "two classes or more"),
        (lambda: Classifier(early_stopping=True).partial_fit(x, labels, range(10)), "does not know early_stopping"),
        (
            lambda: Classifier(epochs=1).fit(x, labels).partial_fit(x, labels, classes=range(11)),
            "classes were .* now",
        ),
        (lambda: Classifier(epochs=1).fit(x, labels, sample_weight=np.zeros(300)), "at least one non-zero"),
        (lambda: Classifier(epochs=1).fit(x, labels, sample_weight=-np.ones(300)), "[Nn]egative"),
        (
            lambda: Regressor(epochs=1).fit(x, labels).partial_fit(x, np.ones((300, 2))),
            "expected 1 targets, got 2",
        ),
    ],
)
def test_pieces_and_weights_that_do_not_fit(use, message):
    with pytest.raises(ValueError, match=message):
        use()
