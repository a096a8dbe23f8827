"""Tensors from outside that change after all, and state that is handed back: traced and compiled as in eager code."""

import gc

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
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


@MANNERS
@pytest.mark.parametrize("recording", [True, False])
def test_a_tensor_from_outside_is_handed_back_itself(manner, recording, recwarn):
    w = nn.Parameter(pb.tensor([1.0, 2.0]))
    frozen, buffer, plain = nn.Parameter(pb.tensor([3.0])).requires_grad_(False), nn.Buffer(pb.zeros(2)), pb.ones(2)
    behind = w * 3  # with a graph behind it that is walked later

    def step(x):
        with pb.no_grad():
            buffer.assign_(buffer + x)
        return {"w": w, "others": (frozen, buffer, plain), "behind": behind}, pb.sum(w.detach() * x)

    step = manner(step)
    for i in range(CALLS):
        with pb.enable_grad() if recording else pb.no_grad():
            kept, total = step(ones)
        assert kept["w"] is w and kept["behind"] is behind
        assert all(a is b for a, b in zip(kept["others"], (frozen, buffer, plain), strict=True))
        assert buffer.tolist() == [1.0 + i, 1.0 + i] and total.tolist() == 3.0
    assert not recwarn, "it runs natively"
    pb.sum(kept["w"] * 2 + kept["behind"]).backward()
    assert w.grad.tolist() == [5.0, 5.0]
    if manner is pb.compile:
        assert len(step.report().kernels) == 1, "nothing is copied"


@MANNERS
def test_a_step_may_hand_back_what_it_has_updated(manner, recwarn):
    w = nn.Parameter(pb.tensor([1.0, 2.0]))
    optimizer = optim.SGD([w], lr=0.25)

    def step(x):
        optimizer.zero_grad()
        loss = pb.sum(w * w * x)
        loss.backward()
        optimizer.step()
        return w, loss.detach()

    step = manner(step)
    for i in range(CALLS):
        same, loss = step(ones)
        assert same is w and w.tolist() == [0.5 ** (i + 1), 2 * 0.5 ** (i + 1)]
        assert loss.tolist() == 5 * 0.25**i
    assert not recwarn


@MANNERS
def test_nothing_but_a_parameter(manner, recwarn):
    w = nn.Parameter(pb.tensor([1.0, 2.0]))
    f = manner(lambda x: w)
    assert all(f(ones) is w for _ in range(CALLS)) and not recwarn


@MANNERS
def test_a_result_that_depends_on_a_parameter_as_well_can_be_differentiated(manner):
    w = nn.Parameter(pb.tensor([1.0, 2.0]))
    f = manner(lambda x: (w, pb.sum(w * x)))
    with pytest.warns(UserWarning, match="eagerly") if manner is pb.compile else memoryview(b""):
        same, total = f(3 * ones)
    assert same is w
    total.backward()
    assert w.grad.tolist() == [3.0, 3.0]


@MANNERS
@pytest.mark.parametrize("make", [lambda: pb.tensor([1.0, 2.0]), lambda: pb.zeros(2) + 1, lambda: np.float32(3)])
def test_a_tensor_made_inside_is_another_one_each_time(manner, make):
    f = manner(lambda x: (make(), pb.sum(x)))
    wanted = make().tolist()
    found = [f(ones)[0] for _ in range(CALLS)]
    assert len({id(y) for y in found}) == CALLS
    assert all(y.tolist() == wanted for y in found)
    if isinstance(found[0], pb.Tensor):
        found[1].assign_(found[1] * 0)
    assert f(ones)[0].tolist() == wanted and found[2].tolist() == wanted


def test_what_is_handed_back_is_known_when_the_function_is_recorded_again():
    kept = [nn.Parameter(pb.tensor([1.0, 2.0]))]
    f = pb.compile(lambda x: (kept[0], x * 2))
    f(ones)
    plan = f.last
    kept[0].data = [5.0, 6.0]
    f.record_again()
    assert f(ones)[0] is kept[0] and f.last is plan
    kept[0] = nn.Parameter(pb.tensor([5.0, 6.0]))
    f.record_again()
    assert f(ones)[0] is kept[0] and f.last is not plan
