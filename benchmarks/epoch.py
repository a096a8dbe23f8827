"""A whole epoch of W1: 60,000 samples, shuffled, as a user of each library writes it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .by_hand import ByHand
from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import BY_HAND, INSTALL, is_installed
from .measure import Sample, interleaved
from .workloads.problems import PROBLEMS

TITLE = "An epoch of 60,000 samples, 784-128-10, tanh, gradient descent, batch 64, shuffled, float32, one thread"
ITEMS, BATCH, LR = 60_000, 64, 0.1
EPOCH, LOADER, SCAN, LOOP = "epoch", "pullback, DataLoader", "jax, one scan", "jax, a loop"
TORCH, SKLEARN, KERAS = "torch, DataLoader", "scikit-learn", "keras"
GOALS = [Goal(EPOCH, 1.0, times=SCAN), Goal(EPOCH, 1 / 3, times=TORCH)]
BOUND = 0.1


def figures(settings: Settings) -> list[Figure]:
    """One process with one thread: all take turns."""
    present = [c for c in EPOCHS if is_installed(LIBRARY.get(c, c))]
    items, rounds = (6_000, 2) if settings.quick else (ITEMS, 7)
    done = run("benchmarks.epoch:timings", one_thread=True, contenders=present, rounds=rounds, items=items)
    return [
        figure(EPOCH, c, "s", done["samples"][c]["s"], f"{NOTES[c]}; loss {done['losses'][c]:.3f}")
        if c in present
        else missing(EPOCH, c, "s", INSTALL)
        for c in EPOCHS
    ]


def timings(contenders: list[str], rounds: int, items: int) -> dict[str, Any]:
    """The seconds of an epoch of each contender; the first, which compiles, is not counted.

    `losses` are over all samples after that first epoch: each shuffles in its own order, so they are near to each
    other and not equal.
    """
    x, labels = problem(items)
    runs, losses = {}, {}
    for c in dict.fromkeys([BY_HAND, *contenders]):
        epoch, weights = EPOCHS[c](x, labels)
        epoch()
        losses[c] = loss_of(weights(), x, labels)
        if abs(losses[c] / losses[BY_HAND] - 1) > BOUND:
            raise ArithmeticError(f"{c} ends at a loss of {losses[c]:.4f}, NumPy by hand at {losses[BY_HAND]:.4f}")
        runs[c] = _timed(epoch)
    return {"samples": interleaved({c: runs[c] for c in contenders}, rounds), "losses": losses}


def _timed(epoch: Callable[[], None]) -> Callable[[], Sample]:
    def sample() -> Sample:
        begin = perf_counter()
        epoch()
        return {"s": perf_counter() - begin}

    return sample


def problem(items: int) -> tuple[Any, Any]:
    """Ten prototypes under noise, as strong as to leave a loss that tells one training from another."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, items)
    prototypes = rng.random((10, 784), dtype=np.float32)
    noise = rng.normal(size=(items, 784)).astype(np.float32)
    return 0.05 * prototypes[labels] + 0.3 * noise, labels


def loss_of(weights: list[Any], x: Any, labels: Any) -> float:
    """The loss over all samples: W₁, b₁, W₂, b₂ with outputs before inputs."""
    w1, b1, w2, b2 = weights
    z = np.tanh(x @ w1.T + b1) @ w2.T + b2
    z = z - z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]))


def _weights() -> list[Any]:
    return list(PROBLEMS["W1"]().weights.values())


Epoch = tuple[Callable[[], None], Callable[[], list[Any]]]


def pullback(x: Any, labels: Any) -> Epoch:
    """The samples are a tensor; the compiled step takes the rows of a batch."""
    import pullback as pb

    model, train = _pullback_training()
    data, classes = pb.tensor(x), pb.tensor(labels)
    rng = np.random.default_rng(0)
    step = pb.compile(lambda rows: train(data[rows], classes[rows]))

    def epoch() -> None:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            loss = step(order[start : start + BATCH])
        float(loss)

    return epoch, lambda: [np.asarray(p.detach()) for p in model.parameters()]


def pullback_loader(x: Any, labels: Any) -> Epoch:
    """The samples come from a DataLoader, the step is compiled."""
    import pullback as pb
    from pullback.data import ArrayDataset, DataLoader

    model, train = _pullback_training()
    loader = DataLoader(ArrayDataset(x, labels), batch_size=BATCH, shuffle=True, drop_last=True)
    step = pb.compile(train)

    def epoch() -> None:
        for batch, classes in loader:
            loss = step(batch, classes)
        float(loss)

    return epoch, lambda: [np.asarray(p.detach()) for p in model.parameters()]


def _pullback_training() -> tuple[Any, Callable[[Any, Any], Any]]:
    import pullback as pb
    from pullback import nn, optim

    pb.set_num_threads(1)
    model = nn.Sequential(nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 10))
    for parameter, w in zip(model.parameters(), _weights(), strict=True):
        parameter.data = w
    optimizer, cross_entropy = optim.SGD(model.parameters(), lr=LR), nn.CrossEntropyLoss()

    def train(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return model, train


def by_hand(x: Any, labels: Any) -> Epoch:
    """NumPy, with the derivatives worked out on paper."""
    network = ByHand(_weights(), BATCH, LR)
    rng = np.random.default_rng(0)

    def epoch() -> None:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            network.step(x[rows], labels[rows])

    return epoch, lambda: [network.w1.T, network.b1, network.w2.T, network.b2]


def torch_loader(x: Any, labels: Any) -> Epoch:
    """The usual lines, eager."""
    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 10))
    with torch.no_grad():
        for parameter, w in zip(model.parameters(), _weights(), strict=True):
            parameter.copy_(torch.tensor(w))
    dataset = TensorDataset(torch.from_numpy(x), torch.from_numpy(labels))
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
    optimizer, cross_entropy = optim.SGD(model.parameters(), lr=LR), nn.CrossEntropyLoss()

    def epoch() -> None:
        for batch, classes in loader:
            optimizer.zero_grad()
            cross_entropy(model(batch), classes).backward()
            optimizer.step()

    return epoch, lambda: [p.detach().numpy() for p in model.parameters()]


def jax_loop(x: Any, labels: Any) -> Epoch:
    """A Python loop over batches that NumPy picks."""
    import jax
    import jax.numpy as jnp

    state = [jnp.array(w) for w in _weights()]
    update = jax.jit(_jax_update(), donate_argnums=0)
    rng = np.random.default_rng(0)

    def epoch() -> None:
        nonlocal state
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            state, _ = update(state, (x[rows], labels[rows]))
        jax.block_until_ready(state)

    return epoch, lambda: [np.asarray(w) for w in state]


def jax_scan(x: Any, labels: Any) -> Epoch:
    """The whole epoch in one `lax.scan`, which takes the rows of each batch."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    state = [jnp.array(w) for w in _weights()]
    data, classes = jnp.array(x), jnp.array(labels)
    update, key = _jax_update(), jax.random.key(0)

    def whole(state: Any, data: Any, classes: Any, key: Any) -> Any:
        order = jax.random.permutation(key, len(data))[: len(data) // BATCH * BATCH].reshape(-1, BATCH)
        return lax.scan(lambda state, rows: update(state, (data[rows], classes[rows])), state, order)[0]

    compiled = jax.jit(whole, donate_argnums=0)

    def epoch() -> None:
        nonlocal state, key
        key, now = jax.random.split(key)
        state = jax.block_until_ready(compiled(state, data, classes, now))

    return epoch, lambda: [np.asarray(w) for w in state]


def _jax_update() -> Callable[[Any, Any], Any]:
    import jax
    import jax.numpy as jnp

    def loss_of(state: Any, x: Any, labels: Any) -> Any:
        w1, b1, w2, b2 = state
        z = jnp.tanh(x @ w1.T + b1) @ w2.T + b2
        return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], axis=1).mean()

    def update(state: Any, batch: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(state, *batch)
        return [w - LR * g for w, g in zip(state, gradients, strict=True)], loss

    return update


def scikit_learn(x: Any, labels: Any) -> Epoch:
    """`MLPClassifier`, one `partial_fit` an epoch."""
    from sklearn.neural_network import MLPClassifier

    settings = {"activation": "tanh", "solver": "sgd", "momentum": 0.0, "alpha": 0.0, "learning_rate_init": LR}
    model = MLPClassifier((128,), batch_size=BATCH, random_state=0, **settings)
    classes = np.unique(labels)
    model.partial_fit(x[:BATCH], labels[:BATCH], classes=classes)  # makes the arrays
    w1, b1, w2, b2 = _weights()
    model.coefs_, model.intercepts_ = [w1.T.copy(), w2.T.copy()], [b1, b2]

    def weights() -> list[Any]:
        return [a for w, b in zip(model.coefs_, model.intercepts_, strict=True) for a in (w.T, b)]

    return lambda: model.partial_fit(x, labels, classes=classes), weights


def keras(x: Any, labels: Any) -> Epoch:
    """`fit` on TensorFlow."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    layers = [keras.Input((784,)), keras.layers.Dense(128, "tanh"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.set_weights([w.T for w in _weights()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LR), loss)
    return lambda: model.fit(x, labels, BATCH, 1, 0), lambda: [w.T for w in model.get_weights()]


EPOCHS: dict[str, Callable[[Any, Any], Epoch]] = {
    "pullback": pullback,
    LOADER: pullback_loader,
    BY_HAND: by_hand,
    SCAN: jax_scan,
    LOOP: jax_loop,
    TORCH: torch_loader,
    SKLEARN: scikit_learn,
    KERAS: keras,
}
LIBRARY = {LOADER: "pullback", SCAN: "jax", LOOP: "jax", TORCH: "torch", SKLEARN: "sklearn", KERAS: "tensorflow"}
NOTES = {
    "pullback": "compiled, takes its rows itself",
    LOADER: "compiled",
    BY_HAND: "an index for each batch",
    SCAN: "the whole epoch compiled",
    LOOP: "a step compiled",
    TORCH: "eager",
    SKLEARN: "MLPClassifier",
    KERAS: "fit, on TensorFlow",
}
