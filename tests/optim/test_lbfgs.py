"""L-BFGS: the minimum that SciPy finds; what it refuses, and what stays when a step fails."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import ShapeError


def test_it_finds_the_minimum_that_scipy_finds():
    scipy = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle of this test, is not installed")
    start = np.array([-1.2, 1.0, 0.5])
    rosenbrock = lambda x: (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()
    x = nn.Parameter(start)
    optimiser = optim.LBFGS([x], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    optimiser.step(closure)
    best = scipy.minimize(rosenbrock, start, method="L-BFGS-B")
    np.testing.assert_allclose(np.asarray(x), best.x, atol=1e-3)
    assert float(rosenbrock(np.asarray(x))) < best.fun + 1e-8


def make(options=None, values=(1.0, -2.0)):
    w = nn.Parameter(np.array(values))
    optimiser = optim.LBFGS([w], **(options or {"line_search_fn": "strong_wolfe"}))

    def closure():
        optimiser.zero_grad()
        loss = (w**4).sum() + (w[0] * w[1] - 1) ** 2
        loss.backward()
        return loss

    return w, optimiser, closure


@pytest.mark.parametrize("options", [{"lr": 0.05, "max_iter": 3}, {"max_iter": 3, "line_search_fn": "strong_wolfe"}])
def test_a_run_continues_as_if_it_had_not_stopped(options):
    w, optimiser, closure = make(options)
    optimiser.step(closure)
    saved, values = optimiser.state_dict(), np.asarray(w).copy()
    optimiser.step(closure)
    again, resumed, closure = make(options, values)
    resumed.load_state_dict(saved)
    resumed.step(closure)
    assert again.tolist() == w.tolist()


def test_what_does_not_fit_changes_nothing():
    _, optimiser, closure = make()
    optimiser.step(closure)
    state = optimiser.state_dict()
    state["state"][0]["direction"] = np.ones(3)
    with pytest.raises(ShapeError, match=r"direction: expected shape \(2,\), got \(3,\)"):
        optimiser.load_state_dict(state)
    del state["state"][0]["direction"]
    with pytest.raises(ValueError, match="no direction"):
        optimiser.load_state_dict(state)
    assert optimiser.state_dict()["state"][0]["direction"].shape == (2,)


@pytest.mark.parametrize("options", [{"lr": 0.01, "max_iter": 5}, {"max_iter": 3, "line_search_fn": "strong_wolfe"}])
def test_nothing_changes_when_the_closure_fails(options):
    w, optimiser, closure = make(options)
    optimiser.step(closure)
    before, memory, calls = w.tolist(), optimiser.state_dict()["state"][0], []

    def failing():
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("in the third call")
        return closure()

    with pytest.raises(RuntimeError, match="third"):
        optimiser.step(failing)
    assert w.tolist() == before and optimiser.state_dict()["state"][0]["n_iter"] == memory["n_iter"]


def test_a_loss_that_is_not_finite():
    w, optimiser, _ = make()
    before = w.tolist()
    with pytest.raises(ValueError, match="the loss is nan where the step begins"):
        optimiser.step(lambda: pb.tensor(math.nan))
    w, optimiser, closure = make({"lr": 1e200})
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="the loss became"):
        optimiser.step(closure)
    assert w.tolist() == before


def test_the_line_search_steps_back_from_where_the_loss_is_not_a_number():
    w = nn.Parameter(np.array([0.1]))
    optimiser = optim.LBFGS([w], lr=10.0, max_iter=30, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = (w - pb.log(w)).sum()  # NaN beyond 0, least at 1
        loss.backward()
        return loss

    with np.errstate(all="ignore"):
        optimiser.step(closure)
    assert w.item() == pytest.approx(1.0, abs=1e-4)


def test_refusals():
    p = nn.Parameter(np.ones(2))
    for arguments, words in [
        ({"max_iter": 0}, "max_iter to be a positive integer"),
        ({"history_size": 2.5}, "history_size"),
        ({"line_search_fn": "armijo"}, "line_search_fn to be None or 'strong_wolfe'"),
        ({"lr": -1}, "lr"),
        ({"tolerance_grad": -1}, "tolerance_grad"),
    ]:
        with pytest.raises(ValueError, match=words):
            optim.LBFGS([p], **arguments)
    with pytest.raises(ValueError, match="one group"):
        optim.LBFGS([{"params": [p]}, {"params": [nn.Parameter(np.ones(1))]}])
    with pytest.raises(ValueError, match="no parameters"):
        optim.LBFGS([])
    with pytest.raises(TypeError, match=r"right:  def closure"):
        optim.LBFGS([p]).step()


def test_a_trace_is_refused_and_changes_nothing():
    w, optimiser, closure = make()
    with pytest.raises(pb.TraceError):
        pb.trace(lambda x: optimiser.step(closure) * x)(np.ones(()))
    assert w.tolist() == [1.0, -2.0] and optimiser.state_dict()["state"][0]["n_iter"] == 0


def test_float32_stays_float32():
    w = nn.Parameter(np.array([3.0, 1.0], np.float32))
    optimiser = optim.LBFGS([w], line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = ((w - 2) ** 4).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert w.dtype == np.float32 and np.abs(np.asarray(w) - 2).max() < 0.1
    assert optimiser.state_dict()["state"][0]["steps"].dtype == np.float32
