"""Programs whose plans are kept, run by a process of its own: `python stored_programs.py NAME…` prints what they do."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pullback as pb
from pullback import nn, optim

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from programs import MODELS, training
else:
    from .programs import MODELS, training

__all__ = ["NAMES"]

STEPS = 5


def _bits(x: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(np.asarray(x)).tobytes()).hexdigest()[:16]


def _train(name: str, verify: bool = False, threads: int = 1) -> list[Any]:
    """Train with Adam under a schedule, and predict: all losses, the state at the end, and what is predicted."""
    pb.set_num_threads(threads)
    build, data = training(name, lambda p: optim.Adam(p, lr=0.01), keep=True)
    model, step, optimizer = build()
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    compiled = pb.compile(step, verify=verify)
    losses = []
    for i in range(STEPS):
        losses.append(float(compiled(*data[i % 3])).hex())
        schedule.step()
    model.eval()
    predict = pb.compile(lambda x: model(x))
    with pb.no_grad():
        predicted = _bits(predict(data[0][0]))
    state = [_bits(value) for value in model.state_dict().values()]
    pb.set_num_threads(1)
    return [*losses, predicted, *state]


def _moons() -> list[Any]:
    """A hinge loss with a penalty, as in micrograd's demo."""
    pb.random.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    parameters = list(model.parameters())
    optimizer = optim.SGD(parameters, lr=0.1)

    @pb.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = pb.mean(pb.relu(1 - y * model(x))) + 1e-4 * sum(pb.sum(p * p) for p in parameters)
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 2)).astype(np.float32), np.sign(rng.normal(size=(50, 1))).astype(np.float32)
    return [float(step(x, y)).hex() for _ in range(STEPS)] + [_bits(p) for p in parameters]


def _loops() -> list[Any]:
    """A long scan with its way back, and a choice."""
    w = pb.tensor(np.linspace(-0.5, 0.5, 16, dtype=np.float32).reshape(4, 4))

    def run(h: Any, xs: Any, flag: Any) -> Any:
        last, rows = pb.scan(lambda h, x: (pb.tanh(h @ w + x), pb.sum(h)), h, xs)
        return pb.sum(pb.cond(flag, lambda a: a * 2, lambda a: pb.sin(a), last)) + pb.sum(rows)

    slopes = pb.compile(pb.value_and_grad(run, argnums=(0, 1)))
    rng = np.random.default_rng(0)
    h, xs = rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=(60, 2, 4)).astype(np.float32)
    return [_bits(x) for flag in (True, False) for x in pb.core.tree.leaves(slopes(h, xs, np.bool_(flag)))]


NAMES: dict[str, Callable[[], list[Any]]] = {
    **{name: lambda name=name: _train(name) for name in MODELS},  # type: ignore[misc]
    "two threads": lambda: _train("deep", threads=2),
    "verified": lambda: _train("dropout", verify=True),
    "moons": _moons,
    "loops": _loops,
}


if __name__ == "__main__":
    results = {name: NAMES[name]() for name in sys.argv[1:]}
    made = "pullback.compile.planning" in sys.modules
    print(json.dumps({"results": results, "made": made}))
