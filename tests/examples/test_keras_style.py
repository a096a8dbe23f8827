"""The program in Keras' manner runs, and reaches the figure that it states."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def program(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_reaches_its_figure(capsys):
    figures = program("keras_style").main()
    assert figures["accuracy"] == pytest.approx(0.816, abs=0.02)
    assert figures["last"] < 0.5 * figures["first"]
    printed = capsys.readouterr().out
    assert "Epoch 10/10" in printed and "Total params: 760" in printed and "81.6 %" in program("keras_style").__doc__


def test_it_reaches_its_figure_after_longer():
    assert program("keras_style").main(100, verbose=0)["accuracy"] == pytest.approx(0.967, abs=0.01)
    assert "96.7 %" in program("keras_style").__doc__
