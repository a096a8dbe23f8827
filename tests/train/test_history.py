"""History: written, read, drawn."""

import json
import re
import subprocess
import sys

import pytest

from pullback.train import History

RECORDS = [
    {"epoch": 1, "loss": 2.25, "accuracy": 0.5, "test_loss": 2.5, "test_accuracy": 0.4, "seconds": 0.1,
     "health": {"0": {"kind": "Linear", "gradient": 0.5, "ratio": float("nan"), "verdict": "fine"}}},
    {"epoch": 2, "loss": float("inf"), "accuracy": 0.75, "test_loss": 1.5, "test_accuracy": 0.6, "seconds": 0.1},
]  # fmt: skip


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    History(RECORDS, interrupted=True).write(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert all(json.loads(line, parse_constant=pytest.fail) for line in lines), "strict JSON has no NaN"
    history = History.read(path)
    assert history.interrupted
    assert repr(history.epochs) == repr(RECORDS)
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_line_that_is_no_record_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "lo', encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: expected a JSON object"):
        History.read(path)


def test_figures_by_name():
    history = History(RECORDS)
    assert history["test_loss"] == [2.5, 1.5]
    assert history["health"][1] is None
    assert "2 epochs" in repr(history)
    with pytest.raises(KeyError, match="no figure 'los'; there are loss, accuracy"):
        history["los"]


@pytest.mark.parametrize("ending, begin", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_picture_is_written_in_the_format_of_its_name(tmp_path, ending, begin):
    pytest.importorskip("matplotlib")
    path = History(RECORDS).plot(tmp_path / f"loss.{ending}", title="a title")
    assert path.read_bytes().startswith(begin)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_picture_has_a_panel_per_figure_and_a_line_per_data_set(tmp_path):
    pytest.importorskip("matplotlib")
    path = History(RECORDS).plot(tmp_path / "loss.svg")
    text = path.read_text(encoding="utf-8")
    comments = [comment.strip() for comment in re.findall(r"<!--(.*?)-->", text)]
    for label in ("loss", "accuracy", "train 75.0 %", "test 60.0 %", "test 1.5"):
        assert label in comments, comments
    assert not {"seconds", "health"} & set(comments)


def test_an_empty_history_has_no_picture(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="nothing to draw"):
        History().plot(tmp_path / "loss.png")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape('pip install "pullback[plot]"')):
        History(RECORDS).plot(tmp_path / "loss.png")


def test_training_imports_no_picture_and_no_terminal():
    code = "import sys, pullback.train; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "rich", "click"} & set(loaded)
