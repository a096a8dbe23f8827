"""The workloads in JAX: the whole step compiled by XLA, the memory of the old state given to the new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .problems import Problem

__all__ = ["step"]


def step(problem: Problem) -> Callable[[int], Any]:
    """Return what trains on batch i and returns the loss."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def dense(p: Any, name: str, x: Any) -> Any:
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(p: Any, name: str, x: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        spread = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(spread + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def conv(p: Any, name: str, x: Any) -> Any:
        kernel = p[f"{name}.weight"].transpose(2, 3, 1, 0)
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + p[f"{name}.bias"]

    def letters(p: Any, x: Any) -> Any:
        inputs = p["embedding.weight"][x].transpose(1, 0, 2) @ p["lstm.weight_ih_l0"].T
        inputs = inputs + p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]
        recurrent = p["lstm.weight_hh_l0"].T

        def cell(state: Any, z: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((x.shape[0], 256), jnp.float32)
        _, hs = lax.scan(cell, (start, start), inputs)
        return dense(p, "out", hs.transpose(1, 0, 2)).reshape(-1, 96)

    def gpt(p: Any, x: Any) -> Any:
        heads = problem.settings["heads"]
        h = p["tokens.weight"][x] + p["places.weight"][: x.shape[1]]
        n, t, d = h.shape
        mask = jnp.tril(jnp.ones((t, t), bool))
        for i in range(problem.settings["layers"]):
            block = f"blocks.{i}"
            qkv = dense(p, f"{block}.qkv", norm(p, f"{block}.norm1", h)).reshape(n, t, 3, heads, d // heads)
            q, k, v = qkv.transpose(2, 0, 3, 1, 4)
            scores = q @ k.swapaxes(-1, -2) / jnp.sqrt(jnp.float32(d // heads))
            mixed = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v
            h = h + dense(p, f"{block}.mix", mixed.transpose(0, 2, 1, 3).reshape(n, t, d))
            up = jax.nn.gelu(dense(p, f"{block}.up", norm(p, f"{block}.norm2", h)), approximate=False)
            h = h + dense(p, f"{block}.down", up)
        return dense(p, "out", norm(p, "norm", h)).reshape(-1, 96)

    def images(p: Any, x: Any) -> Any:
        h = jax.nn.relu(conv(p, "conv1", x.transpose(0, 2, 3, 1)))
        h = jax.nn.relu(conv(p, "conv2", h))
        h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        h = h.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        return dense(p, "fc2", jax.nn.relu(dense(p, "fc1", h)))

    models: dict[str, Callable[[Any, Any], Any]] = {
        "W1": lambda p, x: dense(p, "fc2", jnp.tanh(dense(p, "fc1", x))),
        "W2": lambda p, x: dense(p, "fc2", jax.nn.relu(dense(p, "fc1", x))),
        "W3": images,
        "W4": letters,
        "W5": gpt,
        "W6": lambda p, x: dense(p, "fc3", jax.nn.relu(dense(p, "fc2", jax.nn.relu(dense(p, "fc1", x))))),
    }
    model = models[problem.name]

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        if problem.name == "W6":
            penalty = problem.settings["penalty"] * sum((w * w).sum() for w in p.values())
            return jax.nn.relu(1 - y * model(p, x)).mean() + penalty
        chosen = jnp.take_along_axis(jax.nn.log_softmax(model(p, x)), y[:, None], axis=1)
        return -chosen.mean()

    decay = 0.01 if problem.name == "W5" else 0.0

    def descend(p: Any, g: Any, m: Any, v: Any, size: Any, root: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p * (1 - problem.lr * decay) - size * m / (jnp.sqrt(v) / root + 1e-8), m, v

    def update(state: Any, x: Any, y: Any) -> Any:
        p, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        if problem.name in ("W1", "W6"):
            return ({k: p[k] - problem.lr * g[k] for k in p}, m, v, t), loss
        t = t + 1
        size, root = problem.lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        new = {k: descend(p[k], g[k], m[k], v[k], size, root) for k in p}
        return tuple({k: n[i] for k, n in new.items()} for i in range(3)) + (t,), loss

    compiled = jax.jit(update, donate_argnums=0)
    p = {k: jnp.array(w) for k, w in problem.weights.items()}
    state = (p, {k: jnp.zeros_like(w) for k, w in p.items()}, {k: jnp.zeros_like(w) for k, w in p.items()}, 0.0)
    batches = [(jnp.array(x), jnp.array(y)) for x, y in problem.batches]

    def train(i: int) -> Any:
        nonlocal state
        state, loss = compiled(state, *batches[i % len(batches)])
        return loss

    return train
