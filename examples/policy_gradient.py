"""Policy gradient: a network learns to balance a pole by trying, with no labels but "it still stands".

The policy π(a | s) is a network with a softmax. Nobody can differentiate the cart, and nobody has to: the gradient
of the expected return is an expectation itself,

    ∇ E[R] = E[ Σₜ ∇ log π(aₜ | sₜ) · (Rₜ − b(sₜ)) ],

where Rₜ is the discounted sum of the rewards from step t on, and the baseline b, a second network that predicts Rₜ,
takes away variance but no truth. So it is cross entropy with the actions taken as the labels, each weighted by how
much better than expected it went.

    python examples/policy_gradient.py            # seconds; draws runs/examples/policy_gradient.png
    python examples/policy_gradient.py --quick    # fewer updates

The carts are those of gymnasium: pip install "pullback[rl]".

Source: R. J. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
Machine Learning 8, 1992 (REINFORCE, with a baseline).

Reached: an average return of 500.0, 500.0 and 499.6 of 500 over 100 new episodes (seeds 0, 1, 2), in about 10 seconds
on one core; half of that is spent on the carts.
"""

import sys
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import nn, optim
from pullback.distributions import categorical_log_prob

GOALS = {"average return": (">=", 475)}
PICTURE = Path("runs/examples/policy_gradient.png")

STEPS = 500  # an episode of CartPole-v1 ends here at the latest
DISCOUNT = 0.99


def environments(count):
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError('this example needs gymnasium: pip install "pullback[rl]"') from error
    return gymnasium.make_vec("CartPole-v1", count, vectorization_mode="vector_entry_point")


class Agent(nn.Module):
    """A policy and the baseline that it is measured by."""

    def __init__(self, hidden=64):
        super().__init__()
        self.policy = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        self.baseline = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))


def play(carts, choose, seed=None):
    """One episode in each environment, side by side.

    Returns the observations (steps, carts, 4), the actions and whether the episode was still running (steps, carts);
    always 500 steps, so that the traced update is recorded once.
    """
    count = carts.num_envs
    observations = np.zeros((STEPS, count, 4), np.float32)
    actions, running = np.zeros((STEPS, count), np.int64), np.zeros((STEPS, count), bool)
    observation, _ = carts.reset(seed=seed)
    alive = np.ones(count, bool)
    for t in range(STEPS):
        observations[t], running[t] = observation, alive
        actions[t] = choose(observation).numpy()
        observation, _, fell, out_of_time, _ = carts.step(actions[t])
        alive &= ~(fell | out_of_time)
        if not alive.any():
            break
    return observations, actions, running


def discounted(rewards):
    """R at step t = reward at t + γ · R at t + 1, from the last step to the first."""
    returns, later = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = later = rewards[t] + DISCOUNT * later
    return returns


def draw(lengths):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('no picture: matplotlib is not installed; pip install "pullback[plot]"')
        return
    figure = Figure(figsize=(6, 3.6), dpi=160, layout="constrained")
    axes = figure.subplots()
    lengths = np.asarray(lengths)
    worst, best = lengths.min(1), lengths.max(1)
    axes.fill_between(range(len(lengths)), worst, best, color="#2f6f9f", alpha=0.2, label="16 episodes, worst to best")
    axes.plot(lengths.mean(1), color="#2f6f9f", label="their mean")
    axes.axhline(475, color="#d9782d", linewidth=1, label="475")
    axes.set(xlabel="update", ylabel="steps that the pole stood", title="REINFORCE with a baseline, CartPole-v1")
    axes.legend(frameon=False, loc="upper left")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE)
    print(f"picture: {PICTURE}")


def main(quick: bool = False, seed: int = 0) -> dict[str, float]:
    pb.random.manual_seed(seed)
    agent = Agent()
    optimizer = optim.Adam(agent.parameters(), lr=5e-3)

    @pb.trace
    def sample(observation):
        # The greatest of logits plus Gumbel noise is a draw from their softmax.
        logits = agent.policy(observation)
        return pb.argmax(logits - pb.log(-pb.log(pb.random.uniform(logits.shape))), axis=-1)

    @pb.trace
    def decide(observation):
        return pb.argmax(agent.policy(observation), axis=-1)

    @pb.trace
    def learn(observations, actions, returns, weight):
        expected = agent.baseline(observations)[..., 0]
        surprise = returns - expected.detach()
        surprise = surprise / (pb.sqrt(pb.sum(weight * surprise**2)) + 1e-6)
        logits = agent.policy(observations)
        log_policy = pb.log_softmax(logits, axis=-1)
        entropy = -pb.sum(pb.exp(log_policy) * log_policy, axis=-1)
        gain = categorical_log_prob(actions, logits) * surprise + 0.01 * entropy  # so that it goes on trying
        loss = pb.sum(weight * (0.5 * (returns - expected) ** 2 - gain))
        optimizer.zero_grad()
        loss.backward()
        nn.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()

    carts = environments(16)
    carts.reset(seed=seed)
    lengths = []
    for update in range(40 if quick else 150):
        observations, actions, running = play(carts, sample)
        rewards = running.astype(np.float32)
        returns = (1 - DISCOUNT) * discounted(rewards)  # between 0 and 1
        learn(observations, actions, returns, weight=rewards / rewards.sum())
        lengths.append(running.sum(0))
        if update % 10 == 9:
            print(f"update {update + 1:3d}: the pole stood for {lengths[-1].mean():5.1f} of 500 steps")

    _, _, running = play(environments(100), decide, seed=1000 + seed)
    average = float(running.sum(0).mean())
    print(f"average return of 100 new episodes: {average:.1f}")
    draw(lengths)
    return {"average return": average, "first": float(np.mean(lengths[0])), "last": float(np.mean(lengths[-1]))}


if __name__ == "__main__":
    pb.set_num_threads(1)  # these matrices are too small for more
    main(quick="--quick" in sys.argv)
