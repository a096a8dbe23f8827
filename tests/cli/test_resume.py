"""`pullback train --resume RUN`: a run that was killed or interrupted ends as if it had not been."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.train import History

FILES = {"config.json", "metrics.jsonl", "versions.json", "weights.safetensors"}
WORDS = ["train", "digits", "--epochs", "6", "--layers", "32"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def pullback(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def started(*words, seconds=0.02):
    """A process that trains, and writes a checkpoint after every few milliseconds."""
    program = (
        # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import importlib; from pullback.cli import main; "
        f"importlib.import_module('pullback.cli.train').SECONDS_BETWEEN_CHECKPOINTS = {seconds}; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )


def figures(run):
    history = History.read(Path(run) / "metrics.jsonl")
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_killed_and_interrupted_runs_end_bit_for_bit_as_one_that_was_left_alone():
    assert pullback(*WORDS, "--out", "whole").exit_code == 0
    for kind in (signal.SIGKILL, signal.SIGINT):
        run = Path(f"run-{kind.value}")
        words = [*WORDS, "--out", str(run)]
        for _ in range(2):
            process = started(*words)
            before = set((run / "checkpoints").glob("step-*"))
            wait_for(lambda: set((run / "checkpoints").glob("step-*")) - before, process)  # noqa: B023
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(kind)
            output, errors = process.communicate(timeout=60)
            assert "Traceback" not in errors
            if "interrupted after" in output:  # else it came when the training was over
                assert process.returncode == 130
                assert f"pullback train --resume {run} goes on from here" in output
            words = ["train", "--resume", str(run)]
        if (run / "checkpoints").exists():
            result = pullback(*words)
            assert result.exit_code == 0, result.output
        assert (run / "weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
        assert figures(run) == figures("whole") and len(figures(run)) == 6
        assert {path.name for path in run.iterdir()} - {"loss.png"} == FILES


def test_a_complete_run_and_what_is_no_run():
    pullback(*WORDS, "--out", "run", "--quiet")
    for place, message in (("run", "this run is complete"), ("nowhere", "no such file"), (".", "no such file")):
        result = pullback("train", "--resume", place)
        assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def interrupted():
    pullback(*WORDS, "--out", "run", "--quiet")
    Path("run/checkpoints").mkdir()
    return Path("run")


def test_a_run_goes_on_as_it_began():
    interrupted()
    for words, name in ((["digits"], "DATA"), (["--lr", 0.1], "--lr"), (["--epochs", 9], "--epochs")):
        result = pullback("train", *words, "--resume", "run")
        assert result.exit_code == 2 and f"{name} cannot be given with it" in result.stderr
    assert pullback("train").exit_code == 2


def test_other_data_are_noticed():
    rows = "a,y\n" + "".join(f"{i},{2 * i}.5\n" for i in range(20))
    Path("data.csv").write_text(rows)
    assert pullback("train", "csv:data.csv", "--target", "y", "--epochs", 1, "--out", "run").exit_code == 0
    Path("run/checkpoints").mkdir()
    Path("data.csv").write_text(rows.replace("5,10.5", "5,99.5"))
    result = pullback("train", "--resume", "run")
    assert result.exit_code == 2 and "no longer the data that the run in run began with" in result.stderr
    Path("data.csv").write_text(rows)
    assert pullback("train", "--resume", "run").exit_code == 0


def test_a_configuration_without_the_request():
    run = interrupted()
    config = json.loads((run / "config.json").read_text())
    del config["request"]
    (run / "config.json").write_text(json.dumps(config))
    result = pullback("train", "--resume", "run")
    assert result.exit_code == 2 and "does not say what it was asked for" in result.stderr


def test_a_full_disk_ends_the_training_with_one_line(monkeypatch):
    import importlib

    module = importlib.import_module("pullback.cli.train")
    real = os.rename

    def full(source, place, **options):
        if str(place).endswith("5"):
            raise OSError(28, "No space left on device")
        return real(source, place, **options)

    with monkeypatch.context() as patched:
        patched.setattr(module, "SECONDS_BETWEEN_CHECKPOINTS", 1e-6)
        patched.setattr(os, "rename", full)
        result = pullback(*WORDS, "--out", "run", "--quiet")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "no checkpoint could be written to run/checkpoints: No space left on device" in result.stderr
    assert pullback("train", "--resume", "run").exit_code == 0
    assert len(figures("run")) == 6
