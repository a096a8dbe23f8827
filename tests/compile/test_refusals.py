"""What a compiled function cannot be: each a lesson with wrong and right code, and nothing changed by it."""

from __future__ import annotations

import random

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.cell import Cell


def refused(function, *args, match):
    step = pb.compile(function)
    for _ in range(2):
        with pytest.raises((pb.TraceError, pb.EscapedValueError), match=match) as caught:
            step(*args)
    return str(caught.value)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x > 0 else -x,
        lambda x: x * x.item(),
        lambda x: x * float(x),
        lambda x: pb.tensor([1.0, 2.0])[int(x)],
        lambda x: x * np.asarray(x),
    ],
    ids=["branch", "item", "float", "index", "numpy"],
)
def test_a_number_behind_a_traced_value(function):
    text = refused(function, np.float64(1.0) * np.ones(()), match="only known when the traced step runs")
    assert "wrong:" in text
    assert "right:" in text


def test_printing_shows_what_it_is_and_runs():
    seen = []

    def f(x):
        seen.append(repr(x))
        return x * 2

    assert float(pb.compile(f)(np.ones(()))) == 2
    assert len(seen) == 1, "the print happens while the function is recorded, once"


def test_a_value_that_leaks_out():
    kept = []
    step = pb.compile(lambda x: kept.append(x * 2) or x)
    step(np.ones(2))
    with pytest.raises(pb.EscapedValueError, match="right:"):
        kept[0] + 1


@pytest.mark.parametrize("draw", [random.random, np.random.rand], ids=["random", "numpy"])
def test_randomness_of_python(draw):
    assert "pb.random" in refused(lambda x: x * draw(), np.ones(2), match="draws random numbers")


def test_random_numbers_of_pullback_go_on():
    def draw(x):
        return x + pb.random.normal(x.shape)

    step = pb.compile(draw)
    x = np.zeros(4, np.float32)
    pb.random.manual_seed(3)
    got = [step(x).tolist() for _ in range(3)]
    pb.random.manual_seed(3)
    assert got == [draw(pb.tensor(x)).tolist() for _ in range(3)]
    assert got[0] != got[1]


def test_a_cell_whose_shape_changes():
    history = Cell(np.ones(3), name="history")

    def step(x):
        history.write(pb.concat([history.read(), x]))
        return pb.sum(x)

    refused(step, np.ones(1), match="'history' changes its type inside the step")
    assert history.read().shape == (3,)


@pytest.mark.parametrize("dtype", [np.float16, np.complex128, np.complex64])
def test_a_dtype_without_kernels_is_evaluated_inside_the_plan(dtype):
    step = pb.compile(lambda x: pb.sum(x * x + 1))
    x = np.array([1.0, 2.0, 3.0], dtype)
    got = step(x)
    assert got.dtype == dtype
    assert got.item() == pb.sum(pb.tensor(x) * x + 1).item()
    assert not all(k.native for k in step.report().kernels)


def test_a_graph_that_is_too_large_runs_as_it_was_recorded_and_says_so(monkeypatch):
    from pullback.compile import compiled

    monkeypatch.setattr(compiled, "LARGEST", 50)

    def long(x):
        for _ in range(60):
            x = pb.sin(x)
        return x

    step = pb.compile(long)
    with pytest.warns(UserWarning, match=r"wrong:  for x in xs.*\n.*right:  h, _ = pb\.scan"):
        assert float(step(np.ones(()))) == float(long(np.ones(())))
    step(np.ones(()))


def test_empty_and_single_numbers():
    step = pb.compile(lambda x: (pb.sum(x), x * 2))
    total, doubled = step(np.zeros((0, 3), np.float32))
    assert (float(total), doubled.shape) == (0.0, (0, 3))
    total, doubled = step(np.float32(3) * np.ones((), np.float32))
    assert (float(total), float(doubled)) == (3.0, 6.0)


def test_not_a_number_and_infinity_come_through():
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38], np.float32)
    for f in (pb.exp, pb.tanh, pb.relu, pb.square, lambda v: pb.max(v), lambda v: v * 0):
        with np.errstate(all="ignore"):
            want = np.asarray(f(pb.tensor(x)))
        np.testing.assert_array_equal(np.asarray(pb.compile(f)(x)), want)


def test_verify_tells_what_differs_and_puts_the_state_back(monkeypatch):
    from pullback.compile import verifying

    weight = nn.Parameter(pb.tensor(np.ones(3, np.float32)))
    optimizer = optim.SGD([weight], lr=0.1)

    def function(x):
        optimizer.zero_grad()
        loss = pb.sum(pb.tanh(weight * x))
        loss.backward()
        optimizer.step()
        return loss

    step = pb.compile(function, verify=True)
    x = np.linspace(0, 1, 3, dtype=np.float32)
    step(x)
    before = weight.numpy().copy()
    monkeypatch.setattr(verifying, "BOUNDS", {4: -1.0, 8: -1.0})
    with pytest.raises(verifying.VerifyError, match="apart by"):
        step(x)
    assert np.array_equal(weight.numpy(), before)


def test_python_numbers_are_arguments_too():
    step = pb.compile(lambda x, n: x * n)
    for n in (2.0, 3.5):
        assert np.asarray(step(np.ones(3, np.float32), n)).tolist() == [n] * 3
    assert float(pb.compile(lambda n: n * 2)(3.0)) == 6.0


def test_a_report_on_a_call_that_was_refused_says_so():
    loss = pb.compile(nn.CrossEntropyLoss())
    scores = np.zeros((4, 3), np.float32)
    with pb.no_grad():
        loss(scores, np.array([0, 1, 2, 0]))
        with pytest.raises(IndexError):
            loss(scores, np.array([0, 1, 7, 0]))
        with pytest.raises(pb.TraceError, match="refused"):
            loss.report()
        loss(scores, np.array([0, 1, 2, 0]))
    assert loss.report().kernels
