"""W7: a chain of scalar mappings y ← y · a, forward and back, as one compiled graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import INSTALL, is_installed
from .measure import Sample, interleaved
from .scalars import CHAINS, END, factor

TITLE = "W7: a chain of scalar mappings y ← y · a, float64, unrolled in Python and compiled"
LENGTH, QUICK_LENGTH, LONG, JAX_LENGTH = 10_000, 1_000, 100_000, 1_000
COMPILING, COMPILED_TIME, EAGER = "first call, compiling included", "compiled, per mapping", "eager, per mapping"
GOALS = [Goal(EAGER, 1 / 1.6, times="torch")]
ROUNDS = 9


def figures(settings: Settings) -> list[Figure]:
    """JAX's compiled chain is shorter than ours: its compiling grows faster than the chain. micrograd recurses."""
    length = QUICK_LENGTH if settings.quick else LENGTH
    first, later = [], []
    for c, n in (("pullback", length), ("jax", JAX_LENGTH)):
        if not is_installed(c):
            first.append(missing(COMPILING, c, "s", INSTALL))
            continue
        done = run("benchmarks.unrolled:compiled", one_thread=True, contender=c, length=n)
        first.append(figure(COMPILING, c, "s", [done["first"]], f"{n:,} mappings"))
        later.append(figure(COMPILED_TIME, c, "µs", [s / n * 1e6 for s in done["seconds"]], f"{n:,} mappings"))
    if not settings.quick:
        done = run("benchmarks.unrolled:long", one_thread=True, length=LONG)
        first.append(figure(f"{COMPILING}: {LONG:,}", "pullback", "s", [done["seconds"]], done["advice"]))
    wanted = [c for c in CHAINS if c != "micrograd"]
    present = [c for c in wanted if is_installed(c)]
    samples = run("benchmarks.unrolled:eager", one_thread=True, contenders=present, length=length)
    eager = [
        figure(EAGER, c, "µs", samples[c]["µs"]) if c in present else missing(EAGER, c, "µs", INSTALL) for c in wanted
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
        def sample() -> Sample:
            done = CHAINS[c](length, 1)
            _check(c, done.value, done.gradient)
            return {"µs": (done.forward + done.back) / length * 1e6}

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
    return {"seconds": seconds, "advice": "not compiled; " + " ".join(advice) if advice else "compiled"}


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


COMPILED = {"pullback": pullback, "jax": jax}
