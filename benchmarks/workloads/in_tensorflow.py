"""The workloads in TensorFlow: the whole step in one `tf.function`, its own fused kernel for Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problems import Problem

__all__ = ["step"]


def step(problem: Problem) -> Callable[[int], Any]:
    """Return what trains on batch i and returns the loss."""
    import tensorflow as tf

    p = {name: tf.Variable(_laid_out(name, w)) for name, w in problem.weights.items()}

    def dense(name: str, x: Any) -> Any:
        return tf.matmul(x, p[f"{name}.weight"]) + p[f"{name}.bias"]

    def norm(name: str, x: Any) -> Any:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, p[f"{name}.bias"], p[f"{name}.weight"], 1e-5)

    def conv(name: str, x: Any) -> Any:
        return tf.nn.bias_add(tf.nn.conv2d(x, p[f"{name}.weight"], 1, "SAME"), p[f"{name}.bias"])

    def letters(x: Any) -> Any:
        inputs = tf.matmul(tf.gather(p["embedding.weight"], tf.transpose(x)), p["lstm.weight_ih_l0"])
        inputs = inputs + p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]
        h = c = tf.zeros((x.shape[0], 256))
        hs = []
        for z in tf.unstack(inputs):  # unrolled: quicker than tf.while_loop
            i, f, g, o = tf.split(z + tf.matmul(h, p["lstm.weight_hh_l0"]), 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            hs.append(h)
        return tf.reshape(dense("out", tf.stack(hs, axis=1)), (-1, 96))

    def gpt(x: Any) -> Any:
        heads = problem.settings["heads"]
        h = tf.gather(p["tokens.weight"], x) + p["places.weight"][: x.shape[1]]
        n, t, d = h.shape
        hidden = tf.where(np.tril(np.ones((t, t), bool)), 0.0, -np.inf)
        for i in range(problem.settings["layers"]):
            block = f"blocks.{i}"
            qkv = tf.reshape(dense(f"{block}.qkv", norm(f"{block}.norm1", h)), (n, t, 3, heads, d // heads))
            q, k, v = tf.unstack(tf.transpose(qkv, (2, 0, 3, 1, 4)))
            scores = tf.matmul(q, k, transpose_b=True) * (d // heads) ** -0.5
            mixed = tf.matmul(tf.nn.softmax(scores + hidden), v)
            h = h + dense(f"{block}.mix", tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (n, t, d)))
            up = tf.nn.gelu(dense(f"{block}.up", norm(f"{block}.norm2", h)), approximate=False)
            h = h + dense(f"{block}.down", up)
        return tf.reshape(dense("out", norm("norm", h)), (-1, 96))

    def images(x: Any) -> Any:
        h = tf.nn.relu(conv("conv1", tf.reshape(x, (x.shape[0], 28, 28, 1))))  # one channel: a reshape will do
        h = tf.nn.max_pool2d(tf.nn.relu(conv("conv2", h)), 2, 2, "VALID")
        return dense("fc2", tf.nn.relu(dense("fc1", tf.reshape(h, (x.shape[0], -1)))))

    models: dict[str, Callable[[Any], Any]] = {
        "W1": lambda x: dense("fc2", tf.tanh(dense("fc1", x))),
        "W2": lambda x: dense("fc2", tf.nn.relu(dense("fc1", x))),
        "W3": images,
        "W4": letters,
        "W5": gpt,
        "W6": lambda x: dense("fc3", tf.nn.relu(dense("fc2", tf.nn.relu(dense("fc1", x))))),
    }
    model = models[problem.name]

    def loss_of(x: Any, y: Any) -> Any:
        if problem.name != "W6":
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x)))
        penalty = problem.settings["penalty"] * tf.add_n([tf.reduce_sum(w * w) for w in p.values()])
        return tf.reduce_mean(tf.nn.relu(1 - y * model(x))) + penalty

    moments = {name: (tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for name, w in p.items()}
    power1, power2 = tf.Variable(0.9), tf.Variable(0.999)
    decay = 0.01 if problem.name == "W5" else 0.0

    def update(gradients: dict[str, Any]) -> None:
        for name, g in gradients.items():
            if problem.name in ("W1", "W6"):
                p[name].assign_sub(problem.lr * g)
                continue
            if decay:
                p[name].assign(p[name] * (1 - problem.lr * decay))
            m, v = moments[name]
            tf.raw_ops.ResourceApplyAdam(
                var=p[name].handle, m=m.handle, v=v.handle, beta1_power=power1, beta2_power=power2,
                lr=problem.lr, beta1=0.9, beta2=0.999, epsilon=1e-8, grad=tf.convert_to_tensor(g),
            )  # fmt: skip
        power1.assign(power1 * 0.9)
        power2.assign(power2 * 0.999)

    @tf.function
    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(x, y)
        update(tape.gradient(loss, p))
        return loss

    batches = [(tf.constant(x), tf.constant(y)) for x, y in problem.batches]
    return lambda i: train(*batches[i % len(batches)])


def _laid_out(name: str, w: Any) -> Any:
    """The weight as TensorFlow keeps it: inputs before outputs, channels last."""
    if w.ndim == 4:
        return w.transpose(2, 3, 1, 0)
    if w.ndim == 1 or name in ("embedding.weight", "tokens.weight", "places.weight"):
        return w
    if name == "fc1.weight" and w.shape[1] == 64 * 14 * 14:  # behind the convolutions: channels come last there too
        w = w.reshape(-1, 64, 14, 14).transpose(0, 2, 3, 1).reshape(len(w), -1)
    return np.ascontiguousarray(w.T)
