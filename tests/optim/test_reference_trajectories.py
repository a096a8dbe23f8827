"""Every optimiser beside PyTorch's or optax's, step by step, on a parabola, Rosenbrock's valley and a network."""

import contextlib

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim

STEPS = 25
rng = np.random.default_rng(11)
X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
CENTRE, STEEPNESS = rng.normal(size=(3, 2)), rng.uniform(0.2, 3.0, (3, 2))


def parabola(xp, x):
    return (STEEPNESS_IN[xp] * (x - CENTRE_IN[xp]) ** 2).sum()


def rosenbrock(xp, x):
    x = x.reshape(-1)
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def network(xp, w1, b1, w2, b2=0.0):
    x, y = X_IN[xp], Y_IN[xp]
    return ((xp.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()


class Everywhere(dict):
    """An array in the form in which each library takes it."""

    def __init__(self, array):
        super().__init__()
        self.array = array

    def __missing__(self, xp):
        make = getattr(xp, "from_numpy", None) or xp.asarray
        return make(self.array.copy())


X_IN, Y_IN, CENTRE_IN, STEEPNESS_IN = (Everywhere(a) for a in (X, Y, CENTRE, STEEPNESS))

PROBLEMS = {
    "parabola": (parabola, [rng.normal(size=(3, 2))]),
    "Rosenbrock": (rosenbrock, [np.array([[-0.5, 0.4], [0.6, 0.3]])]),
    "network": (
        network,
        [rng.normal(size=(3, 4)), rng.normal(size=4) / 2, rng.normal(size=(4, 2)), rng.normal(size=2)],
    ),
}


def start(name, problem):
    loss, values = PROBLEMS[problem]
    if name == "Muon" and problem == "network":  # matrices only
        values = [values[0], values[1].reshape(1, 4), values[2]]
    return loss, values


# Adam's relatives and settings other than the defaults, weight decay among them.
TORCH = [
    ("SGD", {"lr": 1e-3}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 1e-3, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.3, "amsgrad": True}),
    ("Adamax", {"lr": 0.05}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {"lr": 0.05}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-4}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.7, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "centered": True, "eps": 1e-2, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.02, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.05), "maximize": True}),
    ("ASGD", {"lr": 1e-3}),
    ("ASGD", {"lr": 1e-3, "lambd": 0.1, "alpha": 0.5, "t0": 3.0, "weight_decay": 0.1}),
    ("ASGD", {"lr": 1e-4, "maximize": True}),
    ("Adafactor", {"lr": 0.05}),
    ("Adafactor", {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-3, 0.1), "d": 2.0, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.05, "maximize": True}),
    # Steps that overshoot Rosenbrock's valley magnify the rounding of Muon's iteration, here and in PyTorch.
    ("Muon", {"lr": 0.004}),
    ("Muon", {"lr": 0.004, "momentum": 0.7, "nesterov": False, "weight_decay": 0.3, "ns_steps": 3}),
    ("Muon", {"lr": 0.02, "ns_coefficients": (2.0, -1.5, 0.5), "adjust_lr_fn": "match_rms_adamw", "eps": 1e-3}),
]
OPTAX = [
    ("Lion", {"lr": 0.02}),
    ("Lion", {"lr": 0.02, "betas": (0.7, 0.8), "weight_decay": 0.3}),
    ("LAMB", {"lr": 0.02}),
    ("LAMB", {"lr": 0.02, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.3}),
]


def ours(name, options, problem):
    loss, values = start(name, problem)
    ps = [nn.Parameter(v) for v in values]
    optimiser = getattr(optim, name)(ps, **options)
    path = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(pb, *ps).backward()
        optimiser.step()
        path.append(np.concatenate([np.asarray(p).ravel() for p in ps]))
    return np.array(path)


def torchs(torch, name, options, problem):
    loss, values = start(name, problem)
    ps = [torch.tensor(v, requires_grad=True) for v in values]
    optimiser = getattr(torch.optim, name)(ps, **options)
    path = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(torch, *ps).backward()
        optimiser.step()
        path.append(np.concatenate([p.detach().numpy().ravel() for p in ps]))
    return np.array(path)


@contextlib.contextmanager
def doubles(torch):
    """Step counters and products of momenta have torch's default dtype: let it be float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(("name", "options"), TORCH)
def test_each_step_is_that_of_pytorch(name, options, problem, agreement, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    if name == "Muon":  # without its rounding to bfloat16, which no float64 result could agree with
        monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    with doubles(torch):
        want = torchs(torch, name, options, problem)
    have = ours(name, options, problem)
    assert np.abs(want[-1] - want[0]).max() > 1e-3  # it moved
    notes = {}
    name = f"{name} with amsgrad" if options.get("amsgrad") else name
    if name == "Muon":
        notes = {"reference": "torch without its rounding to bfloat16"}
    for i in range(STEPS):
        agreement.compare("optimiser", name, problem, have[i], want[i], **notes)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(("name", "options"), OPTAX)
def test_each_step_is_that_of_optax(name, options, problem, agreement):
    reason = "optax, the oracle of this test, is not installed"
    jax = pytest.importorskip("jax", reason=reason)
    optax = pytest.importorskip("optax", reason=reason)
    betas = options.get("betas")
    theirs = {"learning_rate": options["lr"], "weight_decay": options.get("weight_decay", 0.0)}
    theirs |= {"b1": betas[0], "b2": betas[1]} if betas else {}
    theirs |= {"eps": options["eps"]} if "eps" in options else {}
    with jax.enable_x64(True):
        loss, values = start(name, problem)
        optimiser = getattr(optax, name.lower())(**theirs)
        ps = [jax.numpy.asarray(v) for v in values]
        state = optimiser.init(ps)

        @jax.jit
        def step(ps, state):
            gs = jax.grad(lambda ps: loss(jax.numpy, *ps))(ps)
            changes, state = optimiser.update(gs, state, ps)
            return optax.apply_updates(ps, changes), state

        want = []
        for _ in range(STEPS):
            ps, state = step(ps, state)
            want.append(np.concatenate([np.asarray(p).ravel() for p in ps]))
    have = ours(name, options, problem)
    for i in range(STEPS):
        agreement.compare("optimiser", name, problem, have[i], want[i], reference="optax")
