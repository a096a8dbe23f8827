"""checkpoint: the same numbers, less memory, and state as it was the first time."""

import gc
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback import nn

RNG = np.random.default_rng(0)


def network():
    pb.random.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))


def gradients(net, run, x):
    net.zero_grad()
    pb.random.manual_seed(7)
    loss = pb.sum(run(net, x) ** 2)
    loss.backward()
    return loss.item(), [p.grad.numpy().copy() for p in net.parameters()], pb.random.get_state()


def plain(net, x):
    return net(x)


def whole(net, x):
    return pb.checkpoint(net)(x)


def nested(net, x):
    return pb.checkpoint(lambda x: net[5](net[4](pb.checkpoint(lambda x: net[3](net[2](net[1](net[0](x)))))(x))))(x)


@pytest.mark.parametrize("run", [whole, nested])
def test_dropout_draws_the_same_numbers_again_and_parameters_get_their_gradients(run):
    net, x = network(), pb.tensor(RNG.normal(size=(3, 4)).astype(np.float32))
    want, got = gradients(net, plain, x), gradients(net, run, x)
    assert want[0] == got[0] and all(np.array_equal(a, b) for a, b in zip(want[1], got[1], strict=True))
    assert want[2] == got[2]  # the stream moved on once, not twice


@pytest.mark.parametrize("run", [whole, nested])
def test_traced_it_is_the_same(run):
    net, x = network(), RNG.normal(size=(3, 4)).astype(np.float32)

    @pb.trace
    def step(x):
        net.zero_grad()
        loss = pb.sum(run(net, x) ** 2)
        loss.backward()
        return loss

    want = gradients(net, plain, pb.tensor(x))
    pb.random.manual_seed(7)
    for _ in range(2):
        pb.random.manual_seed(7)
        assert step(x).item() == want[0]
        assert all(np.array_equal(p.grad.numpy(), g) for p, g in zip(net.parameters(), want[1], strict=True))


def test_what_lies_inside_is_not_kept():
    kept = []

    def inside(x):
        y = pb.tanh(x)
        kept.append(weakref.ref(y._payload))
        return pb.tanh(y)

    x = pb.tensor(np.ones(1000), requires_grad=True)
    for function, alive in ((inside, True), (pb.checkpoint(inside), False)):
        kept.clear()
        y = function(x)
        gc.collect()
        assert (kept[0]() is not None) == alive
        y.sum().backward()


def test_every_combination_with_other_transforms():
    f = lambda x: pb.sum(pb.sin(x) * pb.exp(x))
    c = pb.checkpoint(f)
    x, v = RNG.normal(size=4), RNG.normal(size=4)
    pairs = [
        (lambda f: pb.jvp(f, (x,), (v,))[1]),
        (lambda f: pb.grad(lambda x: pb.jvp(f, (x,), (v,))[1])(x)),
        (lambda f: pb.jvp(pb.grad(f), (x,), (v,))[1]),
        (lambda f: pb.grad(lambda x: pb.sum(pb.grad(f)(x) * v))(x)),
        (lambda f: pb.vmap(pb.hessian(f))(np.stack([x, v]))),
        (lambda f: pb.grad(pb.checkpoint(pb.grad(lambda t: f(t * x))))(0.3)),
    ]
    for derive in pairs:
        assert np.allclose(np.asarray(derive(c)), np.asarray(derive(f)), rtol=1e-13, atol=1e-13)


def test_a_function_that_does_something_else_the_second_time_is_caught():
    calls = []

    def fickle(x):
        calls.append(1)
        return pb.sin(x) if len(calls) == 1 else pb.sin(pb.cos(x))

    with pytest.raises(RuntimeError, match="must do the same both times"):
        pb.grad(pb.checkpoint(fickle))(1.0)


def test_an_error_inside_passes_through():
    with pytest.raises(KeyError):
        pb.grad(pb.checkpoint(lambda x: {}[1]))(1.0)
    assert pb.grad(lambda x: x * x)(2.0).item() == 4.0
