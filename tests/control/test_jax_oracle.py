"""The same programs under JAX, whose names and signatures these are: values and derivatives to 1e-12."""

import numpy as np
import pytest

import pullback as pb

jax = pytest.importorskip("jax", reason="JAX is the oracle here")

RNG = np.random.default_rng(0)
W, H, XS = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3), RNG.normal(size=(6, 3))


@pytest.fixture(autouse=True)
def double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def programs(np_, control):
    """The programs, written once against either library."""

    def recurrent(w, h, xs, reverse=True):
        def step(c, x):
            c = np_.tanh(w @ c + x)
            return c, np_.sin(c)

        last, ys = control.scan(step, h, xs, reverse=reverse)
        return np_.sum(ys**2) + np_.sum(last)

    def squares(w, h, xs):
        return np_.sum(control.map(lambda x: np_.tanh(w @ x) * h, xs) ** 2)

    def powers(w, h, xs):
        return np_.sum(control.fori_loop(1, 5, lambda i, c: np_.cos(w @ c) * i, h))

    def either(w, h, xs):
        return control.cond(np_.sum(h) > 0, lambda a: np_.sum(np_.sin(a @ h)), lambda a: np_.sum(a * a), w)

    return {"scan": recurrent, "map": squares, "fori_loop": powers, "cond": either}


@pytest.mark.parametrize("name", ["scan", "map", "fori_loop", "cond"])
def test_values_gradients_and_hessians(name):
    mine, theirs = programs(pb, pb)[name], programs(jax.numpy, jax.lax)[name]
    for make, other in (
        (lambda f: pb.value_and_grad(f, (0, 1)), lambda f: jax.value_and_grad(f, (0, 1))),
        (pb.hessian, jax.hessian),
    ):
        expected = jax.tree_util.tree_leaves(other(theirs)(W, H, XS))
        for g in (make(mine), pb.trace(make(mine)), make(pb.trace(mine))):
            got = g(W, H, XS)
            got = [got[0], *got[1]] if isinstance(got, tuple) else [got]
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-12, atol=1e-12)


def test_while_loop_in_forward_mode_and_batched():
    def root(np_, control):
        def f(a):
            going = lambda c: np_.abs(c[0] * c[0] - a) > 1e-10
            return control.while_loop(going, lambda c: (0.5 * (c[0] + a / c[0]), c[1] + 1), (a, 0))

        return f

    a = np.array([2.0, 9.0, 100.0])
    values, turns = jax.vmap(root(jax.numpy, jax.lax))(a)
    _, (slopes, _) = jax.jvp(jax.vmap(root(jax.numpy, jax.lax)), (a,), (np.ones(3),))
    for f in (pb.vmap(root(pb, pb)), pb.trace(pb.vmap(root(pb, pb)))):
        got, count = f(a)
        np.testing.assert_allclose(got.numpy(), np.asarray(values), rtol=1e-12)
        assert count.tolist() == np.asarray(turns).tolist()
        tangents = pb.jvp(lambda a, f=f: f(a)[0], (a,), (np.ones(3),))[1]
        np.testing.assert_allclose(tangents.numpy(), np.asarray(slopes), rtol=1e-12)
