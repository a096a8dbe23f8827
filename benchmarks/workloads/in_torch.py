"""The workloads in PyTorch, eager or through torch.compile, convolutions with channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .problems import Problem

__all__ = ["step"]


def step(problem: Problem, compiled: bool = False) -> Callable[[int], Any]:
    """Return what trains on batch i and returns the loss; `compiled` is forward, loss and the way back."""
    import torch
    from torch import nn, optim
    from torch.nn import functional

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(96, 64)
            self.lstm = nn.LSTM(64, 256, batch_first=True)
            self.out = nn.Linear(256, 96)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(self.embedding(x))[0]).reshape(-1, 96)

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            n, t, d = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.mix(mixed.permute(0, 2, 1, 3).reshape(n, t, d))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class Gpt(nn.Module):
        def __init__(self, heads: int, layers: int, width: int = 128) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(96, width), nn.Embedding(128, width)
            self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
            self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 96)

        def forward(self, x: Any) -> Any:
            h = self.tokens(x) + self.places(torch.arange(x.shape[1]))
            for block in self.blocks:
                h = block(h)
            return self.out(self.norm(h)).reshape(-1, 96)

    def named(**layers: Any) -> Any:
        model = nn.Sequential()
        for name, layer in layers.items():
            model.add_module(name, layer)
        return model

    models: dict[str, Callable[[], Any]] = {
        "W1": lambda: named(fc1=nn.Linear(784, 128), tanh=nn.Tanh(), fc2=nn.Linear(128, 10)),
        "W2": lambda: named(fc1=nn.Linear(784, 10), relu=nn.ReLU(), fc2=nn.Linear(10, 10)),
        "W3": lambda: named(
            conv1=nn.Conv2d(1, 32, 3, padding=1), relu1=nn.ReLU(), conv2=nn.Conv2d(32, 64, 3, padding=1),
            relu2=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(), fc1=nn.Linear(12544, 128), relu3=nn.ReLU(),
            fc2=nn.Linear(128, 10),
        ).to(memory_format=torch.channels_last),
        "W4": Letters,
        "W5": lambda: Gpt(**problem.settings),
        "W6": lambda: named(
            fc1=nn.Linear(2, 16), relu1=nn.ReLU(), fc2=nn.Linear(16, 16), relu2=nn.ReLU(), fc3=nn.Linear(16, 1)
        ),
    }  # fmt: skip
    model = models[problem.name]()
    model.load_state_dict({name: torch.tensor(w) for name, w in problem.weights.items()})
    parameters = list(model.parameters())
    optimizers = {
        "W1": lambda: optim.SGD(parameters, lr=problem.lr),
        "W6": lambda: optim.SGD(parameters, lr=problem.lr),
        "W5": lambda: optim.AdamW(parameters, lr=problem.lr, weight_decay=0.01, fused=True),
    }
    optimizer = optimizers.get(problem.name, lambda: optim.Adam(parameters, lr=problem.lr, fused=True))()

    def loss_of(x: Any, y: Any) -> Any:
        if problem.name != "W6":
            return functional.cross_entropy(model(x), y)
        margin = torch.relu(1 - y * model(x)).mean()
        return margin + problem.settings["penalty"] * sum((p * p).sum() for p in parameters)

    losing = torch.compile(loss_of) if compiled else loss_of
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in problem.batches]
    if problem.name == "W3":
        batches = [(x.to(memory_format=torch.channels_last), y) for x, y in batches]

    def train(i: int) -> Any:
        x, y = batches[i % len(batches)]
        optimizer.zero_grad()
        loss = losing(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return train
