"""`pullback train --resume RUN`: a run that was killed or interrupted ends as if it had not been."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.train import History

FILES = {"checkpoints", "config.json", "metrics.jsonl", "versions.json", "weights.safetensors"}
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
            wait_for(lambda: set((run / "checkpoints").glob("step-*")) - before, process)  # noqa: B023  # called before `before` changes
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(kind)
            output, errors = process.communicate(timeout=60)
            assert "Traceback" not in errors
            if "interrupted after" in output:  # else it came when the training was over
                assert process.returncode == 130
                assert f"pullback train --resume {run} goes on from here" in output
            words = ["train", "--resume", str(run)]
        result = pullback(*words)
        assert result.exit_code == 0 or "this run is complete after 6 epochs" in result.stderr, result.output
        assert (run / "weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
        assert figures(run) == figures("whole") and len(figures(run)) == 6
        assert {path.name for path in run.iterdir()} - {"loss.png"} == FILES


def test_a_complete_run_and_what_is_no_run():
    pullback(*WORDS, "--out", "run", "--quiet")
    messages = {"run": "complete after 6 epochs; with --epochs N it goes on", "nowhere": "no such", ".": "no such"}
    for place, message in messages.items():
        result = pullback("train", "--resume", place)
        assert result.exit_code == 2 and message.lower() in result.stderr.lower() and result.stderr.count("\n") == 1
    result = pullback("train", "--resume", "run", "--epochs", 6)
    assert result.exit_code == 2 and "--epochs 6: the run in run has made 6 epochs; expected more" in result.stderr
    for path in Path("run/checkpoints").iterdir():
        shutil.rmtree(path)
    Path("run/checkpoints").rmdir()
    result = pullback("train", "--resume", "run")
    assert result.exit_code == 2 and "run: there is no checkpoint to go on from" in result.stderr


def test_more_epochs_end_as_if_they_had_been_asked_for_at_once():
    assert pullback(*WORDS, "--out", "whole", "--quiet").exit_code == 0
    assert pullback("train", "digits", "--epochs", 2, "--layers", 32, "--out", "run", "--quiet").exit_code == 0
    assert [path.name for path in Path("run/checkpoints").iterdir()] == ["step-000000000046"]
    result = pullback("train", "--resume", "run", "--epochs", 6)
    assert result.exit_code == 0 and "goes on after epoch 2 of 6\n" in result.stdout
    assert Path("run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    assert figures("run") == figures("whole") and len(list(Path("run/checkpoints").iterdir())) == 1
    assert json.loads(Path("run/config.json").read_text())["training"]["epochs"] == 6


def test_where_it_goes_on_is_said_in_both_languages():
    from pullback.cli.continuing import Standing
    from pullback.cli.words import words_of

    lines = {
        "en": ["no checkpoint was written yet: begins with epoch 1 of 9", "goes on after epoch 3 of 9",
               "goes on after step 17 of epoch 4 of 9"],
        "zh": ["还没有写下检查点：从第 1 轮开始，共 9 轮", "从第 3 轮之后继续，共 9 轮",
               "从第 4 轮的第 17 步之后继续，共 9 轮"],
    }  # fmt: skip
    for language, wanted in lines.items():
        words = words_of(language)
        assert [Standing(*place).line(9, words) for place in ((0, 0), (3, 0), (3, 17))] == wanted


def interrupted():
    """A run that was killed before its first checkpoint."""
    pullback(*WORDS, "--out", "run", "--quiet")
    for path in Path("run/checkpoints").iterdir():
        shutil.rmtree(path)
    return Path("run")


def test_a_run_goes_on_as_it_began():
    interrupted()
    for words, name in ((["digits"], "DATA"), (["--lr", 0.1], "--lr"), (["--seed", 9], "--seed")):
        result = pullback("train", *words, "--resume", "run")
        assert result.exit_code == 2 and f"{name} cannot be given with it" in result.stderr
    assert pullback("train").exit_code == 2
    result = pullback("train", "--resume", "run")
    assert result.exit_code == 0 and "no checkpoint was written yet: begins with epoch 1 of 6" in result.stdout


def test_other_data_are_noticed():
    rows = "a,y\n" + "".join(f"{i},{2 * i}.5\n" for i in range(20))
    Path("data.csv").write_text(rows)
    assert pullback("train", "csv:data.csv", "--target", "y", "--epochs", 1, "--out", "run").exit_code == 0
    for path in Path("run/checkpoints").iterdir():
        shutil.rmtree(path)
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


def test_a_full_disk_ends_the_training_and_says_how_to_go_on(monkeypatch):
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
    error, hint = result.stderr.splitlines()
    assert result.exit_code == 1 and hint == "pullback train --resume run goes on from here"
    assert "no checkpoint could be written to run/checkpoints: No space left on device" in error
    assert pullback("train", "--resume", "run").exit_code == 0
    assert len(figures("run")) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize(
    ("largest", "missing", "message"),
    [
        (19_000, "weights.safetensors", "run/.weights.safetensors"),
        (400, "config.json", ".config.json.part"),
        (60_000, "loss.png", None),
    ],
)
def test_a_disk_that_is_really_full(largest, missing, message):
    """A limit on the size of files: the system itself refuses to write further, wherever that happens."""
    program = (
        "import resource, signal, sys; from pullback.cli import main; import matplotlib.figure\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2); main()"
    )
    words = ["train", "digits", "--epochs", "2", "--layers", "64", "--out", "run"]
    done = subprocess.run(
        [sys.executable, "-c", program, str(largest), *words],
        capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr and not (Path("run") / missing).exists()
    if message is None:
        assert done.returncode == 0 and "no picture: File too large" in done.stdout and not done.stderr
    else:
        assert done.returncode == 1 and done.stderr.startswith("error: ") and "File too large" in done.stderr
    assert not [path for path in Path("run").rglob("*") if path.name.endswith(".part") or ".part-" in path.name]


def test_weights_that_could_not_be_written_are_written_when_it_goes_on(monkeypatch):
    import importlib

    module = importlib.import_module("pullback.cli.continuing")

    def full(*_):
        raise OSError(28, "No space left on device", "run/w")

    with monkeypatch.context() as patched:
        patched.setattr(module, "save", full)
        result = pullback(*WORDS, "--out", "run", "--quiet")
    assert result.exit_code == 1 and "error: run/w: the disk is full" in result.stderr
    assert "pullback train --resume run goes on from here" in result.stderr
    assert pullback("train", "--resume", "run").exit_code == 0
    pullback(*WORDS, "--out", "whole", "--quiet")
    assert Path("run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()


def test_the_second_ctrl_c_leaves_at_once_and_says_how_to_go_on(monkeypatch):
    import importlib

    module = importlib.import_module("pullback.cli.train")

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_result", pressed)
    result = pullback(*WORDS, "--out", "run", "--quiet")
    assert result.exit_code == 130 and "pullback train --resume run goes on from here" in result.stderr
