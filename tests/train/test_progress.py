"""What is shown while a training runs."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

import pullback as pb
from pullback import nn, optim
from pullback.train import Callback, GradientHealth, Trainer
from pullback.train.progress import Bar, Lines, epoch_line, progress_callback


def run(*callbacks, epochs=2, progress=None):
    pb.random.manual_seed(0)
    model = nn.Linear(2, 3)
    trainer = Trainer(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.01), callbacks=callbacks, progress=progress
    )
    x = np.ones((20, 2), np.float32)
    trainer.fit((x, np.zeros(20, int)), epochs, (x, np.zeros(20, int)), batch_size=4)
    return trainer


def test_without_a_terminal_there_is_one_line_per_epoch(capsys):
    trainer = run(progress="auto")
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert shown.err == "" and len(lines) == 2
    assert lines[1] == epoch_line(trainer.history.last, 2)
    figures = r"loss \d\.\d{4}  accuracy 100\.00 %"
    assert re.fullmatch(rf"epoch 2/2   {figures}   validation: {figures}   \d+\.\d s", lines[1])


def test_records_with_lists_in_them_are_lines_too(capsys):
    """As validations in between and a log of learning rates put them there."""
    record = {"epoch": 1, "loss": 0.5, "seconds": 0.1, "checks": [{"step": 2, "held_loss": 0.7}]}
    line = epoch_line(record | {"learning_rates": [[0.1, 0.1]], "held_loss": 0.6}, 3)
    assert line == "epoch 1/3   loss 0.5000   held: loss 0.6000   0.1 s"


def test_silence(capsys):
    run(progress=None)
    assert capsys.readouterr() == ("", "")


def test_health_is_a_line_per_layer_below_the_epoch(capsys):
    trainer = run(GradientHealth(), Lines(), epochs=1)
    health = trainer.history.last["health"][""]
    line = capsys.readouterr().out.splitlines()[1]
    assert line == f"    Linear   gradient {health['gradient']:.2e}   update/weight {health['ratio']:.2e}   fine"


def test_in_a_terminal_a_bar_fills_and_the_epochs_lines_stay():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    run(GradientHealth(), Bar(console=console))
    text = screen.getvalue()
    assert "1/5" in text and "━" in text
    assert re.search(r"epoch 2/2   loss", text) and text.count("update/weight") == 2
    assert text.rstrip().endswith("\x1b[2K"), "the bar itself is removed at the end"


def test_the_bar_is_removed_when_an_error_ends_the_training():
    class Fail(Callback):
        def on_batch_end(self, trainer):
            raise RuntimeError("stop here")

    screen = io.StringIO()
    bar = Bar(console=Console(file=screen, force_terminal=True, width=120))
    with pytest.raises(RuntimeError, match="stop here"):
        run(bar, Fail())
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") == 1, "the cursor is back"


def test_which_one_is_chosen(monkeypatch):
    assert isinstance(progress_callback("bar"), Bar) and isinstance(progress_callback("lines"), Lines)
    assert progress_callback(None) is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(progress_callback("auto"), Bar)
