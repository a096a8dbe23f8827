"""The training step of one network, as a user of each library writes it.

The network is x → tanh(x W₁ᵀ + b₁) → · W₂ᵀ + b₂, the loss softmax cross-entropy, the optimiser gradient
descent. `NETWORKS[contender](weights, batches, lr)` copies the weights W₁, b₁, W₂, b₂ and the batches
(x, labels) into the library's own arrays and returns a function: `step(i)` trains on batch i and returns the
loss, of which `float(loss)` is the number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .by_hand import ByHand
from .installed import BY_HAND

__all__ = ["NETWORKS", "Batches", "Step", "Weights"]

Weights = list[np.ndarray[Any, Any]]
Batches = list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
Step = Callable[[int], Any]


def by_hand(weights: Weights, batches: Batches, lr: float) -> Step:
    """NumPy, with the derivatives worked out on paper."""
    network = ByHand(weights, len(batches[0][0]), lr)
    return lambda i: network.step(*batches[i])


def pullback(weights: Weights, batches: Batches, lr: float) -> Step:
    """Eager: layers, loss and optimiser as a user takes them from `nn` and `optim`."""
    import pullback as pb
    from pullback import nn, optim

    (hidden, inputs), (classes, _) = weights[0].shape, weights[2].shape
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, classes))
    for parameter, w in zip(model.parameters(), weights, strict=True):
        parameter.data = w
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=lr)
    tensors = [(pb.tensor(x), pb.tensor(labels)) for x, labels in batches]

    def step(i: int) -> Any:
        x, labels = tensors[i]
        optimizer.zero_grad()
        loss = loss_fn(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch(weights: Weights, batches: Batches, lr: float) -> Step:
    """Eager, the same lines as for pullback."""
    import torch
    from torch import nn, optim

    (hidden, inputs), (classes, _) = weights[0].shape, weights[2].shape
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, classes))
    for parameter, w in zip(model.parameters(), weights, strict=True):
        parameter.data = torch.tensor(w)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=lr)
    tensors = [(torch.tensor(x), torch.tensor(labels)) for x, labels in batches]

    def step(i: int) -> Any:
        x, labels = tensors[i]
        optimizer.zero_grad()
        loss = loss_fn(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def jax(weights: Weights, batches: Batches, lr: float) -> Step:
    """The whole step compiled by XLA; the memory of the old weights is given to the new ones."""
    import jax
    import jax.numpy as jnp

    def loss_of(parameters: Any, x: Any, labels: Any) -> Any:
        w1, b1, w2, b2 = parameters
        logits = jnp.tanh(x @ w1 + b1) @ w2 + b2
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -jnp.mean(chosen)

    def update(parameters: Any, x: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels)
        return [p - lr * g for p, g in zip(parameters, gradients, strict=True)], loss

    compiled = jax.jit(update, donate_argnums=0)
    parameters = [jnp.array(w.T) for w in weights]
    arrays = [(jnp.array(x), jnp.array(labels)) for x, labels in batches]

    def step(i: int) -> Any:
        nonlocal parameters
        parameters, loss = compiled(parameters, *arrays[i])
        return loss

    return step


def autograd(weights: Weights, batches: Batches, lr: float) -> Step:
    """NumPy functions of `autograd.numpy`, gradients by `value_and_grad`."""
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    def loss_of(parameters: Any, x: Any, labels: Any) -> Any:
        w1, b1, w2, b2 = parameters
        logits = anp.dot(anp.tanh(anp.dot(x, w1) + b1), w2) + b2
        chosen = logits[np.arange(len(labels)), labels]
        return anp.mean(logsumexp(logits, axis=1) - chosen)

    gradients_of = value_and_grad(loss_of)
    parameters = [np.ascontiguousarray(w.T).copy() for w in weights]
    rate = weights[0].dtype.type(lr)

    def step(i: int) -> Any:
        loss, gradients = gradients_of(parameters, *batches[i])
        for p, g in zip(parameters, gradients, strict=True):
            p -= rate * g
        return loss

    return step


NETWORKS: dict[str, Callable[[Weights, Batches, float], Step]] = {
    "pullback": pullback,
    BY_HAND: by_hand,
    "torch": torch,
    "jax": jax,
    "autograd": autograd,
}
