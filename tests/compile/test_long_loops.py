"""Loops of many steps: compiled as loops, their bodies once, and equal to eager ones in every respect."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn, optim
from pullback.compile import expand
from pullback.core.cell import Cell

RNG = np.random.default_rng(0)
W, H, XS = RNG.normal(size=(4, 4)) * 0.4, RNG.normal(size=4), RNG.normal(size=(9, 4))


@pytest.fixture(autouse=True)
def every_loop_is_one(monkeypatch):
    monkeypatch.setattr(expand, "UNROLLED", 0)


def arrays(values):
    leaves = values if isinstance(values, tuple | list) else [values]
    return [np.asarray(y) for x in leaves for y in (arrays(x) if isinstance(x, tuple | list) else [x]) if y is not None]


def equal(function, *args, rtol=1e-11, atol=1e-12, native=True):
    """Compile a function, compare it with eager, and return the report of the plan."""
    step = pb.compile(function)
    want, got = arrays(function(*args)), arrays(step(*args))
    for x, y in zip(got, want, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)
    again = arrays(step(*args))
    assert [x.tobytes() for x in again] == [x.tobytes() for x in got], "two runs give the same bits"
    report = step.report()
    assert all(k.native for k in report.kernels) == native
    return report


def recurrent(w, h, xs, **settings):
    last, rows = pb.scan(lambda h, x: (pb.tanh(w @ h + x), h * x), h, xs, **settings)
    return pb.sum(last * last) + pb.sum(pb.sin(rows))


FUNCTIONS = {
    "forward": recurrent,
    "from the end": lambda *args: recurrent(*args, reverse=True),
    "carries that swap": lambda w, h, xs: pb.sum(
        pb.scan(lambda c, x: ((c[1], c[0] * 0.5 + x), c[0]), (h, w[0]), xs)[0][0]
    ),
    "a carry that passes": lambda w, h, xs: pb.sum(
        pb.scan(lambda c, x: ((c[0], c[1] + pb.sin(c[0] * x)), c[0]), (h, w[0]), xs)[1]
    ),
    "entries given as they are": lambda w, h, xs: pb.sum(pb.scan(lambda c, x: (x, (x, c)), h, xs)[1][1] * h),
    "the same given twice": lambda w, h, xs: pb.sum(
        sum(pb.scan(lambda c, x: ((c + x) * 0.5, (c * x, c * x)), h, xs)[1])
    ),
    "gone through columns": lambda w, h, xs: pb.sum(
        pb.scan(lambda c, x: (c * 0.9 + pb.sum(x), x * c), pb.sum(h), pb.matrix_transpose(xs))[1]
    ),
    "gone through backwards": lambda w, h, xs: pb.sum(pb.scan(lambda c, x: (pb.sin(c + x), x * c), h, xs[::-1])[1]),
    "constants in the body": lambda w, h, xs: pb.sum(
        pb.scan(lambda c, x: (pb.tanh(c @ W + x), np.ones(2)), h, xs)[0]
    ),
    "the transposed weight": lambda w, h, xs: pb.sum(
        pb.scan(lambda c, x: (pb.tanh(c @ pb.matrix_transpose(w) + x), None), pb.stack([h, h * 2]), xs)[0]
    ),
    "a loop in a loop": lambda w, h, xs: pb.scan(
        lambda c, x: (pb.sin(c) + pb.scan(lambda d, y: (pb.sin(d) * c + y * y, None), pb.sum(x), x)[0], c),
        pb.sum(h),
        xs,
    )[0] * pb.sum(w),
    "one after the other": lambda w, h, xs: recurrent(
        w, *pb.scan(lambda c, x: (pb.cos(c * x), c + x), h, xs, reverse=True)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        lambda f: pb.grad(f, argnums=(0, 1, 2)),
        lambda f: pb.hessian(f, argnums=2),
        lambda f: pb.vmap(f, in_axes=(None, None, 1)),
        lambda f: pb.vmap(pb.grad(f, argnums=(0, 2)), in_axes=(0, None, None)),
    ],
    ids=["value", "slopes", "hessian", "batch", "slopes of a batch"],
)
def test_a_loop_equals_eager(name, transform, request):
    which = request.node.callspec.id
    args = (W, H, XS)
    if "batch" in which:
        args = (np.stack([W, W * 0.5]), H, XS) if "slopes" in which else (W, H, np.stack([XS] * 3, 1))
    report = equal(transform(FUNCTIONS[name]), *args)
    assert any(k.times > 1 for k in report.kernels) or "hessian" in which


@pytest.mark.parametrize("length", [0, 1, 2, 3, 50])
def test_any_number_of_steps(length):
    xs = np.random.default_rng(1).normal(size=(length, 4))
    for f in (recurrent, pb.grad(recurrent, argnums=(0, 1, 2))):
        step = pb.compile(f)
        for x, y in zip(arrays(step(W, H, xs)), arrays(f(W, H, xs)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-12)


def test_another_length_is_another_plan():
    step = pb.compile(recurrent)
    for length in (9, 5, 9, 1):
        assert float(step(W, H, XS[:length])) == pytest.approx(float(recurrent(W, H, XS[:length])), rel=1e-12)
    assert sum(map(len, step.graphs.values())) == 3


def test_carries_of_several_dtypes():
    def f(xs, flags):
        def turn(c, row):
            count, any_of_them, total, small = c
            x, flag = row
            count = count + pb.where(flag, 1, 0)
            large = x > 0.5
            return (count, any_of_them | large, total + x, small * pb.astype(2, "uint8") + 1), (count, large, small)

        init = (np.int64(0), np.zeros(3, bool), np.zeros(3, np.float32), np.ones((), np.uint8))
        return pb.scan(turn, init, (xs, flags))

    rng = np.random.default_rng(2)
    equal(f, rng.normal(size=(7, 3)).astype(np.float32), rng.integers(0, 2, 7).astype(bool))


def test_without_entries_and_without_carry():
    equal(lambda x: pb.scan(lambda c, _: (pb.sin(c), c), x, None, length=6), H)
    equal(lambda xs: pb.map(lambda x: pb.sum(x) * x, xs), XS)
    equal(lambda x: pb.fori_loop(0, 7, lambda i, c: c * 0.5 + i, x), H)


def test_what_is_not_a_number_comes_through():
    xs = np.array([[1.0, np.nan], [np.inf, 0.0], [-0.0, -np.inf], [1e300, 5e-324]])
    with np.errstate(all="ignore"):
        equal(lambda xs: pb.scan(lambda c, x: (c + x, c * x), np.zeros(2), xs), xs)
        equal(lambda xs: pb.scan(lambda c, x: (pb.maximum(c, x), pb.minimum(c, -x)), np.zeros(2), xs), xs)


def test_random_numbers_of_the_body_are_the_eager_ones():
    def f(x):
        layer = nn.Dropout(0.4)
        return pb.scan(lambda c, row: (layer(c) + row, pb.random.normal((2,))), pb.sum(x, axis=0) * 0, x)

    x = np.random.default_rng(3).normal(size=(8, 5)).astype(np.float32)
    step = pb.compile(f)
    pb.random.manual_seed(5)
    want = [arrays(f(pb.tensor(x))) for _ in range(3)]
    pb.random.manual_seed(5)
    got = [arrays(step(x)) for _ in range(3)]
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(b[0], a[0], rtol=1e-6)
        np.testing.assert_allclose(b[1], a[1], rtol=1e-5, atol=1e-6)
    assert not np.array_equal(got[0][0], got[1][0])


def test_cells_that_the_body_writes():
    seen = Cell(np.zeros((), np.int64), name="seen")
    mean = Cell(np.zeros(4), name="mean")

    def turn(c, x):
        seen.write(seen.read() + 1)
        mean.write(mean.read() * 0.9 + x * 0.1)
        return c + mean.read(), None

    def f(xs):
        return pb.scan(turn, xs[0] * 0, xs)[0]

    want = [arrays(f(pb.tensor(XS)))[0] for _ in range(2)]
    state = np.asarray(seen.value), np.asarray(mean.value)
    seen.value, mean.value = np.zeros((), np.int64), np.zeros(4)
    step = pb.compile(f)
    got = [arrays(step(XS))[0] for _ in range(2)]
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert seen.value == state[0] == 18
    np.testing.assert_allclose(mean.value, state[1], rtol=1e-12)


def embedded(table, ids, start):
    return pb.scan(lambda c, i: (c * 0.5 + table[i], pb.sum(table[i] * c)), start, ids)


def test_rows_of_a_table_chosen_in_the_body():
    rng = np.random.default_rng(4)
    table, ids = rng.normal(size=(6, 3)), rng.integers(0, 6, size=(11,))
    equal(embedded, table, ids, np.ones(3))
    equal(pb.grad(lambda t: pb.sum(embedded(t, ids, np.ones(3))[0])), table)


@pytest.mark.parametrize("where", ["an entry", "the carry"])
def test_a_check_that_fails_changes_nothing(where):
    weight = nn.Parameter(pb.tensor(np.ones((5, 2), np.float32)))
    optimizer = optim.SGD([weight], lr=0.1)

    def f(ids, start):
        optimizer.zero_grad()

        def turn(c, i):
            at = i if where == "an entry" else c[0]
            return (c[0] + i, c[1] + weight[at]), None

        (_, total), _ = pb.scan(turn, (start, np.zeros(2, np.float32)), ids)
        loss = pb.sum(total * total)
        loss.backward()
        optimizer.step()
        return loss

    step = pb.compile(f)
    good, bad = np.array([0, 1, 1, 0]), np.array([0, 1, 7, 1])
    zero = np.int64(0)
    step(good, zero)
    before = weight.numpy().copy()
    with pytest.raises(IndexError):
        step(bad, zero)
    assert np.array_equal(weight.numpy(), before)
    step(good, zero)
    assert not np.array_equal(weight.numpy(), before)


def test_a_body_with_a_mapping_that_has_no_kernel_runs_as_it_is():
    report = equal(lambda xs: pb.scan(lambda c, x: (pb.lgamma(c + x), None), xs[0], xs)[0], XS, native=False)
    assert any("scan" in k.mappings and not k.native for k in report.kernels)


def lstm(length=40, batch=8, width=96):
    pb.random.manual_seed(0)
    cell, head = nn.LSTMCell(12, width), nn.Linear(width, 3)
    optimizer = optim.Adam([*cell.parameters(), *head.parameters()], lr=0.01)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(length, batch, 12)).astype(np.float32)
    y = rng.integers(0, 3, batch)

    def step(x, y):
        optimizer.zero_grad()
        start = np.zeros((batch, width), np.float32)
        (last, _), _ = pb.scan(lambda c, row: (cell(row, c), None), (start, start), x)
        loss = nn.CrossEntropyLoss()(head(last), y)
        loss.backward()
        optimizer.step()
        return loss

    return [*cell.parameters(), *head.parameters()], step, x, y


def test_a_training_step_equals_eager_and_verifies():
    (there, eager, x, y), (here, function, _, _) = lstm(), lstm()
    step = pb.compile(function, verify=True)
    want, got = ([float(f(x, y)) for _ in range(10)] for f in (eager, step))
    np.testing.assert_allclose(got, want, rtol=1e-4)
    for p, q in zip(here, there, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), atol=2e-4)
    report = step.report()
    assert all(k.native for k in report.kernels)
    products = [k for k in report.kernels if "matmul" in k.mappings and k.times == 40]
    assert len(products) >= 4, "forward and backward are loops"
    assert "×40 " in str(report)


def test_two_threads_give_the_same_bits():
    results = []
    before = pb.get_num_threads()
    try:
        for threads in (1, 2, 2):
            pb.set_num_threads(threads)
            parameters, function, x, y = lstm(length=30, batch=32, width=128)
            step = pb.compile(function)
            losses = [float(step(x, y)) for _ in range(15)]
            results.append([np.array(losses).tobytes(), *(p.numpy().tobytes() for p in parameters)])
            runner = step.last
            assert threads == 1 or runner.sharing.times[True], "both ways have been tried"
    finally:
        pb.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("batch", [1, 2, 3, 16])
@pytest.mark.parametrize("reverse", [False, True])
def test_slopes_of_weights_are_one_product_where_that_pays(batch, reverse):
    rng = np.random.default_rng(7)
    w, v = rng.normal(size=(16, 16)) * 0.2, rng.normal(size=(6, 16))
    h, xs = rng.normal(size=(batch, 16)), rng.normal(size=(30, batch, 6))

    def f(w, v, h, xs):
        last, rows = pb.scan(lambda h, x: (pb.tanh(h @ w + x @ v), h), h, xs, reverse=reverse)
        return pb.sum(last * last) + pb.sum(rows)

    report = equal(pb.grad(f, argnums=(0, 1, 2, 3)), w, v, h, xs)
    behind = [k for k in report.kernels if k.kind == "product" and k.times == 1]
    assert len(behind) == (2 if batch <= 2 else 0)
    equal(pb.grad(lambda w, v: pb.sum(pb.grad(f)(w, v, h, xs) ** 2), argnums=(0, 1)), w, v)


def test_checks_in_loops_with_two_threads(monkeypatch):
    """A loop that may stop the plan is run by one thread, between kernels that are shared."""
    shared = []
    monkeypatch.setattr("pullback.compile.sharing.Sharing.choose", lambda self: True)
    monkeypatch.setattr("pullback.compile.sharing.Sharing.took", lambda self, shared_, seconds: shared.append(shared_))
    rng = np.random.default_rng(6)
    table = pb.tensor(rng.normal(size=(5, 96)).astype(np.float32))
    w = rng.normal(size=(96, 96)).astype(np.float32) * 0.1
    x = rng.normal(size=(64, 96)).astype(np.float32)

    def f(ids, start, w, x):
        before = pb.tanh(x @ w)[ids[0]]
        (_, total), _ = pb.scan(lambda c, i: ((c[0] + i, c[1] * 0.5 + table[c[0]]), None), (start, before), ids)
        rows, _ = pb.scan(lambda c, i: (pb.tanh(c @ w), i), x * pb.sum(total), ids)
        return pb.sum(rows) + pb.sum(total)

    before = pb.get_num_threads()
    try:
        pb.set_num_threads(2)
        step = pb.compile(f)
        for _ in range(40):
            for ids in (np.array([1, 1, 0, 1]), np.array([0, 2, 1, 0])):
                want = float(f(ids, np.int64(0), w, x))
                assert float(step(ids, np.int64(0), w, x)) == pytest.approx(want, rel=1e-4)
        with pytest.raises(IndexError):
            step(np.array([1, 4, 1, 0]), np.int64(0), w, x)
        assert any(shared)
    finally:
        pb.set_num_threads(before)


def test_a_chain_that_is_too_long_to_be_written_out_is_a_short_loop():
    """What the warning of a graph of too many mappings advises."""
    factor = 2 ** (1 / 100_000)
    chain = pb.compile(pb.value_and_grad(lambda y: pb.scan(lambda y, _: (y * factor, None), y, length=100_000)[0]))
    value, slope = chain(np.float64(1.0))
    assert float(value) == pytest.approx(2.0, rel=1e-9)
    assert float(slope) == pytest.approx(2.0, rel=1e-9)
    kernels = chain.report().kernels
    assert all(k.native for k in kernels)
    assert len(kernels) < 8
    assert max(k.times for k in kernels) == 100_000


def test_drawings_say_how_often_a_loop_runs():
    step = pb.compile(recurrent)
    assert "scan ×9" in pb.graph(step.graph(W, H, XS)).mermaid()


OPERATIONS = {
    "tanh": pb.tanh,
    "sin": pb.sin,
    "square": lambda x: pb.square(x) * 0.3,
    "relu": pb.relu,
    "softmax": lambda x: pb.softmax(x, axis=-1) if x.ndim else x,
    "sum kept": lambda x: pb.sum(x, axis=-1, keepdims=True) * 0.2 if x.ndim else x,
    "reversed": lambda x: x[::-1] if x.ndim else x,
    "centred": lambda x: x - pb.mean(x),
}


def drawn(seed):
    """Return a function of arrays with a loop in it whose body is drawn, and its arguments."""
    rng = np.random.default_rng(seed)
    dtype = (np.float32, np.float64)[rng.integers(2)]
    shape = [(), (5,), (3, 4), (17,), (2, 33)][rng.integers(5)]
    carries, entries = int(rng.integers(1, 4)), int(rng.integers(0, 3))
    length = int(rng.integers(1, 12))
    arguments = [rng.normal(size=shape) for _ in range(carries + 1)]
    arguments += [rng.normal(size=(length, *shape)) for _ in range(entries)]
    moves = [
        (str(rng.choice([*OPERATIONS, "add", "multiply", "where"])), *rng.integers(0, 1 << 20, size=2))
        for _ in range(rng.integers(2, 10))
    ]
    outs = rng.integers(0, 1 << 20, size=carries + int(rng.integers(0, 3)))
    reverse = bool(rng.integers(2))

    def f(constant, *rest):
        def turn(carry, rows):
            known = [constant, *carry, *rows]
            for name, a, b in moves:
                x, y = known[a % len(known)], known[b % len(known)]
                if name == "add":
                    known.append((x + y) * 0.5)
                elif name == "multiply":
                    known.append(x * pb.sin(y))
                elif name == "where":
                    known.append(pb.where(x > y, x, y * 0.7))
                else:
                    known.append(OPERATIONS[name](x))
            fitting = [x for x in known if x.shape == shape]
            chosen = [fitting[o % len(fitting)] for o in outs[:carries]]
            return tuple(pb.tanh(x) if o % 3 else x for x, o in zip(chosen, outs, strict=False)), tuple(
                known[o % len(known)] for o in outs[carries:]
            )

        last, given = pb.scan(turn, tuple(rest[:carries]), tuple(rest[carries:]), length=length, reverse=reverse)
        return sum(pb.mean(x) * (i + 1) for i, x in enumerate([*last, *given]))

    return f, [np.asarray(x, dtype) for x in arguments]


@pytest.mark.parametrize("seeds", range(5))
def test_drawn_bodies_equal_eager(seeds):
    for seed in range(8 * seeds, 8 * seeds + 8):
        f, arguments = drawn(seed)
        single = arguments[0].dtype == np.float32
        both = pb.value_and_grad(f, argnums=tuple(range(len(arguments))))
        scale = max(1.0, *(np.abs(x).max() for x in arrays(both(*arguments))))
        equal(both, *arguments, rtol=0, atol=scale * (1e-4 if single else 1e-10))
