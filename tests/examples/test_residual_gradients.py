"""The gradients fade, keep or grow as the example says, and what it says of them is so."""

import numpy as np
import pytest

import pullback as pb
from examples.__main__ import load


def test_gradients_at_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = load("residual_gradients")
    figures = example.main(quick=True)
    for name, (relation, goal) in example.GOALS.items():
        if name.startswith("δ"):  # before anything is learnt: in the quick version as in full
            assert figures[name] <= goal if relation == "<=" else figures[name] >= goal
    assert figures["test accuracy, residual"] > 0.6
    assert figures["test accuracy, plain"] < 0.15
    assert (tmp_path / "runs/examples/residual_gradients.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_the_gradient_is_right(name):
    example = load("residual_gradients")
    network = getattr(example, name)
    layers = [
        {"W": np.float64(layer["W"]), "b": np.float64(layer["b"])}
        for layer in example.weights(np.random.default_rng(0), he=True)
    ]
    x = np.random.default_rng(1).normal(size=(3, 64))

    def total(w):
        return pb.sum(pb.tanh(network([*layers[:20], {**layers[20], "W": w}, *layers[21:]], x)))

    gradient = pb.grad(total)(layers[20]["W"])
    direction = np.random.default_rng(2).normal(size=(64, 64))
    h = 1e-6
    numeric = (total(layers[20]["W"] + h * direction) - total(layers[20]["W"] - h * direction)) / (2 * h)
    assert float(pb.sum(gradient * direction)) == pytest.approx(float(numeric), rel=1e-5)


@pytest.mark.slow
def test_it_reaches_its_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = load("residual_gradients")
    figures = example.main()
    for name, (relation, goal) in example.GOALS.items():
        assert figures[name] <= goal if relation == "<=" else figures[name] >= goal, name
