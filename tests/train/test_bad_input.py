"""What a training does when its data or its surroundings are bad: a clear error or a clean stop, and nothing lost."""

import subprocess
import sys

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.data import DataLoader, Dataset, ImageFolder, read_csv
from pullback.train import Checkpoint, CSVLog, JSONLines, Trainer

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((24, 3)).astype(np.float32), rng.integers(0, 2, 24)


def trainer_of(*callbacks, inputs=3, outputs=2, progress=None):
    pb.random.manual_seed(0)
    model = nn.Linear(inputs, outputs)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=callbacks, progress=progress)


def weights(trainer):
    return [p.numpy().copy() for p in trainer.model.parameters()]


class Failing(Dataset):
    """Rows of which one cannot be had for a while, as from a network drive."""

    broken = False

    def __len__(self):
        return 24

    def __getitem__(self, index):
        if self.broken and index == 17:
            raise ConnectionError("the server went away")
        return X[index], Y[index]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_worker_that_dies_in_the_second_epoch_and_the_training_goes_on_afterwards(tmp_path, prefetch):
    data = Failing()

    def loader():
        return DataLoader(data, 4, shuffle=True, seed=0, prefetch=prefetch)

    whole = trainer_of()
    whole.fit(loader(), 3)
    trainer = trainer_of(
        Checkpoint(tmp_path / "kept", every_steps=1), CSVLog(tmp_path / "a.csv"), JSONLines(tmp_path / "a.jsonl")
    )
    trainer.callbacks.append(Breaks(data))
    with pytest.raises(ConnectionError, match="the server went away"):
        trainer.fit(loader(), 3)
    data.broken = False
    again = trainer_of(Checkpoint(tmp_path / "kept", every_steps=1), CSVLog(tmp_path / "a.csv"))
    history = again.fit(loader(), 3, resume=tmp_path / "kept")
    assert len(history) == 3 and history["loss"] == whole.history["loss"]
    for a, b in zip(weights(again), weights(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 4


class Breaks(pb.train.Callback):
    def __init__(self, data):
        self.data = data

    def on_epoch_end(self, trainer, record):
        self.data.broken = True


def test_a_batch_that_is_larger_than_the_data_and_one_class_only():
    history = trainer_of().fit((X, np.zeros(24, np.int64)), 20, batch_size=10_000)
    assert history.last["accuracy"] == 1.0 and history.last["loss"] < 0.2
    with pytest.raises(ValueError, match="batch_size=100 with drop_last=True leaves no batch"):
        DataLoader(Failing(), 100, drop_last=True)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_changes_no_weight(label):
    trainer = trainer_of()
    before = weights(trainer)
    bad = Y.copy()
    bad[5] = label
    with pytest.raises((IndexError, ValueError), match=str(label)) as caught:
        trainer.fit((X, bad), 1, batch_size=24)
    assert any("epoch 1, batch 1" in note for note in caught.value.__notes__)
    for a, b in zip(weights(trainer), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_corrupt_image_in_the_middle_of_a_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for number in range(4):
            image.new("L", (4, 4), 40 * number).save(tmp_path / kind / f"{number}.png")
    (tmp_path / "cat" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")

    class Flat(ImageFolder):
        def __getitem__(self, index):
            pixels, label = super().__getitem__(index)
            return pixels.ravel(), label

    trainer = trainer_of(inputs=16)
    with pytest.raises(ValueError, match=r"2\.png: not readable as an image"):
        trainer.fit(Flat(tmp_path, mode="L"), 1)
    skipping = Flat(tmp_path, mode="L", corrupt="skip")
    assert len(skipping) == 7 and [path.name for path, _ in skipping.skipped] == ["2.png"]
    assert len(trainer.fit(skipping, 1)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,0\n2\n", r"line 3: expected 2 cells"),
        ("a,y\n1,0\n,1\n", r"line 3, column 'a': missing value"),
        ("a,y\n1,0\ntall,1\n", r"line 3, column 'a': expected a number, got 'tall'"),
        ("a,y\n", "rows below the header line"),
        ("", "the file is empty"),
    ],
)
def test_tables(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path / "a.csv", "y")


def test_without_any_output_stream():
    """As under pythonw and some services: there is no standard output and no standard error at all."""
    code = (
        "import sys; sys.stdout = sys.stderr = None\n"
        "import numpy as np, pullback as pb\n"
        "from pullback import keras, nn, optim\n"
        "m = nn.Linear(3, 2)\n"
        "x, y = np.ones((8, 3), np.float32), np.zeros(8, np.int64)\n"
        "pb.train.Trainer(m, nn.CrossEntropyLoss(), optim.SGD(m.parameters(), lr=0.1)).fit((x, y), 2)\n"
        "k = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])\n"
        "k.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))\n"
        "k.fit(x, y, epochs=2); k.evaluate(x, y)\n"
        "sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 7


def test_a_disk_that_is_really_full(tmp_path):
    """A limit on the size of files: the system itself refuses to write further."""
    pytest.importorskip("resource")
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from pullback.train.checkpoint import save_checkpoint, load_checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "older = save_checkpoint(sys.argv[1], {'model': {'w': np.ones(9)}}, step=1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save_checkpoint(sys.argv[1], {'model': {'w': np.ones(90_000)}}, step=2)\n"
        "except OSError as error: print(error)\n"
        "load_checkpoint(older)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "no checkpoint could be written" in done.stdout and "File too large" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000000001"]
