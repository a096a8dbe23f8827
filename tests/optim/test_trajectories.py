"""Trajectories of 20 steps: every optimiser against its formula written out, and against PyTorch, in float64."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim

START = [np.random.default_rng(1).normal(size=(3, 2)), np.random.default_rng(2).normal(size=(2,)), np.float64(0.7)]
STEPS = 20


def starts(name):
    return START[:1] if name == "Muon" else START  # matrices only


def gradients(i):
    """Gradients that do not depend on the parameters, so that an error in one step is not smoothed by the next."""
    rng = np.random.default_rng(100 + i)
    return [rng.normal(size=np.shape(p)) for p in START]


def ours(name, options, dtype="float64"):
    ps = [nn.Parameter(np.asarray(p, dtype)) for p in starts(name)]
    optimiser = getattr(optim, name)(ps, **options)
    for i in range(STEPS):
        for p, g in zip(ps, gradients(i), strict=False):
            p.grad = np.asarray(g, dtype)
        optimiser.step()
    return ps, optimiser


# ------------------------------------------------------------------------------------------ the formulas


def sgd(p, g, s, t, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(
    p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False, decoupled=False
):
    g = -g if maximize else g
    if decoupled:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    s["largest"] = np.maximum(s.get("largest", 0), s["v"])
    v = s["largest"] if amsgrad else s["v"]
    return p - lr * (s["m"] / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def adamw(p, g, s, t, weight_decay=1e-2, **options):
    return adam(p, g, s, t, weight_decay=weight_decay, decoupled=True, **options)


def adagrad(p, g, s, t, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, maximize=False):
    g = (-g if maximize else g) + weight_decay * p
    s["sum"] = s.get("sum", initial_accumulator_value) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def rmsprop(p, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
    s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
    direction = g / (np.sqrt(s["v"] - s["m"] ** 2 if centered else s["v"]) + eps)
    s["b"] = momentum * s.get("b", 0) + direction
    return p - lr * s["b"]


FORMULAS = {"SGD": sgd, "Adam": adam, "AdamW": adamw, "Adagrad": adagrad, "RMSprop": rmsprop}

CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "maximize": True}),
    ("SGD", {"lr": 0.0, "momentum": 0.8}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.8), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-4}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "momentum": 0.7, "weight_decay": 0.02}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "centered": True}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "centered": True, "momentum": 0.5, "maximize": True}),
]

# Held to PyTorch and optax, step by step, in test_reference_trajectories.
OTHERS = [
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.2)}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 3.0, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("Lion", {"lr": 0.1, "weight_decay": 0.1}),
    ("LAMB", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.3, "eps": (1e-3, 0.1), "d": 2.0, "maximize": True}),
    ("Muon", {"lr": 0.1}),
    ("Muon", {"lr": 0.1, "nesterov": False, "ns_steps": 2, "adjust_lr_fn": "match_rms_adamw"}),
]


# Centred RMSprop divides by √(v − m²), where rounding is magnified by v/(v − m²).
def tolerance(options):
    return 1e-10 if options.get("centered") else 1e-12


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_formula(name, options):
    ps, _ = ours(name, options)
    for n, start in enumerate(START):
        p, slots = np.asarray(start), {}
        for i in range(STEPS):
            p = FORMULAS[name](p, gradients(i)[n], slots, i + 1, **options)
        np.testing.assert_allclose(np.asarray(ps[n]), p, rtol=tolerance(options), atol=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_pytorch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    theirs = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in START]
    optimiser = getattr(torch.optim, name)(theirs, **options)
    for i in range(STEPS):
        for p, g in zip(theirs, gradients(i), strict=True):
            p.grad = torch.tensor(g, dtype=torch.float64)
        optimiser.step()
    ps, _ = ours(name, options)
    for p, q in zip(ps, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(p), q.detach().numpy(), rtol=tolerance(options), atol=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES + OTHERS)
def test_float32_stays_float32_and_close(name, options):
    ps, optimiser = ours(name, options, "float32")
    exact, _ = ours(name, options)
    for p, q in zip(ps, exact, strict=True):
        assert p.dtype == np.float32
        np.testing.assert_allclose(np.asarray(p), np.asarray(q), rtol=2e-3, atol=2e-4)
    for slots in optimiser.state_dict()["state"].values():
        assert all(x.dtype == np.float32 for slot, x in slots.items() if slot not in ("step", "mu_product"))


@pytest.mark.parametrize(("name", "options"), CASES + OTHERS)
def test_a_traced_step_gives_the_same_bits(name, options):
    def run(wrap):
        ps = [nn.Parameter(p) for p in starts(name)]
        optimiser = getattr(optim, name)(ps, **options)

        @wrap
        def step(*gs):
            for p, g in zip(ps, gs, strict=False):
                p.grad = g
            optimiser.step()

        for i in range(STEPS):
            step(*gradients(i))
        return [np.asarray(p) for p in ps], optimiser.state_dict()

    eager, eager_state = run(lambda f: f)
    traced, traced_state = run(pb.trace)
    for a, b in zip(eager, traced, strict=True):
        np.testing.assert_array_equal(a, b)
    for i, slots in eager_state["state"].items():
        for slot, x in slots.items():
            np.testing.assert_array_equal(np.asarray(x), np.asarray(traced_state["state"][i][slot]))


@pytest.mark.parametrize(("name", "options"), CASES + OTHERS)
def test_the_kernel_of_an_update_gives_the_bits_of_its_body(name, options, monkeypatch):
    from pullback.core.interpret import EVALUATE, interpreting
    from pullback.core.mapping import CATALOGUE

    with_kernels, _ = ours(name, options)
    for mapping in (x for name, x in CATALOGUE.items() if name.endswith("_update")):

        def through_body(*xs, body=mapping.body, **static):
            with interpreting(EVALUATE):
                return body(*xs, **static)

        monkeypatch.setattr(mapping, "evaluate", through_body)
    with_bodies, _ = ours(name, options)
    for a, b in zip(with_kernels, with_bodies, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_updates_can_be_differentiated():
    """The derivative of the parameter after one step with respect to the learning rate is −g."""
    from pullback.mappings.update import _sgd_update

    def after(lr):
        p, _ = _sgd_update(np.float64(1.0), np.float64(3.0), lr, np.int64(0), weight_decay=0.0, maximize=False)
        return p

    assert pb.grad(after)(np.float64(0.1)).item() == -3.0


def test_centred_rmsprop_survives_a_variance_that_rounds_below_zero():
    p = nn.Parameter(np.array([1.0]))
    optimiser = optim.RMSprop([p], alpha=0.5, centered=True)
    for _ in range(200):  # a constant gradient has variance 0
        p.grad = np.array([0.1])
        optimiser.step()
    assert math.isfinite(p.item())
