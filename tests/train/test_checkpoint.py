"""Checkpoints: every damage is noticed, a failure leaves everything as it was, and the right ones are kept."""

import errno
import json
import os
import re
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback import nn, optim
from pullback.train import Checkpoint, CheckpointError, EarlyStopping, Trainer
from pullback.train.checkpoint import (
    best_checkpoint,
    checkpoints,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)

CONTENTS = {
    "model": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "empty": np.zeros((0, 2)), "flag": np.bool_(True)},
    "training": {"epoch": 3, "names": ["a", None], "nan": float("nan"), "r": np.float64(0.1), 7: (1, 2)},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("checkpoints"), CONTENTS, step=5, score=0.25)


def copy_of(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / whole.name)


# ------------------------------------------------------------------------------------- what comes back


def test_everything_comes_back_with_its_type(whole):
    back = load_checkpoint(whole)
    np.testing.assert_array_equal(back["model"]["w"], CONTENTS["model"]["w"])
    assert back["model"]["w"].dtype == np.float32 and back["model"]["empty"].shape == (0, 2)
    assert isinstance(back["model"]["flag"], np.bool_)
    training = back["training"]
    assert (training["epoch"], training["names"], training[7]) == (3, ["a", None], (1, 2))
    assert np.isnan(training["nan"]) and training["r"] == 0.1 and isinstance(training["r"], np.float64)
    assert verify_checkpoint(whole).score == 0.25 and verify_checkpoint(whole).step == 5


def test_the_weights_are_a_file_that_load_reads_and_the_versions_are_plain_text(whole):
    np.testing.assert_array_equal(pb.load(whole / "model.safetensors")["w"].numpy(), CONTENTS["model"]["w"])
    assert json.loads((whole / "versions.json").read_text())["numpy"] == np.__version__


@given(st.dictionaries(st.text(max_size=5).filter(lambda t: "." not in t), st.floats() | st.integers() | st.none()))
def test_any_plain_contents_come_back(tmp_path_factory, plain):
    path = save_checkpoint(tmp_path_factory.mktemp("any"), {"training": plain}, step=0)
    assert repr(load_checkpoint(path)["training"]) == repr(plain)


# --------------------------------------------------------------------------------------------- damage


def test_every_bit_flip_is_noticed(whole, tmp_path):
    path = copy_of(whole, tmp_path)
    flipped = 0
    for file in sorted(path.iterdir()):
        content = bytearray(file.read_bytes())
        bits = range(8) if file.name == "manifest.json" else (0, 5)
        for place in range(len(content)):
            for bit in bits:
                content[place] ^= 1 << bit
                file.write_bytes(content)
                with pytest.raises(CheckpointError):
                    load_checkpoint(path)
                content[place] ^= 1 << bit
                flipped += 1
        file.write_bytes(content)
    assert flipped > 5_000
    load_checkpoint(path)


def test_every_truncation_and_everything_behind_the_end_is_noticed(whole, tmp_path):
    path = copy_of(whole, tmp_path)
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        for wrong in [*(content[:n] for n in range(len(content))), content + b"\0", content + b"\n", content * 2]:
            file.write_bytes(wrong)
            with pytest.raises(CheckpointError, match=re.escape(str(path))):
                verify_checkpoint(path)
        file.unlink()
        with pytest.raises(CheckpointError, match=file.name):
            load_checkpoint(path)
        file.write_bytes(content)


@given(st.binary(max_size=300))
def test_any_bytes_in_the_place_of_the_manifest_are_refused(whole, tmp_path_factory, content):
    path = copy_of(whole, tmp_path_factory.mktemp("copy"))
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_a_manifest_cannot_name_files_elsewhere(whole, tmp_path):
    from pullback.train.checkpoint import Manifest

    path = copy_of(whole, tmp_path)
    for name in ("../secret.json", "/etc/hostname.json", "a/b.json", "x.py", ""):
        (path / "manifest.json").write_text(Manifest(5, None, {name: (1, "0" * 64)}).text())
        with pytest.raises(CheckpointError, match="which no checkpoint has"):
            load_checkpoint(path)


def test_a_consistent_manifest_around_a_file_of_another_kind(whole, tmp_path):
    import hashlib

    from pullback.train.checkpoint import Manifest

    path = copy_of(whole, tmp_path)
    for content in (b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x10\0\0\0\0\0\0\0" + b"{" * 16):
        (path / "model.safetensors").write_bytes(content)
        entry = {"model.safetensors": (len(content), hashlib.sha256(content).hexdigest())}
        (path / "manifest.json").write_text(Manifest(5, None, entry).text())
        with pytest.raises(ValueError, match=r"model\.safetensors is not what pullback\.save writes"):
            load_checkpoint(path)


def test_a_half_written_one_is_never_taken_for_one(tmp_path):
    (tmp_path / ".step-000000000009.0123456789ab.part").mkdir()
    (tmp_path / "step-000000000009.part").mkdir()
    (tmp_path / "step-9").mkdir()
    assert checkpoints(tmp_path) == [] and latest_checkpoint(tmp_path) is None
    (tmp_path / "step-000000000009").mkdir()
    with pytest.raises(CheckpointError, match=r"every checkpoint is damaged: .*No such file"):
        latest_checkpoint(tmp_path)


def test_the_newest_whole_one_is_taken_and_a_damaged_one_is_mentioned(tmp_path):
    older, newer = (save_checkpoint(tmp_path, CONTENTS, step=n) for n in (5, 1_000_000_000_000))
    assert checkpoints(tmp_path) == [older, newer] and latest_checkpoint(tmp_path) == newer
    (newer / "model.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match="expected .* bytes, found 0; .*step-000000000005 is taken instead"):
        assert latest_checkpoint(tmp_path) == older


def test_the_best_is_chosen_by_score_and_nan_is_never_best(tmp_path):
    for step, score in enumerate([0.5, float("nan"), 0.25, None, 0.25, 0.75]):
        save_checkpoint(tmp_path, {}, step=step, score=score)
    assert best_checkpoint(tmp_path).name.endswith("2") and best_checkpoint(tmp_path, "max").name.endswith("5")


# ------------------------------------------------------------------------------------ where it cannot be


CALLS = ["mkdir", "fsync", "rename"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_failure_of_the_disk_is_clear_and_leaves_the_earlier_ones_as_they_were(tmp_path, monkeypatch, call, number):
    older = save_checkpoint(tmp_path, CONTENTS, step=5)
    real = getattr(os, call)

    def failing(place, *rest, **options):
        if call != "mkdir" or ".part" in str(place):
            raise OSError(number, os.strerror(number))
        return real(place, *rest, **options)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(OSError, match=f"(?s){re.escape(str(tmp_path))}: {os.strerror(number)}.*as they were") as caught:
        save_checkpoint(tmp_path, CONTENTS, step=6)
    assert isinstance(caught.value, CheckpointError) and caught.value.errno == number
    if number == errno.ENOSPC:
        assert re.search(r"MB needed, .* MB free", str(caught.value))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [older]
    load_checkpoint(older)


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_in_the_middle_of_a_saving_leaves_nothing_half_done(tmp_path, monkeypatch, call):
    older = save_checkpoint(tmp_path, CONTENTS, step=5)

    def interrupted(place, *rest, **options):
        if call != "mkdir" or ".part" in str(place):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, CONTENTS, step=6)
    assert list(tmp_path.iterdir()) == [older]


def test_a_folder_that_may_only_be_read(tmp_path):
    save_checkpoint(tmp_path, CONTENTS, step=5)
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(CheckpointError, match="Permission denied"):
            save_checkpoint(tmp_path, CONTENTS, step=6)
    finally:
        tmp_path.chmod(0o755)


def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError, match="set"):
        save_checkpoint(tmp_path / "new", {"training": {"x": {1}}}, step=0)
    assert not (tmp_path / "new").exists()
    for name in ("../x", "a.b", ""):
        with pytest.raises(ValueError, match="expected names of letters"):
            save_checkpoint(tmp_path, {name: {}}, step=0)
    save_checkpoint(tmp_path, {}, step=3)
    with pytest.raises(CheckpointError, match="step-000000000003 is there already"):
        save_checkpoint(tmp_path, {}, step=3)
    with pytest.raises(ValueError, match="step expected 0 or more"):
        save_checkpoint(tmp_path, {}, step=-1)


# ------------------------------------------------------------------------------------------ the callback


def fit(folder, epochs=3, resume=None, lr=0.05, monitor=None, callbacks=(), more=None, validation=True, **options):
    pb.random.manual_seed(1)
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    model = nn.Linear(1, 1)
    saving = Checkpoint(folder, monitor=monitor, **options)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.5)
    trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=[*callbacks, saving], progress=None)
    checked = (x, x) if validation else None
    trainer.fit((x, 3 * x), epochs, checked, batch_size=8, seed=0, resume=resume, **(more or {}))
    return trainer, saving


def steps(folder):
    return [int(path.name[5:]) for path in checkpoints(folder)]


def test_when_they_are_written_and_which_are_kept(tmp_path):
    fit(tmp_path / "a")
    assert steps(tmp_path / "a") == [6, 9]
    fit(tmp_path / "b", every_epochs=None, every_steps=4, keep=9)
    assert steps(tmp_path / "b") == [4, 8]
    fit(tmp_path / "c", every_epochs=2, epochs=5, keep=9)
    assert steps(tmp_path / "c") == [6, 12]
    fit(tmp_path / "d", every_epochs=None, every_seconds=1e-9, keep=3)
    assert steps(tmp_path / "d") == [7, 8, 9]
    fit(tmp_path / "e", every_epochs=None, every_seconds=3600)
    assert steps(tmp_path / "e") == []


def test_the_best_is_kept_beside_the_last(tmp_path):
    trainer, saving = fit(tmp_path, epochs=6, monitor="validation_loss", keep=1)  # away from the validation's slope 1
    best = int(np.argmin(trainer.history["validation_loss"])) + 1
    assert best < 6 and steps(tmp_path) == [3 * best, 18]
    assert saving.best.name == f"step-{3 * best:012d}" and saving.last.name == "step-000000000018"


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_going_on_gives_the_same_as_never_stopping(tmp_path, epochs_before):
    whole, _ = fit(tmp_path / "whole", epochs=4)
    fit(tmp_path / "parts", epochs=epochs_before)
    parts, _ = fit(tmp_path / "parts", epochs=4, resume=tmp_path / "parts")
    assert parts.model.weight.numpy().tobytes() == whole.model.weight.numpy().tobytes()
    without = [[{k: v for k, v in r.items() if k != "seconds"} for r in t.history] for t in (whole, parts)]
    assert without[0] == without[1] and len(without[0]) == 4


SCHEDULES = {
    "sequential": lambda o: optim.SequentialLR(o, [optim.LinearLR(o, 0.1, 1.0, 3), optim.ExponentialLR(o, 0.9)], [3]),
    "one cycle": lambda o: optim.OneCycleLR(o, max_lr=0.3, total_steps=12),
    "cyclic": lambda o: optim.CyclicLR(o, 0.01, 0.2, step_size_up=3),
    "warm restarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 4),
    "several": lambda o: optim.ChainedScheduler([optim.LinearWarmup(o, 5), optim.StepLR(o, 2, 0.7)]),
    "plateau": lambda o: (optim.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=1), "validation_loss"),
}
OPTIMISERS = {
    "lbfgs": lambda p: optim.LBFGS(p, lr=0.5, max_iter=2, history_size=3),
    "adamw": lambda p: optim.AdamW(p, lr=0.05, amsgrad=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.05, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
}


@pytest.mark.parametrize("kind", [*SCHEDULES, *OPTIMISERS])
def test_every_schedule_and_optimiser_goes_on_bit_for_bit(tmp_path, kind):
    def go(folder, stop_at=None, resume=None):
        pb.random.manual_seed(1)
        x = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
        model = nn.Linear(1, 1)
        optimizer = OPTIMISERS.get(kind, lambda p: optim.SGD(p, lr=0.1, momentum=0.5))(model.parameters())
        schedule = SCHEDULES.get(kind, lambda o: optim.ExponentialLR(o, 0.9))(optimizer)
        settings = {"each_epoch": [schedule]} if kind == "plateau" else {"each_step": [schedule]}
        callbacks = [Checkpoint(folder, every_steps=1)] + ([Stop(stop_at)] if stop_at else [])
        trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=callbacks, progress=None)
        trainer.fit((x, 3 * x), 3, (x, x), batch_size=6, seed=0, resume=resume, **settings)
        return model.weight.numpy().tobytes(), optimizer.lr, trainer.state.step

    whole = go(tmp_path / "whole")
    assert whole[2] == 12
    for stop_at in (2, 6, 9):
        folder = tmp_path / str(stop_at)
        go(folder, stop_at)
        assert go(folder, resume=folder) == whole


def test_a_single_checkpoint_may_be_named(tmp_path):
    fit(tmp_path / "a", keep=3)
    again, _ = fit(tmp_path / "b", resume=tmp_path / "a" / "step-000000000003")
    assert len(again.history) == 3 and steps(tmp_path / "b") == [6, 9]


def test_folders_of_another_training_are_not_written_to(tmp_path):
    fit(tmp_path, keep=3)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FileExistsError, match=r"step-000000000003 is there already.*resume="):
        fit(tmp_path)
    with pytest.raises(FileExistsError, match="step-000000000006 is there already, .* or from later"):
        fit(tmp_path, resume=tmp_path / "step-000000000003")
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_newest_one_is_put_aside_and_the_training_goes_on_from_the_one_before(tmp_path):
    whole, _ = fit(tmp_path / "whole")
    fit(tmp_path / "a", epochs=2)
    (tmp_path / "a" / "step-000000000006" / "model.safetensors").write_bytes(b"?")
    with pytest.warns(UserWarning, match="is damaged"):
        again, _ = fit(tmp_path / "a", resume=tmp_path / "a")
    assert again.model.weight.numpy().tobytes() == whole.model.weight.numpy().tobytes()
    assert steps(tmp_path / "a") == [6, 9]
    assert len(list((tmp_path / "a").glob("damaged-step-000000000006-*"))) == 1


def test_what_does_not_fit_is_refused(tmp_path):
    fit(tmp_path)
    x = np.zeros((20, 1), np.float32)
    model = nn.Linear(1, 1)

    def go_on(model=model, optimizer=None, data=(x, x), metrics="auto", resume=tmp_path, **options):
        optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        trainer = Trainer(model, nn.MSELoss(), optimizer, progress=None, metrics=metrics)
        trainer.fit(data, 9, **{"batch_size": 8, "resume": resume} | options)

    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        go_on(resume=tmp_path / "nowhere")
    with pytest.raises(KeyError, match="names do not match"):
        go_on(nn.Linear(1, 1, bias=False))
    with pytest.raises(ValueError, match="shapes differ"):
        go_on(nn.Linear(1, 2))
    with pytest.raises(ValueError, match="Adam.load_state_dict"):
        go_on(optimizer=optim.Adam(model.parameters()))
    with pytest.raises(ValueError, match="items was 20 when the state was saved and is 9 now"):
        go_on(data=(x[:9], x[:9]))
    with pytest.raises(ValueError, match="batch_size was 8"):
        go_on(batch_size=4)
    with pytest.raises(ValueError, match="DataLoader or data for one then"):
        go_on(data=Batches(x))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    optim.StepLR(optimizer, 3)
    with pytest.raises(ValueError, match="had 0 schedules .* and has 1 now"):
        go_on(optimizer=optimizer)
    save_checkpoint(tmp_path / "other", CONTENTS, step=1)
    with pytest.raises(CheckpointError, match=r"not one of Trainer\.fit"):
        go_on(resume=tmp_path / "other")


class Batches:
    """A loader of one's own."""

    def __init__(self, x):
        self.x = x

    def __iter__(self):
        return iter([(pb.asarray(self.x[i : i + 5]), pb.asarray(self.x[i : i + 5])) for i in range(0, 20, 5)])


def test_a_loader_of_ones_own_goes_on_in_the_middle_of_an_epoch(tmp_path):
    def go(folder, epochs=2, stop_at=None, resume=None):
        pb.random.manual_seed(0)
        model = nn.Linear(1, 1)
        callbacks = [Checkpoint(folder, every_steps=1)] + ([Stop(stop_at)] if stop_at else [])
        trainer = Trainer(
            model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.1), callbacks=callbacks, progress=None
        )
        trainer.fit(Batches(np.linspace(0, 1, 20, dtype=np.float32)[:, None]), epochs, resume=resume)
        return trainer

    whole = go(tmp_path / "whole")
    go(tmp_path / "a", stop_at=6)
    parts = go(tmp_path / "a", resume=tmp_path / "a")
    assert parts.state.step == whole.state.step == 8
    assert parts.model.weight.numpy().tobytes() == whole.model.weight.numpy().tobytes()
    assert parts.history["loss"] == whole.history["loss"]


class Stop(pb.train.Callback):
    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer):
        if trainer.state.step == self.step:
            trainer.stop()


def test_a_training_that_was_stopped_early_stays_stopped(tmp_path):
    stopping = EarlyStopping("validation_loss", patience=1)
    whole, _ = fit(tmp_path, epochs=50, callbacks=[stopping])
    assert stopping.stopped_epoch == len(whole.history) < 50
    again = EarlyStopping("validation_loss", patience=1)
    parts, _ = fit(tmp_path, epochs=50, callbacks=[again], resume=tmp_path)
    assert len(parts.history) == len(whole.history) and again.best == stopping.best


@pytest.mark.parametrize("options", [{"keep": 0}, {"every_steps": 0}, {"every_epochs": 0}, {"every_seconds": 0}])
def test_settings_out_of_range(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Checkpoint(tmp_path, **options)
    with pytest.raises(ValueError, match="mode: expected"):
        Checkpoint(tmp_path, mode="up")


def test_a_figure_that_there_is_not_is_named(tmp_path):
    with pytest.raises(KeyError, match=r"Checkpoint: monitor: .* no figure 'test_loss'; they have 'loss'"):
        fit(tmp_path / "a", monitor="test_loss")
    with pytest.raises(KeyError, match="EarlyStopping: monitor: .*'validation_loss'"):
        fit(tmp_path / "b", callbacks=[EarlyStopping()], validation=False)
