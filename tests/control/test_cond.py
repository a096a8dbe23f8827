"""cond takes one of two functions: known, recorded, per example, with its derivatives."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import DtypeError, ShapeError, UnsupportedError

W = np.array([0.3, -1.2, 0.7])


def f(x, w):
    return pb.cond(x > 0, lambda x: pb.sum(pb.sin(x * w) * w), lambda x: pb.sum(w * x * x) + 1.0, x)


def plain(x, w):
    return pb.sum(pb.sin(x * w) * w) if float(x) > 0 else pb.sum(w * x * x) + 1.0


POINTS = [np.float64(0.8), np.float64(-0.6)]


@pytest.mark.parametrize("x", POINTS)
def test_value_and_derivatives_of_the_function_that_is_chosen(x):
    traced = pb.trace(f)
    t = (np.float64(0.3), W[::-1].copy())
    for _ in range(2):
        assert f(x, W).item() == traced(x, W).item() == plain(x, W).item()
    for make in (
        lambda f: pb.grad(f, (0, 1)),
        lambda f: pb.hessian(f, 1),
        lambda f: pb.hessian(f, 0),
        lambda f: lambda *a: pb.jvp(f, a, t),
        lambda f: lambda *a: pb.jvp(lambda *b: pb.jvp(f, b, t)[1], a, t),
        lambda f: pb.grad(lambda *a: pb.jvp(f, a, t)[1], (0, 1)),
        lambda f: pb.grad(lambda x, w: pb.sum(pb.grad(f, 1)(x, w) * W), (0, 1)),
    ):
        expected = make(plain)(x, W)
        for g in (make(f), make(pb.trace(f)), pb.trace(make(f))):
            for got, want in zip(_leaves(g(x, W)), _leaves(expected), strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


def _leaves(tree):
    from pullback.core import tree as trees

    return [x.numpy() for x in trees.leaves(tree)]


def test_one_recording_serves_both_and_is_one_equation():
    traced = pb.trace(f)
    graph = traced.graph(POINTS[0], W)
    assert [e.mapping.name for e in graph.equations] == ["greater", "cond"]
    assert [traced(x, W).item() for x in POINTS] == [plain(x, W).item() for x in POINTS]
    assert sum(map(len, traced.graphs.values())) == 1


def test_known_choices_run_one_function_only():
    ran = []
    for choice in (True, False, np.bool_(True), 0, 2.5, pb.tensor(True), pb.tensor(0)):
        result = pb.cond(choice, lambda: ran.append(1) or "yes", lambda: ran.append(0) or "no")
        assert result == ("yes" if choice else "no")
    assert ran == [1, 0, 1, 0, 1, 1, 0]
    inside = pb.trace(lambda x: pb.cond(True, lambda x: x * 2, lambda x: x / 0, x))
    assert [e.mapping.name for e in inside.graph(np.float64(1.0)).equations] == ["multiply"]


def test_each_example_of_a_batch_chooses_for_itself():
    xs = np.array([0.8, -0.6, 0.1])
    expected = [plain(x, W).item() for x in xs]
    slopes = np.stack([pb.grad(plain, 1)(x, W).numpy() for x in xs])
    batched = pb.vmap(f, in_axes=(0, None))
    for g in (batched, pb.trace(batched), pb.vmap(pb.trace(f), in_axes=(0, None))):
        np.testing.assert_allclose(g(xs, W).numpy(), expected, rtol=1e-15)
    gradient = pb.vmap(pb.grad(f, 1), in_axes=(0, None))
    for g in (gradient, pb.trace(gradient), pb.vmap(pb.grad(pb.trace(f), 1), in_axes=(0, None))):
        np.testing.assert_allclose(g(xs, W).numpy(), slopes, rtol=1e-14)
    shared = pb.trace(pb.vmap(f, in_axes=(None, 0)))
    ws = np.stack([W, 2 * W])
    np.testing.assert_allclose(shared(xs[0], ws).numpy(), [plain(xs[0], w).item() for w in ws], rtol=1e-14)


def test_a_function_that_does_not_use_an_operand_gives_it_a_zero_gradient():
    g = lambda x, a, b: pb.cond(x > 0, lambda: a * 3.0, lambda: b * b)
    for make in (pb.grad(g, (1, 2)), pb.trace(pb.grad(g, (1, 2))), pb.grad(pb.trace(g), (1, 2))):
        assert [h.item() for h in make(np.float64(1.0), np.float64(2.0), np.float64(5.0))] == [3.0, 0.0]
        assert [h.item() for h in make(np.float64(-1.0), np.float64(2.0), np.float64(5.0))] == [0.0, 10.0]


def test_nested_results_numbers_and_constants():
    def g(x, scale):
        return pb.cond(
            x > 0,
            lambda: {"y": (x, 1.0), "n": 1, "c": np.zeros(2)},
            lambda: {"y": (x * scale, x), "n": 2, "c": np.ones(2)},
        )

    traced = pb.trace(g)
    for x in (np.float32(2.0), np.float32(-2.0)):
        got, expected = traced(x, 0.1), g(x, 0.1)
        assert got["y"][0].item() == np.float32(expected["y"][0])
        assert got["y"][1].dtype == np.float32 and got["n"].item() == expected["n"]
        assert got["c"].tolist() == expected["c"].tolist()


def test_parameters_inside_the_functions_get_their_gradients():
    a, b = (pb.tensor(np.float64(v), requires_grad=True) for v in (2.0, 3.0))

    def step(x):
        a.grad = b.grad = None
        pb.cond(x > 0, lambda: a * x, lambda: b * x * a.detach()).backward()

    for run in (step, pb.trace(step)):
        run(np.float64(4.0))
        assert a.grad.item() == 4.0 and (b.grad is None or b.grad.item() == 0.0)
        run(np.float64(-1.0))
        assert b.grad.item() == -2.0 and (a.grad is None or a.grad.item() == 0.0)


def test_state_changes_in_the_function_that_runs():
    def g(x):
        return pb.cond(x > 0, lambda: x + pb.random.normal((), dtype="float64"), lambda: x * 2)

    pb.random.manual_seed(4)
    expected = [g(np.float64(v)).item() for v in (1.0, -1.0, 2.0)]
    after = pb.random.get_state()
    traced = pb.trace(g)
    pb.random.manual_seed(4)
    assert [traced(np.float64(v)).item() for v in (1.0, -1.0, 2.0)] == expected
    assert pb.random.get_state() == after == {"key": 4, "counter": 2}
    with pytest.raises(UnsupportedError, match="inside vmap"):
        pb.trace(pb.vmap(g, randomness="same"))(np.array([1.0, -1.0]))


def test_cond_inside_scan_and_scan_inside_cond():
    xs = np.array([1.0, -2.0, 3.0])

    def collatz(c, xs):
        return pb.scan(lambda c, x: (pb.cond(x > 0, lambda: c * x, lambda: c - pb.sin(x * c)), c), c, xs)[0]

    def unrolled(c, xs):
        for x in xs:
            c = c * x if x > 0 else c - pb.sin(x * c)
        return c

    c = np.float64(0.7)
    expected = pb.value_and_grad(unrolled)(c, xs)
    for g in (pb.value_and_grad(collatz), pb.trace(pb.value_and_grad(collatz)), pb.value_and_grad(pb.trace(collatz))):
        for got, want in zip(g(c, xs), expected, strict=True):
            assert got.item() == pytest.approx(want.item(), rel=1e-14)
    other = pb.trace(pb.grad(lambda c, xs: pb.cond(c > 0, lambda: collatz(c, xs), lambda: c)))
    assert other(c, xs).item() == pytest.approx(expected[1].item(), rel=1e-14) and other(-c, xs).item() == 1.0


def test_mistakes_say_what_was_expected_and_what_came():
    traced = lambda t, f: pb.trace(lambda x: pb.cond(x > 0, lambda: t(x), lambda: f(x)))(np.float64(1.0))
    with pytest.raises(ShapeError, match=r"the result is float64\[\] from true_fun, and float64\[2\] from false_fun"):
        traced(lambda x: x, lambda x: pb.stack([x, x]))
    with pytest.raises(DtypeError, match=r"result\['a'\] is float64\[\] from true_fun, and float32\[\] from false_fun"):
        traced(lambda x: {"a": x}, lambda x: {"a": pb.astype(x, "float32")})
    with pytest.raises(ShapeError, match=r"nested as that of true_fun; expected \(float64\[\],\), got float64\[\]"):
        traced(lambda x: (x,), lambda x: x)
    with pytest.raises(ShapeError, match=r"pred must be one truth value of shape \(\), got shape \(3,\)"):
        pb.cond(W > 0, lambda: 1, lambda: 2)
    with pytest.raises(TypeError, match="pred must be one truth value, got str"):
        pb.cond("yes", lambda: 1, lambda: 2)
    with pytest.raises(TypeError, match="expected false_fun to be a function, got int"):
        pb.cond(True, lambda: 1, 2)
    with pytest.raises(ShapeError, match="nested as that of true_fun"):
        pb.vmap(lambda x: pb.cond(x > 0, lambda: (x,), lambda: x))(W)
