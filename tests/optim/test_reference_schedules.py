"""Every schedule beside PyTorch's, step by step: alone, combined, with momentum, eager and traced."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim

STEPS = 24
SGD, ADAM = ("SGD", {"lr": 0.8, "momentum": 0.9}), ("AdamW", {"lr": 0.8})

CASES = [
    ("StepLR", {"step_size": 4, "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.1}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 11], "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 7}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 9}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.5}),
    ("PolynomialLR", {"total_iters": 30}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 3, "eta_min": 0.05}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": 2.0, "epochs": 5, "steps_per_epoch": 5, "pct_start": 0.4, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 30, "anneal_strategy": "linear", "div_factor": 4.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 30, "base_momentum": 0.5, "final_div_factor": 10.0}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 2, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 3, "mode": "exp_range", "gamma": 0.95}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 8}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 3, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}),
]
NAMES = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]


def now(optimiser):
    group = optimiser.param_groups[0]
    return [group["lr"], group["betas"][0] if "betas" in group else group["momentum"]]


def ours(make, kind=SGD, steps=STEPS):
    optimiser = getattr(optim, kind[0])([nn.Parameter(np.ones(1))], **kind[1])
    schedule = make(optim, optimiser)
    found = [now(optimiser)]
    for _ in range(steps):
        schedule.step()
        found.append(now(optimiser))
    return np.array(found)


def torchs(torch, make, kind=SGD, steps=STEPS):
    optimiser = getattr(torch.optim, kind[0])([torch.zeros(1, requires_grad=True)], **kind[1])

    class Library:
        def __getattr__(self, name):
            return getattr(torch.optim.lr_scheduler, name, None) or getattr(torch.optim.swa_utils, name)

    schedule = make(Library(), optimiser)
    found = [now(optimiser)]
    for _ in range(steps):
        optimiser.step()
        schedule.step()
        found.append(now(optimiser))
    return np.array(found)


@pytest.mark.parametrize("kind", [SGD, ADAM], ids=["SGD", "AdamW"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_each_rate_and_momentum_is_that_of_pytorch(name, options, kind, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    make = lambda library, optimiser: getattr(library, name)(optimiser, **options)
    want, have = torchs(torch, make, kind), ours(make, kind)
    agreement.compare("schedule", name, "learning rate", have[:, 0], want[:, 0])
    agreement.compare("schedule", name, "momentum", have[:, 1], want[:, 1])
    for i in range(STEPS + 1):  # step by step, also where the rate is small
        np.testing.assert_allclose(have[i], want[i], rtol=1e-11, atol=1e-15)


COMBINED = {
    "ChainedScheduler": lambda o, p: o.ChainedScheduler(
        [o.LinearLR(p, 0.2, total_iters=6), o.StepLR(p, 4, gamma=0.5), o.ExponentialLR(p, 0.95)]
    ),
    "SequentialLR": lambda o, p: o.SequentialLR(
        p,
        [o.LinearLR(p, 0.1, total_iters=4), o.CosineAnnealingLR(p, 9, 0.01), o.ExponentialLR(p, 0.9)],
        milestones=[4, 13],
    ),
    "SequentialLR of restarts": lambda o, p: o.SequentialLR(
        p,
        [o.ConstantLR(p, 0.5, 3), o.CosineAnnealingWarmRestarts(p, 3, 2), o.MultiStepLR(p, [2, 4], 0.5)],
        milestones=[3, 14],
    ),
}


@pytest.mark.parametrize("name", COMBINED)
def test_combined_schedules_are_those_of_pytorch(name, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    want, have = torchs(torch, COMBINED[name]), ours(COMBINED[name])
    agreement.compare("schedule", name.split()[0], "learning rate", have[:, 0], want[:, 0])


PLATEAUS = [
    {"patience": 1},
    {"mode": "max", "factor": 0.5, "patience": 0, "threshold": 0.1, "cooldown": 2},
    {"patience": 2, "threshold_mode": "abs", "threshold": 0.3, "min_lr": 0.05, "factor": 0.3},
    {"mode": "max", "threshold_mode": "abs", "patience": 1, "eps": 0.02},
]


@pytest.mark.parametrize("options", PLATEAUS)
@pytest.mark.parametrize("seed", range(4))
def test_plateau_is_that_of_pytorch(options, seed, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    losses = np.random.default_rng(seed).normal(size=40).round(1) / (1 + np.arange(40) / 10)
    losses[seed] = math.nan
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.8)
    mine = optim.SGD([nn.Parameter(np.ones(1))], lr=0.8)
    pair = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options), optim.ReduceLROnPlateau(mine, **options)
    want, have = [], []
    for loss in losses:
        for schedule in pair:
            schedule.step(loss)
        want.append(theirs.param_groups[0]["lr"])
        have.append(mine.lr)
    agreement.compare("schedule", "ReduceLROnPlateau", "learning rate", have, want)
    assert want[-1] < 0.8


TRACED = [(f"{name}-{i}", name, options) for i, (name, options) in enumerate(CASES)]


@pytest.mark.parametrize("kind", [SGD, ADAM], ids=["SGD", "AdamW"])
@pytest.mark.parametrize(("_", "name", "options"), TRACED, ids=[t[0] for t in TRACED])
def test_inside_a_traced_step_the_bits_are_the_same(_, name, options, kind):
    make = lambda library, optimiser: getattr(library, name)(optimiser, **options)
    assert_traced_equals_eager(make, kind, 1)


@pytest.mark.parametrize("name", COMBINED)
def test_combined_inside_a_traced_step(name):
    assert_traced_equals_eager(COMBINED[name], SGD, 1)


def assert_traced_equals_eager(make, kind, graphs):
    def run(wrap):
        w = nn.Parameter(np.array([1.0, -2.0]))
        optimiser = getattr(optim, kind[0])([w], **kind[1])
        schedule = make(optim, optimiser)

        @wrap
        def step(x):
            optimiser.zero_grad()
            (w * w * x).sum().backward()
            optimiser.step()
            schedule.step()

        seen = []
        for i in range(12):
            step(np.array([1.0, 0.1 * i]))
            seen.append([*now(optimiser), *w.tolist()])
        return np.array(seen), step

    eager, _ = run(lambda f: f)
    traced, step = run(pb.trace)
    np.testing.assert_array_equal(eager, traced)
    assert sum(map(len, step.graphs.values())) == graphs


def test_the_momentum_of_a_schedule_outside_a_traced_step_is_an_input_of_it():
    w = nn.Parameter(np.ones(1))
    optimiser = optim.Adam([w])
    schedule = optim.OneCycleLR(optimiser, 0.1, total_steps=8)
    step = pb.trace(lambda x: ((w * x).sum().backward(), optimiser.step(), optimiser.zero_grad())[1])
    for _ in range(6):
        step(np.ones(1))
        schedule.step()
    assert sum(map(len, step.graphs.values())) == 1
    assert optimiser.state_dict()["state"][0]["step"] == 6


def test_one_cycle_ends():
    schedule = optim.OneCycleLR(optim.Adam([nn.Parameter(np.ones(1))]), 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="the cycle has 3 steps, and all are done"):
        schedule.step()


def test_groups_have_their_own_rates_and_momenta():
    groups = [{"params": [nn.Parameter(np.ones(1))]}, {"params": [nn.Parameter(np.ones(1))], "momentum": 0.5}]
    optimiser = optim.SGD(groups, lr=0.1, momentum=0.9)
    optim.OneCycleLR(optimiser, [1.0, 2.0], total_steps=10, max_momentum=[0.8, 0.7], base_momentum=0.1)
    assert [g["lr"] for g in optimiser.param_groups] == [1 / 25, 2 / 25]
    assert [g["momentum"] for g in optimiser.param_groups] == [0.8, 0.7]


def test_state_continues():
    def make():
        optimiser = optim.SGD([nn.Parameter(np.ones(1))], lr=0.8)
        plateau = optim.ReduceLROnPlateau(optimiser, factor=0.5, patience=0)
        decay = [optim.ExponentialLR(optimiser, 0.9), optim.MultiStepLR(optimiser, [3], 0.5)]
        return optimiser, plateau, optim.ChainedScheduler(decay)

    first, second = make(), make()
    for loss in [1.0, 2.0, 0.5]:
        first[1].step(loss)
        first[2].step()
    for a, b in zip(first, second, strict=True):
        b.load_state_dict(a.state_dict())
    for optimiser, plateau, chain in (first, second):
        plateau.step(0.6)
        chain.step()
        assert optimiser.lr == pytest.approx(0.8 * 0.5**2 * 0.9**4 * 0.5)
    assert first[0].lr == second[0].lr
    with pytest.raises(ValueError, match="no best"):
        second[1].load_state_dict({"last_epoch": 1})
    with pytest.raises(ValueError, match="states of 2 schedulers"):
        second[2].load_state_dict({"schedulers": []})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: optim.MultiStepLR(o, [1.5]), ValueError, "milestones"),
        (lambda o: optim.ConstantLR(o, 1.5), ValueError, r"factor in \[0, 1\]"),
        (lambda o: optim.LinearLR(o, total_iters=0), ValueError, "total_iters"),
        (lambda o: optim.PolynomialLR(o, -1), ValueError, "total_iters"),
        (lambda o: optim.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
        (lambda o: optim.OneCycleLR(o, 0.1), ValueError, "total_steps, or epochs"),
        (lambda o: optim.OneCycleLR(o, -0.1, total_steps=4), ValueError, "max_lr"),
        (
            lambda o: optim.OneCycleLR(o, [0.1, 0.2], total_steps=4),
            ValueError,
            "one max_lr for each of 1 groups, got 2",
        ),
        (lambda o: optim.OneCycleLR(o, 0.1, total_steps=4, pct_start=1.5), ValueError, "pct_start"),
        (lambda o: optim.OneCycleLR(o, 0.1, total_steps=4, anneal_strategy="step"), ValueError, "'cos' or 'linear'"),
        (lambda o: optim.OneCycleLR(o, 0.1, total_steps=4), ValueError, "momentum was 0.0 when the optimiser was made"),
        (lambda o: optim.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError, "mode"),
        (lambda o: optim.SWALR(o, -1.0), ValueError, "swa_lr"),
        (lambda o: optim.SWALR(None, 1.0), TypeError, "expected an optimiser"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor"),
        (lambda o: optim.ReduceLROnPlateau(o, mode="least"), ValueError, "mode"),
        (lambda o: optim.ReduceLROnPlateau(o, patience=-1), ValueError, "patience"),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]), ValueError, "min_lr for each of 1"),
        (lambda o: optim.SequentialLR(o, [], []), ValueError, "no schedulers"),
        (lambda o: optim.ChainedScheduler([]), ValueError, "no schedulers"),
        (lambda o: optim.ChainedScheduler([1]), TypeError, "expected schedules, got int"),
    ],
)
def test_refusals_leave_the_optimiser_as_it_was(make, error, words):
    optimiser = optim.SGD([nn.Parameter(np.ones(1))], lr=0.8)
    with pytest.raises(error, match=words):
        make(optimiser)
    assert optimiser.lr == 0.8 and not optimiser.schedules


def test_what_does_not_go_together():
    optimiser, other = (optim.SGD([nn.Parameter(np.ones(1))], lr=0.8, momentum=0.9) for _ in range(2))
    a, b = optim.ConstantLR(optimiser), optim.ExponentialLR(optimiser, 0.5)
    for schedulers, milestones, words in [
        ([a, b], [], "1 rising milestones"),
        ([a, b], [3, 4], "1 rising milestones"),
        ([a, optim.ExponentialLR(other, 0.5)], [3], "index 1 belongs to another optimiser"),
        ([a, optim.CyclicLR(optimiser, 0.1, 0.2)], [3], "cycle_momentum=False"),
        ([a, optim.ReduceLROnPlateau(optimiser)], [3], "needs a metric"),
    ]:
        before = list(optimiser.schedules)
        with pytest.raises(ValueError, match=words):
            optim.SequentialLR(optimiser, schedulers, milestones)
        assert optimiser.schedules == before
    with pytest.raises(ValueError, match="neither momentum nor betas"):
        optim.OneCycleLR(optim.Adagrad([nn.Parameter(np.ones(1))]), 0.1, total_steps=4)


def test_plateau_belongs_outside_a_traced_step():
    optimiser = optim.SGD([nn.Parameter(np.ones(1))], lr=0.8)
    schedule = optim.ReduceLROnPlateau(optimiser)
    with pytest.raises(pb.TraceError, match="it decides by the number"):
        pb.trace(lambda x: (x, schedule.step(x))[0])(np.ones(()))
    with pytest.raises(TypeError, match="expected the metric"):
        schedule.step()
    assert schedule.last_epoch == 0 and optimiser.lr == 0.8
