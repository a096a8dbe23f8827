"""Object code on disk: found again, recognised when damaged, done without where it cannot be."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import pullback as pb
from pullback.compile import files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "code"
    monkeypatch.setenv("PULLBACK_CACHE", str(place))
    return place


def step():
    return pb.compile(lambda x: pb.sum(pb.tanh(x) * 3.0))


def run(expected_from_disk):
    function = step()
    x = np.linspace(-1, 1, 7)
    assert float(function(x)) == pytest.approx(float(np.sum(np.tanh(x) * 3)), rel=1e-14)
    assert function.last.plan.from_disk is expected_from_disk


def test_code_is_compiled_once_and_then_found(folder):
    run(False)
    (file,) = folder.glob("*.o")
    run(True)
    assert [f for f in folder.iterdir() if f.suffix != ".host"] == [file]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_file_is_recognised_and_made_again(folder, damage):
    run(False)
    (file,) = folder.glob("*.o")
    contents = bytearray(file.read_bytes())
    if damage == "flip":
        contents[len(contents) // 2] ^= 1
    file.write_bytes({"cut": contents[:-5], "empty": b"", "other": b"not code"}.get(damage, contents))
    run(False)
    run(True)


def test_every_single_bit_counts(folder):
    run(False)
    (file,) = folder.glob("*.o")
    contents = file.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(contents), 60):
        changed = bytearray(contents)
        changed[at] ^= 1 << int(at) % 8
        file.write_bytes(changed)
        assert files._read(file) is None
    file.write_bytes(contents)
    assert files._read(file) is not None


def test_where_nothing_can_be_written_nothing_is(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("PULLBACK_CACHE", str(blocked / "below"))
    run(False)
    run(False)
    assert blocked.read_text() == "not a folder"


def test_an_empty_setting_turns_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv("PULLBACK_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    run(False)
    assert list(tmp_path.iterdir()) == []


def test_what_was_used_longest_ago_goes_first(folder, monkeypatch):
    folder.mkdir()
    for age, name in enumerate(["new.o", "middle.plan", "old.o", "older.plan", "oldest.txt"]):
        file = folder / name
        file.write_bytes(bytes(1000))
        os.utime(file, (1e9 - age * 1e5, 1e9 - age * 1e5))
    monkeypatch.setattr(files, "LARGEST", 2500)
    files._trim(folder)
    assert sorted(f.name for f in folder.iterdir()) == ["middle.plan", "new.o", "oldest.txt"]


def test_many_at_once_do_not_disturb_each_other(folder):
    errors = []

    def work():
        try:
            function = step()
            for _ in range(3):
                function(np.ones(7))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(list(folder.glob("*.o"))) == 1
    assert list(folder.glob("*.part")) == []
