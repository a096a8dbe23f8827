"""The workloads: weights from a fixed seed, named and laid out as PyTorch does, and a few batches of data.

- W1 784-128-10, tanh, gradient descent, batch 64.
- W2 784-10-10, relu, Adam, batch 32.
- W3 convolutions of 32 and 64 channels (3 × 3, padded by 1), pooling, 128 hidden units, Adam, batch 64 of 28 × 28.
- W4 characters: 96 → 64, LSTM of 256 units over 64 steps, 96 scores, Adam, batch 32.
- W5 GPT: 4 layers, 4 heads, width 128, context 128, 96 characters, AdamW, batch 16.
- W6 micrograd's moons: 2-16-16-1, relu, hinge loss of all 100 points with a penalty, gradient descent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["PROBLEMS", "Problem"]

Weights = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One workload: its weights, its batches, and the settings of its optimiser."""

    name: str
    weights: Weights
    batches: list[tuple[Any, Any]]
    lr: float
    settings: dict[str, Any] = field(default_factory=dict)


def _uniform(rng: Any, shape: tuple[int, ...], fan_in: int) -> Any:
    bound = 1 / np.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def _dense(rng: Any, weights: Weights, name: str, inputs: int, outputs: int) -> None:
    weights[f"{name}.weight"] = _uniform(rng, (outputs, inputs), inputs)
    weights[f"{name}.bias"] = _uniform(rng, (outputs,), inputs)


def _rows(rng: Any, batch: int, count: int = 20) -> list[tuple[Any, Any]]:
    return [(rng.random((batch, 784), dtype=np.float32), rng.integers(0, 10, batch)) for _ in range(count)]


def w1() -> Problem:
    rng = np.random.default_rng(0)
    weights: Weights = {}
    _dense(rng, weights, "fc1", 784, 128)
    _dense(rng, weights, "fc2", 128, 10)
    return Problem("W1", weights, _rows(rng, 64), 0.1)


def w2() -> Problem:
    rng = np.random.default_rng(0)
    weights: Weights = {}
    _dense(rng, weights, "fc1", 784, 10)
    _dense(rng, weights, "fc2", 10, 10)
    return Problem("W2", weights, _rows(rng, 32), 1e-3)


def w3() -> Problem:
    rng = np.random.default_rng(0)
    weights: Weights = {}
    for name, inputs, outputs in (("conv1", 1, 32), ("conv2", 32, 64)):
        weights[f"{name}.weight"] = _uniform(rng, (outputs, inputs, 3, 3), 9 * inputs)
        weights[f"{name}.bias"] = _uniform(rng, (outputs,), 9 * inputs)
    _dense(rng, weights, "fc1", 64 * 14 * 14, 128)
    _dense(rng, weights, "fc2", 128, 10)
    batches = [(rng.random((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64)) for _ in range(4)]
    return Problem("W3", weights, batches, 1e-3)


def w4() -> Problem:
    rng = np.random.default_rng(0)
    weights: Weights = {"embedding.weight": rng.normal(size=(96, 64)).astype(np.float32)}
    shapes = {"weight_ih": (1024, 64), "weight_hh": (1024, 256), "bias_ih": (1024,), "bias_hh": (1024,)}
    for name, shape in shapes.items():
        weights[f"lstm.{name}_l0"] = _uniform(rng, shape, 256)
    _dense(rng, weights, "out", 256, 96)
    batches = [(rng.integers(0, 96, (32, 64)), rng.integers(0, 96, 32 * 64)) for _ in range(4)]
    return Problem("W4", weights, batches, 1e-3)


def w5() -> Problem:
    rng = np.random.default_rng(0)
    width, layers = 128, 4
    weights: Weights = {
        "tokens.weight": 0.1 * rng.normal(size=(96, width)).astype(np.float32),
        "places.weight": 0.1 * rng.normal(size=(128, width)).astype(np.float32),
    }
    for i in range(layers):
        for name in (f"blocks.{i}.norm1", f"blocks.{i}.norm2"):
            weights[f"{name}.weight"] = np.ones(width, np.float32)
            weights[f"{name}.bias"] = np.zeros(width, np.float32)
        _dense(rng, weights, f"blocks.{i}.qkv", width, 3 * width)
        _dense(rng, weights, f"blocks.{i}.mix", width, width)
        _dense(rng, weights, f"blocks.{i}.up", width, 4 * width)
        _dense(rng, weights, f"blocks.{i}.down", 4 * width, width)
    weights["norm.weight"], weights["norm.bias"] = np.ones(width, np.float32), np.zeros(width, np.float32)
    _dense(rng, weights, "out", width, 96)
    batches = [(rng.integers(0, 96, (16, 128)), rng.integers(0, 96, 16 * 128)) for _ in range(4)]
    return Problem("W5", weights, batches, 1e-3, {"heads": 4, "layers": layers})


def w6() -> Problem:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 100)
    upper = np.arange(100) % 2 == 0
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1) + 0.1 * rng.normal(size=(100, 2))
    weights: Weights = {}
    for i, (inputs, outputs) in enumerate([(2, 16), (16, 16), (16, 1)]):
        weights[f"fc{i + 1}.weight"] = rng.uniform(-1, 1, (outputs, inputs)).astype(np.float32)
        weights[f"fc{i + 1}.bias"] = np.zeros(outputs, np.float32)
    sides = np.where(upper, 1.0, -1.0).astype(np.float32)[:, None]
    return Problem("W6", weights, [(points.astype(np.float32), sides)], 0.1, {"penalty": 1e-4})


PROBLEMS: dict[str, Callable[[], Problem]] = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W6": w6}
