"""The benchmark runs, and its contenders compute the same thing. Times are not tested."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    import pullback as pb

    monkeypatch.syspath_prepend(str(ROOT))
    threads = pb.get_num_threads()
    yield
    pb.set_num_threads(threads)


def test_the_step_by_hand_is_the_derivative_of_its_loss():
    from benchmarks.by_hand import ByHand

    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((3, 4), (3,), (2, 3), (2,))]
    x, labels = rng.normal(size=(5, 4)), np.array([0, 1, 1, 0, 1])

    def loss(ws):
        w1, b1, w2, b2 = ws
        z = np.tanh(x @ w1.T + b1) @ w2.T + b2
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(5), labels])

    network = ByHand(weights, 5, lr=1.0)
    assert network.step(x, labels) == pytest.approx(loss(weights), rel=1e-14)
    stepped = [network.w1.T, network.b1, network.w2.T, network.b2]
    h = 1e-6
    for i, (w, new) in enumerate(zip(weights, stepped, strict=True)):
        for at in np.ndindex(w.shape):
            there, back = ([v.copy() for v in weights] for _ in range(2))
            there[i][at] += h
            back[i][at] -= h
            slope = (loss(there) - loss(back)) / (2 * h)
            assert w[at] - new[at] == pytest.approx(slope, abs=1e-8)


def test_pullback_and_numpy_by_hand_lose_the_same():
    from benchmarks import child
    from benchmarks.installed import BY_HAND
    from benchmarks.step import CORES, TIME

    # With one thread: threads that wait for each other beside other tests take many times as long.
    done = child.run("benchmarks.step:timings", one_thread=True, contenders=["pullback", BY_HAND], rounds=2)
    ours, theirs = (np.array(done["losses"][c]) for c in ("pullback", BY_HAND))
    assert len(ours) == 200
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours[-20:].mean() < 0.5 * ours[:20].mean()  # and it is training that is timed
    assert done["apart"]["pullback"] < 1e-4
    assert {len(done["samples"]["pullback"][quantity]) for quantity in (TIME, CORES)} == {2}


def test_other_losses_are_refused(monkeypatch):
    from benchmarks import step
    from benchmarks.installed import BY_HAND

    def other(weights, batches, lr):
        return step.NETWORKS[BY_HAND](weights, batches, 1.1 * lr)

    monkeypatch.setattr(step, "COMPARED", 20)
    monkeypatch.setitem(step.NETWORKS, "other", other)
    with pytest.raises(ArithmeticError, match="other computes other losses"):
        step.timings(["other"], rounds=1)


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_long_loops_lose_the_same(kind, monkeypatch):
    from benchmarks import child, scanned

    done = child.run(
        "benchmarks.scanned:timings", one_thread=True, contenders=["pullback", "torch"], kind=kind,
        shape=[120, 3, 4, 5], rounds=2,
    )  # fmt: skip
    assert {c: len(s["µs"]) for c, s in done["samples"].items()} == {"pullback": 2, "torch": 2}

    def other(kind, weights, x, y):
        return scanned.NETWORKS["pullback"](kind, [1.1 * w for w in weights], x, y)

    monkeypatch.setitem(scanned.NETWORKS, "other", other)
    with pytest.raises(ArithmeticError, match="other computes other losses"):
        scanned.timings(["pullback", "other"], kind, [4, 3, 4, 5], rounds=1)


@pytest.mark.parametrize("active", [1, 2])
def test_a_chain_has_the_gradient_of_its_formula(active):
    from benchmarks.scalars import CHAINS, error

    assert error(CHAINS["pullback"](500, active), 500, active) < 1e-12


def test_a_receipt_adds_up_where_it_is_timed():
    from benchmarks.receipt import FULL, TEXT, timings

    samples = timings(rounds=2)
    assert {quantity: len(times) for quantity, times in samples.items()} == {FULL: 2, TEXT: 2}


def test_a_drawing_is_opened_and_counted_where_it_is_timed(monkeypatch):
    from benchmarks import drawing

    monkeypatch.setattr(drawing, "MAPPINGS", 300)
    found = drawing.timings(rounds=2)
    none = found.pop(drawing.RECEIPTS, [0.0, 0.0])
    assert none == [0.0, 0.0]  # every box of the page has its receipt
    assert all(len(samples) == 2 and min(samples) > 0 for samples in found.values())
    if drawing.OPENED in found:  # there is a browser
        assert 5 <= found[drawing.VISIBLE][0] == found[drawing.VISIBLE][1] <= 60
    monkeypatch.setattr(drawing, "BROWSERS", ())
    assert set(drawing.timings(rounds=1)) == {drawing.MADE, drawing.SIZE}


def test_without_a_browser_the_row_says_that_it_was_not_measured(monkeypatch):
    from benchmarks import drawing
    from benchmarks.figures import Settings, judge

    monkeypatch.setattr(drawing, "run", lambda *args, **settings: {drawing.MADE: [900.0, 1000.0]})
    rows = {row.quantity: row for row in drawing.figures(Settings(("pullback",), quick=True))}
    assert rows.keys() == drawing.UNITS.keys() and rows.pop(drawing.MADE).median == 950.0
    assert all(row.median is None for row in rows.values())
    assert all("not measured: no playwright, or no Chromium" in row.note for row in rows.values())
    assert {judge(goal, list(rows.values())).reached for goal in drawing.GOALS} == {None}


def test_a_child_runs_with_one_thread_and_says_what_failed():
    from benchmarks import child

    figure = child.run("benchmarks.chain:whole", one_thread=True, contender="pullback", length=2_000)
    assert figure["seconds"] > 0
    with pytest.raises(child.ChildFailed, match="KeyError"):
        child.run("benchmarks.chain:whole", contender="nobody", length=10)


def test_goals_are_judged_and_shown():
    from benchmarks import step, table
    from benchmarks.figures import FLOOR, QUICKEST, Goal, figure, judge, missing
    from benchmarks.installed import BY_HAND

    figures = [
        figure("one thread", "pullback", "µs", [130.0, 141.0, 150.0]),
        figure("one thread", BY_HAND, "µs", [99.0, 100.0, 101.0]),
        missing("one thread", "torch", "µs", "not installed"),
    ]
    judged = [judge(g, figures).reached for g in step.GOALS if g.quantity == "one thread"]
    assert judged == [False, None]  # 1.41 times; and nothing to compare with
    assert judge(step.GOALS[0], [figures[1], figure("one thread", "pullback", "µs", [140.0])]).reached

    half = Goal("one thread", 1 / 1.8, times="jax")
    assert half.words("µs") == "≤ 1/1.8 × jax"

    console = Console(width=120, record=True, file=sys.stderr)
    table.show(console, step, figures)
    text = console.export_text()
    assert "goal ≤ 1.4 × NumPy by hand: 1.41 falls short" in text
    assert "cannot say" in text and "not installed" in text
    table.show_goals(console, {"step": (step, figures)})
    assert "0 reached, 1 fall short, 1 cannot be said" in console.export_text()

    # Whoever of the libraries is the quickest; the floor, and pullback's own other forms, are no libraries.
    others = [
        figure("q", "pullback", "µs", [5_000.0]), figure("q", "pullback eager", "µs", [3_000.0]),
        figure("q", "torch", "µs", [9_000.0]), figure("q", "jax", "µs", [8_000.0]),
        missing("q", "tinygrad", "µs", "no"), figure("q", FLOOR, "µs", [4_000.0]),
    ]  # fmt: skip
    verdict = judge(Goal("q", 1 / 1.8, QUICKEST), others)
    assert (verdict.peer, verdict.value, verdict.floor, verdict.reached) == ("jax", 0.625, 0.5, False)
    assert judge(Goal("q", 1 / 1.5, QUICKEST), others).reached
    told = figure("q", "pullback", "µs", [5_000.0], "not compiled, the advice: use scan")
    assert judge(Goal("q", 1_000.0, otherwise="the advice"), [told]).reached
    assert not judge(Goal("q", 1_000.0, otherwise="the advice"), others).reached
    words = table._words(Goal("q", 1 / 1.8, QUICKEST), verdict, "µs")
    assert "which is jax: 0.625" in words and "(the floor alone: 0.5)" in words
    assert "beyond what this machine can do" in table._words(
        Goal("q", 1 / 2.5, "jax"), judge(Goal("q", 1 / 2.5, "jax"), others), "µs"
    )
    console.print(table._block("q", others))
    (line,) = (line for line in console.export_text().splitlines() if "jax" in line)
    assert line.split() == ["jax", "8", "ms", "1.6", "50%"]
    written = json.loads(json.dumps(table.as_json({"step": (step, figures)})))
    assert written["workloads"]["step"]["figures"][0]["median"] == 141.0
    assert written["workloads"]["step"]["goals"][0] | {"value": 0} == {
        "quantity": "one thread", "most": 1.4, "times": "NumPy by hand", "otherwise": "", "peer": "NumPy by hand",
        "value": 0, "floor": None, "reached": False,
    }  # fmt: skip


def test_the_convolutions_by_hand_and_of_pullback_are_the_same(monkeypatch):
    from benchmarks import convolution
    from benchmarks.installed import BY_HAND

    done = convolution.timings(["pullback", BY_HAND], [2, 3, 5], rounds=1)
    assert done["apart"][BY_HAND] == 0 and done["apart"]["pullback"] < 1e-5
    assert len(done["samples"]["pullback"]["µs"]) == 1

    def other(x, w1, w2, g):
        return convolution.STEPS[BY_HAND](x, 1.01 * w1, w2, g)

    monkeypatch.setitem(convolution.STEPS, "other", other)
    with pytest.raises(ArithmeticError, match="other computes another convolution"):
        convolution.timings(["other"], [2, 3, 5], rounds=1)


def test_loading_and_checkpoints_are_checked_before_they_are_timed(monkeypatch):
    from benchmarks import checkpointing, loading

    samples = loading.timings(["pullback"], rounds=1, items=200)
    assert samples["pullback"][loading.EPOCH][0] > 0
    monkeypatch.setitem(loading.LOADERS, "other", lambda x, y: [(x, y)])
    with pytest.raises(ArithmeticError, match="other does not shuffle"):
        loading.timings(["other"], rounds=1, items=200)
    samples = checkpointing.timings(rounds=1, width=20)
    assert samples["pullback"][checkpointing.VERIFIED][0] >= samples["pullback"][checkpointing.WRITTEN][0]


@pytest.mark.parametrize(("ahead", "read"), [(False, 1.0), (True, 0.0)])
def test_the_loss_is_read_at_each_step_or_at_the_end(ahead, read):
    from benchmarks import compiled

    events = []

    class Loss:
        def __float__(self):
            events.append("read")
            return 0.0

    def step(i):
        events.append("step")
        return Loss()

    sample = compiled.block(step, ahead)
    events.clear()
    assert sample()["µs"] > 0
    measured = events[events.index("step", 6) :]  # the first three are not measured, and are always read
    steps, reads = measured.count("step"), measured.count("read")
    assert reads == (steps if read else 1) and measured[-1] == "read"


@pytest.mark.parametrize("workload", ["W1", "W2", "W6"])
def test_compiled_and_eager_steps_lose_the_same(workload):
    from benchmarks import child
    from benchmarks.figures import FLOOR
    from benchmarks.trainers import EAGER

    contenders = ["pullback", EAGER]
    done = child.run(
        "benchmarks.compiled:timings", one_thread=True, contenders=contenders, workload=workload, threads=1, rounds=2
    )
    assert done["apart"][EAGER] == 0 and done["apart"]["pullback"] < 1e-5
    assert done["failed"] == {}
    assert {c: len(done["samples"][c]["µs"]) for c in (*contenders, FLOOR)} == {"pullback": 2, EAGER: 2, FLOOR: 2}


def test_a_compiled_contender_that_computes_something_else_is_refused(monkeypatch):
    from benchmarks import compiled
    from benchmarks.figures import FLOOR
    from benchmarks.trainers import COMPILED_TORCH, EAGER
    from benchmarks.workloads import in_pullback

    def other(problem):
        step = in_pullback.step(problem, compiled=False)
        return lambda i: 1.01 * float(step(i))

    def broken(problem):
        raise RuntimeError("no compiler here\nand more")

    monkeypatch.setitem(compiled.TRAINERS, "pullback other", other)
    with pytest.raises(ArithmeticError, match="pullback other computes other losses"):
        compiled.timings(["pullback other"], "W6", 1, rounds=1)
    # Another library stays out with a reason, and so does who fails; the rest is timed.
    monkeypatch.setitem(compiled.TRAINERS, COMPILED_TORCH, other)
    monkeypatch.setitem(compiled.TRAINERS, "other", broken)
    monkeypatch.setattr(compiled, "use_threads", lambda contender, count: None)
    done = compiled.timings([EAGER, COMPILED_TORCH, "other"], "W6", 1, rounds=1)
    assert list(done["samples"]) == [EAGER, FLOOR]
    assert done["failed"][COMPILED_TORCH].startswith("computes something else")
    assert done["failed"]["other"] == "RuntimeError: no compiler here"


def test_the_share_of_the_products_is_measured():
    from benchmarks import child
    from benchmarks.compiled import PRODUCTS

    samples = child.run("benchmarks.compiled:share", one_thread=True, workload="W1", rounds=2)
    assert min(samples[PRODUCTS]["µs"]) > 0 and len(samples["pullback"]["µs"]) == 2


def test_micrograd_trains_the_same_moons():
    pytest.importorskip("micrograd", reason="micrograd is not installed")
    from benchmarks.trainers import EAGER, TRAINERS
    from benchmarks.workloads.problems import PROBLEMS

    theirs, ours = (TRAINERS[c](PROBLEMS["W6"]()) for c in ("micrograd", EAGER))
    assert [theirs(i) for i in range(2)] == pytest.approx([float(ours(i)) for i in range(2)], rel=1e-5)


def test_an_epoch_ends_near_the_one_by_hand(monkeypatch):
    from benchmarks import child, epoch
    from benchmarks.installed import BY_HAND

    contenders = ["pullback", epoch.LOADER, BY_HAND]
    done = child.run("benchmarks.epoch:timings", one_thread=True, contenders=contenders, rounds=1, items=640)
    assert all(done["samples"][c]["s"][0] > 0 for c in contenders)
    x, labels = epoch.problem(640)
    assert max(done["losses"].values()) < 0.99 * epoch.loss_of(epoch._weights(), x, labels)  # and it is training

    def idle(x, labels):
        return lambda: None, epoch._weights

    monkeypatch.setattr(epoch, "BOUND", 0.001)
    monkeypatch.setitem(epoch.EPOCHS, "other", idle)
    with pytest.raises(ArithmeticError, match="other ends at a loss"):
        epoch.timings(["other"], rounds=1, items=640)


def test_the_first_step_comes_from_the_disk_the_second_time(tmp_path):
    from benchmarks import first_step

    stored = {"PULLBACK_CACHE": str(tmp_path)}
    assert first_step._child("pullback", "W6", stored)[first_step.COLD] > 0
    files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert files
    assert first_step._child("pullback", "W6", stored)[first_step.COLD] > 0
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files


def test_a_first_step_from_the_disk_takes_little_longer_than_a_later_one():
    from benchmarks import first_step

    samples = first_step._stored("W6", 2)
    assert len(samples) == 2
    for s in samples:
        assert 0 < s[first_step.LATER] < s[first_step.COLD]
    anew = first_step._without_caches("pullback", "W6")
    assert min(s[first_step.COMPILING] for s in samples) < 0.5 * anew[first_step.COMPILING]


def test_a_compiled_chain_is_checked_and_a_long_one_gives_advice(monkeypatch):
    from benchmarks import unrolled

    done = unrolled.compiled("pullback", 50)
    assert done["first"] > 0 and len(done["seconds"]) == unrolled.ROUNDS
    assert unrolled.long(50)["advice"] == "compiled"
    monkeypatch.setattr(importlib.import_module("pullback.compile.compiled"), "LARGEST", 20)
    assert "scan" in unrolled.long(50)["advice"]
    monkeypatch.setitem(unrolled.COMPILED, "other", lambda length: lambda: (0.5, 0.6))
    with pytest.raises(ArithmeticError, match="other computed"):
        unrolled.compiled("other", 50)


def test_second_derivatives_are_compared_with_differences(monkeypatch):
    from benchmarks import second_order

    samples = second_order.timings(["pullback"], rounds=1)
    assert set(samples["pullback"]) == set(second_order.QUANTITIES)

    def other(w1, w2, x, v):
        return second_order.pullback(w1, w2, x, 1.01 * v)

    monkeypatch.setitem(second_order.DERIVATIVES, "other", other)
    with pytest.raises(ArithmeticError, match="Hessian × vector"):
        second_order.timings(["other"], rounds=1)


def test_growth_compares_the_losses_of_every_size(monkeypatch):
    from benchmarks import child, growth
    from benchmarks.trainers import EAGER

    shape = {"width": 8, "depth": 2, "batch": 4}
    samples = child.run("benchmarks.growth:timings", one_thread=True, contenders=["pullback", EAGER], rounds=1, **shape)
    assert len(samples["pullback"]["µs"]) == 1

    def other(weights, x, labels):
        return growth.pullback([1.1 * w for w in weights], x, labels, compiled=False)

    monkeypatch.setitem(growth.STEPS, "other", other)
    with pytest.raises(ArithmeticError, match="other computes other losses"):
        growth.timings([EAGER, "other"], rounds=1, **shape)


def test_no_product_is_quicker_than_the_peak():
    from benchmarks import child

    done = child.run("benchmarks.floor:beside_a_product", one_thread=True)
    assert 0.1 * done["peak"] < done["product"]
    assert done["two threads"] > 0.5 * done["peak"]  # which other programs may have the second core of
    if sys.platform != "darwin":  # where NumPy's library has a matrix unit that no vector instruction reaches
        assert done["product"] < 1.1 * done["peak"]


@pytest.mark.slow
def test_the_operations_are_those_that_torch_counts():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.workloads import in_torch
    from benchmarks.workloads.operations import OPERATIONS
    from benchmarks.workloads.problems import PROBLEMS

    assert OPERATIONS.keys() == PROBLEMS.keys()
    for name, ours in OPERATIONS.items():
        step = in_torch.step(PROBLEMS[name]())
        # Products one by one: torch does not count those inside its fused LSTM and attention.
        before = torch.backends.mkldnn.set_flags(name != "W4")
        try:
            with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
                step(0)
        finally:
            torch.backends.mkldnn.set_flags(before[0])
        theirs = counted.get_total_flops()
        if name == "W5":  # of 128 × 128 scores torch computes all, and 128 · 129 / 2 are seen
            theirs -= 4 * 2 * 16 * 128 * 6 * (128 * 128 - 128 * 129 // 2)
        assert theirs == ours, name


@pytest.mark.slow
def test_tinygrad_trains_the_same_moons():
    pytest.importorskip("tinygrad", reason="tinygrad is not installed")
    from benchmarks import child
    from benchmarks.trainers import absent

    why = absent("tinygrad", "W6")
    if why is not None:
        pytest.skip(why)
    done = child.run(
        "benchmarks.compiled:timings", one_thread=True, contenders=["tinygrad"], workload="W6", threads=1, rounds=2
    )
    assert done["failed"] == {} and done["apart"]["tinygrad"] < 1e-5


def test_the_first_steps_compiling_is_told_apart():
    from benchmarks import first_step

    taken = first_step._without_caches("pullback", "W6")
    assert 0.3 * taken[first_step.COLD] < taken[first_step.COMPILING] <= taken[first_step.COLD] * 1.5


def test_who_is_slow_takes_part_seldom():
    from benchmarks.measure import interleaved

    samples = interleaved({"quick": lambda: {"s": 1.0}, "slow": lambda: {"s": 2.0}}, 11, rare=["slow"])
    assert {c: len(s["s"]) for c, s in samples.items()} == {"quick": 11, "slow": 3}
