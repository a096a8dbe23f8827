"""`pullback train`: what a person types, sees and finds afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.cli.sources import read_source
from pullback.cli.words import CATALOGUES
from pullback.data import load_digits, write_idx
from pullback.train import History
from pullback.train.runs import load_run

FILES = {"checkpoints", "config.json", "metrics.jsonl", "versions.json", "weights.safetensors"}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def pullback(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def one_line(result, code, *parts):
    assert result.exit_code == code, result.output
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
    assert not Path("runs").exists()


# ----------------------------------------------------------------------------------------- it works


def test_the_shipped_digits_are_learnt(tmp_path):
    result = pullback("train", "digits", "--out", "run")
    assert result.exit_code == 0, result.output
    run = load_run("run")
    images, labels = load_digits("test", normalise=False)
    accuracy = (run.predict(images) == labels).mean()
    assert accuracy >= 0.97
    assert f"test accuracy {accuracy:.2%} ({(run.predict(images) == labels).sum()} of 359)" in result.output
    assert {path.name for path in Path("run").iterdir()} - {"loss.png"} == FILES
    history = History.read("run/metrics.jsonl")
    assert len(history) == 30 and not history.interrupted
    assert history.last["test_accuracy"] == pytest.approx(accuracy)
    for part in (
        "1,438 to train with, 359 to test",
        "64 → 256 → 10, relu, dropout 0.2: 19,210 parameters",
        "adam, learning rate 0.003, batches of 64, 30 epochs, float32, seed 0",
        "epoch 30/30   loss 0.",
    ):
        assert part in result.output
    assert result.output.count("update/weight ") >= 60, "a line per layer and epoch"


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        pullback("train", "digits", "--epochs", 2, "--seed", seed, "--out", name)
    a, b, c = ([p.numpy().tobytes() for p in load_run(name).model.parameters()] for name in "abc")
    assert a == b != c


def test_all_options_arrive_in_the_configuration():
    result = pullback(
        "train", "digits", "--layers", "12,6", "--activation", "tanh", "--optimizer", "rmsprop", "--lr", 0.002,
        "--momentum", 0.5, "--weight-decay", 0.01, "--batch-size", 100, "--epochs", 1, "--seed", 3, "--dropout", 0.1,
        "--dtype", "float64", "--threads", 2, "--out", "run", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0 and len(result.output.splitlines()) == 2
    config = json.loads(Path("run/config.json").read_text())
    assert config["network"] == {
        "inputs": 64, "hidden": [12, 6], "outputs": 10, "activation": "tanh", "dropout": 0.1, "dtype": "float64",
    }  # fmt: skip
    assert config["training"] == {
        "optimizer": "rmsprop", "lr": 0.002, "momentum": 0.5, "weight_decay": 0.01, "batch_size": 100, "epochs": 1,
        "seed": 3, "threads": 2,
    }  # fmt: skip
    assert config["data"]["classes"] == list(range(10)) and config["data"]["train_items"] == 1438
    assert all(p.dtype == np.float64 for p in load_run("run").model.parameters())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "adagrad", "rmsprop"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_optimizers_default_learns(optimizer, activation):
    words = ("--optimizer", optimizer, "--activation", activation, "--epochs", 10, "--out", "run")
    result = pullback("train", "digits", *words)
    assert result.exit_code == 0
    assert History.read("run/metrics.jsonl").last["test_accuracy"] > 0.9
    help_text = CATALOGUES["en"]["help.lr"]
    assert f"{json.loads(Path('run/config.json').read_text())['training']['lr']:g}" in help_text


def test_idx_files(tmp_path):
    for part, name in (("train", "train"), ("test", "t10k")):
        images, labels = load_digits(part, flatten=False, normalise=False, dtype=np.uint8)
        write_idx(tmp_path / f"{name}-images-idx3-ubyte.gz", images * 15)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    result = pullback("train", f"idx:{tmp_path}", "--epochs", 15, "--out", "run")
    assert result.exit_code == 0, result.output
    images, labels = load_digits("test", normalise=False)
    assert (load_run("run").predict(images * 15) == labels).mean() > 0.94


def flowers(path, rows=200, target="kind"):
    draw = np.random.default_rng(0)
    kinds = draw.integers(0, 3, rows)
    x = draw.normal(size=(rows, 2)) * [1, 1000] + np.array([[0, 0], [6, 0], [0, 6000]])[kinds]
    values = {"kind": np.array(["iris", "rose", "lily"])[kinds], "height": x[:, 0] * 50 + x[:, 1] * 0.1 + 1000.25}
    lines = [f"{a:.5f},{b:.5f},7,{value}" for (a, b), value in zip(x, values[target], strict=True)]
    path.write_text("\n".join([f"length,width,constant,{target}", *lines]) + "\n", encoding="utf-8")
    return x, values[target]


def test_csv_with_classes(tmp_path):
    x, kinds = flowers(tmp_path / "flowers.csv")
    result = pullback("train", f"csv:{tmp_path / 'flowers.csv'}", "--target", "kind", "--out", "run", "--epochs", 20)
    assert result.exit_code == 0, result.output
    assert "160 rows to train with, 40 to test; 3 features, 3 classes" in result.output
    config = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    assert config["data"]["features"] == ["length", "width", "constant"]
    assert config["data"]["inputs"]["std"][2] == 1.0
    predicted = load_run("run").predict(np.column_stack([x, np.full(len(x), 7)]))
    assert (predicted == kinds).mean() > 0.97


def test_csv_with_values(tmp_path):
    x, heights = flowers(tmp_path / "flowers.csv", target="height")
    words = ("--target", "height", "--out", "run", "--dropout", 0, "--epochs", 60)
    result = pullback("train", f"csv:{tmp_path / 'flowers.csv'}", *words)
    assert result.exit_code == 0, result.output
    predicted = load_run("run").predict(np.column_stack([x, np.full(len(x), 7)]))
    assert 1 - ((predicted - heights) ** 2).mean() / heights.var() > 0.99
    last = History.read("run/metrics.jsonl").last
    assert last["test_r2"] > 0.98 and f"test R² {last['test_r2']:.4f}" in result.output


def test_the_scaling_of_a_csv_file_is_that_of_its_training_rows(tmp_path):
    flowers(tmp_path / "flowers.csv")
    source = read_source(
        f"csv:{tmp_path / 'flowers.csv'}", CATALOGUES["en"], target="kind", task=None, dtype="float64", seed=4
    )
    train, test = source.train[0][:, :2], source.test[0][:, :2]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(train.std(axis=0), 1, rtol=1e-12)
    assert abs(test.mean()) > 1e-6, "the test rows have no part in it"
    rows = np.concatenate([train, test])
    assert len(rows) == len(np.unique(rows, axis=0)) == 200


def test_chinese(tmp_path, monkeypatch):
    result = pullback("train", "digits", "--epochs", 1, "--lang", "zh")
    assert result.exit_code == 0
    for part in ("训练 1,438 个，测试 359 个", "学习率 0.003", "轮 1/1   损失", "正常", "测试准确率", "已保存到"):
        assert part in result.output
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert pullback("train", "nothing").stderr.startswith("错误")
    for words in (("--help",), ("train", "--help")):
        assert "用法：" in pullback(*words).output
    assert "Usage: " in pullback("train", "--lang", "en", "--help").output


def test_without_matplotlib_everything_else_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = pullback("train", "digits", "--epochs", 1, "--out", "run")
    assert result.exit_code == 0
    assert 'no picture: matplotlib is not installed; pip install "pullback[plot]"' in result.output
    assert {path.name for path in Path("run").iterdir()} == FILES


def test_the_picture():
    pytest.importorskip("matplotlib")
    pullback("train", "digits", "--epochs", 2, "--out", "run", "--quiet")
    assert Path("run/loss.png").read_bytes().startswith(b"\x89PNG")


def test_version():
    result = pullback("--version")
    assert result.exit_code == 0 and result.output.startswith("pullback ")


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "words, parts",
    [
        (["nothing"], ["expected digits, idx:FOLDER or csv:FILE; got 'nothing'"]),
        (["idx:"], ["expected digits, idx:FOLDER"]),
        (["digits", "--target", "x"], ["--target is for csv:FILE only"]),
        (["digits", "--task", "regression"], ["--task is for csv:FILE only"]),
        (["digits", "--layers", "12,x"], ["--layers", "expected widths such as 128,64", "'12,x'", "train --help"]),
        (["digits", "--layers", "0,5"], ["--layers", "expected widths"]),
        (["digits", "--layers", "2000000"], ["hidden: expected a width from 1 to"]),
        (["digits", "--activation", "relux"], ["--activation", "relux"]),
        (["digits", "--optimizer", "adma"], ["--optimizer", "adma"]),
        (["digits", "--lr", "0"], ["--lr", "x > 0"]),
        (["digits", "--lr", "nan"], ["--lr", "finite"]),
        (["digits", "--lr", "inf"], ["--lr", "finite"]),
        (["digits", "--dropout", "1"], ["--dropout"]),
        (["digits", "--epochs", "0"], ["--epochs"]),
        (["digits", "--batch-size", "0"], ["--batch-size"]),
        (["digits", "--seed", "-1"], ["--seed"]),
        (["digits", "--seed", str(2**64)], ["seed"]),
        (["digits", "--momentum", "0.9"], ["--momentum is for sgd and rmsprop; adam has none"]),
        (["digits", "--no-such-option"], ["--no-such-option"]),
        ([], ["DATA"]),
        (["csv:missing.csv", "--target", "x"], ["missing.csv: there is no such file"]),
        (["csv:missing.csv"], ["needs --target"]),
        (["idx:missing"], ["missing: expected a folder with MNIST's four files"]),
    ],
)
def test_bad_input_is_one_line_and_code_2(words, parts):
    one_line(pullback("train", *words), 2, "error: ", *parts)


def test_bad_files_are_one_line_and_code_2(tmp_path):
    for name, text, part in [
        ("ragged.csv", "a,b,y\n1,2,x\n1,2\n", "ragged.csv, line 3: expected 3 cells"),
        ("column.csv", "a,b,z\n1,2,x\n1,3,w\n", "there is no column 'y'; the columns are 'a', 'b', 'z'"),
        ("one.csv", "a,y\n1,x\n2,x\n3,x\n", "expected two classes or more in column 'y'"),
        ("short.csv", "a,y\n1,0.5\n", "expected rows to train on and to test with"),
        ("empty.csv", "", "the file is empty"),
    ]:
        (tmp_path / name).write_text(text)
        one_line(pullback("train", f"csv:{tmp_path / name}", "--target", "y"), 2, part)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("train", "t10k"):
        write_idx(folder / f"{name}-images-idx3-ubyte", np.zeros((4, 2, 2), np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte", np.arange(4, dtype=np.uint8))
    images = folder / "train-images-idx3-ubyte"
    good = images.read_bytes()
    other_dtype, other_magic = b"\x00\x00\x0b" + good[3:], b"\x12" + good[1:]
    for bad, part in ((other_dtype, "truncated"), (other_magic, "not an IDX file"), (good[:-3], "truncated")):
        images.write_bytes(bad)
        one_line(pullback("train", f"idx:{folder}"), 2, part)
    images.write_bytes(good)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.full(4, 9, np.uint8))
    one_line(pullback("train", f"idx:{folder}"), 2, "the test labels run to 9, the training labels only to 3")


def test_a_run_is_never_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("1")
    one_line(pullback("train", "digits", "--out", "run"), 2, "run: exists already, and a run is never overwritten")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious"]


def test_debug_shows_the_traceback():
    result = pullback("train", "csv:missing.csv", "--target", "x", "--debug")
    assert result.exit_code == 2 and "Traceback" in result.stderr and "FileNotFoundError" in result.stderr


def test_a_training_that_fails_keeps_the_weights_of_before():
    with np.errstate(all="ignore"):
        result = pullback("train", "digits", "--optimizer", "sgd", "--lr", "1e30", "--out", "run", "--quiet")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "learning rate" in result.stderr and "epoch 1, batch" in result.stderr and "run" in result.stderr
    assert all(np.isfinite(p.numpy()).all() for p in load_run("run").model.parameters())


# -------------------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_stops_cleanly_and_keeps_what_was_learnt():
    metrics = Path("run/metrics.jsonl")
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = listen + "from pullback.cli import main; main()"
    words = ["train", "digits", "--epochs", "100000", "--out", "run"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        end = time.monotonic() + 60
        while not (metrics.exists() and metrics.read_text().count("\n") >= 2) and time.monotonic() < end:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Ctrl-C: stopped after step" in output and "what was learnt is kept" in output
    history = History.read(metrics)
    assert history.interrupted and len(history) >= 2
    images, labels = load_digits("test", normalise=False)
    assert (load_run("run").predict(images) == labels).mean() > 0.7
