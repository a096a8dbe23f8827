"""W7: a chain of scalar mappings y ← y · a, forward and back, as one compiled graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .figures import QUICKEST, Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import Sample, interleaved
from .scalars import CHAINS, END, Run, factor

TITLE = "W7: a chain of scalar mappings y ← y · a, float64, unrolled in Python and compiled"
LENGTH, QUICK_LENGTH, LONG, JAX_LENGTH = 10_000, 1_000, 100_000, 1_000
COMPILING, COMPILED_TIME, EAGER = "first call, compiling included", "compiled, per mapping", "eager, per mapping"
GOALS = [
    Goal(EAGER, 1 / 1.6, times=QUICKEST),
    Goal(f"{COMPILING}: {LONG:,}", 5.0, otherwise="the advice"),
]
ROUNDS = 9
SHORT = {"jax": 200}  # whose chain is shorter: its eager mappings take a quarter of a millisecond each


def figures(settings: Settings) -> list[Figure]:
    """JAX's compiled chain is shorter than ours: its compiling grows faster than the chain. micrograd, which recurses,
    cannot go back through one as long as these."""
    length = QUICK_LENGTH if settings.quick else LENGTH
    first, later = [], []
    for c, n in (("pullback", length), ("jax", JAX_LENGTH)):
        if not is_installed(c):
            first.append(missing(COMPILING, c, "s", INSTALL))
            continue
        settings.tell(f"{c}, compiled")
        done = run("benchmarks.unrolled:compiled", one_thread=True, contender=c, length=n)
        first.append(figure(COMPILING, c, "s", [done["first"]], f"{n:,} mappings"))
        later.append(figure(COMPILED_TIME, c, "µs", [s / n * 1e6 for s in done["seconds"]], f"{n:,} mappings"))
    if not settings.quick:
        settings.tell(f"{LONG:,} mappings")
        done = run("benchmarks.unrolled:long", one_thread=True, length=LONG)
        first.append(figure(f"{COMPILING}: {LONG:,}", "pullback", "s", [done["seconds"]], done["advice"]))
    settings.tell("eager")
    wanted = list(EAGER_CHAINS)
    present = [c for c in wanted if is_installed(c)]
    samples = run("benchmarks.unrolled:eager", one_thread=True, contenders=present, length=length)
    eager = [
        figure(EAGER, c, "µs", samples[c]["µs"], f"{SHORT.get(c, length):,} mappings")
        if c in present
        else missing(EAGER, c, "µs", INSTALL)
        for c in wanted
    ]
    return first + later + eager


def compiled(contender: str, length: int) -> dict[str, Any]:
    """The seconds of the first call, recording and compiling included, and of the calls after it."""
    chain = COMPILED[contender](length)
    begin = perf_counter()
    value, gradient = chain()
    first = perf_counter() - begin
    _check(contender, value, gradient)
    seconds = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        chain()
        seconds.append(perf_counter() - begin)
    return {"first": first, "seconds": seconds}


def eager(contenders: list[str], length: int) -> dict[str, dict[str, list[float]]]:
    """The microseconds of a mapping, forward and back, recorded one by one."""

    def one(c: str) -> Callable[[], Sample]:
        mappings = SHORT.get(c, length)

        def sample() -> Sample:
            done = EAGER_CHAINS[c](mappings, 1)
            _check(c, done.value, done.gradient)
            return {"µs": (done.forward + done.back) / mappings * 1e6}

        return sample

    return interleaved({c: one(c) for c in contenders}, ROUNDS)


def long(length: int) -> dict[str, Any]:
    """The seconds of the first call of a chain that is too long to be compiled, and the advice that it gives."""
    chain = pullback(length)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begin = perf_counter()
        value, gradient = chain()
        seconds = perf_counter() - begin
    _check("pullback", value, gradient)
    advice = [line.strip() for w in caught for line in str(w.message).splitlines() if "right:" in line]
    return {"seconds": seconds, "advice": "not compiled, the advice: " + " ".join(advice) if advice else "compiled"}


def _check(contender: str, value: float, gradient: float) -> None:
    error = max(abs(value / END - 1), abs(gradient / END - 1))
    if not error < 1e-9:
        raise ArithmeticError(f"{contender} computed {value} and the gradient {gradient}, not {END}")


def pullback(length: int) -> Callable[[], tuple[float, float]]:
    """`pb.compile` of value and gradient."""
    import pullback as pb

    a = factor(length)

    def chain(y: Any) -> Any:
        for _ in range(length):
            y = y * a
        return y

    both = pb.compile(pb.value_and_grad(chain))
    start = pb.tensor(np.float64(1.0))

    def call() -> tuple[float, float]:
        value, gradient = both(start)
        return float(value), float(gradient)

    return call


def jax(length: int) -> Callable[[], tuple[float, float]]:
    """`jax.jit` of value and gradient."""
    import jax

    jax.config.update("jax_enable_x64", True)
    a = factor(length)

    def chain(y: Any) -> Any:
        for _ in range(length):
            y = y * a
        return y

    both = jax.jit(jax.value_and_grad(chain))
    start = jax.numpy.float64(1.0)

    def call() -> tuple[float, float]:
        value, gradient = both(start)
        return float(value), float(gradient)

    return call


def jax_eager(length: int, active: int) -> Run:
    """`jax.vjp` without `jit`."""
    import jax

    jax.config.update("jax_enable_x64", True)
    a = factor(length)

    def chain(y: Any) -> Any:
        for _ in range(length):
            y = y * a
        return y

    begin = perf_counter()
    value, back = jax.vjp(chain, jax.numpy.float64(1.0))
    value.block_until_ready()
    middle = perf_counter()
    gradient = back(jax.numpy.float64(1.0))[0].block_until_ready()
    return Run(middle - begin, perf_counter() - middle, float(value), float(gradient))


def tensorflow_eager(length: int, active: int) -> Run:
    """`tf.GradientTape` without `tf.function`."""
    import tensorflow as tf

    a, start = factor(length), tf.constant(1.0, tf.float64)
    begin = perf_counter()
    with tf.GradientTape() as tape:
        tape.watch(start)
        y = start
        for _ in range(length):
            y = y * a
    middle = perf_counter()
    gradient = tape.gradient(y, start)
    return Run(middle - begin, perf_counter() - middle, float(y), float(gradient))


EAGER_CHAINS = {c: chain for c, chain in CHAINS.items() if c != "micrograd"} | {
    "jax": jax_eager,
    "tensorflow": tensorflow_eager,
}
COMPILED = {"pullback": pullback, "jax": jax}
