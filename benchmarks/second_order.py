"""W8: Hessian, Jacobian and Hessian times vector of a small network, 20-32-5, compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .figures import QUICKEST, Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import Sample, interleaved
from .trainers import COMPILED_TORCH, absent

TITLE = "W8: derivatives of the network tanh(tanh(x W₁) W₂), 20-32-5, and of the sum of its squares, float32"
QUANTITIES = ("Hessian", "Jacobian", "Hessian × vector")
GOALS = [Goal(quantity, 1.0, times=QUICKEST) for quantity in QUANTITIES]
BLOCK, BOUND = 0.01, 1e-4


def figures(settings: Settings) -> list[Figure]:
    """One process with one thread: all take turns."""
    wanted = [c for c in DERIVATIVES if not (settings.quick and c == COMPILED_TORCH)]
    why = {c: absent(c, "W8") if c == COMPILED_TORCH else None if is_installed(c) else INSTALL for c in wanted}
    present = [c for c in wanted if why[c] is None]
    rounds = 5 if settings.quick else 41
    samples = run("benchmarks.second_order:timings", one_thread=True, contenders=present, rounds=rounds)
    return [
        figure(q, c, "µs", samples[c][q], NOTES[c]) if c in present else missing(q, c, "µs", str(why[c]))
        for q in QUANTITIES
        for c in wanted
    ]


def timings(contenders: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    """The microseconds of each derivative, after comparing it with the one by formula of finite differences."""
    arrays = problem()
    right = by_differences(*arrays)
    runs = {}
    for c in contenders:
        functions = DERIVATIVES[c](*arrays)
        for quantity, expected in right.items():
            error = float(np.abs(np.asarray(functions[quantity]()) - expected).max() / np.abs(expected).max())
            if not error < BOUND:
                raise ArithmeticError(f"{c}'s {quantity} is {error:.1e} from the differences")
        runs[c] = _blocks(functions)
    return interleaved(runs, rounds)


def _blocks(functions: dict[str, Callable[[], Any]]) -> Callable[[], Sample]:
    counts = {}
    for quantity, f in functions.items():
        begin = perf_counter()
        f()
        counts[quantity] = max(1, min(200, int(BLOCK / (perf_counter() - begin))))

    def sample() -> Sample:
        result = {}
        for quantity, f in functions.items():
            f()
            begin = perf_counter()
            for _ in range(counts[quantity]):
                f()
            result[quantity] = (perf_counter() - begin) / counts[quantity] * 1e6
        return result

    return sample


def problem() -> tuple[Any, Any, Any, Any]:
    """W₁, W₂, x and the vector."""
    rng = np.random.default_rng(0)
    shapes = ((20, 32), (32, 5), (20,), (20,))
    w1, w2, x, v = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return w1 / 5, w2 / 6, x, v


def by_differences(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Any]:
    """The three derivatives in float64, the gradient by its formula and everything else by central differences."""
    w1, w2, x, v = (a.astype(np.float64) for a in (w1, w2, x, v))

    def network(x: Any) -> Any:
        return np.tanh(np.tanh(x @ w1) @ w2)

    def gradient(x: Any) -> Any:
        h = np.tanh(x @ w1)
        y = np.tanh(h @ w2)
        return w1 @ ((1 - h * h) * (w2 @ ((1 - y * y) * 2 * y)))

    def slopes(f: Callable[[Any], Any]) -> Any:
        steps = 1e-5 * np.eye(len(x))
        return np.stack([(f(x + s) - f(x - s)) / 2e-5 for s in steps], axis=-1)

    hessian = slopes(gradient)
    return {"Hessian": hessian, "Jacobian": slopes(network), "Hessian × vector": hessian @ v}


def pullback(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Callable[[], Any]]:
    """`pb.compile` of the transforms."""
    import pullback as pb

    pb.set_num_threads(1)

    def network(x: Any) -> Any:
        return pb.tanh(pb.matmul(pb.tanh(pb.matmul(x, w1)), w2))

    def loss(x: Any) -> Any:
        return pb.sum(network(x) ** 2)

    x, v = pb.tensor(x), pb.tensor(v)
    hessian, jacobian = pb.compile(pb.hessian(loss)), pb.compile(pb.jacobian(network))
    product = pb.compile(lambda x, v: pb.hvp(loss, (x,), (v,)))
    return _named(lambda: hessian(x), lambda: jacobian(x), lambda: product(x, v))


def jax(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Callable[[], Any]]:
    """`jax.jit` of the transforms."""
    import jax
    import jax.numpy as jnp

    def network(x: Any) -> Any:
        return jnp.tanh(jnp.tanh(x @ w1) @ w2)

    def loss(x: Any) -> Any:
        return (network(x) ** 2).sum()

    x, v = jnp.array(x), jnp.array(v)
    hessian, jacobian = jax.jit(jax.hessian(loss)), jax.jit(jax.jacrev(network))
    product = jax.jit(lambda x, v: jax.jvp(jax.grad(loss), (x,), (v,))[1])
    return _named(
        lambda: hessian(x).block_until_ready(),
        lambda: jacobian(x).block_until_ready(),
        lambda: product(x, v).block_until_ready(),
    )


def torch(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Callable[[], Any]]:
    """`torch.func`, eager."""
    return torch_func(w1, w2, x, v, lambda f: f)


def torch_compile(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Callable[[], Any]]:
    """`torch.compile` of `torch.func`."""
    import torch

    return torch_func(w1, w2, x, v, torch.compile)


def torch_func(w1: Any, w2: Any, x: Any, v: Any, through: Callable[[Any], Any]) -> dict[str, Callable[[], Any]]:
    import torch
    from torch import func

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    w1, w2, x, v = (torch.tensor(a) for a in (w1, w2, x, v))

    def network(x: Any) -> Any:
        return torch.tanh(torch.tanh(x @ w1) @ w2)

    def loss(x: Any) -> Any:
        return (network(x) ** 2).sum()

    hessian, jacobian = through(func.hessian(loss)), through(func.jacrev(network))
    product = through(lambda x, v: func.jvp(func.grad(loss), (x,), (v,))[1])
    return _named(lambda: hessian(x), lambda: jacobian(x), lambda: product(x, v))


def autograd(w1: Any, w2: Any, x: Any, v: Any) -> dict[str, Callable[[], Any]]:
    """HIPS autograd, eager."""
    import autograd
    import autograd.numpy as anp

    def network(x: Any) -> Any:
        return anp.tanh(anp.dot(anp.tanh(anp.dot(x, w1)), w2))

    def loss(x: Any) -> Any:
        return anp.sum(network(x) ** 2)

    hessian, jacobian = autograd.hessian(loss), autograd.jacobian(network)
    product = autograd.hessian_vector_product(loss)
    return _named(lambda: hessian(x), lambda: jacobian(x), lambda: product(x, v))


def _named(*functions: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    return dict(zip(QUANTITIES, functions, strict=True))


DERIVATIVES = {
    "pullback": pullback,
    "torch": torch,
    COMPILED_TORCH: torch_compile,
    "jax": jax,
    "autograd": autograd,
}
NOTES = {
    "pullback": "pb.compile",
    "torch": "torch.func, eager",
    COMPILED_TORCH: "of torch.func",
    "jax": "jax.jit",
    "autograd": "eager",
}
