"""A chain of scalar mappings y ← y · a, as a user of each library writes it.

`CHAINS[contender](length, active)` runs the chain forward and back. With two active inputs a is a leaf too
and receives a gradient from every link of the chain; with one it is a Python number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

__all__ = ["CHAINS", "Run", "error"]

END = 0.5  # the value at the end of the chain, whatever its length


@dataclass(frozen=True)
class Run:
    """The seconds forward and back, the value at the end, and its gradient: by a, or by the first y."""

    forward: float
    back: float
    value: float
    gradient: float


def factor(length: int) -> float:
    """The factor a with a^length = END."""
    return math.exp(math.log(END) / length)


def error(run: Run, length: int, active: int) -> float:
    """The largest relative error of the value and of the gradient against their formulas."""
    gradient = END if active == 1 else length * END / factor(length)
    return max(abs(run.value / END - 1), abs(run.gradient / gradient - 1))


def pullback(length: int, active: int) -> Run:
    """Float64 scalars on the tape."""
    import pullback as pb

    start = pb.value(1.0, np.float64)
    a = factor(length) if active == 1 else pb.value(factor(length), np.float64)
    run = _recorded(start, a, length, lambda y: y.backward())
    return Run(*run[:2], run[2].item(), (start if active == 1 else a).grad.item())


def torch(length: int, active: int) -> Run:
    """Float64 tensors without axes."""
    import torch

    start = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    a = factor(length) if active == 1 else torch.tensor(factor(length), dtype=torch.float64, requires_grad=True)
    run = _recorded(start, a, length, lambda y: y.backward())
    return Run(*run[:2], run[2].item(), (start if active == 1 else a).grad.item())


def micrograd(length: int, active: int) -> Run:
    """Python floats. Its `backward` recurses, so that a long chain needs `sys.setrecursionlimit`."""
    from micrograd.engine import Value

    start = Value(1.0)
    a = factor(length) if active == 1 else Value(factor(length))
    run = _recorded(start, a, length, lambda y: y.backward())
    return Run(*run[:2], run[2].data, (start if active == 1 else a).grad)


def autograd(length: int, active: int) -> Run:
    """Python floats inside `make_vjp`, which records while the function runs."""
    from autograd import make_vjp

    def chain(y: Any, a: Any) -> Any:
        for _ in range(length):
            y = y * a
        return y

    begin = perf_counter()
    back, value = make_vjp(chain, argnum=active - 1)(1.0, factor(length))
    middle = perf_counter()
    gradient = back(1.0)
    return Run(middle - begin, perf_counter() - middle, float(value), float(gradient))


CHAINS: dict[str, Callable[[int, int], Run]] = {
    "pullback": pullback,
    "torch": torch,
    "autograd": autograd,
    "micrograd": micrograd,
}


def _recorded(y: Any, a: Any, length: int, backward: Callable[[Any], None]) -> tuple[float, float, Any]:
    begin = perf_counter()
    for _ in range(length):
        y = y * a
    middle = perf_counter()
    backward(y)
    return middle - begin, perf_counter() - middle, y
