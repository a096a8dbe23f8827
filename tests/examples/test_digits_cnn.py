"""The convolutional network learns from what it is given, and reaches its figure in full."""

import pytest

from examples.__main__ import load


def test_a_part_of_the_digits_already_teaches_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("digits_cnn").main(quick=True)["test accuracy"] > 0.6
    assert (tmp_path / "runs/examples/digits_cnn.png").stat().st_size > 1000


@pytest.mark.slow
def test_it_reaches_its_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = load("digits_cnn")
    relation, goal = example.GOALS["test accuracy"]
    assert relation == ">=" and example.main()["test accuracy"] >= goal
