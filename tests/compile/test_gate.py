"""Calls of which nothing is new go through the gate; whatever is new is seen by it, and nothing ends the process."""

import gc
import subprocess
import sys
import textwrap
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.compile import gate
from pullback.compile.runner import Runner

pytestmark = pytest.mark.skipif(not gate.supported(), reason="this interpreter has no gates")


@pytest.fixture
def runs(monkeypatch):
    """Count the runs that do not go through the gate."""
    counted = []
    run = Runner.run

    def counting(self, *args):
        counted.append(self)
        return run(self, *args)

    monkeypatch.setattr(Runner, "run", counting)
    return counted


def training(features=6, classes=3, dtype=np.float32):
    pb.random.manual_seed(0)
    model = nn.Sequential(nn.Linear(features, 5), nn.ReLU(), nn.Linear(5, classes))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loss_of = nn.CrossEntropyLoss()

    def step(x, labels):
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def batches(count, rows=8):
    rng = np.random.default_rng(1)
    return [(rng.random((rows, 6), dtype=np.float32), rng.integers(0, 3, rows)) for _ in range(count)]


def steady(step, *args, times=8):
    for _ in range(times):
        step(*args)


def test_calls_that_look_alike_go_through_the_gate_and_train_as_eager_steps_do(runs):
    model, eager = training()
    twin, twin_step = training()
    step = pb.compile(twin_step)
    for x, labels in batches(30):
        assert float(step(x, labels)) == pytest.approx(float(eager(x, labels)), rel=1e-5)
    assert len(runs) < 8
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-5)


def test_arrays_and_tensors_may_be_mixed(runs):
    _, eager = training()
    step = pb.compile(training()[1])
    forms = [np.asarray, pb.tensor]
    for i, (x, labels) in enumerate(batches(24)):
        x, labels = forms[i % 2](x), forms[i // 2 % 2](labels)
        assert float(step(x, labels)) == pytest.approx(float(eager(x, labels)), rel=1e-5)
    assert len(runs) < 8


def test_a_parameter_that_somebody_holds_keeps_its_old_numbers():
    model, eager_step = training()
    step = pb.compile(eager_step)
    data = batches(12)
    for x, labels in data[:8]:
        step(x, labels)
    held = model[0].weight.numpy()
    before = held.copy()
    step(*data[8])
    np.testing.assert_array_equal(held, before)
    assert not np.array_equal(model[0].weight.numpy(), before)
    view = model[0].weight.numpy()[1:]
    kept = view.copy()
    step(*data[9])
    np.testing.assert_array_equal(view, kept)


def test_a_value_assigned_directly_to_a_cell_is_seen():
    model, eager_step = training()
    step = pb.compile(eager_step)
    steady(step, *batches(1)[0])
    twin, twin_step = training()
    new = {name: 0.5 * value for name, value in twin.state_dict().items()}
    cells = [p._payload for p in model.parameters()]
    for cell, value in zip(cells, new.values(), strict=True):
        cell.value = value.numpy().copy()
    x, labels = batches(1)[0]
    twin.load_state_dict(new)
    assert float(step(x, labels)) == pytest.approx(float(twin_step(x, labels)), rel=1e-5)


def test_gradients_put_to_none_outside_come_back():
    model, eager_step = training()
    step = pb.compile(eager_step)
    x, labels = batches(1)[0]
    steady(step, x, labels)
    for p in model.parameters():
        p.grad = None
    step(x, labels)
    assert all(p.grad is not None for p in model.parameters())
    steady(step, x, labels)
    assert all(p.grad is not None for p in model.parameters())


def test_a_mode_that_changes_is_seen(runs):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, momentum=0.0))
    x = np.random.default_rng(0).random((16, 4), dtype=np.float32)

    def plain(x):
        with pb.no_grad():
            return model(x)

    run = pb.compile(plain)
    for training in (True, False, True):
        model.train(training)
        expected = plain(x).numpy()
        runs.clear()
        for _ in range(12):
            np.testing.assert_allclose(run(x).numpy(), expected, rtol=1e-5, atol=1e-6)
        assert len(runs) < 8


def test_a_parameter_that_is_frozen_no_longer_changes():
    model, eager_step = training()
    step = pb.compile(eager_step)
    x, labels = batches(1)[0]
    steady(step, x, labels)
    model[0].weight.requires_grad_(False)
    before = model[0].weight.numpy().copy(), model[2].weight.numpy().copy()
    step(x, labels)
    np.testing.assert_array_equal(model[0].weight.numpy(), before[0])
    assert not np.array_equal(model[2].weight.numpy(), before[1])


def test_a_call_inside_a_transform_or_for_a_gradient_is_seen():
    double = pb.compile(lambda x: pb.sum(x * x))
    x = pb.tensor([1.0, 2.0, 3.0])
    steady(double, x)
    np.testing.assert_allclose(pb.grad(double)(x).numpy(), [2.0, 4.0, 6.0])
    rows = pb.tensor(np.arange(6.0).reshape(2, 3).astype(np.float32))
    np.testing.assert_allclose(pb.vmap(double)(rows).numpy(), [5.0, 50.0])
    leaf = pb.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.warns(UserWarning, match="differentiated further"):
        double(leaf).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), [2.0, 4.0, 6.0])
    weight = pb.tensor([2.0, 3.0, 4.0], requires_grad=True)
    scaled = pb.compile(lambda x: pb.sum(weight * x))
    with pb.no_grad():
        steady(scaled, x)
    with pytest.warns(UserWarning, match="differentiated further"):
        scaled(x).backward()
    np.testing.assert_allclose(weight.grad.numpy(), [1.0, 2.0, 3.0])


def test_results_are_fresh_arrays_and_outlive_the_next_call(runs):
    scale = pb.compile(lambda x: (3 * x, pb.sum(x), x + 1))
    xs = [np.full((2, 3), i, np.float32) for i in range(12)]
    results = [scale(x) for x in xs]
    assert len(runs) < 8
    for i, (y, total, z) in enumerate(results):
        np.testing.assert_array_equal(y.numpy(), np.full((2, 3), 3 * i))
        assert float(total) == 6 * i
        np.testing.assert_array_equal(z.numpy(), np.full((2, 3), i + 1))


def test_large_results_and_the_results_own_memory_may_be_arguments(runs):
    advance = pb.compile(lambda x: x * 0.5 + 1)
    x = pb.tensor(np.zeros((40, 50), np.float32))
    expected = np.zeros((40, 50), np.float32)
    for _ in range(15):
        x, expected = advance(x), expected * np.float32(0.5) + 1
        np.testing.assert_array_equal(x.numpy(), expected)
    assert len(runs) < 8


@pytest.mark.parametrize(
    "bad",
    [
        lambda x: x.T,
        lambda x: x[:, ::2],
        lambda x: x[:1],
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x[:0],
        lambda x: x[None],
        lambda x: np.ma.masked_array(x),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
        lambda x: x.copy(order="F"),
        lambda x: pb.tensor(x, requires_grad=True),
        lambda x: pb.Tensor.__new__(pb.Tensor),
        lambda x: x.tolist(),
        lambda x: None,
        lambda x: "text",
        lambda x: 2.0,
        lambda x: 3,
    ],
)
def test_an_argument_of_another_kind_does_what_it_does_without_a_gate(bad):
    def outcome(function, x):
        try:
            with pb.no_grad():
                return np.asarray(function(x))
        except Exception as error:
            return type(error)

    def new():
        return pb.compile(lambda x: 2 * x + 1)

    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    run = new()
    steady(run, x)
    found, wanted = outcome(run, bad(x)), outcome(new(), bad(x))
    assert isinstance(found, type) == isinstance(wanted, type)
    if isinstance(found, type):
        assert found is wanted
    else:
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(run(x).numpy(), 2 * x + 1)


def pair(x, y, scale=1, *, mode="sum"):
    return scale * (x + y if mode == "sum" else x - y)


def in_a_tuple(batch, scale=1, mode="sum"):
    return pair(*batch, scale, mode=mode)


def in_a_dict(batch, extra=None):
    return pair(batch["x"], batch["y"], mode="difference") if extra is None else extra * batch["x"]


def deep(first, rest):
    return first["a"][0] - rest[1].x * rest[1].y


class Point(NamedTuple):
    x: Any
    y: Any


FORMS = {
    "by keyword": (pair, lambda x, y: ((), {"y": y, "x": x})),
    "a static argument": (pair, lambda x, y: ((x, y), {"mode": "difference"})),
    "a number": (pair, lambda x, y: ((x, y, float(x[0])), {})),
    "a whole number": (pair, lambda x, y: ((x, y, int(10 * x[0])), {})),
    "a number by keyword": (pair, lambda x, y: ((x, y), {"scale": 2.5, "mode": "difference"})),
    "a tuple": (in_a_tuple, lambda x, y: (((x, y),), {})),
    "a list and more": (in_a_tuple, lambda x, y: (([x, y], 3), {"mode": "difference"})),
    "a dict": (in_a_dict, lambda x, y: (({"x": x, "y": y},), {})),
    "None": (in_a_dict, lambda x, y: (({"x": x, "y": y}, None), {})),
    "nested": (deep, lambda x, y: (({"a": [x, None]}, ("text", Point(x, y))), {})),
}


@pytest.mark.parametrize("name", FORMS)
def test_arguments_may_come_in_any_form(runs, name):
    function, call = FORMS[name]
    run = pb.compile(function)
    rng = np.random.default_rng(0)
    for _ in range(16):
        x, y = rng.random((2, 5), dtype=np.float32)
        args, kwargs = call(x, y)
        np.testing.assert_allclose(run(*args, **kwargs).numpy(), function(*args, **kwargs), rtol=1e-5, atol=1e-6)
    assert len(runs) < 8


@pytest.mark.parametrize("name", FORMS)
def test_another_form_is_another_call(name):
    """After many calls in one form all others give what they give by themselves."""
    function, call = FORMS[name]
    x, y = np.random.default_rng(1).random((2, 5), dtype=np.float32)
    args, kwargs = call(x, y)
    run = pb.compile(function)
    others = [((x, y), {}), ((y, x), {}), ((x,), {"y": y}), ((), {"x": x, "y": y}), ((x, y, 2.0), {}), ((x, y, 2), {})]
    others += [((x, y, True), {}), ((x, y), {"mode": "sum"}), (((x, y),), {}), (([x, y],), {}), (((y, x), 2), {})]
    others += [(({"x": x, "y": y},), {}), (({"y": x, "x": y},), {}), (({"x": x, "y": y}, x), {}), ((), {})]
    others += [(({"x": x, "y": y, "z": x},), {}), (((x, y, x),), {}), ((x, y, 10**30), {}), (args, {**kwargs, "z": 1})]
    for other_args, other_kwargs in others:
        for _ in range(6):
            run(*args, **kwargs)

        def outcome(f, args=other_args, kwargs=other_kwargs):
            try:
                return np.asarray(f(*args, **kwargs))
            except Exception as error:
                return type(error)

        found, wanted = outcome(run), outcome(pb.compile(function))
        if isinstance(wanted, type):
            assert found is wanted, (other_args, other_kwargs)
        else:
            np.testing.assert_array_equal(found, wanted)


def test_what_is_drawn_inside_a_checkpoint_is_drawn_again_on_the_way_back():
    def slope(wrap):
        pb.random.manual_seed(0)
        draw = wrap(lambda: pb.random.uniform((40,)))
        w = pb.tensor(np.ones(40, np.float32), requires_grad=True)
        for _ in range(8):
            w.grad = None
            pb.sum(pb.checkpoint(lambda w: pb.sin(w * draw()))(w)).backward()
        return w.grad.numpy()

    np.testing.assert_allclose(slope(pb.compile), slope(lambda f: f), rtol=1e-5)


def test_more_or_fewer_arguments_are_refused_as_ever():
    run = pb.compile(lambda x, y: x + y)
    x = np.ones(3, np.float32)
    steady(run, x, x)
    for args in ((x,), (x, x, x), ()):
        with pytest.raises(TypeError):
            run(*args)
    np.testing.assert_array_equal(run(x, y=x).numpy(), [2, 2, 2])


def test_two_plans_that_share_their_state_leave_each_others_arrays_where_they_are(runs):
    pb.random.manual_seed(0)
    twin, twin_step = training()
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    model.load_state_dict(twin.state_dict())
    optimizer, loss_of = optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss()

    @pb.compile
    def gradients(x, labels):
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        return loss.detach()

    @pb.compile
    def update():
        optimizer.step()

    where = set()
    for i, (x, labels) in enumerate(batches(30)):
        assert float(gradients(x, labels)) == pytest.approx(float(twin_step(x, labels)), rel=1e-5)
        update()
        if i > 8:
            where.add(model[0].weight._payload.value.__array_interface__["data"][0])
    assert len(runs) < 16
    assert len(where) == 1
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("times", [3, 12])
def test_state_that_is_gone_is_no_longer_read(times):
    weight = pb.tensor(np.ones(1000, np.float32), requires_grad=True)
    cell = weight._payload

    def scaled(x):
        with pb.no_grad():
            return weight * x

    run = pb.compile(scaled)
    x = np.full(1000, 2, np.float32)
    steady(run, x, times=times)
    for number in (3, 4, 5):
        cell.value = None
        gc.collect()
        with pytest.raises(Exception):  # noqa: B017 - whatever it is, as without pb.compile
            run(x)
        assert run.report().kernels
        cell.value = np.full(1000, number, np.float32)
        for _ in range(6):
            np.testing.assert_array_equal(run(x).numpy(), np.full(1000, 2 * number))
        cell.value = np.full(1000, -number, np.float32)
        assert run.report().kernels
        np.testing.assert_array_equal(run(x).numpy(), np.full(1000, -2 * number))


def test_an_array_in_the_place_of_one_that_is_gone_is_another():
    weight = pb.tensor(np.ones(1000, np.float32), requires_grad=True)
    cell = weight._payload

    def scaled(x):
        with pb.no_grad():
            return weight * x

    run = pb.compile(scaled)
    x = np.full(1000, 2, np.float32)
    same_address = 0
    for number in range(20):
        steady(run, x, times=6)
        before, other = id(cell.value), np.full(1000, number, np.float32)
        cell.value = None
        cell.value = other[:]  # a new object, whose numbers lie elsewhere
        same_address += id(cell.value) == before
        np.testing.assert_array_equal(run(x).numpy(), np.full(1000, 2 * number))
    assert same_address, "the interpreter gave no object the address of one that was gone: this showed nothing"


def test_arguments_that_may_only_be_read_go_through(runs):
    run = pb.compile(lambda x: x * 2)
    x = np.ones(3, np.float32)
    x.flags.writeable = False
    steady(run, x, times=12)
    assert len(runs) < 8


def test_a_failing_check_raises_the_eager_error_and_changes_nothing():
    model, eager_step = training()
    step = pb.compile(eager_step)
    x, labels = batches(1)[0]
    steady(step, x, labels)
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    wrong = labels.copy()
    wrong[2] = 99
    with pytest.raises(IndexError) as error:
        step(x, wrong)
    with pytest.raises(IndexError) as eager_error:
        training()[1](x, wrong)
    assert str(error.value) == str(eager_error.value)
    for k, v in model.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), before[k])
    assert np.isfinite(float(step(x, labels)))


def test_batches_of_two_shapes_take_turns():
    _, eager = training()
    step = pb.compile(training()[1])
    small, large = batches(40), batches(40, rows=5)
    for i in range(40):
        x, labels = (small if i % 9 else large)[i]
        assert float(step(x, labels)) == pytest.approx(float(eager(x, labels)), rel=1e-4)


def test_the_number_of_threads_may_change():
    _, eager = training()
    step = pb.compile(training()[1])
    before = pb.get_num_threads()
    try:
        for i, (x, labels) in enumerate(batches(60)):
            if i % 15 == 0:
                pb.set_num_threads(1 + i // 15 % 2)
            assert float(step(x, labels)) == pytest.approx(float(eager(x, labels)), rel=1e-4)
    finally:
        pb.set_num_threads(before)


def test_the_report_comes_after_the_arguments_are_gone():
    step = pb.compile(training()[1])
    for x, labels in batches(9):
        step(x, labels)
    del x, labels
    gc.collect()
    assert step.report().kernels
    assert np.isfinite(float(step(*batches(1)[0])))


def test_verify_compares_every_call(monkeypatch):
    from pullback.compile import verifying

    calls = []
    compared = verifying.compared
    monkeypatch.setattr(verifying, "compared", lambda *args: calls.append(1) or compared(*args))
    step = pb.compile(training()[1], verify=True)
    steady(step, *batches(1)[0], times=9)
    assert len(calls) == 9


def test_many_threads_call_one_function():
    run = pb.compile(lambda x: (pb.sum(x), x * 2))
    failures = []

    def work(number):
        x = np.full((30, 30), number, np.float32)
        for _ in range(300):
            total, double = run(x)
            if float(total) != 900 * number or not (double.numpy() == 2 * number).all():
                failures.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_a_call_from_within_a_call_has_results_of_its_own(monkeypatch):
    # A signal or a finaliser may call the function while it is handing its results back.
    run = pb.compile(lambda x: x * 2)
    ones, threes = np.ones(3, np.float32), np.full(3, 3, np.float32)
    steady(run, ones)
    runner = run.last
    place, new, slot = runner.fresh[0]
    inner = []

    def calling():
        if not inner:
            inner.append(None)
            inner[0] = run(threes)
        return new()

    runner.fresh[0] = (place, calling, slot)
    run._enter = None
    runner.steady = 3
    inner.append(None)
    run(ones)  # makes the entrance anew
    assert run._enter is not None
    inner.clear()
    np.testing.assert_array_equal(run(ones).numpy(), [2, 2, 2])
    np.testing.assert_array_equal(inner[0].numpy(), [6, 6, 6])


def test_objects_do_not_gather(runs):
    step = pb.compile(training()[1])
    x, labels = batches(1)[0]
    steady(step, x, labels, times=20)
    counts = sys.getrefcount(x), sys.getrefcount(None), sys.getrefcount(True), sys.getrefcount(np.dtype(np.float32))
    steady(step, x, labels, times=1000)
    after = sys.getrefcount(x), sys.getrefcount(None), sys.getrefcount(True), sys.getrefcount(np.dtype(np.float32))
    assert all(abs(a - b) < 50 for a, b in zip(after, counts, strict=True))


# What might end the process runs in one of its own.
PROGRAMS = {
    "the end of the interpreter": """
        import atexit, sys
        class Late:
            def __del__(self):
                try:
                    run(x)
                except Exception:
                    pass
        late = Late()
        sys.late = Late()
        atexit.register(lambda: print("at exit", float(run(x)[0])))
        """,
    "a thread that is running when the interpreter ends": """
        import threading, time
        def work():
            while True:
                run(x)
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        """,
    "arguments that are freed at once": """
        for i in range(20000):
            assert float(run(np.full((4, 4), i % 7, np.float32))[0]) == 16 * (i % 7)
        """,
    "everything dropped": """
        import gc
        enter = run._enter
        assert enter is not None
        del run
        gc.collect()
        for i in range(1000):
            assert float(enter((x,), {})[0]) == 16
        """,
    "whatever comes as an argument": """
        values = [
            None, 1, 2.5, "s", b"b", object(), object, type, int, (), [x], {"x": x}, x.T, x[:2], x[0, 0], range(3),
            np.array(1.0), np.zeros((4, 4), ">f4"), np.zeros((4, 4), "M8[s]"), np.zeros((4, 4), object), memoryview(x),
            np.zeros((0, 4), "f"), np.zeros((4, 4), [("a", "f4")]), np.zeros((4, 4), np.float16), np.ma.zeros((4, 4)),
            pb.tensor(x), np.broadcast_to(np.float32(1), (4, 4)), np.zeros((1,) * 32, "f"), run,
            pb.Tensor.__new__(pb.Tensor),
        ]
        for a in values:
            for args in ((a,), (a, a), ()):
                try:
                    run(*args)
                except Exception:
                    pass
            assert float(run(x)[0]) == 16
        """,
    "a fork": """
        import os
        child = os.fork()
        if child == 0:
            os._exit(0 if float(run(x)[0]) == 16 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_process_lives(name):
    if name == "a fork" and not hasattr(__import__("os"), "fork"):
        pytest.skip("no fork here")
    head = """
        import numpy as np
        import pullback as pb
        run = pb.compile(lambda x: (pb.sum(x), x * 2))
        x = np.ones((4, 4), np.float32)
        for _ in range(9):
            run(x)
        assert run._enter is not None
        """
    code = textwrap.dedent(head) + textwrap.dedent(PROGRAMS[name]) + "\nprint('done')\n"
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout
