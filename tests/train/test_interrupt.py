"""Ctrl-C: real signals to this process, and what is left as it was."""

import os
import signal
import threading

import numpy as np
import pytest

from pullback import nn, optim, random
from pullback.train import Callback, History, JSONLines, Trainer
from pullback.train.interrupt import Interruptible


@pytest.fixture(autouse=True)
def python_handles_ctrl_c():
    """A test run in the background begins with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the handler was not given back"
    signal.signal(signal.SIGINT, before)


class PressCtrlC(Callback):
    def __init__(self, epoch, batch, times=1):
        self.when, self.times, self.noticed = (epoch, batch), times, 0

    def on_batch_end(self, trainer):
        if (trainer.state.epoch, trainer.state.batch) == self.when:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def on_interrupt(self, trainer):
        self.noticed += 1


def training(*callbacks):
    random.manual_seed(0)
    model = nn.Linear(2, 1)
    trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.01), callbacks=callbacks, progress=None)
    x = np.ones((20, 2), np.float32)
    return trainer, (x, x[:, :1])


def test_the_first_stops_after_the_step_and_keeps_what_was_learnt(tmp_path):
    press = PressCtrlC(epoch=2, batch=3)
    trainer, data = training(press, JSONLines(tmp_path / "metrics.jsonl"))
    before = trainer.model.weight.numpy().copy()
    history = trainer.fit(data, 50, data, batch_size=4)
    assert history.interrupted and press.noticed == 1
    assert len(history) == 2 and history.last["batches"] == 3 and history.last["complete"] is False
    assert not np.array_equal(trainer.model.weight.numpy(), before)
    read = History.read(tmp_path / "metrics.jsonl")
    assert read.interrupted and read.epochs == history.epochs


def test_at_the_end_of_an_epoch_the_epoch_is_complete():
    trainer, data = training(PressCtrlC(epoch=1, batch=5))
    history = trainer.fit(data, 50, data, batch_size=4)
    assert history.interrupted and len(history) == 1 and "complete" not in history.last


def test_the_second_raises_at_once():
    trainer, data = training(PressCtrlC(epoch=1, batch=2, times=2))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, 50, batch_size=4)


def test_in_another_thread_and_beside_a_programs_own_handler_nothing_is_changed():
    seen = []

    def run():
        with Interruptible():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start(), thread.join()
    own = lambda number, frame: None
    signal.signal(signal.SIGINT, own)
    run()
    assert seen == [signal.default_int_handler, own]
    signal.signal(signal.SIGINT, signal.default_int_handler)
