"""Plans on disk: a process that finds one makes nothing anew, and computes the same bits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.compile import planning, stored
from pullback.compile.emit.machine import host
from pullback.core import families
from pullback.core.mapping import CATALOGUE

from .programs import training
from .stored_programs import NAMES

PROGRAM = Path(__file__).with_name("stored_programs.py")


def started(folder, *names, **environment):
    surroundings = {**os.environ, "PULLBACK_CACHE": str(folder), "OPENBLAS_NUM_THREADS": "1", **environment}
    command = [sys.executable, str(PROGRAM), *names]
    return subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def found(process):
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(out)


def while_nobody_edits(run):
    """Return what `run` returns, run again while somebody changes the library, for then plans are made anew."""
    for _ in range(5):
        before = stored._files(Path(pb.__file__).parent)
        result = run()
        if stored._files(Path(pb.__file__).parent) == before:
            break
    return result


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """What all programs do in a process that makes their plans, and in one with other hashes that finds them."""

    def run():
        folder = tmp_path_factory.mktemp("kept")
        return [found(started(folder, *NAMES, PYTHONHASHSEED=seed)) for seed in ("1", "2")]

    return while_nobody_edits(run)


def test_a_second_process_makes_nothing(twice):
    first, second = twice
    assert first["made"]
    assert not second["made"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_is_the_same_bit_for_bit(twice, name):
    first, second = (run["results"][name] for run in twice)
    assert len(first) > 3
    assert second == first


def test_processes_at_once_do_not_disturb_each_other(tmp_path):
    def run():
        running = [started(tmp_path, "moons", "loops") for _ in range(4)]
        return [found(process) for process in running] + [found(started(tmp_path, "moons", "loops"))]

    *together, last = while_nobody_edits(run)
    assert all(one["results"] == last["results"] for one in together)
    assert not last["made"]
    assert not list(tmp_path.glob("*.part"))


# ----------------------------------------------------------------------------------------- within one process


class Counter:
    """Counts the plans that are made, and says whether the last of them came from the disk."""

    def __init__(self, monkeypatch):
        self.made = 0
        make = planning.made

        def counted(*args):
            self.made += 1
            return make(*args)

        monkeypatch.setattr(planning, "made", counted)


@pytest.fixture
def counter(stored_plans, monkeypatch):
    return Counter(monkeypatch)


def step(scale=3.0):
    return pb.compile(lambda x: pb.sum(pb.tanh(x) * scale))


X = np.linspace(-1, 1, 7)


def run(function=None):
    assert float((function or step())(X)) == pytest.approx(float(np.sum(np.tanh(X) * 3)), rel=1e-14)


def test_the_same_graph_is_made_once(counter, stored_plans):
    for _ in range(3):
        run()
    assert counter.made == 1
    assert len(list(stored_plans.glob("*.plan"))) == 1


def test_the_report_of_a_stored_plan_is_that_of_a_new_one(counter):
    build, data = training("attention", lambda p: optim.Adam(p, lr=1e-3))
    reports = []
    for _ in range(2):
        function = pb.compile(build()[1])
        for batch in data:
            function(*batch)
        reports.append(function.report())
    new, kept = reports
    assert counter.made == 1
    assert kept.from_disk and not new.from_disk
    assert (kept.arena, kept.state) == (new.arena, new.state)
    assert len(kept.kernels) > 10

    def facts(report):
        return [(k.kind, k.mappings, k.module, k.lines, k.backward, k.native, k.again) for k in report.kernels]

    assert facts(kept) == facts(new)
    assert [(k.operations, k.bytes, k.times) for k in kept.kernels] == [
        (k.operations, k.bytes, k.times) for k in new.kernels
    ]


def test_what_explains_and_draws_works_on_a_stored_plan(counter):
    w = pb.tensor([2.0, 3.0], requires_grad=True)
    for _ in range(2):
        function = pb.compile(lambda x: pb.sum(w * x))
        with pb.no_grad():
            assert float(function(pb.tensor([5.0, 7.0]))) == 31.0
        assert float(function.explain(pb.tensor([5.0, 7.0]), wrt=w[1]).gradient) == 7.0
        assert len(function.graph(pb.tensor([5.0, 7.0])).equations) == 2
    assert counter.made == 1


def test_state_that_is_replaced_frozen_or_held_is_seen_as_ever(counter):
    def session():
        pb.random.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        @pb.compile
        def train(x):
            optimizer.zero_grad()
            loss = pb.sum(model(x) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        x, found = np.ones((4, 3), np.float32), []
        for i in range(12):
            if i == 4:
                model.weight.data = np.full((2, 3), 0.5, np.float32)
            if i == 6:
                model.bias.requires_grad_(False)
            held = model.weight.numpy()
            before = held.copy()
            found.append(float(train(x)))
            assert (held == before).all()
        return found

    first = session()
    plans = counter.made
    assert session() == first
    assert counter.made == plans == 2


def test_a_constant_that_is_assigned_to_later_is_seen(counter):
    for _ in range(2):
        scale = pb.tensor([1.0, 2.0])
        function = pb.compile(lambda x, scale=scale: pb.sum(x * scale))
        assert float(function(pb.tensor([1.0, 1.0]))) == 3.0
        scale.data = np.array([5.0, 2.0])
        assert float(function(pb.tensor([1.0, 1.0]))) == 7.0
    assert counter.made == 2


def test_a_value_from_around_that_differs_is_another_plan(counter):
    assert float(step(2.0)(X + 1)) == pytest.approx(float(np.sum(np.tanh(X + 1) * 2)), rel=1e-14)
    assert float(step(-2.0)(X + 1)) == pytest.approx(float(np.sum(np.tanh(X + 1) * -2)), rel=1e-14)
    table = np.arange(6.0)
    for change in (0.0, 1.0):
        table[3] += change
        assert float(pb.compile(lambda x: pb.sum(x * pb.tensor(table.copy())))(np.ones(6))) == table.sum()
    assert counter.made == 4


def test_zeros_of_both_signs_and_types_of_numbers_are_told_apart(counter):
    for scale in (0.0, -0.0):
        got = pb.compile(lambda x, scale=scale: x * scale)(np.ones(2)).numpy()
        assert (np.signbit(got) == np.signbit(scale)).all()
    for scale in (np.float64(2), np.float32(2), 2, True):
        got = pb.compile(lambda x, s=scale: x * s)(np.ones(2, np.float32))
        assert got.dtype == (np.ones(2, np.float32) * scale).dtype
    assert counter.made == 6


# ---------------------------------------------------------------------------------------- what is not kept


def test_a_mapping_of_ones_own_is_never_taken_by_its_name(counter, stored_plans):
    for factor in (2.0, 5.0):
        twice = families.composite(
            "tests.times", lambda x, f=factor: x * f, lambda s: s, arguments=("x",), formula="{x}", words="{x}"
        )
        try:
            assert float(pb.compile(lambda x, t=twice: pb.sum(t(x)))(np.ones(3))) == 3 * factor
        finally:
            del CATALOGUE["tests.times"]
    assert not list(stored_plans.glob("*.plan"))


def test_a_rule_of_the_library_that_somebody_has_replaced_is_seen(counter, monkeypatch):
    run()
    monkeypatch.setattr(pb.tanh, "evaluate", lambda x: np.tanh(x))
    run()
    assert counter.made == 2


def test_where_numpy_evaluates_something_nothing_is_kept(counter, stored_plans):
    for _ in range(2):
        np.testing.assert_allclose(float(pb.compile(lambda x: pb.sum(pb.digamma(x)))(np.ones(3))), -3 * 0.5772156649)
    assert counter.made == 2
    assert not list(stored_plans.glob("*.plan"))


def test_large_constants_are_not_kept(counter, stored_plans, monkeypatch):
    monkeypatch.setattr("pullback.compile.words.LARGEST", 1000)
    table = np.ones(1000)
    for _ in range(2):
        assert float(pb.compile(lambda x: pb.sum(x * pb.tensor(table)))(np.ones(1000))) == 1000
    assert counter.made == 2
    assert not list(stored_plans.glob("*.plan"))


def test_large_plans_are_not_kept(counter, stored_plans, monkeypatch):
    monkeypatch.setattr(stored, "LARGEST", 100)
    run()
    run()
    assert counter.made == 2
    assert not list(stored_plans.glob("*.plan"))


def test_a_file_of_the_library_that_differs_is_another_library(tmp_path):
    (tmp_path / "part").mkdir()
    file = tmp_path / "part" / "rules.py"
    file.write_text("a = 1\n")
    digests = [stored._files(tmp_path)]
    assert stored._files(tmp_path) == digests[0]
    file.write_text("a = 22\n")
    digests.append(stored._files(tmp_path))
    os.utime(file, ns=(1, 1))
    digests.append(stored._files(tmp_path))
    (tmp_path / "part" / "more.py").write_text("")
    digests.append(stored._files(tmp_path))
    assert len(set(digests)) == 4
    (tmp_path / "part" / "__pycache__").mkdir()
    (tmp_path / "part" / "__pycache__" / "rules.py").write_text("")
    assert stored._files(tmp_path) == digests[-1]


def test_what_was_made_while_the_library_changed_is_not_kept(counter, stored_plans, monkeypatch):
    monkeypatch.setattr(stored, "_library", lambda: "as it was")
    run()
    assert not list(stored_plans.glob("*.plan"))


@pytest.mark.parametrize("setting", ["library", "compiler", "dtype", "target"])
def test_all_that_decides_is_in_the_name(stored_plans, monkeypatch, setting):
    graph = step().graph(X)
    before = stored.digest(graph, host())
    assert stored.digest(graph, host()) == before
    target = host()
    if setting == "library":
        monkeypatch.setattr(stored, "_library", lambda: "another")
    elif setting == "compiler":
        monkeypatch.setattr(stored, "compiler_version", lambda: "another")
    elif setting == "dtype":
        monkeypatch.setattr(stored, "default_dtype", lambda: np.dtype("f8"))
    else:
        from dataclasses import replace

        target = replace(target, features="none")
    assert stored.digest(graph, target) not in (None, before)


# --------------------------------------------------------------------------------------------- damaged files


def test_every_byte_counts(counter, stored_plans):
    run()
    (file,) = stored_plans.glob("*.plan")
    contents = file.read_bytes()
    graph = step().graph(X)
    for at in range(len(contents)):
        changed = bytearray(contents)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        assert stored._restored(graph, file.stem, host()) is None, at
    for end in range(0, len(contents), 7):
        file.write_bytes(contents[:end])
        assert stored._restored(graph, file.stem, host()) is None
    run()
    assert counter.made == 2
    assert file.read_bytes() == contents
    run()
    assert counter.made == 2


@pytest.mark.parametrize("lost", ["deleted", "damaged"])
def test_without_its_code_a_plan_is_made_anew(counter, stored_plans, lost):
    run()
    (file,) = stored_plans.glob("*.o")
    contents = file.read_bytes()
    file.unlink() if lost == "deleted" else file.write_bytes(contents[:-1] + b"x")
    run()
    assert counter.made == 2
    assert file.read_bytes() == contents


def test_a_plan_under_the_name_of_another_is_not_taken(counter, stored_plans):
    run()
    (file,) = stored_plans.glob("*.plan")
    float(step(4.0)(X))
    (other,) = set(stored_plans.glob("*.plan")) - {file}
    shutil.copy(other, file)
    run()
    run()
    assert counter.made == 3


def test_where_nothing_can_be_written_plans_are_made_anew(counter, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("PULLBACK_CACHE", str(blocked / "below"))
    run()
    run()
    assert counter.made == 2
    assert blocked.read_text() == "not a folder"


def test_without_a_home_plans_are_made_anew(counter, monkeypatch):
    def nowhere():
        raise RuntimeError("no home")

    monkeypatch.setattr("pullback.compile.files.directory", nowhere)
    run()
    run()
    assert counter.made == 2
