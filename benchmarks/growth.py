"""How the cost of a step grows with the width, the depth and the batch of a network of the kind of W1."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .child import run
from .compiled import block
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import interleaved
from .trainers import EAGER, LIBRARY, use_threads

TITLE = "How a step grows: 784 inputs, hidden layers with tanh, 10 classes, gradient descent, float32, one thread"
WIDTH, DEPTH, BATCH = 128, 1, 64
VARIED = {"width": (32, 128, 512), "depth": (1, 4, 16), "batch": (8, 64, 512)}
GOALS: list[Goal] = []
LR = 0.01


def figures(settings: Settings) -> list[Figure]:
    """One process per size; what is not varied is as in W1."""
    present = [c for c in STEPS if is_installed(LIBRARY.get(c, c))]
    result = []
    for what, sizes in VARIED.items():
        for size in sizes[:1] if settings.quick else sizes:
            quantity = f"{what} {size}"
            shape = {"width": WIDTH, "depth": DEPTH, "batch": BATCH} | {what: size}
            rounds = 3 if settings.quick else 9
            samples = run("benchmarks.growth:timings", one_thread=True, contenders=present, rounds=rounds, **shape)
            for c in STEPS:
                if c in present:
                    result.append(figure(quantity, c, "µs", samples[c]["µs"]))
                else:
                    result.append(missing(quantity, c, "µs", INSTALL))
    return result


def timings(contenders: list[str], rounds: int, width: int, depth: int, batch: int) -> dict[str, Any]:
    """The microseconds of a step of each contender, after comparing the losses of ten steps."""
    rng = np.random.default_rng(0)
    sizes = [784, *[width] * depth, 10]
    weights = []
    for inputs, outputs in pairwise(sizes):
        bound = inputs**-0.5
        weights.append(rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
        weights.append(rng.uniform(-bound, bound, outputs).astype(np.float32))
    x, labels = rng.random((batch, 784), dtype=np.float32), rng.integers(0, 10, batch)
    runs, right = {}, None
    for c in contenders:
        use_threads(c, 1)
        step = STEPS[c](weights, x, labels)
        losses = np.array([float(step()) for _ in range(10)])
        right = losses if right is None else right
        if not np.abs(losses / right - 1).max() < 1e-3:
            raise ArithmeticError(f"{c} computes other losses than {contenders[0]}: {losses} and {right}")
        runs[c] = block(lambda i, step=step: step())
    return interleaved(runs, rounds)


def pullback(weights: list[Any], x: Any, labels: Any, compiled: bool = True) -> Any:
    """Layers, loss and optimiser, the step compiled."""
    import pullback as pb
    from pullback import nn, optim

    layers: list[Any] = []
    for w in weights[::2]:
        layers += [nn.Linear(w.shape[1], w.shape[0]), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    for parameter, w in zip(model.parameters(), weights, strict=True):
        parameter.data = w
    optimizer, cross_entropy = optim.SGD(model.parameters(), lr=LR), nn.CrossEntropyLoss()
    x, labels = pb.tensor(x), pb.tensor(labels)

    def train(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    step = pb.compile(train) if compiled else train
    return lambda: step(x, labels)


def pullback_eager(weights: list[Any], x: Any, labels: Any) -> Any:
    """The same, eager."""
    return pullback(weights, x, labels, compiled=False)


def torch(weights: list[Any], x: Any, labels: Any) -> Any:
    """The same lines, eager."""
    import torch
    from torch import nn, optim

    layers: list[Any] = []
    for w in weights[::2]:
        layers += [nn.Linear(w.shape[1], w.shape[0]), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, w in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(w))
    optimizer, cross_entropy = optim.SGD(model.parameters(), lr=LR), nn.CrossEntropyLoss()
    x, labels = torch.tensor(x), torch.tensor(labels)

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def jax(weights: list[Any], x: Any, labels: Any) -> Any:
    """The whole step compiled."""
    import jax
    import jax.numpy as jnp

    def loss_of(state: Any, x: Any, labels: Any) -> Any:
        for i in range(0, len(state) - 2, 2):
            x = jnp.tanh(x @ state[i].T + state[i + 1])
        z = x @ state[-2].T + state[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], axis=1).mean()

    def update(state: Any, x: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(state, x, labels)
        return [w - LR * g for w, g in zip(state, gradients, strict=True)], loss

    compiled, state = jax.jit(update, donate_argnums=0), [jnp.array(w) for w in weights]
    x, labels = jnp.array(x), jnp.array(labels)

    def step() -> Any:
        nonlocal state
        state, loss = compiled(state, x, labels)
        return loss

    return step


STEPS = {"pullback": pullback, EAGER: pullback_eager, "torch": torch, "jax": jax}
