"""scan equals the Python loop: values bit for bit, derivatives of any order, batches, recordings."""

import gc
import time
import tracemalloc

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import DtypeError, EscapedValueError, ShapeError, TraceError, UnsupportedError
from pullback.transforms.node import Node, Part
from pullback.transforms.tally import flops

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 3)) / 2
H0 = RNG.normal(size=3)
XS = RNG.normal(size=(5, 3))


def rnn(w, h0, xs, loop=pb.scan, reverse=False):
    def step(h, x):
        h = pb.tanh(w @ h["state"] + x)
        return {"state": h}, (pb.sum(h * x), h)

    last, (a, hs) = loop(step, {"state": h0}, xs, reverse=reverse)
    return last["state"], a, hs


def unrolled(f, init, xs, length=None, reverse=False):
    """The Python loop that scan stands for."""
    leaves = xs if isinstance(xs, tuple | list) else (xs,)
    steps = len(leaves[0])
    rows = [None] * steps
    carry = init
    for t in reversed(range(steps)) if reverse else range(steps):
        x = tuple(leaf[t] for leaf in leaves) if isinstance(xs, tuple | list) else xs[t]
        carry, rows[t] = f(carry, x)
    return carry, tuple(pb.stack([row[i] for row in rows]) for i in range(len(rows[0])))


def loss(w, h0, xs, loop=pb.scan, reverse=False):
    last, a, hs = rnn(w, h0, xs, loop, reverse)
    return pb.sum(last**3) + pb.sum(pb.sin(a)) + pb.sum(hs * hs)


def plain_loss(w, h0, xs, reverse=False):
    return loss(w, h0, xs, unrolled, reverse)


def arrays(tree):
    from pullback.core import tree as trees

    return [np.asarray(x.numpy()) for x in trees.leaves(tree)]


def assert_same(got, expected):
    for a, b in zip(arrays(got), arrays(expected), strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


def assert_close(got, expected, rtol=1e-12):
    for a, b in zip(arrays(got), arrays(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1e-300, np.abs(b).max(initial=0.0)))


def both(f):
    """The function as it is, and recorded."""
    return [f, pb.trace(f)]


@pytest.mark.parametrize("reverse", [False, True])
def test_values_are_those_of_the_loop_bit_for_bit(reverse):
    for dtype in (np.float64, np.float32):
        w, h0, xs = (a.astype(dtype) for a in (W, H0, XS))
        expected = rnn(w, pb.asarray(h0), pb.asarray(xs), unrolled, reverse)
        for f in both(lambda *a: rnn(*a, reverse=reverse)):
            assert_same(f(w, h0, xs), expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_are_those_of_the_loop(reverse):
    expected = pb.grad(lambda *a: plain_loss(*a, reverse=reverse), (0, 1, 2))(W, H0, XS)

    def f(*a):
        return loss(*a, reverse=reverse)

    for g in (pb.grad(f, (0, 1, 2)), pb.trace(pb.grad(f, (0, 1, 2))), pb.grad(pb.trace(f), (0, 1, 2))):
        assert_close(g(W, H0, XS), expected)


def test_every_subset_of_inputs_has_its_gradient():
    every = pb.grad(plain_loss, (0, 1, 2))(W, H0, XS)
    for numbers in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
        for g in (pb.grad(loss, numbers), pb.trace(pb.grad(loss, numbers)), pb.grad(pb.trace(loss), numbers)):
            assert_close(g(W, H0, XS), tuple(every[i] for i in numbers))


def test_tangents_are_those_of_the_loop():
    ts = tuple(RNG.normal(size=a.shape) for a in (W, H0, XS))
    expected = pb.jvp(plain_loss, (W, H0, XS), ts)
    for f in both(loss):
        assert_close(pb.jvp(f, (W, H0, XS), ts), expected)
    assert_close(pb.trace(lambda *a: pb.jvp(loss, a[:3], a[3:]))(W, H0, XS, *ts), expected)
    for i in range(3):
        one = lambda f, i=i: pb.jvp(lambda x: f(*(x if j == i else a for j, a in enumerate((W, H0, XS)))),
                                    ((W, H0, XS)[i],), (ts[i],))
        assert_close(one(pb.trace(loss)), one(plain_loss))


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_hessians_are_those_of_the_loop(argument):
    expected = pb.hessian(plain_loss, argument)(W, H0, XS)
    assert_close(pb.hessian(loss, argument)(W, H0, XS), expected)
    assert_close(pb.trace(pb.hessian(loss, argument))(W, H0, XS), expected)
    assert_close(pb.hessian(pb.trace(loss), argument)(W, H0, XS), expected)


def test_all_pairs_of_modes_agree_and_so_does_the_third_order():
    ts = tuple(RNG.normal(size=a.shape) for a in (W, H0, XS))

    def along(f):
        return lambda *a: pb.jvp(f, a, ts)[1]

    def gradient_along(f):
        return lambda *a: sum(pb.sum(g * t) for g, t in zip(pb.grad(f, (0, 1, 2))(*a), ts, strict=True))

    traced = pb.trace(loss)
    for make in (
        lambda f: pb.grad(along(f), (0, 1, 2)),
        lambda f: pb.grad(gradient_along(f), (0, 1, 2)),
        lambda f: along(along(f)),
        lambda f: along(gradient_along(f)),
        lambda f: pb.grad(gradient_along(gradient_along(f)), 1),
        lambda f: pb.grad(along(gradient_along(f)), 0),
        lambda f: along(along(along(f))),
    ):
        expected = make(plain_loss)(W, H0, XS)
        assert_close(make(loss)(W, H0, XS), expected, 1e-11)
        assert_close(make(traced)(W, H0, XS), expected, 1e-11)
        assert_close(pb.trace(make(loss))(W, H0, XS), expected, 1e-11)


@pytest.mark.parametrize("in_axes", [(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0), (None, 0, 1)])
def test_vmap_is_the_loop_over_examples(in_axes):
    stacked = [
        a if axis is None else np.stack([a * (1 + k) for k in range(3)], axis=axis)
        for a, axis in zip((W, H0, XS), in_axes, strict=True)
    ]

    def example(k):
        return [a if axis is None else a * (1 + k) for a, axis in zip((W, H0, XS), in_axes, strict=True)]

    for make in (
        lambda f: lambda *a: rnn(*a, f),
        lambda f: pb.grad(lambda *a: loss(*a, f), (0, 1, 2)),
        lambda f: lambda *a: pb.jvp(lambda *b: loss(*b, f), a, (W, H0, XS))[1],
    ):
        rows = [arrays(make(unrolled)(*map(pb.asarray, example(k)))) for k in range(3)]
        expected = [pb.asarray(np.stack(column)) for column in zip(*rows, strict=True)]
        for batched in (
            pb.vmap(make(pb.scan), in_axes=in_axes),
            pb.trace(pb.vmap(make(pb.scan), in_axes=in_axes)),
            pb.vmap(pb.trace(make(pb.scan)), in_axes=in_axes),
        ):
            assert_close(batched(*stacked), expected)


def test_the_gradient_of_a_vmap_and_vmap_of_vmap():
    many = np.stack([XS, 2 * XS])

    def total(f):
        return lambda w, xs: pb.sum(pb.vmap(lambda x: f(w, H0, x))(xs))

    expected = pb.grad(total(plain_loss), (0, 1))(W, many)
    gradient = pb.grad(total(loss), (0, 1))
    for g in (gradient, pb.trace(gradient), pb.grad(pb.trace(total(loss)), (0, 1))):
        assert_close(g(W, many), expected)
    twice = np.stack([many, -many])
    for f in both(pb.vmap(pb.vmap(lambda x: loss(W, H0, x)))):
        assert_close(f(twice), pb.vmap(pb.vmap(lambda x: plain_loss(W, H0, x)))(twice))


# ------------------------------------------------------------------------------------------------ recorded


def scans(graph):
    return [e for e in graph.equations if e.mapping.name == "scan"]


def test_an_rnn_is_one_equation_and_its_way_back_another():
    cell = pb.nn.Linear(3, 3)
    cell.to("float64")

    def sequence(xs):
        return pb.scan(lambda h, x: (pb.tanh(cell(h) + x), pb.sum(h)), pb.zeros(3, dtype="float64"), xs)[1]

    graph = pb.trace(sequence).graph(XS)
    assert len(scans(graph)) == 1 and len(graph.equations) == 1
    longer = pb.trace(sequence).graph(np.concatenate([XS] * 50))
    assert len(longer.equations) == 1

    def step(xs):
        for p in cell.parameters():
            p.grad = None
        pb.sum(sequence(xs) ** 2).backward()

    step(XS)
    expected = [p.grad.numpy().copy() for p in cell.parameters()]
    h, total = pb.zeros(3, dtype="float64"), 0.0
    for p in cell.parameters():
        p.grad = None
    for x in XS:
        total = total + pb.sum(h) ** 2
        h = pb.tanh(cell(h) + x)
    total.backward()
    for p, g in zip(cell.parameters(), expected, strict=True):
        np.testing.assert_allclose(g, p.grad.numpy(), rtol=1e-12)
    traced = pb.trace(step)
    for _ in range(2):
        traced(XS)
        for p, g in zip(cell.parameters(), expected, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-12)
    assert len(scans(traced.graph(XS))) == 2


def test_a_training_step_with_a_scan_is_traced_with_its_state():
    def run(trace):
        pb.random.manual_seed(3)
        cell = pb.nn.Linear(3, 3)
        cell.to("float64")
        optimizer = pb.optim.Adam(cell.parameters(), lr=0.05)

        def step(xs):
            optimizer.zero_grad()
            out = pb.scan(lambda h, x: (pb.tanh(cell(h) + x), h), pb.zeros(3, dtype="float64"), xs)[1]
            value = pb.mean((out - 0.3) ** 2)
            value.backward()
            optimizer.step()
            return value

        step = pb.trace(step) if trace else step
        return [step(XS * (1 + 0.1 * k)).item() for k in range(6)]

    np.testing.assert_allclose(run(True), run(False), rtol=1e-12)


def test_the_derivatives_of_a_recorded_forward_pass_are_taken_by_eager_code():
    w = pb.tensor(W, requires_grad=True)
    forward = pb.trace(lambda xs: loss(w, H0, xs))
    for _ in range(2):
        w.grad = None
        forward(XS).backward()
        np.testing.assert_allclose(w.grad.numpy(), pb.grad(plain_loss)(W, H0, XS).numpy(), rtol=1e-12)


def test_values_from_outside_get_their_gradients_at_every_level():
    def f(loop):
        def outer(w):
            v = pb.sin(w)

            def inner(u):
                k = u * v
                return loop(lambda c, x: (pb.tanh(k * c + x * w), (c * v,)), pb.asarray(np.ones(3)), XS)[0]

            return pb.sum(pb.grad(lambda u: pb.sum(inner(u)))(w * 2.0) ** 2)

        return outer

    w = np.array([0.3, -0.2, 0.9])
    expected = pb.grad(f(unrolled))(w)
    assert_close(pb.grad(f(pb.scan))(w), expected)
    assert_close(pb.trace(pb.grad(f(pb.scan)))(w), expected)
    assert_close(pb.grad(pb.trace(f(pb.scan)))(w), expected)
    assert_close(
        pb.trace(pb.vmap(f(pb.scan)))(np.stack([w, 2 * w])), pb.vmap(f(unrolled))(np.stack([w, 2 * w]))
    )


def test_scans_nest():
    def f(loop):
        def row(total, xs):
            inner, (seen,) = loop(lambda c, x: (c * pb.cos(x) + total, (c * x,)), pb.sum(xs), xs)
            return total + inner, (pb.sum(seen), inner)

        def nested(scale, table):
            last, (a, b) = loop(row, scale, table)
            return last + pb.sum(a * b)

        return nested

    scale, table = np.float64(0.4), RNG.normal(size=(3, 4))
    expected = pb.value_and_grad(f(unrolled), (0, 1))(pb.asarray(scale), pb.asarray(table))
    assert_close(pb.value_and_grad(f(pb.scan), (0, 1))(scale, table), expected)
    assert_close(pb.trace(pb.value_and_grad(f(pb.scan), (0, 1)))(scale, table), expected)
    assert_close(pb.hessian(pb.trace(f(pb.scan)), 0)(scale, table), pb.hessian(f(unrolled), 0)(scale, table))
    assert len(pb.trace(f(pb.scan)).graph(scale, table).equations) == 4  # one scan; a product, a sum, a sum


def test_transforms_inside_the_body():
    def f(loop):
        def step(c, x):
            g = pb.grad(lambda c: pb.sum(pb.sin(c * x)))(c)
            t = pb.jvp(pb.exp, (c,), (x,))[1]
            v = pb.vmap(lambda a, b: a * b)(c, x)
            return c - 0.1 * g + 0.01 * t, (v, pb.checkpoint(pb.tanh)(c))

        return lambda c, xs: sum(pb.sum(y) for y in loop(step, c, xs)[1])

    expected = pb.grad(f(unrolled), (0, 1))(H0, XS)
    assert_close(pb.grad(f(pb.scan), (0, 1))(H0, XS), expected)
    assert_close(pb.trace(pb.grad(f(pb.scan), (0, 1)))(H0, XS), expected)


def test_checkpointed_scans_and_bodies():
    expected = pb.grad(plain_loss, (0, 1, 2))(W, H0, XS)
    for f in (pb.checkpoint(loss), lambda *a: loss(*a, loop=lambda g, *b, **k: pb.scan(pb.checkpoint(g), *b, **k))):
        assert_close(pb.grad(f, (0, 1, 2))(W, H0, XS), expected)
        assert_close(pb.trace(pb.grad(f, (0, 1, 2)))(W, H0, XS), expected)


@pytest.mark.parametrize("cut", [lambda c: c.detach(), pb.stop_gradient, lambda c: _without_grad(c)])
def test_what_the_body_cuts_off_stays_cut(cut):
    def f(loop):
        return lambda c, xs: pb.sum(loop(lambda c, x: (cut(c) * x + c, (c,)), c, xs)[0])

    c, xs = pb.tensor(H0, requires_grad=True), XS
    f(unrolled)(c, pb.asarray(xs)).backward()
    expected, c.grad = c.grad, None
    for g in (f(pb.scan), pb.trace(f(pb.scan))):
        c.grad = None
        g(c, xs).backward()
        assert_close(c.grad, expected)

    def step(c, xs):
        f(pb.scan)(c, xs).backward()
        return c.grad

    c.grad = None
    assert_close(pb.trace(step)(c, xs), expected)


def _without_grad(c):
    with pb.no_grad():
        return c * 1.0


def test_a_tally_counts_the_operations_of_every_step():
    once = sum(map(flops, pb.trace(lambda w, h, x: pb.tanh(w @ h + x)).graph(W, H0, XS[0]).equations))
    graph = pb.trace(lambda w, h, xs: pb.scan(lambda h, x: (pb.tanh(w @ h + x), None), h, xs)[0]).graph(W, H0, XS)
    assert sum(map(flops, graph.equations)) == 5 * once > 0


# --------------------------------------------------------------------------------------------------- state


def test_random_draws_in_the_body_are_new_in_every_step_and_the_same_in_eager_and_traced_code():
    def f(xs):
        def step(c, x):
            noise = pb.random.normal((3,), dtype="float64")
            return c + x * noise, noise

        return pb.scan(step, np.zeros(3), xs)

    pb.random.manual_seed(5)
    eager = [f(XS), f(XS)]
    state = pb.random.get_state()
    pb.random.manual_seed(5)
    traced = pb.trace(f)
    assert len(scans(traced.graph(XS))) == 1
    replayed = [traced(XS), traced(XS)]
    assert pb.random.get_state() == state
    assert_same(replayed, eager)
    noise = eager[0][1].numpy()
    assert len({row.tobytes() for row in noise}) == len(XS)


def test_the_gradient_through_dropout_repeats_the_draws():
    drop = pb.nn.Dropout(0.5)

    def f(w):
        return pb.sum(pb.scan(lambda c, x: (drop(pb.tanh(c * w + x)), None), pb.asarray(H0), XS)[0] ** 2)

    def along(f):
        return pb.grad(lambda w: pb.sum(pb.grad(f)(w) * H0))

    w = np.array([0.5, -0.3, 0.8])
    for make in (pb.grad, along):
        pb.random.manual_seed(1)
        expected = make(f)(w)
        for g in (pb.trace(make(f)), make(pb.trace(f))):
            pb.random.manual_seed(1)
            assert_close(g(w), expected)
        assert np.any(expected.numpy())


@pytest.mark.parametrize("assigned", [True, False])
def test_running_statistics_are_carried_as_state_without_a_gradient(assigned):
    class Running(pb.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = pb.nn.Buffer(np.zeros(3))

        def forward(self, x):
            if assigned:
                self.mean = 0.9 * self.mean + 0.1 * x
            else:
                self.mean.assign_(0.9 * self.mean + 0.1 * x)
            return x - self.mean

    def run(trace, backward):
        module, w = Running(), pb.tensor(H0, requires_grad=True)

        def step(xs):
            w.grad = None
            out = pb.sum(pb.scan(lambda c, x: (module(c * w + x), None), pb.asarray(np.ones(3)), xs)[0] ** 2)
            if backward:
                out.backward()
            return out

        step = pb.trace(step) if trace else step
        values = []
        for k in (1, 2):
            values.append(step(XS * k))
            if not backward:
                values[-1].backward()
            values += [w.grad, module.mean.detach()]
        return values

    expected = run(False, True)
    for trace, backward in ((True, True), (False, False), (True, False)):
        assert_close(run(trace, backward), expected)


def test_static_state_belongs_to_the_signature():
    drop = pb.nn.Dropout(0.5)
    f = pb.trace(lambda xs: pb.scan(lambda c, x: (c + drop(x), None), np.zeros(3), xs)[0])
    drop.eval()
    assert_same(f(XS), pb.asarray(np.add.accumulate(np.concatenate([np.zeros((1, 3)), XS]))[-1]))
    drop.train()
    assert not np.array_equal(f(XS).numpy(), XS.sum(0))


def test_state_that_a_recorded_loop_cannot_carry_is_refused():
    w = pb.tensor(np.ones(3), requires_grad=True)

    def training(c, x):
        with pb.no_grad():
            w.assign_(w - 0.1 * x)
        return c, None

    with pytest.raises(UnsupportedError, match="requires gradients"):
        pb.trace(lambda xs: pb.scan(training, 0.0, xs))(XS)

    def clearing(c, x):
        w.grad = x
        return c, None

    with pytest.raises(UnsupportedError, match="holds nothing"):
        pb.trace(lambda xs: pb.scan(clearing, 0.0, xs))(XS)
    assert w.numpy().tolist() == [1.0, 1.0, 1.0] and w.grad is None

    def noisy(c, x):
        return c + pb.random.normal((), dtype="float64"), None

    with pytest.raises(UnsupportedError, match="inside vmap"):
        pb.trace(pb.vmap(lambda x: pb.scan(noisy, 0.0, x)[0], randomness="different"))(XS)
    pb.random.manual_seed(0)
    with pytest.raises(TraceError, match=r"changes state \(random.counter\) is run inside vmap"):
        pb.vmap(pb.trace(lambda x: pb.scan(noisy, 0.0, x)[0]))(XS)
    assert pb.random.get_state() == {"key": 0, "counter": 0}
    draws = pb.vmap(lambda x: pb.scan(noisy, 0.0, x)[0], randomness="different")(XS)  # without trace it works
    assert len(set(draws.tolist())) == len(XS)


# ---------------------------------------------------------------------------------------------- kinds of input


def test_python_numbers_in_the_carry_take_the_dtype_of_the_arrays():
    for dtype in ("float32", "float64"):
        for f in both(lambda xs: pb.scan(lambda c, x: ((c[0] + x, c[1] + 1), c[0]), (0.1, 0), xs)):
            (total, count), before = f(np.ones(3, dtype))
            assert (total.dtype, count.dtype, before.dtype) == (dtype, np.int64, dtype)
            assert count.item() == 3 and before.numpy()[0] == np.dtype(dtype).type(0.1)
    last, _ = pb.scan(lambda c, _: (c * 0.5, None), 1.0, length=3)
    assert last.dtype == np.float32 and last.item() == 0.125


def test_numbers_recorded_outside_stay_numbers():
    xs = np.ones(3, np.float32)
    f = lambda xs, scale: pb.scan(lambda c, x: (c * scale + x, scale), 0.0, xs)
    last, scales = pb.trace(f)(xs, 0.1)
    assert last.dtype == np.float32
    assert_same(last, f(xs, 0.1)[0])
    assert scales.dtype == f(xs, 0.1)[1].dtype == np.float32


def test_steps_without_entries_and_results_without_leaves():
    for f in both(lambda c: pb.scan(lambda c, x: (c * 2, None), c, None, length=4)):
        last, ys = f(np.float64(1.5))
        assert last.item() == 24.0 and ys is None
    for f in both(lambda xs: pb.scan(lambda c, x: (c, {"y": x * 2, "none": None}), None, xs)):
        last, ys = f(np.arange(3.0))
        assert last is None and ys["none"] is None and ys["y"].tolist() == [0, 2, 4]


def test_integers_and_booleans_are_carried_and_have_no_gradient():
    def f(x, ns):
        (total, _, flag), _ = pb.scan(
            lambda c, n: ((c[0] * x + n, c[1] + n, pb.logical_not(c[2])), c[1]), (x, 0, True), ns
        )
        return pb.where(flag, total, -total)

    ns = np.arange(1, 4)
    for g in (pb.value_and_grad(f), pb.trace(pb.value_and_grad(f)), pb.value_and_grad(pb.trace(f))):
        value, slope = g(np.float64(2.0), ns)
        assert value.item() == -(2.0**4 + 1 * 4 + 2 * 2 + 3) and slope.item() == -(4 * 2.0**3 + 2 * 2.0 + 2)


def test_no_steps_return_the_beginning_and_empty_results_of_the_right_kind():
    calls = []

    def step(c, x):
        calls.append(1)
        return c + pb.sum(x), {"a": x, "b": pb.astype(c, "float32")}

    for f in both(lambda xs: pb.scan(step, np.float64(7.0), xs)):
        last, ys = f(np.zeros((0, 2)))
        assert last.item() == 7.0
        assert ys["a"].shape == (0, 2) and ys["b"].shape == (0,) and ys["b"].dtype == np.float32
    g = pb.grad(lambda c, xs: pb.scan(step, c, xs)[0], (0, 1))
    for h in (g, pb.trace(g)):
        to_c, to_xs = h(np.float64(7.0), np.zeros((0, 2)))
        assert to_c.item() == 1.0 and to_xs.shape == (0, 2)
    state = pb.random.get_state()
    pb.scan(lambda c, x: (c + pb.random.normal((), dtype="float64"), None), 0.0, np.zeros(0))
    assert pb.random.get_state() == state


def test_one_step_and_an_identity_body():
    for f in both(lambda c, xs: pb.scan(lambda c, x: (c, x), c, xs)):
        last, ys = f(H0, XS[:1])
        assert_same((last, ys), (pb.asarray(H0), pb.asarray(XS[:1])))
    g = pb.grad(lambda c, xs: pb.sum(pb.scan(lambda c, x: (c, x), c, xs)[0] ** 2), (0, 1))
    for h in (g, pb.trace(g)):
        to_c, to_xs = h(H0, XS)
        assert np.allclose(to_c.numpy(), 2 * H0) and not to_xs.numpy().any()


def test_inputs_are_not_modified_and_may_be_read_only_or_strided():
    xs = np.asfortranarray(np.stack([XS, XS], -1))[..., 0][::-1]
    xs.flags.writeable = False
    before = xs.copy()
    for f in both(loss):
        assert_same(f(W, H0, xs), plain_loss(W, H0, pb.asarray(before)))
    assert np.array_equal(xs, before)


def test_map_and_fori_loop():
    for f in both(lambda xs: pb.map(lambda x: (x * x, pb.sum(x)), xs)):
        squares, sums = f(XS)
        assert np.array_equal(squares.numpy(), XS * XS) and np.allclose(sums.numpy(), XS.sum(1), rtol=1e-15)
    f = lambda x: pb.fori_loop(2, 5, lambda i, v: v * x + i, x)
    expected = lambda x: ((x * x + 2) * x + 3) * x + 4
    for g in (pb.value_and_grad(f), pb.trace(pb.value_and_grad(f))):
        value, slope = g(np.float64(1.5))
        assert value.item() == expected(1.5)
        assert slope.item() == pytest.approx(pb.grad(expected)(np.float64(1.5)).item(), rel=1e-14)
    assert pb.fori_loop(5, 2, lambda i, v: v * 0, 3.0).item() == 3.0
    assert len(pb.trace(f).graph(np.float64(1.0)).equations) == 1


# ----------------------------------------------------------------------------------------------------- long


def test_ten_thousand_steps_take_time_and_memory_in_proportion():
    w = pb.tensor(np.array([0.5, -0.2]), requires_grad=True)

    def f(xs):
        return pb.sum(pb.scan(lambda c, x: (pb.tanh(c * w + x), c), pb.zeros(2, dtype="float64"), xs)[1])

    def peak(function, steps):
        xs = np.linspace(-1, 1, steps)
        gc.collect()
        tracemalloc.start()
        function(xs)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    traced = pb.trace(f)
    traced_step = pb.trace(lambda xs: f(xs).backward())
    start = time.perf_counter()
    f(np.linspace(-1, 1, 10_000)).backward()
    eager, w.grad = w.grad.numpy().copy(), None
    traced_step(np.linspace(-1, 1, 10_000))
    np.testing.assert_allclose(w.grad.numpy(), eager, rtol=1e-12)
    assert time.perf_counter() - start < 20
    one = peak(lambda xs: f(xs).backward(), 200)
    assert peak(lambda xs: f(xs).backward(), 2_000) < 15 * one
    traced_step(np.linspace(-1, 1, 2_000))
    assert peak(traced_step, 2_000) < 2_000 * 2 * 8 * 12  # the carries and a few arrays as long, but no graph
    with pb.no_grad():
        traced(np.linspace(-1, 1, 2_000))
        assert peak(traced, 2_000) < 2_000 * 2 * 8 * 2 + 20_000  # the results


def test_the_graph_of_an_eager_scan_has_one_node_for_all_entries():
    xs = pb.tensor(XS, requires_grad=True)
    out = pb.scan(lambda c, x: (c + x, None), pb.zeros(3, dtype="float64"), xs)[0]
    found, stack = {}, [out._link]
    while stack:
        node = stack.pop()
        node = node.node if isinstance(node, Part) else node
        if isinstance(node, Node) and node.serial not in found:
            found[node.serial] = node.mapping.name
            stack.extend(node.links)
    assert sorted(found.values()) == ["add"] * 5 + ["unstack"]


# -------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("recorded", [False, True])
def test_mistakes_say_what_was_expected_and_what_came(recorded):
    def run(f, init, xs=XS, **options):
        g = lambda xs: pb.scan(f, init, xs, **options)
        return (pb.trace(g) if recorded else g)(xs)

    with pytest.raises(TypeError, match=r"must return a pair \(carry, y\), got Tensor"):
        run(lambda c, x: c + x, H0)
    with pytest.raises(TypeError, match="got a tuple of 3"):
        run(lambda c, x: (c, x, x), H0)
    with pytest.raises(ShapeError, match=r"the carry.*expected float64\[3\], got float64\[2\]"):
        run(lambda c, x: (c[:2], None), H0)
    with pytest.raises(ShapeError, match=r"carry\['h'\]\[1\] must keep.*expected float64\[\], got float64\[3\]"):
        run(lambda c, x: ({"h": [c["h"][0], c["h"][1] + x]}, None), {"h": [H0, 0.0]})
    with pytest.raises(DtypeError, match=r"must keep its dtype.*expected float32\[3\], got float64\[3\]"):
        run(lambda c, x: (c + x, None), H0.astype(np.float32))
    with pytest.raises(DtypeError, match=r"expected int64\[\], got float64\[\]"):
        run(lambda c, x: (c + pb.sum(x), None), 0)
    with pytest.raises(ShapeError, match=r"nested as the carry it gets; expected \[float64\[3\]\], got float64\[3\]"):
        run(lambda c, x: (c[0] + x, None), [H0])
    with pytest.raises(ShapeError, match=r"not the same for all \(the xs: 5, length: 4\)"):
        run(lambda c, x: (c, None), H0, length=4)
    with pytest.raises(ShapeError, match=r"xs\[0\]: 5, xs\[1\]: 2"):
        pb.scan(lambda c, x: (c, None), H0, (XS, XS[:2]))
    with pytest.raises(ShapeError, match="no axis to go through"):
        run(lambda c, x: (c, None), H0, np.float64(1.0))
    with pytest.raises(TypeError, match="expected f to be a function, got int"):
        run(3, H0)
    with pytest.raises(TypeError, match="initial value must be an array"):
        run(lambda c, x: (c, None), "zero")


def test_mistakes_in_the_number_of_steps():
    with pytest.raises(ValueError, match="there must be xs to go through, or a length"):
        pb.scan(lambda c, x: (c, None), H0)
    with pytest.raises(ValueError, match="length >= 0"):
        pb.scan(lambda c, x: (c, None), H0, length=-1)
    with pytest.raises(TypeError, match="length to be an integer"):
        pb.scan(lambda c, x: (c, None), H0, length=2.5)
    with pytest.raises(TypeError, match="lower to be an integer"):
        pb.fori_loop(0.5, 3, lambda i, v: v, 0.0)


def test_a_body_that_does_not_do_the_same_in_every_step_is_found():
    turns = iter(range(10))

    def step(c, x):
        return c, x if next(turns) < 2 else (x, x)

    with pytest.raises(ShapeError, match="what f returns beside the carry must be nested as in the first step"):
        pb.scan(step, 0.0, XS)


def test_branching_on_a_recorded_value_teaches():
    def step(c, x):
        return (c + 1 if pb.sum(x) > 0 else c), None

    with pytest.raises(TraceError, match=r"pb.cond\(c > 0, f, g, c\)"):
        pb.trace(lambda xs: pb.scan(step, 0.0, xs))(XS)
    assert pb.scan(step, 0.0, XS)[0].item() == (XS.sum(1) > 0).sum()  # known values may be branched on


def test_a_value_that_escapes_from_the_body_is_caught():
    kept = []

    def leaking(xs):
        pb.scan(lambda c, x: (kept.append(c) or c + x, None), np.zeros(3), xs)
        return kept[0] * 2

    with pytest.raises(EscapedValueError, match="body of a loop"):
        pb.trace(leaking)(XS)


def test_a_way_back_that_is_wrong_by_one_percent_does_not_pass(monkeypatch):
    from pullback.control.scan_mapping import scan_mapping

    right = scan_mapping.pullback

    def wrong(*args, **kwargs):
        return [None if g is None else g * 1.01 for g in right(*args, **kwargs)]

    monkeypatch.setattr(scan_mapping, "pullback", wrong)
    with pytest.raises(AssertionError):
        assert_close(pb.trace(pb.grad(loss, (0, 1, 2)))(W, H0, XS), pb.grad(plain_loss, (0, 1, 2))(W, H0, XS))
