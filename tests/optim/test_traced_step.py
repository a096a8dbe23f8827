"""A whole training step, traced and replayed: the same bits as eager execution, state and all."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim

STEPS = 30
X = np.random.default_rng(0).normal(size=(STEPS, 16, 6))
Y = np.random.default_rng(1).integers(0, 3, (STEPS, 16))

OPTIMISERS = {
    "momentum": lambda ps: optim.SGD(ps, lr=0.2, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.02),
}
SCHEDULES = {
    "step": lambda o: optim.StepLR(o, 7, gamma=0.5),
    "exponential": lambda o: optim.ExponentialLR(o, 0.95),
    "cosine": lambda o: optim.CosineAnnealingLR(o, STEPS),
    "warmup": lambda o: optim.LinearWarmup(o, 10),
}


def train(wrap, optimiser_name, schedule_name, dtype):
    pb.random.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 3)).to(dtype)
    optimiser = OPTIMISERS[optimiser_name](net.parameters())
    schedule = SCHEDULES[schedule_name](optimiser)
    criterion = nn.CrossEntropyLoss()

    @wrap
    def step(x, y):
        optimiser.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        norm = nn.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
        schedule.step()
        return loss, norm

    seen = []
    for x, y in zip(X.astype(dtype), Y, strict=True):
        loss, norm = step(x, y)
        state = [np.asarray(v) for slots in optimiser.state_dict()["state"].values() for v in slots.values()]
        grads = [np.asarray(p.grad) for p in net.parameters()]
        values = [np.asarray(v) for v in net.state_dict().values()]
        rng = pb.random.get_state()
        seen.append(
            [np.asarray(loss), np.asarray(norm), *values, *grads, *state, np.float64(optimiser.lr), rng["counter"]]
        )
    return seen, step


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_thirty_steps_are_the_same_bit_for_bit(optimiser, schedule, dtype):
    eager, _ = train(lambda f: f, optimiser, schedule, dtype)
    traced, step = train(pb.trace, optimiser, schedule, dtype)
    assert sum(map(len, step.graphs.values())) == 1
    for i, (want, have) in enumerate(zip(eager, traced, strict=True)):
        assert len(want) == len(have)
        for a, b in zip(want, have, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"step {i}")
            assert np.asarray(a).dtype == np.asarray(b).dtype
    assert eager[-1][-1] == eager[0][-1] + STEPS - 1
    assert all(value.dtype == dtype for value in eager[-1][:10])


def test_training_lowers_the_loss():
    pb.random.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimiser = optim.Adam(net.parameters(), lr=0.03)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([0, 1, 1, 0])

    @pb.trace
    def step(x, y):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimiser.step()
        return loss

    losses = [step(x, y).item() for _ in range(150)]
    assert losses[-1] < 0.05 < losses[0]
    assert np.argmax(np.asarray(net(x)), 1).tolist() == y.tolist()


def test_a_failing_step_changes_nothing():
    net = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    optimiser = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @pb.trace
    def step(x, y):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()

    x = X[0].astype(np.float32)
    step(x, Y[0])
    before = [np.asarray(v) for v in net.state_dict().values()], pb.random.get_state(), optimiser.state_dict()
    with pytest.raises(IndexError, match="3 classes"):
        step(x, np.where(Y[0] == 2, 3, Y[0]))
    for a, b in zip(before[0], net.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))
    assert pb.random.get_state() == before[1]
    assert optimiser.state_dict()["state"][0]["step"] == before[2]["state"][0]["step"] == 1
