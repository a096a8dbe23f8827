"""Run folders: never used twice, rebuilt from plain data only."""

import json
import re

import numpy as np
import pytest

import pullback as pb
from pullback.saving import save
from pullback.train import History
from pullback.train.network import build_network
from pullback.train.runs import load_run, make_run_folder, versions

NETWORK = {"inputs": 3, "hidden": [4], "outputs": 2, "activation": "gelu", "dropout": 0.5, "dtype": "float64"}


def make_run(folder, **changes):
    model = build_network(NETWORK)
    data = {"classes": ["no", "yes"], "inputs": {"mean": [1.0, 0.0, 2.0], "std": [2.0, 1.0, 4.0]}, "target": None}
    config = {"format": 1, "data": data, "network": NETWORK, "training": {}} | changes
    (folder / "config.json").write_text(json.dumps(config))
    save(folder / "weights.safetensors", model)
    return model


def test_a_run_is_read_again_with_every_bit(tmp_path):
    model = make_run(tmp_path)
    History([{"epoch": 1, "loss": 0.5}]).write(tmp_path / "metrics.jsonl")
    run = load_run(tmp_path)
    assert not run.model.training and run.history["loss"] == [0.5]
    for (name, p), (other, q) in zip(model.named_parameters(), run.model.named_parameters(), strict=True):
        assert name == other and p.dtype == q.dtype == np.float64
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    features = np.random.default_rng(0).normal(size=(6, 3)) * 5
    outputs = model.eval()(pb.asarray((features - [1, 0, 2]) / [2, 1, 4])).numpy()
    assert run.predict(features).tolist() == [["no", "yes"][i] for i in outputs.argmax(axis=1)]


def test_values_come_back_in_the_targets_own_unit(tmp_path):
    network = NETWORK | {"outputs": 1, "hidden": [], "dropout": 0}
    data = {"classes": None, "inputs": {"mean": 0.0, "std": 1.0}, "target": {"mean": 100.0, "std": 10.0}}
    config = {"format": 1, "data": data, "network": network, "training": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    state = {"0.weight": np.array([[1.0, 0.0, 0.0]]), "0.bias": np.array([0.5])}
    save(tmp_path / "weights.safetensors", state)
    np.testing.assert_allclose(load_run(tmp_path).predict([[2.0, 7.0, 7.0]]), [125.0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": 2}, "expected the configuration of a run, format 1; found 2"),
        ({"network": None}, "expected an object 'network'"),
        ({"network": NETWORK | {"activation": "__import__('os')"}}, "activation: expected one of tanh, relu"),
        ({"network": NETWORK | {"hidden": "128"}}, "hidden: expected a list of widths"),
        ({"network": NETWORK | {"hidden": [10**9]}}, "hidden: expected a width from 1 to"),
        ({"network": NETWORK | {"inputs": True}}, "inputs: expected a width"),
        ({"network": NETWORK | {"dropout": 1.0}}, "dropout: expected a number in [0, 1)"),
        ({"network": NETWORK | {"dtype": "object"}}, "dtype: expected one of float32, float64"),
    ],
)
def test_a_configuration_can_only_choose_among_known_things(tmp_path, change, message):
    make_run(tmp_path, **change)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_run(tmp_path)
    assert "config.json" in str(caught.value)


def test_damage_is_named(tmp_path):
    make_run(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(ValueError, match="weights.safetensors"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json: not readable as JSON"):
        load_run(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    make_run(tmp_path, network=NETWORK | {"hidden": [5]})
    with pytest.raises(ValueError, match="shape"):
        load_run(tmp_path)


def test_a_folder_is_never_used_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {make_run_folder(None, "digits") for _ in range(3)}
    assert len(names) == 3 and all(name.is_dir() and name.parent.name == "runs" for name in names)
    own = tmp_path / "deep" / "own"
    assert make_run_folder(own, "digits") == own
    with pytest.raises(FileExistsError, match="never overwritten"):
        make_run_folder(own, "digits")


def test_versions_name_the_machine_no_closer_than_its_kind():
    assert set(versions()) == {"pullback", "numpy", "python", "platform", "cpu_count"}
    assert versions()["numpy"] == np.__version__


@pytest.mark.parametrize("activation, variance", [("relu", 2 / 400), ("tanh", 2 / (400 + 300))])
def test_weights_begin_as_he_and_glorot_say(activation, variance):
    model = build_network(NETWORK | {"inputs": 400, "hidden": [300], "activation": activation})
    assert model[0].weight.numpy().var() == pytest.approx(variance, rel=0.02)
    assert not model[0].bias.numpy().any()
