"""The training that test_kills.py kills and continues: small, and with everything in it that has a state."""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import nn, optim
from pullback.data import ArrayDataset, DataLoader
from pullback.train import Callback, Checkpoint, EarlyStopping, JSONLines, Trainer
from pullback.train.checkpoint import checkpoints, load_checkpoint

EPOCHS = 4


class Jitter(Callback):
    """Draws from the streams that a user's own code may draw from, and keeps the weights of the end."""

    def on_gradients(self, trainer):
        for parameter in trainer.model.parameters():
            parameter.grad = parameter.grad * float(1 + 0.01 * np.random.normal() + 0.01 * random.random())  # noqa: NPY002  # the global stream

    def on_train_end(self, trainer):
        self.weights = _bytes(trainer.model)


class Wait(Callback):
    """Gives the killer something to hit beside the saving."""

    def on_batch_end(self, trainer):
        time.sleep(0.0005)


def noise(batch, generator):
    x, y = batch
    return x + generator.normal(size=x.shape).astype(x.dtype) * np.float32(0.1), y


def train(folder, killing=()):
    """Train to the end in ``folder``, from the newest checkpoint there is; return the final state as bytes."""
    pb.random.manual_seed(3)
    np.random.seed(5)  # noqa: NPY002  # the global stream
    random.seed(7)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(46, 3)).astype(np.float32)
    y = (x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.1).astype(np.float32)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    warmup = optim.LinearWarmup(optimizer, 10)
    decay = optim.ExponentialLR(optimizer, 0.9)
    saving = Checkpoint(folder, every_steps=1, keep=2, monitor="validation_loss")
    stopping = EarlyStopping("validation_loss", patience=50, mode="max", restore_best=True)  # the first epoch's
    jitter = Jitter()
    callbacks = [jitter, stopping, JSONLines(folder / "metrics.jsonl"), Wait(), saving, *killing]
    trainer = Trainer(model, nn.MSELoss(), optimizer, metrics=("mae", "r2"), callbacks=callbacks, progress=None)
    loader = DataLoader(ArrayDataset(x, y), 4, shuffle=True, transform=noise)
    folder.mkdir(exist_ok=True)
    history = trainer.fit(
        loader, EPOCHS, (x, y), accumulate=2, clip_norm=0.5, each_step=[warmup], each_epoch=[decay],
        validate_every_steps=3, resume=folder,
    )  # fmt: skip
    assert history["epoch"] == [1, 2, 3, 4] and stopping.best_epoch == 1
    weights = jitter.weights, _bytes(model)
    slots = repr([(number, {name: np.asarray(x).tobytes() for name, x in slot.items()})
                  for number, slot in optimizer.state_dict()["state"].items()])  # fmt: skip
    figures = [{name: x for name, x in record.items() if name != "seconds"} for record in history]
    return repr((weights, slots, figures, optimizer.lr, pb.random.get_state(), np.random.random())).encode()  # noqa: NPY002  # the global stream


def _bytes(model):
    return b"".join(p.numpy().tobytes() for p in model.parameters())


def killed_at(call):
    """Make this process kill itself at the ``call``-th system call of a saving that changes the disk."""
    counter = itertools.count(1)

    def dying(function):
        def called(*arguments, **options):
            if next(counter) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return called

    for name in ("fsync", "rename", "mkdir", "rmdir", "unlink"):
        setattr(os, name, dying(getattr(os, name)))


def attempt(folder, result, after=None, call=None):
    """Train in a process of its own and kill it ``after`` some seconds, or at a ``call``; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            if call is not None:
                killed_at(call)
            state = train(folder)
            result.write_bytes(state)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the training failed")
    return os.WIFSIGNALED(status)


def main(place, kind, wanted):
    """Kill ``wanted`` times, continue each time, begin anew after each end; print how often what was seen.

    ``kind``: "random" moments, or "calls", one system call of the saving after the other.
    """
    place, wanted = Path(place), int(wanted)
    whole = place / "whole"
    began = time.perf_counter()
    assert not attempt(place / "uninterrupted", whole)
    length = time.perf_counter() - began
    draw = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    kills = ends = half_written = 0
    while kills < wanted:
        folder, result = place / f"run-{ends}", place / f"result-{ends}"
        killed = True
        while killed:
            how = {"after": draw.uniform(0, length)} if kind == "random" else {"call": kills + 1}
            killed = attempt(folder, result, **({} if kills >= wanted else how))
            kills += killed
            if folder.exists():
                half_written += any(path.name.endswith(".part") for path in folder.iterdir())
                for path in checkpoints(folder):
                    load_checkpoint(path)  # never an unreadable one
        ends += 1
        if result.read_bytes() != whole.read_bytes():
            sys.exit(f"run {ends} ended differently after a kill:\n{result.read_bytes()!r}\n{whole.read_bytes()!r}")
        assert not [path for path in folder.iterdir() if path.name.endswith(".part")]
    print(json.dumps({"kills": kills, "ends": ends, "half_written": half_written}))


if __name__ == "__main__":
    main(*sys.argv[1:])
