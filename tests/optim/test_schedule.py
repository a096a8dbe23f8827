"""Schedules: against their formulas and PyTorch, outside and inside a traced step, alone and together."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim


def sgd(lr=0.8, groups=1):
    return optim.SGD([{"params": [nn.Parameter(np.ones(1))], "lr": lr / (i + 1)} for i in range(groups)], lr=lr)


def rates(make, steps=25, lr=0.8):
    optimiser = sgd(lr)
    schedule = make(optimiser)
    found = [optimiser.lr]
    for _ in range(steps):
        schedule.step()
        found.append(optimiser.lr)
    assert schedule.last_epoch == steps and schedule.get_last_lr() == [optimiser.lr]
    return found


CASES = [
    ("StepLR", {"step_size": 4, "gamma": 0.3}, lambda t: 0.8 * 0.3 ** (t // 4)),
    ("ExponentialLR", {"gamma": 0.9}, lambda t: 0.8 * 0.9**t),
    (
        "CosineAnnealingLR",
        {"T_max": 10, "eta_min": 0.1},
        lambda t: 0.1 + 0.7 * (1 + math.cos(math.pi * t / 10)) / 2,
    ),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}, lambda t: 0.8 / (1 + t)),
    ("LinearWarmup", {"warmup_steps": 5}, lambda t: 0.8 * min(1, (t + 1) / 5)),
]


@pytest.mark.parametrize(("name", "options", "formula"), CASES)
def test_the_formula(name, options, formula, agreement):
    found = rates(lambda o: getattr(optim, name)(o, **options))
    want = np.array([formula(t) for t in range(26)])
    agreement.compare("schedule", name, "learning rate", found, want, reference="its formula in NumPy")


@pytest.mark.parametrize(("name", "options", "formula"), CASES[:4])
def test_pytorch(name, options, formula):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.8)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimiser, **options)
    want = [optimiser.param_groups[0]["lr"]]
    for _ in range(25):
        optimiser.step()
        schedule.step()
        want.append(optimiser.param_groups[0]["lr"])
    np.testing.assert_allclose(rates(lambda o: getattr(optim, name)(o, **options)), want, rtol=1e-11)


@pytest.mark.parametrize(("name", "options", "formula"), CASES)
def test_inside_a_traced_step(name, options, formula):
    optimiser = sgd()
    schedule = getattr(optim, name)(optimiser, **options)
    seen = []
    step = pb.trace(lambda x: (x * optimiser.param_groups[0]["lr"], schedule.step())[0])
    for _ in range(12):
        seen.append(step(np.float64(1.0)).item())
    assert sum(map(len, step.graphs.values())) == 1
    np.testing.assert_array_equal(seen, rates(lambda o: getattr(optim, name)(o, **options), 11))
    assert schedule.last_epoch == 12


def test_outside_a_traced_step_the_rate_is_an_input():
    w = nn.Parameter(np.zeros(1))
    optimiser = optim.SGD([w], lr=1.0)
    schedule = optim.StepLR(optimiser, 1, gamma=0.5)

    @pb.trace
    def step(x):
        optimiser.zero_grad()
        (w * x).sum().backward()
        optimiser.step()

    for _ in range(3):
        step(np.ones(1))
        schedule.step()
    assert w.item() == -1.75 and sum(map(len, step.graphs.values())) == 1


def test_schedules_act_one_after_the_other():
    optimiser = sgd(1.0)
    warmup, decay = optim.LinearWarmup(optimiser, 4), optim.StepLR(optimiser, 2, gamma=0.1)
    found = []
    for _ in range(6):
        found.append(optimiser.lr)
        warmup.step()
        decay.step()
    np.testing.assert_allclose(found, [0.25, 0.5, 0.075, 0.1, 0.01, 0.01], rtol=1e-14)


def test_groups_have_their_own_rates():
    optimiser = sgd(0.8, groups=2)
    optim.LambdaLR(optimiser, [lambda t: 0.5, lambda t: 0.25])
    assert [g["lr"] for g in optimiser.param_groups] == [0.4, 0.1]
    assert [g["initial_lr"] for g in optimiser.param_groups] == [0.8, 0.4]


def test_a_group_added_later_follows_the_schedule():
    optimiser = sgd(1.0)
    schedule = optim.ExponentialLR(optimiser, 0.5)
    optimiser.add_param_group({"params": [nn.Parameter(np.ones(1))], "lr": 4.0})
    schedule.step()
    assert [g["lr"] for g in optimiser.param_groups] == [0.5, 2.0]


def test_state_continues():
    def make():
        optimiser = sgd()
        return optimiser, optim.CosineAnnealingLR(optimiser, 10)

    optimiser, schedule = make()
    for _ in range(3):
        schedule.step()
    again, resumed = make()
    again.load_state_dict(optimiser.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert again.lr == optimiser.lr
    schedule.step()
    resumed.step()
    assert again.lr == optimiser.lr and resumed.last_epoch == 4
    with pytest.raises(ValueError, match="last_epoch"):
        resumed.load_state_dict({"last_epoch": -1})
    fresh = sgd()
    fresh.load_state_dict(optimiser.state_dict())
    assert fresh.lr == optimiser.lr and fresh.param_groups[0]["initial_lr"] == 0.8


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda o: optim.StepLR(o, 0), ValueError),
        (lambda o: optim.CosineAnnealingLR(o, -3), ValueError),
        (lambda o: optim.LinearWarmup(o, 2.5), ValueError),
        (lambda o: optim.LambdaLR(o, [lambda t: 1, lambda t: 1]), ValueError),
        (lambda o: optim.LambdaLR(o, lambda t: math.nan), ValueError),
        (lambda o: optim.StepLR(None, 1), TypeError),
    ],
)
def test_refusals_leave_the_optimiser_as_it_was(make, error):
    optimiser = sgd()
    with pytest.raises(error):
        make(optimiser)
    assert optimiser.lr == 0.8 and not optimiser.schedules


def test_a_python_function_that_needs_the_number_is_refused_in_a_traced_step():
    optimiser = sgd()
    schedule = optim.LambdaLR(optimiser, lambda t: 1.0 if t < 3 else 0.1)
    with pytest.raises(pb.TraceError):
        pb.trace(lambda x: (x, schedule.step())[0])(np.ones(1))
    assert schedule.last_epoch == 0
