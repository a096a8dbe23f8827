"""Policy gradient and deep Q-learning hold the pole up, and count its steps as one cart alone would."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import pullback as pb

gymnasium = pytest.importorskip("gymnasium", reason="the environments; pip install 'pullback[rl]'")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def program(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def towards_the_lean(observation):
    """A rule that holds the pole for a while: push to the side to which it leans."""
    return pb.tensor((observation[..., 2] > 0).astype(np.int64))


def alone(state):
    """How many steps the rule holds the pole in the environment for one cart, begun in `state`."""
    cart = gymnasium.make("CartPole-v1")
    cart.reset(seed=0)
    cart.unwrapped.state = tuple(state)
    observation, steps, over = np.asarray(state, np.float32), 0, False
    while not over:
        observation, _, fell, out_of_time, _ = cart.step(int(towards_the_lean(observation)))
        steps, over = steps + 1, fell or out_of_time
    return steps


def expected_lengths(carts, seed):
    carts.reset(seed=seed)
    return [alone(state) for state in carts.state.T]


def test_dqn_counts_the_steps_as_one_cart_alone():
    dqn = program("dqn")
    carts = dqn.environments(6)
    lengths = dqn.play(carts, towards_the_lean, seed=3)
    assert lengths.tolist() == expected_lengths(carts, 3) and len(set(lengths)) > 2


def test_policy_gradient_counts_the_steps_as_one_cart_alone():
    example = program("policy_gradient")
    carts = example.environments(6)
    observations, actions, running = example.play(carts, towards_the_lean, seed=3)
    lengths = running.sum(0)
    assert lengths.tolist() == expected_lengths(carts, 3) and len(set(lengths.tolist())) > 2
    assert np.array_equal(actions[running], towards_the_lean(observations[running]).numpy())


def test_returns_are_discounted_from_the_end():
    example = program("policy_gradient")
    rewards = np.random.default_rng(0).random((6, 2))
    powers = 0.99 ** np.arange(6)
    sums = [[sum(powers[: 6 - t] * rewards[t:, i]) for i in range(2)] for t in range(6)]
    np.testing.assert_allclose(example.discounted(rewards), sums, rtol=1e-12)


def test_the_memory_forgets_the_oldest():
    memory = program("dqn").Memory(5, np.random.default_rng(0))
    for start in (0, 3, 6):
        n = np.arange(start, start + 3)
        memory.add(np.repeat(n[:, None], 4, 1), n, n, np.repeat(n[:, None], 4, 1), n)
    states, actions, *_ = memory.draw(200)
    assert set(actions.tolist()) == {4, 5, 6, 7, 8} and np.array_equal(states[:, 0], actions)


def test_dqn_holds_the_pole_up(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    dqn = program("dqn")
    figures = dqn.main(quick=True)
    assert figures["first trial"] < 100 and figures["average return"] >= dqn.GOALS["average return"][1]
    assert "at least 500" in capsys.readouterr().out and (tmp_path / "runs/examples/dqn.png").stat().st_size > 5000


def test_policy_gradient_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = program("policy_gradient").main(quick=True)
    assert figures["first"] < 40 and figures["last"] > 100 and figures["average return"] > 300
    assert (tmp_path / "runs/examples/policy_gradient.png").stat().st_size > 5000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["policy_gradient", "dqn"])
def test_the_goal_is_reached(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = program(name)
    assert example.main(seed=1)["average return"] >= example.GOALS["average return"][1]


def test_without_gymnasium_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    for name in ("policy_gradient", "dqn"):
        with pytest.raises(ImportError, match=r'pip install "pullback\[rl\]"'):
            program(name).environments(1)
