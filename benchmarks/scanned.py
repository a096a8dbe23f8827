"""Long loops: recurrent networks trained step by step with `scan`, the whole training step compiled."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .compiled import block
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import interleaved
from .trainers import use_threads

TITLE = "Long loops: recurrent networks by scan, the last state to one number, Adam, float32, one thread"
SIZES = {
    "RNN of 32 units, 10,000 steps, batch 8": ("rnn", 10_000, 8, 16, 32),
    "LSTM of 128 units, 1,000 steps, batch 16": ("lstm", 1_000, 16, 32, 128),
}
FIRST, LATER = "first call", "step"
GOALS = [Goal(f"{LATER}: {name}", 1.0, times="jax") for name in SIZES]
GOALS += [Goal(f"{FIRST}: {name}", 5.0) for name in SIZES]
LR, BOUND = 1e-3, 1e-3


def figures(settings: Settings) -> list[Figure]:
    """One process a network: all take turns."""
    present = [c for c in NETWORKS if is_installed(c)]
    result = []
    for name, (kind, steps, *shape) in SIZES.items():
        length = steps // 100 if settings.quick else steps
        rounds = 3 if settings.quick else 9
        arguments = {"contenders": present, "kind": kind, "shape": [length, *shape], "rounds": rounds}
        done = run("benchmarks.scanned:timings", one_thread=True, **arguments)
        for what, unit in ((FIRST, "s"), (LATER, "µs")):
            quantity = f"{what}: {name}"
            for c in NETWORKS:
                if c not in present:
                    result.append(missing(quantity, c, unit, INSTALL))
                elif what == FIRST:
                    result.append(figure(quantity, c, unit, [done["first"][c]]))
                else:
                    result.append(figure(quantity, c, unit, done["samples"][c]["µs"]))
    return result


def timings(contenders: list[str], kind: str, shape: list[int], rounds: int) -> dict[str, Any]:
    """The seconds of each contender's first call and the microseconds of the later ones; five losses are compared."""
    weights, x, y = problem(kind, *shape)
    runs, first, right = {}, {}, None
    for c in contenders:
        use_threads(c, 1)
        step = NETWORKS[c](kind, weights, x, y)
        begin = perf_counter()
        losses = [float(step())]
        first[c] = perf_counter() - begin
        losses += [float(step()) for _ in range(4)]
        right = losses if right is None else right
        if not np.abs(np.array(losses) / np.array(right) - 1).max() < BOUND:
            raise ArithmeticError(f"{c} computes other losses than {contenders[0]}: {losses} and {right}")
        runs[c] = block(lambda i, step=step: step())
    return {"first": first, "samples": interleaved(runs, rounds)}


def problem(kind: str, steps: int, batch: int, inputs: int, units: int) -> tuple[list[Any], Any, Any]:
    """Weights (inputs, units and bias to gates, in the order input, forget, new, output; head), entries, targets."""
    rng = np.random.default_rng(0)
    gates = 4 * units if kind == "lstm" else units
    shapes = [(inputs, gates), (units, gates), (gates,), (units, 1)]
    weights = [(rng.normal(size=s) * units**-0.5).astype(np.float32) for s in shapes]
    x = rng.normal(size=(steps, batch, inputs)).astype(np.float32)
    return weights, x, rng.normal(size=(batch, 1)).astype(np.float32)


def _cell(kind: str, tanh: Callable[..., Any], sigmoid: Callable[..., Any]) -> Callable[..., Any]:
    """The function that is scanned, in whichever library."""

    def rnn(weights: Any, carry: Any, x: Any) -> Any:
        (h,) = carry
        return (tanh(x @ weights[0] + h @ weights[1] + weights[2]),), None

    def lstm(weights: Any, carry: Any, x: Any) -> Any:
        h, c = carry
        z = x @ weights[0] + h @ weights[1] + weights[2]
        n = c.shape[1]
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return (sigmoid(o) * tanh(c), c), None

    return lstm if kind == "lstm" else rnn


def _states(kind: str) -> int:
    return 2 if kind == "lstm" else 1


def pullback(kind: str, weights: list[Any], x: Any, y: Any) -> Callable[[], Any]:
    """`pb.scan` in a compiled step."""
    import pullback as pb
    from pullback import nn, optim

    cell, parameters = _cell(kind, pb.tanh, pb.sigmoid), [nn.Parameter(pb.tensor(w)) for w in weights]
    optimizer = optim.Adam(parameters, lr=LR)
    zeros = np.zeros((len(y), weights[1].shape[0]), np.float32)
    x, y = pb.tensor(x), pb.tensor(y)

    @pb.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        last, _ = pb.scan(lambda carry, row: cell(parameters, carry, row), (zeros,) * _states(kind), x)
        loss = pb.mean((last[0] @ parameters[3] - y) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    return lambda: step(x, y)


def jax(kind: str, weights: list[Any], x: Any, y: Any) -> Callable[[], Any]:
    """`lax.scan` in a jitted step."""
    import jax
    import jax.numpy as jnp
    import optax

    cell, optimizer = _cell(kind, jnp.tanh, jax.nn.sigmoid), optax.adam(LR)
    zeros = jnp.zeros((len(y), weights[1].shape[0]), jnp.float32)

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        last, _ = jax.lax.scan(lambda carry, row: cell(weights, carry, row), (zeros,) * _states(kind), x)
        return jnp.mean((last[0] @ weights[3] - y) ** 2)

    def update(weights: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        changes, state = optimizer.update(gradients, state)
        return optax.apply_updates(weights, changes), state, loss

    compiled, held = jax.jit(update, donate_argnums=(0, 1)), [jnp.array(w) for w in weights]
    state, x, y = optimizer.init(held), jnp.array(x), jnp.array(y)

    def step() -> Any:
        nonlocal held, state
        held, state, loss = compiled(held, state, x, y)
        return loss

    return step


def torch(kind: str, weights: list[Any], x: Any, y: Any) -> Callable[[], Any]:
    """`nn.RNN` and `nn.LSTM`, eager: their loops are native."""
    import torch
    from torch import nn, optim

    layer = (nn.LSTM if kind == "lstm" else nn.RNN)(weights[0].shape[0], weights[1].shape[0])
    head = nn.Parameter(torch.tensor(weights[3]))
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(weights[0].T))
        layer.weight_hh_l0.copy_(torch.tensor(weights[1].T))
        layer.bias_ih_l0.copy_(torch.tensor(weights[2]))
        layer.bias_hh_l0.zero_().requires_grad_(False)
    optimizer = optim.Adam([*(p for p in layer.parameters() if p.requires_grad), head], lr=LR)
    x, y = torch.tensor(x), torch.tensor(y)

    def step() -> Any:
        optimizer.zero_grad()
        rows, _ = layer(x)
        loss = ((rows[-1] @ head - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


NETWORKS = {"pullback": pullback, "jax": jax, "torch": torch}
