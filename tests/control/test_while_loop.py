"""while_loop equals the Python loop; recorded, it goes forward and over batches, and refuses to go back."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import DtypeError, ShapeError, TraceError, UnsupportedError


def newton(a):
    """√a by Newton's iteration, and the number of steps."""
    return pb.while_loop(
        lambda c: pb.abs(c["x"] * c["x"] - a) > 1e-12 * a,
        lambda c: {"x": 0.5 * (c["x"] + a / c["x"]), "n": c["n"] + 1},
        {"x": a * 0.5 + 0.5, "n": 0},
    )


def python_newton(a):
    x, n = a * 0.5 + 0.5, 0
    while abs(float(x * x - a)) > 1e-12 * float(a):
        x, n = 0.5 * (x + a / x), n + 1
    return x, n


A = np.array([2.0, 9.0, 1e4, 0.25])


@pytest.mark.parametrize("a", A.tolist())
def test_newton_is_the_python_loop_bit_for_bit(a):
    x, n = python_newton(np.float64(a))
    for f in (newton, pb.trace(newton)):
        found = f(np.float64(a))
        assert found["x"].item() == float(x) and found["n"].item() == n
        assert found["x"].item() == pytest.approx(a**0.5, rel=1e-12)


def test_it_is_one_equation():
    graph = pb.trace(newton).graph(np.float64(2.0))
    assert [e.mapping.name for e in graph.equations].count("while_loop") == 1
    assert len(graph.equations) == 3  # with the two that make the first guess


def test_derivatives_outside_of_a_recording_in_both_modes_and_of_second_order():
    root = lambda a: newton(a)["x"]
    for a in A:
        exact = [0.5 * a**-0.5, -0.25 * a**-1.5]
        assert pb.grad(root)(a).item() == pytest.approx(exact[0], rel=1e-9)
        assert pb.jvp(root, (a,), (2.0,))[1].item() == pytest.approx(2 * exact[0], rel=1e-9)
        assert pb.hessian(root)(a).item() == pytest.approx(exact[1], rel=1e-4)  # the first steps have not converged
        expected = [
            pb.grad(lambda a: python_newton(a)[0])(a),
            pb.hessian(lambda a: _steps(a, python_newton(a)[1]))(a),
        ]
        assert pb.grad(root)(a).item() == expected[0].item()
        assert pb.hessian(root)(a).item() == pytest.approx(expected[1].item(), rel=1e-12)


def _steps(a, n):
    x = a * 0.5 + 0.5
    for _ in range(n):
        x = 0.5 * (x + a / x)
    return x


def test_forward_mode_of_a_recorded_loop():
    root = lambda a: newton(a)["x"]
    along = lambda f: lambda a: pb.jvp(f, (a,), (np.float64(1.0),))[1]
    for a in A:
        expected = along(root)(a).item()
        assert along(pb.trace(root))(a).item() == pytest.approx(expected, rel=1e-14)
        assert pb.trace(along(root))(a).item() == pytest.approx(expected, rel=1e-14)
        second = along(along(root))(a).item()
        assert along(along(pb.trace(root)))(a).item() == pytest.approx(second, rel=1e-12)
        assert pb.trace(along(along(root)))(a).item() == pytest.approx(second, rel=1e-12)


def test_reverse_mode_of_a_recorded_loop_is_refused_with_a_lesson():
    root = lambda a: newton(a)["x"]
    for f in (pb.trace(pb.grad(root)), pb.grad(pb.trace(root))):
        with pytest.raises(UnsupportedError, match=r"(?s)number of steps.*right:  pb.fori_loop or pb.scan"):
            f(np.float64(2.0))
    with pb.no_grad():
        assert pb.trace(root)(pb.tensor(np.float64(2.0), requires_grad=True)).item() == pytest.approx(2**0.5)


def test_every_example_of_a_batch_stops_for_itself():
    one = [newton(np.float64(a)) for a in A]
    for f in (pb.vmap(newton), pb.trace(pb.vmap(newton)), pb.vmap(pb.trace(newton))):
        found = f(A)
        assert found["x"].tolist() == [x["x"].item() for x in one]
        assert found["n"].tolist() == [x["n"].item() for x in one] and len(set(found["n"].tolist())) > 1
    slopes = [pb.grad(lambda a: newton(a)["x"])(np.float64(a)).item() for a in A]
    np.testing.assert_allclose(pb.vmap(pb.grad(lambda a: newton(a)["x"]))(A).numpy(), slopes, rtol=1e-14)
    along = pb.vmap(lambda a: pb.jvp(lambda a: newton(a)["x"], (a,), (a * 0 + 1,))[1])
    for f in (along, pb.trace(along)):
        np.testing.assert_allclose(f(A).numpy(), slopes, rtol=1e-14)
    grid = np.stack([A, A[::-1]])
    for f in (pb.vmap(pb.vmap(newton)), pb.trace(pb.vmap(pb.vmap(newton)))):
        assert f(grid)["n"].tolist() == [[x["n"].item() for x in row] for row in (one, one[::-1])]


def test_a_shared_test_leaves_what_is_shared_unbatched():
    def f(x, n):
        return pb.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * x, c[2] * 2), (0, np.float64(1.0), 1.0))

    xs = np.array([2.0, 3.0])
    for g in (pb.vmap(f, in_axes=(0, None)), pb.trace(pb.vmap(f, in_axes=(0, None)))):
        i, powers, twos = g(xs, np.int64(3))
        assert (i.tolist(), powers.tolist(), twos.tolist()) == ([3, 3], [8.0, 27.0], [8.0, 8.0])
    for g in (pb.vmap(f, in_axes=(None, 0)), pb.trace(pb.vmap(f, in_axes=(None, 0)))):
        assert g(np.float64(2.0), np.array([0, 3]))[1].tolist() == [1.0, 8.0]


def test_a_carry_that_meets_the_batch_on_its_way_belongs_to_it():
    def f(x, n):
        def body(c):
            return c[0] + 1, c[1] * x, c[2] + pb.sum(c[1]), c[3] * 2.0

        return pb.while_loop(lambda c: c[0] < n, body, (0, np.ones(3), np.zeros(3), np.ones(2)))

    xs = np.array([2.0, 3.0])
    for g in (pb.vmap(f, in_axes=(0, None)), pb.trace(pb.vmap(f, in_axes=(0, None)))):
        _, powers, sums, twos = g(xs, np.int64(3))
        assert powers.tolist() == [[8.0] * 3, [27.0] * 3] and sums.tolist() == [[21.0] * 3, [39.0] * 3]
        assert twos.tolist() == [[8.0] * 2] * 2


def test_who_is_done_does_not_spoil_the_gradient_of_the_others_or_its_own():
    def f(x):  # 1/(1 − x) and its slope are infinite at 1, where the finished example stands
        return pb.while_loop(lambda c: c < 1.0, lambda c: c + pb.sqrt(1.0 - c) + 0.5, x)

    xs = np.array([1.0, 0.75, -3.0])
    single = [pb.grad(f)(np.float64(x)).item() for x in xs]
    batched = pb.vmap(pb.grad(f))(xs).tolist()
    assert np.isfinite(single).all()
    assert batched[1:] == single[1:]


def test_state_and_values_from_outside():
    def f(w):
        v = pb.sin(w)

        def body(c):
            return c[0] + 1, c[1] * v + pb.random.normal((), dtype="float64")

        return pb.while_loop(lambda c: pb.logical_and(c[0] < 4, w < 10.0), body, (0, w))[1]

    w = np.float64(0.3)
    pb.random.manual_seed(0)
    expected, after = f(w).item(), pb.random.get_state()
    pb.random.manual_seed(0)
    assert pb.trace(f)(w).item() == expected and pb.random.get_state() == after
    pb.random.manual_seed(0)
    slope = pb.grad(f)(w).item()
    pb.random.manual_seed(0)
    assert pb.jvp(pb.trace(f), (w,), (np.float64(1.0),))[1].item() == pytest.approx(slope, rel=1e-14)
    with pytest.raises(UnsupportedError, match="cond_fun changes state"):
        pb.trace(lambda w: pb.while_loop(lambda c: pb.random.uniform() < 0.5, lambda c: c, w))(w)


def test_a_loop_that_does_not_begin():
    for f in (lambda x: pb.while_loop(lambda c: c < 0.0, lambda c: c / 0.0, x),):
        for g in (f, pb.trace(f)):
            assert g(np.float64(2.0)).item() == 2.0
    assert pb.grad(f)(np.float64(2.0)).item() == 1.0


def test_many_turns_need_no_memory_when_nothing_is_recorded_for_the_way_back():
    f = lambda n: pb.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, pb.cos(c[1])), (0, np.float64(1.0)))[1]
    for g in (f, pb.trace(f)):
        assert g(np.int64(5_000)).item() == pytest.approx(0.7390851332151607, rel=1e-14)


@pytest.mark.parametrize("recorded", [False, True])
def test_mistakes_say_what_was_expected_and_what_came(recorded):
    def run(test, body, init):
        f = lambda x: pb.while_loop(test, body, init(x))
        return (pb.trace(f) if recorded else f)(np.ones(3))

    with pytest.raises(ShapeError, match=r"cond_fun returns must be one truth value of shape \(\), got shape \(3,\)"):
        run(lambda c: c > 0, lambda c: c, lambda x: x * 1.0)
    with pytest.raises(DtypeError, match="must be boolean, got float64"):
        run(pb.sum, lambda c: c, lambda x: x * 1.0)
    with pytest.raises(TypeError, match="must be one truth value, got str"):
        run(lambda c: "yes", lambda c: c, lambda x: x * 1.0)
    with pytest.raises(ShapeError, match=r"value\[0\] must keep its shape.*expected float64\[3\], got float64\[2\]"):
        run(lambda c: pb.all(c[0] > 0), lambda c: (c[0][:2],), lambda x: (x * 1.0,))
    with pytest.raises(DtypeError, match=r"value\[0\] must keep its dtype.*expected int64\[\], got float64\[\]"):
        run(lambda c: c[0] < 3, lambda c: (c[0] + 0.5, c[1]), lambda x: (0, x))
    with pytest.raises(ShapeError, match="what body_fun returns must be nested as what it gets"):
        run(lambda c: c[0] < 3, lambda c: c[0], lambda x: (0, x))
    with pytest.raises(TypeError, match="expected body_fun to be a function"):
        run(lambda c: True, None, lambda x: x)
    if recorded:
        with pytest.raises(TraceError, match="only known when the loop runs"):
            run(lambda c: c[0] < 3, lambda c: (c[0] + (1 if c[0] > 1 else 2), c[1]), lambda x: (0, x))
