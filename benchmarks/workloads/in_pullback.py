"""The workloads in pullback: layers, losses and optimisers, the step compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problems import Problem

__all__ = ["step", "training"]


def step(problem: Problem, compiled: bool = True) -> Callable[[int], Any]:
    """Return what trains on batch i and returns the loss."""
    import pullback as pb

    train, batches = training(problem)
    run = pb.compile(train) if compiled else train
    return lambda i: run(*batches[i % len(batches)])


def training(problem: Problem) -> tuple[Callable[[Any, Any], Any], list[tuple[Any, Any]]]:
    """The step, eager, as a function of a batch; and the batches."""
    import pullback as pb
    from pullback import nn, optim

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(96, 64)
            self.lstm = nn.LSTM(64, 256, batch_first=True)
            self.out = nn.Linear(256, 96)

        def forward(self, x: Any) -> Any:
            return pb.reshape(self.out(self.lstm(self.embedding(x))[0]), (-1, 96))

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            n, t, d = x.shape
            qkv = pb.reshape(self.qkv(self.norm1(x)), (n, t, 3, self.heads, d // self.heads))
            q, k, v = pb.unstack(pb.permute_dims(qkv, (2, 0, 3, 1, 4)), axis=0)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.mix(pb.reshape(pb.permute_dims(mixed, (0, 2, 1, 3)), (n, t, d)))
            return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))

    class Gpt(nn.Module):
        def __init__(self, heads: int, layers: int, width: int = 128) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(96, width), nn.Embedding(128, width)
            self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
            self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 96)

        def forward(self, x: Any) -> Any:
            h = self.tokens(x) + self.places(np.arange(x.shape[1]))
            for block in self.blocks:
                h = block(h)
            return pb.reshape(self.out(self.norm(h)), (-1, 96))

    def named(**layers: Any) -> Any:
        model = nn.Sequential()
        for name, layer in layers.items():
            setattr(model, name, layer)
        return model

    models: dict[str, Callable[[], Any]] = {
        "W1": lambda: named(fc1=nn.Linear(784, 128), tanh=nn.Tanh(), fc2=nn.Linear(128, 10)),
        "W2": lambda: named(fc1=nn.Linear(784, 10), relu=nn.ReLU(), fc2=nn.Linear(10, 10)),
        "W3": lambda: named(
            conv1=nn.Conv2d(1, 32, 3, padding=1), relu1=nn.ReLU(), conv2=nn.Conv2d(32, 64, 3, padding=1),
            relu2=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(), fc1=nn.Linear(12544, 128), relu3=nn.ReLU(),
            fc2=nn.Linear(128, 10),
        ),
        "W4": Letters,
        "W5": lambda: Gpt(**problem.settings),
        "W6": lambda: named(
            fc1=nn.Linear(2, 16), relu1=nn.ReLU(), fc2=nn.Linear(16, 16), relu2=nn.ReLU(), fc3=nn.Linear(16, 1)
        ),
    }  # fmt: skip
    model = models[problem.name]()
    model.load_state_dict({name: pb.tensor(w) for name, w in problem.weights.items()})
    parameters = list(model.parameters())
    optimizers = {
        "W1": lambda: optim.SGD(parameters, lr=problem.lr),
        "W6": lambda: optim.SGD(parameters, lr=problem.lr),
        "W5": lambda: optim.AdamW(parameters, lr=problem.lr, weight_decay=0.01),
    }
    optimizer = optimizers.get(problem.name, lambda: optim.Adam(parameters, lr=problem.lr))()
    cross_entropy = nn.CrossEntropyLoss()

    def loss_of(x: Any, y: Any) -> Any:
        if problem.name != "W6":
            return cross_entropy(model(x), y)
        margin = pb.mean(pb.relu(1 - y * model(x)))
        return margin + problem.settings["penalty"] * sum(pb.sum(p * p) for p in parameters)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return train, [(pb.tensor(x), pb.tensor(y)) for x, y in problem.batches]
