"""Gradients of loops written in Python: the sum over the rounds is one product, the first round's among the others."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn
from pullback.compile.lowering import lowered
from pullback.compile.program import Product
from pullback.nn.functional import linear

ROUNDS, BATCH, UNITS = 6, 5, 7


def walked(w, x, h, order):
    x = pb.unstack(x, axis=0)
    states = [None] * ROUNDS
    for t in order:
        h = pb.tanh(linear(h, w) + x[t])
        states[t] = h
    return pb.sum(pb.stack(states, axis=0) ** 2)


def walked_twice(w, x, h, order):
    x, states = pb.unstack(x, axis=0), []
    for t in order:
        h = pb.tanh(linear(h, w) * 0.5 + x[t]) + pb.tanh(linear(h, w[::-1]) + x[t])
        states.append(h)
    return pb.sum(pb.stack(states, axis=0) ** 2)


def walked_by_columns(w, x, h, order):
    x = pb.unstack(x, axis=0)
    states = []
    for t in order:
        h = pb.tanh(linear(h, w) + x[t])
        states.append(h)
    return pb.sum(pb.stack(states, axis=1) ** 2)


CASES = {
    "forwards": (walked, range(ROUNDS)),
    "backwards": (walked, range(ROUNDS - 1, -1, -1)),
    "two sums over one array": (walked_twice, range(ROUNDS)),
    "rounds that do not lie one behind the other": (walked_by_columns, range(ROUNDS)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", ["constant", "argument", "slope"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_a_loop(case, start, dtype):
    function, order = CASES[case]
    rng = np.random.default_rng(0)
    w, x, h = (
        (0.5 * rng.standard_normal(shape)).astype(dtype)
        for shape in ((UNITS, UNITS), (ROUNDS, BATCH, UNITS), (BATCH, UNITS))
    )
    if start == "constant":
        gradient = pb.grad(lambda w, x: function(w, x, h, order), argnums=(0, 1))
        arguments = (w, x)
    else:
        slopes = (0, 1, 2) if start == "slope" else (0, 1)
        gradient = pb.grad(lambda w, x, h: function(w, x, h, order), argnums=slopes)
        arguments = (w, x, h)
    compiled = pb.compile(gradient)
    for _ in range(2):
        for mine, eager in zip(compiled(*arguments), gradient(*arguments), strict=True):
            bound = (2e-5 if dtype == "float32" else 1e-14) * np.abs(np.asarray(eager)).max()
            np.testing.assert_allclose(np.asarray(mine), np.asarray(eager), rtol=0, atol=bound)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_first_round_of_a_layer_is_part_of_its_one_product(bidirectional):
    layer = nn.LSTM(4, UNITS, bidirectional=bidirectional)
    x = pb.tensor(np.random.default_rng(0).standard_normal((ROUNDS, BATCH, 4)).astype(np.float32))

    def step(x):
        layer.zero_grad()
        loss = pb.sum(layer(x)[0] ** 2)
        loss.backward()
        return loss

    compiled = pb.compile(step)
    products = [i for i in lowered(compiled.graph(x)).instructions if isinstance(i, Product)]
    whole = [p for p in products if p.out.shape == (4 * UNITS, UNITS)]
    assert [p.a.shape[1] for p in whole] == [ROUNDS * BATCH] * (1 + bidirectional)
    step(x)
    wanted = {name: np.asarray(p.grad).copy() for name, p in layer.named_parameters()}
    compiled(x)
    for name, p in layer.named_parameters():
        np.testing.assert_allclose(np.asarray(p.grad), wanted[name], rtol=2e-5, atol=2e-5)
