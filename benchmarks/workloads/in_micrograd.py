"""W6 in micrograd, whose demo it is: one object for every scalar."""

from __future__ import annotations

from collections.abc import Callable

from .problems import Problem

__all__ = ["step"]


def step(problem: Problem) -> Callable[[int], float]:
    """Return what trains on batch i and returns the loss."""
    from micrograd.nn import MLP

    model = MLP(2, [16, 16, 1])
    for i, layer in enumerate(model.layers):
        weight, bias = problem.weights[f"fc{i + 1}.weight"], problem.weights[f"fc{i + 1}.bias"]
        for neuron, row, b in zip(layer.neurons, weight, bias, strict=True):
            neuron.b.data = float(b)
            for w, number in zip(neuron.w, row, strict=True):
                w.data = float(number)
    batches = [(x.tolist(), y[:, 0].tolist()) for x, y in problem.batches]

    def train(i: int) -> float:
        points, sides = batches[i % len(batches)]
        margins = [(1 - y * model(x)).relu() for x, y in zip(points, sides, strict=True)]
        penalty = problem.settings["penalty"] * sum(p * p for p in model.parameters())
        loss = sum(margins) * (1.0 / len(margins)) + penalty
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= problem.lr * p.grad
        return float(loss.data)

    return train
