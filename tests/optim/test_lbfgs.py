"""L-BFGS: each step that of PyTorch; what it refuses, and what stays when a step fails."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import ShapeError

rng = np.random.default_rng(11)
X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
STEEPNESS = rng.uniform(0.2, 3.0, (3, 2))


def of(xp, array):
    return xp.from_numpy(array) if hasattr(xp, "from_numpy") else array


PROBLEMS = {
    "parabola": (lambda xp, x: (of(xp, STEEPNESS) * (x - 0.3) ** 2).sum(), [rng.normal(size=(3, 2))]),
    "Rosenbrock": (
        lambda xp, x: (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum(),
        [np.array([-1.2, 1.0, 0.5])],
    ),
    "network": (
        lambda xp, w, b, v: ((xp.tanh(of(xp, X) @ w + b) @ v - of(xp, Y)) ** 2).mean(),
        [rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2))],
    ),
}


def run(xp, make, loss, values, steps):
    """The parameters after each step, the losses that step returned, and the optimiser."""
    ps = [xp.nn.Parameter(of(xp, v.copy())) for v in values]
    optimiser = make(ps)
    path, losses = [], []

    def closure():
        optimiser.zero_grad()
        found = loss(xp, *ps)
        found.backward()
        return found

    for _ in range(steps):
        losses.append(float(optimiser.step(closure).detach()))
        path.append(np.concatenate([np.asarray(p.detach()).ravel() for p in ps]))
    return path, losses, optimiser


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.1, "max_iter": 4},
        {"max_iter": 3, "line_search_fn": "strong_wolfe"},
        {"lr": 0.5, "max_iter": 5, "max_eval": 7, "history_size": 2, "line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-3, "tolerance_change": 1e-6},
    ],
)
def test_each_step_is_that_of_pytorch(options, problem, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    loss, values = PROBLEMS[problem]
    steps = 4 if problem == "Rosenbrock" else 6
    want, want_losses, theirs = run(torch, lambda ps: torch.optim.LBFGS(ps, **options), loss, values, steps)
    have, have_losses, ours = run(pb, lambda ps: optim.LBFGS(ps, **options), loss, values, steps)
    # Where it converges, the line search divides small differences of losses, and rounding grows: as much as it
    # grows in PyTorch when one number of the start is changed in its last place.
    nudged = [values[0] + np.spacing(values[0]), *values[1:]]
    other, _, _ = run(torch, lambda ps: torch.optim.LBFGS(ps, **options), loss, nudged, steps)
    reason = "PyTorch's own path moves as much when its start is changed in the last place"
    for a, b, c in zip(have, want, other, strict=True):
        own = np.abs(b - c).max() / np.abs(b).max()
        notes = {"target": 30 * own, "reason": reason} if 30 * own > 1e-12 else {}
        agreement.compare("optimiser", "LBFGS", problem, a, b, **notes)
    np.testing.assert_allclose(have_losses, want_losses, rtol=1e-4, atol=1e-20)
    state = theirs.state[theirs.param_groups[0]["params"][0]]
    memory = ours.state_dict()["state"][0]
    assert (memory["n_iter"], memory["func_evals"]) == (state["n_iter"], state["func_evals"])


def test_it_finds_the_minimum_that_scipy_finds():
    scipy = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle of this test, is not installed")
    loss, values = PROBLEMS["network"]
    _, losses, _ = run(pb, lambda ps: optim.LBFGS(ps, line_search_fn="strong_wolfe"), loss, values, 30)
    shapes = [v.shape for v in values]
    ends = np.cumsum([v.size for v in values])[:-1]
    flat = lambda z: float(loss(np, *(p.reshape(s) for p, s in zip(np.split(z, ends), shapes, strict=True))))
    best = scipy.minimize(flat, np.concatenate([v.ravel() for v in values]), method="L-BFGS-B")
    assert losses[-1] < best.fun * 1.05


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
