"""What is written beside a training: tables and event files, also when it is continued."""

import csv
import struct
import sys

import numpy as np
import pytest

from pullback import nn, optim, random
from pullback.train import (
    Checkpoint,
    CSVLog,
    GradientHealth,
    History,
    JSONLines,
    LearningRateLog,
    TensorBoard,
    Trainer,
)


def fit(folder, epochs, callbacks, resume=False):
    random.manual_seed(0)
    x = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    both = [*callbacks, Checkpoint(folder / "checkpoints")]
    trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=both, progress=None)
    resume = folder / "checkpoints" if resume else None
    return trainer.fit((x, 2 * x), epochs, (x, x), batch_size=4, seed=0, validate_every=2, resume=resume)


def test_the_table_has_a_row_per_epoch_also_after_going_on(tmp_path):
    for epochs, resume in ((3, False), (5, True)):
        history = fit(tmp_path, epochs, [GradientHealth(), CSVLog(tmp_path / "log.csv")], resume)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) for row in rows] == list(range(1, epochs + 1))
        assert [float(row["loss"]) for row in rows] == history["loss"]
        assert rows[0]["validation_loss"] == ""
        assert float(rows[1]["validation_loss"]) == history["validation_loss"][1]
        assert "health" not in rows[0]
    with pytest.raises(FileExistsError):
        fit(tmp_path / "other", 1, [CSVLog(tmp_path / "log.csv")])


def test_json_lines_and_learning_rates_go_on(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = fit(tmp_path / "whole", 5, [LearningRateLog()])
    for epochs, resume in ((2, False), (5, True)):
        log = LearningRateLog()
        fit(tmp_path, epochs, [log, JSONLines(tmp_path / "metrics.jsonl")], resume)
    read = History.read(tmp_path / "metrics.jsonl")
    assert len(log.rates) == 15 and read["epoch"] == [1, 2, 3, 4, 5]
    for name in ("loss", "validation_loss", "learning_rates"):
        assert read[name] == whole[name]


def scalars(folder):
    """The scalars of TensorBoard's event files: records of length, checksum, bytes, checksum."""
    event = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    found = {}
    for file in sorted(folder.iterdir()):
        content, place = file.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            one = event.Event.FromString(content[place + 12 : place + 12 + length])
            for value in one.summary.value:
                found.setdefault(value.tag, {})[one.step] = value.simple_value
            place += 16 + length
    return found


def test_event_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    for epochs, resume in ((2, False), (4, True)):
        callbacks = [GradientHealth(), TensorBoard(tmp_path / "events", every_steps=2)]
        history = fit(tmp_path, epochs, callbacks, resume)
    found = scalars(tmp_path / "events")
    assert list(found["loss"]) == [3, 6, 9, 12]
    np.testing.assert_allclose(list(found["loss"].values()), history["loss"], rtol=1e-6)
    assert list(found["validation_loss"]) == [6, 12] and list(found["running/loss"]) == [2, 4, 6, 8, 10, 12]
    assert len(found["lr"]) == 4 and any(tag.startswith("gradient/") for tag in found)


def test_without_tensorboardx_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'pullback\[tensorboard\]'"):
        TensorBoard(tmp_path)
    with pytest.raises(ValueError, match="every_steps expected 1 or more"):
        TensorBoard(tmp_path, every_steps=0)
