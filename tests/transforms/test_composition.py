"""Every order of grad, jvp and vmap over one function tells the same derivatives."""

import itertools

import numpy as np
import pytest

import pullback as pb

RNG = np.random.default_rng(0)
X = RNG.normal(size=4)
V = RNG.normal(size=4)
W = RNG.normal(size=4)
U = RNG.normal(size=4)


def f(x):
    return pb.sum(pb.sin(x) * pb.exp(0.3 * x)) + pb.sum(x) * pb.sum(x**3)


def close(a, b, tolerance=1e-12):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.all(np.abs(a - b) <= tolerance * (1 + np.abs(b)))


def along_reverse(g, v):
    """The directional derivative of g by reverse mode."""
    return lambda x: pb.sum(pb.grad(g)(x) * v)


def along_forward(g, v):
    """The directional derivative of g by forward mode."""
    return lambda x: pb.jvp(g, (x,), (v,))[1]


@pytest.mark.parametrize("modes", list(itertools.product([along_reverse, along_forward], repeat=3)))
def test_third_derivatives_agree_in_every_order_of_modes(modes):
    g = f
    for mode, v in zip(modes, (V, W, U), strict=True):
        g = mode(g, v)

    def by_hand(x):
        # D³(sin x · e^{.3x}) elementwise, and of s(x)·c(x) with s = Σx, c = Σx³
        s, c, e = np.sin(x), np.cos(x), np.exp(0.3 * x)
        third = e * (0.027 * s + 3 * 0.09 * c - 3 * 0.3 * s - c)
        total = np.sum(third * V * W * U)
        linear = [np.sum(V), np.sum(W), np.sum(U)]
        second = [np.sum(6 * x * a * b) for a, b in ((W, U), (V, U), (V, W))]
        return total + np.sum(x) * np.sum(6 * V * W * U) + sum(a * b for a, b in zip(linear, second, strict=True))

    assert close(g(X), by_hand(X))


@pytest.mark.parametrize("modes", list(itertools.product([along_reverse, along_forward], repeat=2)))
@pytest.mark.parametrize("outer", [True, False], ids=["vmap outside", "vmap inside"])
def test_vmap_composes_with_every_order(modes, outer):
    batch = RNG.normal(size=(3, 4))
    g = f
    for mode, v in zip(modes, (V, W), strict=True):
        g = mode(g, v)
    want = np.stack([np.asarray(g(x)) for x in batch])
    if outer:
        assert close(pb.vmap(g)(batch), want)
    else:
        total = lambda xs: pb.sum(pb.vmap(f)(xs))
        for mode, v in zip(modes, (V, W), strict=True):
            total = mode(total, np.broadcast_to(v, batch.shape))
        assert close(total(batch), want.sum())


def test_hessian_in_four_mode_pairs():
    reverse_reverse = pb.jacobian(pb.grad(f), mode="reverse")(X)
    forward_reverse = pb.jacobian(pb.grad(f), mode="forward")(X)
    forward_forward = np.array(
        [[along_forward(along_forward(f, a), b)(X).item() for a in np.eye(4)] for b in np.eye(4)]
    )
    reverse_forward = np.array([pb.grad(along_forward(f, a))(X).numpy() for a in np.eye(4)])
    h = pb.hessian(f)(X)
    for other in (reverse_reverse, forward_reverse, forward_forward, reverse_forward):
        assert close(h, other)
    assert close(pb.hvp(f, (X,), (V,)), np.asarray(h) @ V)


def test_no_perturbation_confusion():
    inner = lambda x: pb.grad(lambda y: x + y)(1.0)
    assert pb.grad(lambda x: x * inner(x))(1.0).item() == 1.0
    assert pb.jvp(lambda x: x * pb.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1].item() == 1.0


def test_per_sample_gradients_equal_a_loop():
    weights = {"w": RNG.normal(size=(5, 3)), "b": RNG.normal(size=3)}
    xs, ys = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 3))

    def loss(weights, x, y):
        return pb.mean((pb.tanh(x @ weights["w"] + weights["b"]) - y) ** 2)

    batched = pb.vmap(pb.grad(loss), in_axes=(None, 0, 0))(weights, xs, ys)
    for i in range(6):
        one = pb.grad(loss)(weights, xs[i], ys[i])
        assert close(batched["w"][i], one["w"]) and close(batched["b"][i], one["b"])


def test_nested_vmap_and_axes():
    a, b = RNG.normal(size=(2, 5)), RNG.normal(size=(5, 3))
    product = pb.vmap(pb.vmap(lambda r, c: pb.sum(r * c), in_axes=(None, 1)), in_axes=(0, None))(a, b)
    assert close(product, a @ b)
    assert pb.vmap(lambda x: x, out_axes=1)(a).shape == (5, 2)
    assert pb.vmap(lambda x: 1.0)(a).shape == (2,)


def test_trees_aux_and_argnums():
    def g(p, q):
        y = pb.sum(p["a"] * q[0]) + pb.sum(q[1] ** 2)
        return y, {"y": y}

    p, q = {"a": np.ones(2), "none": None}, (np.array([1.0, 2.0]), np.array([3.0]))
    (gp, gq), aux = pb.grad(g, argnums=(0, 1), has_aux=True)(p, q)
    assert gp["a"].tolist() == [1.0, 2.0] and gp["none"] is None
    assert gq[0].tolist() == [1.0, 1.0] and gq[1].tolist() == [6.0]
    assert aux["y"].item() == 12.0
    value, gradient = pb.value_and_grad(lambda x: x * x)(3.0)
    assert value.item() == 9.0 and gradient.item() == 6.0
    assert pb.grad(lambda x, y: x * y, argnums=-1)(2.0, 3.0).item() == 2.0


def test_unused_arguments_get_zeros_of_their_own():
    a, b = pb.grad(lambda x, y: pb.sum(x * 0 + 1), argnums=(0, 1))(np.ones(3), np.ones(2))
    assert a.tolist() == [0, 0, 0] and b.tolist() == [0, 0]
    c, d = pb.grad(lambda x, y: pb.sum(x + y), argnums=(0, 1))(np.ones(3), np.ones(3))
    assert not np.shares_memory(c.numpy(), d.numpy())


def test_jacobian_of_containers():
    def g(x):
        return {"double": 2 * x, "sum": pb.sum(x)}

    for mode in ("reverse", "forward", "auto"):
        j = pb.jacobian(g, mode=mode)(np.arange(3.0))
        assert close(j["double"], 2 * np.eye(3)) and close(j["sum"], np.ones(3))
    j = pb.jacobian(lambda x, y: x[:2] * y, argnums=(0, 1))(np.arange(3.0), np.array([5.0]))
    assert j[0].shape == (2, 3) and j[1].shape == (2, 1)


def test_checkpoint_composes():
    c = pb.checkpoint(f)
    assert close(pb.grad(c)(X), pb.grad(f)(X))
    assert close(pb.hessian(c)(X), pb.hessian(f)(X))
    batch = RNG.normal(size=(3, 4))
    assert close(pb.vmap(pb.grad(c))(batch), pb.vmap(pb.grad(f))(batch))
    assert close(pb.grad(lambda xs: pb.sum(pb.vmap(c)(xs)))(batch), pb.vmap(pb.grad(f))(batch))


@pytest.mark.parametrize("seed", range(10))
def test_random_programs_in_both_modes_equal_finite_differences(seed):
    rng = np.random.default_rng(seed)
    unary = [pb.sin, pb.cos, pb.tanh, pb.sigmoid, lambda x: x * x, lambda x: pb.exp(0.1 * x)]
    binary = [lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / (2 + pb.cos(b)), lambda a, b: pb.sum(a) * b]
    programme = [(rng.integers(len(unary)), rng.integers(len(binary)), rng.integers(3)) for _ in range(8)]

    def g(x):
        values = [x, x + 1, 0.5 * x]
        for u, b, i in programme:
            values.append(3 * pb.tanh(binary[b](unary[u](values[-1]), values[i])))
        return pb.mean(pb.tanh(values[-1]))

    x, v = rng.normal(size=3), rng.normal(size=3)
    reverse = np.sum(np.asarray(pb.grad(g)(x)) * v)
    forward = pb.jvp(g, (x,), (v,))[1].item()
    numeric = (g(x + 1e-6 * v).item() - g(x - 1e-6 * v).item()) / 2e-6
    assert close(reverse, forward) and abs(reverse - numeric) < 1e-6 * (1 + abs(numeric))
