"""Training steps to compile: small models of every kind, and all optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import pullback as pb
from pullback import nn, optim

__all__ = ["MODELS", "OPTIMIZERS", "training"]

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "SGD Nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "Adadelta": lambda p: optim.Adadelta(p, lr=1.0),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "RMSprop centred": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "AMSGrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01),
    "Lion": lambda p: optim.Lion(p, lr=0.001),
    "LAMB": lambda p: optim.LAMB(p, lr=0.01),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.01),
    "Muon": lambda p: optim.Muon([x for x in p if x.ndim == 2], lr=0.01),
}


class Letters(nn.Module):
    """An embedding, a recurrent layer, and what letter comes next."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.recurrent = layer(6, 9, batch_first=True)
        self.out = nn.Linear(9, 11)

    def forward(self, x: Any) -> Any:
        h, _ = self.recurrent(self.embedding(x))
        return pb.reshape(self.out(h), (-1, 11))


class Attention(nn.Module):
    """A small language model with one encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.block = nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 11)

    def forward(self, x: Any) -> Any:
        return pb.reshape(self.out(self.norm(self.block(self.embedding(x), is_causal=True))), (-1, 11))


def _images(rng: Any, dtype: Any) -> list[Any]:
    return [(np.asarray(rng.random((8, 1, 8, 8)), dtype), rng.integers(0, 10, 8)) for _ in range(3)]


def _rows(rng: Any, dtype: Any) -> list[Any]:
    return [(np.asarray(rng.random((16, 20)), dtype), rng.integers(0, 10, 16)) for _ in range(3)]


def _texts(rng: Any, dtype: Any) -> list[Any]:
    return [(rng.integers(0, 11, (4, 6)), rng.integers(0, 11, 24)) for _ in range(3)]


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], list[Any]]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(20, 24), nn.Tanh(), nn.Linear(24, 10)), _rows),
    "deep": (
        lambda: nn.Sequential(
            *[m for _ in range(4) for m in (nn.Linear(20, 20), nn.LayerNorm(20), nn.GELU())], nn.Linear(20, 10)
        ),
        _rows,
    ),
    "dropout": (
        lambda: nn.Sequential(nn.Linear(20, 24), nn.ReLU(), nn.Dropout(0.3), nn.Linear(24, 10)),
        _rows,
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(72, 10),
        ),
        _images,
    ),
    "batch norm": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), nn.SiLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(6, 10)
        ),
        _images,
    ),
    "lstm": (lambda: Letters(nn.LSTM), _texts),
    "gru": (lambda: Letters(nn.GRU), _texts),
    "attention": (Attention, _texts),
}  # fmt: skip


def training(name: str, optimizer: Callable[[Any], Any], dtype: Any = np.float32, keep: bool = False) -> Any:
    """Return what builds a model with its step, always alike, and the batches; `keep`: the optimiser too."""
    model, batches = MODELS[name]

    def build() -> Any:
        pb.random.manual_seed(0)
        net = model()
        if dtype != np.float32:
            net.to(dtype)
        chosen = optimizer(list(net.parameters()))
        loss_of = nn.CrossEntropyLoss()

        def step(x: Any, y: Any) -> Any:
            loss = loss_of(net(x), y)
            chosen.zero_grad()
            loss.backward()
            chosen.step()
            return loss

        return (net, step, chosen) if keep else (net, step)

    return build, batches(np.random.default_rng(0), dtype)
