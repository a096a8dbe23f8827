"""Tensors from outside that change after all, and state that is handed back: traced and compiled as in eager code."""

import gc

import numpy as np
import pytest

import pullback as pb
from pullback.core import replaced

MANNERS = pytest.mark.parametrize("manner", [pb.compile, pb.trace, lambda f: f], ids=["compile", "trace", "eager"])
CALLS = 8  # enough for a compiled function to take the shortest way in
ones = np.ones(2, np.float32)


@MANNERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_tensor_that_the_function_assigns_to_is_state(manner, dtype, requires_grad):
    t = pb.tensor([1.0, 2.0], dtype=np.float32, requires_grad=requires_grad)

    def add(x):
        with pb.no_grad():
            t.assign_(t + x)
        return (t * 1).detach()

    add = manner(add)
    found = [add(ones.astype(dtype)).tolist() for _ in range(CALLS)]
    assert found == [[2.0 + i, 3.0 + i] for i in range(CALLS)]
    assert t.tolist() == found[-1] and t.dtype == np.float32


@MANNERS
def test_a_tensor_assigned_to_between_calls_is_seen(manner):
    t = pb.tensor([1.0, 2.0])
    functions = [manner(lambda x: x * t), manner(lambda x: x * pb.sum(t * 2 + 1)), manner(lambda x: (x, t))]
    for _ in range(CALLS):
        for f in functions:
            f(ones)
    for new in ([5.0, 6.0], [7.0, 9.0]):
        t.assign_(pb.tensor(new))
        product, scaled, (_, same) = (f(ones) for f in functions)
        assert product.tolist() == new
        assert scaled.tolist() == [2 * sum(new) + 2] * 2
        assert same.tolist() == new


@MANNERS
def test_a_body_of_scan_sees_the_change_too(manner):
    t = pb.tensor([1.0, 2.0])
    total = manner(lambda xs: pb.scan(lambda c, x: (c + x * t, None), pb.zeros(2), xs)[0])
    for _ in range(CALLS):
        assert total(np.ones((3, 2), np.float32)).tolist() == [3.0, 6.0]
    t.data = [2.0, 0.0]
    assert total(np.ones((3, 2), np.float32)).tolist() == [6.0, 0.0]


@MANNERS
def test_a_tensor_that_gets_gradients_later_gets_them(manner):
    w = pb.tensor([1.0, 2.0])
    f = manner(lambda x: pb.sum(x * w))
    with pb.no_grad():
        for _ in range(CALLS):
            f(ones)
    w.requires_grad_()
    with pytest.warns(UserWarning, match="eagerly") if manner is pb.compile else memoryview(b""):
        f(3 * ones).backward()
    assert w.grad.tolist() == [3.0, 3.0]


@MANNERS
def test_state_that_is_returned_is_what_the_call_has_left(manner):
    w = pb.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        before = (w * 1).detach()
        with pb.no_grad():
            w.assign_(w + x)
        return before, w.detach()

    step = manner(step)
    for i in range(CALLS):
        before, after = step(ones)
        assert before.tolist() == [1.0 + i, 2.0 + i] and after.tolist() == [2.0 + i, 3.0 + i]
    look = manner(lambda x: w.detach())
    for _ in range(CALLS):
        look(ones)
    w.data = np.zeros(2)
    assert look(ones).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("manner", [pb.compile, pb.trace])
def test_an_argument_cannot_be_assigned_to(manner):
    w = pb.tensor([1.0, 2.0])
    with pytest.raises(pb.InPlaceError, match="argument of a traced function") as error:
        manner(lambda w, x: w.assign_(w + x))(w, ones)
    assert "right:" in str(error.value)
    assert w.tolist() == [1.0, 2.0]


def test_another_tensor_outdates_nothing():
    calls = []
    t = pb.tensor([1.0, 2.0])
    f = pb.trace(lambda x: calls.append(1) or x * t)
    f(ones)
    for i in range(5):
        pb.tensor([float(i), 0.0]).assign_(ones)
        pb.tensor([float(i), 0.0], requires_grad=True)
        f(ones)
    assert len(calls) == 1


def test_recordings_that_are_gone_are_forgotten():
    gc.collect()
    before = len(replaced._living)
    for _ in range(5):
        pb.trace(lambda x: x + 1)(ones)
    gc.collect()
    assert len(replaced._living) == before
