"""Loops by `pb.scan` in compiled functions: their steps run natively, forward and backward, and equal eager ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn, optim
from pullback.compile import expand

RNG = np.random.default_rng(0)
W, H, XS = RNG.normal(size=(4, 4)) * 0.4, RNG.normal(size=4), RNG.normal(size=(9, 4))


def recurrent(w, h, xs, **settings):
    last, all_of_them = pb.scan(lambda h, x: (pb.tanh(w @ h + x), h * x), h, xs, **settings)
    return pb.sum(last * last) + pb.sum(pb.sin(all_of_them))


def several(w, h, xs):
    """Two carries, a row given as it is, and nothing given."""
    (a, b), rows = pb.scan(lambda c, x: ((c[0] * 0.9 + x, c[1] + pb.sum(c[0])), x), (h, pb.sum(h)), xs)
    (c, _), none = pb.scan(lambda c, x: ((c[0] + w @ x, c[1] * 2.0), None), (a, b), rows)
    assert none is None
    return pb.sum(c) * b


FUNCTIONS = {
    "forward": recurrent,
    "from the end": lambda *args: recurrent(*args, reverse=True),
    "several carries": several,
    "a loop in a loop": lambda w, h, xs: pb.scan(
        lambda c, x: (c + pb.scan(lambda d, y: (d * 0.5 + y, None), pb.sum(x), x)[0], None), pb.sum(h), xs
    )[0] * pb.sum(w),
    "fori_loop": lambda w, h, xs: pb.sum(pb.fori_loop(0, 5, lambda i, c: pb.tanh(w @ c) + xs[0], h)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "transform", [lambda f: f, lambda f: pb.grad(f, argnums=(0, 1, 2)), pb.hessian], ids=["value", "slopes", "hessian"]
)
def test_a_loop_runs_natively_and_equals_eager(name, transform):
    function = transform(FUNCTIONS[name])
    step = pb.compile(function)
    got, want = step(W, H, XS), function(W, H, XS)
    for x, y in zip(*(v if isinstance(v, tuple) else (v,) for v in (got, want)), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-11, atol=1e-12)
    assert not [k for k in step.report().kernels if not k.native and "scan" in k.mappings]


def test_a_training_step_with_a_loop_inside():
    def build():
        pb.random.manual_seed(0)
        cell, head = nn.GRUCell(3, 6), nn.Linear(6, 2)
        parameters = [*cell.parameters(), *head.parameters()]
        optimizer = optim.Adam(parameters, lr=0.01)

        def step(x, y):
            optimizer.zero_grad()
            last, _ = pb.scan(lambda h, row: (cell(row, h), None), np.zeros((5, 6), np.float32), x)
            loss = nn.CrossEntropyLoss()(head(last), y)
            loss.backward()
            optimizer.step()
            return loss

        return parameters, step

    x = np.random.default_rng(1).normal(size=(7, 5, 3)).astype(np.float32)
    y = np.array([0, 1, 1, 0, 1])
    (there, eager), (here, function) = build(), build()
    step = pb.compile(function)
    want, got = ([float(f(x, y)) for _ in range(30)] for f in (eager, step))
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for p, q in zip(here, there, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), atol=1e-5)
    assert all(k.native for k in step.report().kernels)


def test_few_steps_are_written_out_and_many_are_a_loop(monkeypatch):
    for most, times in ((1000, 1), (20, 9)):
        monkeypatch.setattr(expand, "UNROLLED", most)
        step = pb.compile(recurrent)
        assert float(step(W, H, XS)) == pytest.approx(float(recurrent(W, H, XS)), rel=1e-13)
        assert max(k.times for k in step.report().kernels) == times


def test_no_step_at_all():
    step = pb.compile(recurrent)
    empty = XS[:0]
    assert float(step(W, H, empty)) == pytest.approx(float(recurrent(W, H, empty)))
