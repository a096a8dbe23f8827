"""Schedules: the learning rate as a function of a counter.

A schedule maps the rate that comes in to the rate that goes out, given how often it was stepped. Several
schedules of one optimiser act one after the other, in the order in which they were made, on
`group["initial_lr"]`. A schedule may also set the momentum. Counter and rates are cells, so `step()` works
outside and inside a traced step. What the user writes to `group["lr"]` holds until the next `step()` of a
schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.value import Value
from ..tensor import Tensor
from ..transforms.reverse import TAPE
from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "LinearWarmup", "Schedule", "StepLR"]


class Schedule:
    """Base of the schedules. A subclass defines `rate`.

    Making a schedule sets the learning rates to those of the beginning; each `step()` counts one further.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an optimiser, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self._count = Cell(np.int64(0), name=f"{type(self).__name__}.count")
        for group in optimizer.param_groups:
            if "initial_lr" not in group:
                group.settle("initial_lr", group["lr"])
        optimizer.schedules.append(self)
        try:
            self._write(self._count.read())
        except BaseException:
            optimizer.schedules.remove(self)
            raise

    @staticmethod
    def start_from(optimizer: Optimizer, rates: Sequence[float]) -> None:
        """Set the rates that the schedules of `optimizer` begin with, one for each group."""
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            if "initial_lr" in group:
                group["initial_lr"] = lr
            else:
                group.settle("initial_lr", lr)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """Return the rate after `count` steps (0-d int64) from the rate `lr` (0-d float64), with mappings."""
        raise NotImplementedError(f"{type(self).__name__}.rate")  # an abstract method

    def momentum(self, count: Any, group: int) -> Any:
        """Return the momentum (or Adam's β₁) after `count` steps, or None when it is left alone."""
        return None

    def step(self) -> None:
        """Count one further and set the learning rates."""
        self._write(_bare(m.add(self._count.read(), 1)))

    @property
    def last_epoch(self) -> int:
        """How often `step` was called."""
        return int(self._count.read())

    def get_last_lr(self) -> list[Any]:
        """Return the learning rates of the groups as they are now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, int]:
        """Return the counter, as `load_state_dict` takes it."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue where `state_dict` was taken, and set the learning rates accordingly."""
        count = state_dict.get("last_epoch")
        if set(state_dict) != {"last_epoch"} or not isinstance(count, int) or count < 0:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected {{'last_epoch': n >= 0}}, got {state_dict}"
            )
        self._write(np.int64(count))

    def _write(self, count: Any) -> None:
        new = []
        for i, group in enumerate(self.optimizer.param_groups):
            if "initial_lr" not in group:  # a group added after the schedule was made
                group.settle("initial_lr", group["lr"])
            lr = group.cell("initial_lr").read()
            for schedule in self.optimizer.schedules:
                counted = count if schedule is self else schedule._count.read()
                lr = _bare(schedule.rate(counted, lr, i))
                momentum = _bare(schedule.momentum(counted, i))
                if momentum is not None:
                    new.append(_momentum_of(group, momentum))
            new.append((group.cell("lr"), _as_rate(lr)))
        for cell, lr in new:
            cell.write(lr)
        self._count.write(count)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(last_epoch={self.last_epoch})"


class StepLR(Schedule):
    """lr · γ^⌊t / step_size⌋.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = pb.optim.StepLR(optimiser, step_size=2, gamma=0.5)
    >>> for _ in range(5):
    ...     schedule.step()
    >>> optimiser.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = positive("StepLR", "step_size", step_size)
        self.gamma = float(gamma)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · γ^⌊t / step_size⌋."""
        return m.multiply(lr, m.pow(self.gamma, m.astype(m.floor_divide(count, self.step_size), np.float64)))


class ExponentialLR(Schedule):
    """lr · γᵗ."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = float(gamma)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · γᵗ."""
        return m.multiply(lr, m.pow(self.gamma, m.astype(count, np.float64)))


class CosineAnnealingLR(Schedule):
    """η + (lr − η)(1 + cos(π t / T))/2 with T = `T_max`, η = `eta_min` (Loshchilov & Hutter, ICLR 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = positive("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = float(eta_min)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """η + (lr − η)(1 + cos(π t / T))/2."""
        wave = m.cos(m.multiply(m.astype(count, np.float64), math.pi / self.T_max))
        half = m.multiply(m.subtract(lr, self.eta_min), m.multiply(m.add(wave, 1.0), 0.5))
        return m.add(half, self.eta_min)


class LinearWarmup(Schedule):
    """lr · min(1, (t + 1)/n): from lr/n in the first step to lr in step n = `warmup_steps`."""

    def __init__(self, optimizer: Optimizer, warmup_steps: int) -> None:
        self.warmup_steps = positive("LinearWarmup", "warmup_steps", warmup_steps)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · min(1, (t + 1)/n)."""
        done = m.divide(m.astype(m.add(count, 1), np.float64), float(self.warmup_steps))
        return m.multiply(lr, m.minimum(done, 1.0))


class LambdaLR(Schedule):
    """lr · f(t), f a function of the counter or a list with one for each group.

    `f` gets a Python integer; inside a traced step it gets a tensor, and must be written with pullback's
    functions.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[Any], Any] | Sequence[Callable[[Any], Any]]) -> None:
        several = list(lr_lambda) if isinstance(lr_lambda, Sequence) else None
        if several is not None and len(several) != len(optimizer.param_groups):
            raise ValueError(
                f"LambdaLR: expected one function for each of {len(optimizer.param_groups)} groups, got {len(several)}"
            )
        self.lr_lambda: Any = several if several is not None else lr_lambda
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · f(t)."""
        function = self.lr_lambda[group] if isinstance(self.lr_lambda, list) else self.lr_lambda
        factor = function(Tensor(TAPE, count) if isinstance(count, Value) else int(count))
        return m.multiply(lr, m.astype(factor, np.float64) if isinstance(factor, Value) else np.float64(factor))


def positive(where: str, name: str, n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{where}: expected {name} to be a positive integer, got {n!r}")
    return int(n)


def _bare(x: Any) -> Any:
    """Return what a tensor holds: an array, or the value of a traced step."""
    while isinstance(x, Value) and x._owner is TAPE:
        x = x._payload.read() if isinstance(x._payload, Cell) else x._payload
    return x


def _momentum_of(group: Any, momentum: Any) -> tuple[Cell, Any]:
    """The cell that holds the momentum, and what is to be written to it."""
    if "momentum" in group:
        return group.cell("momentum"), momentum
    betas = group.cell("betas")
    return betas, _bare(m.where(np.array([True, False]), momentum, betas.read()))


def _as_rate(lr: Any) -> Any:
    if isinstance(lr, Value):
        return lr
    if not np.isfinite(lr):
        raise ValueError(f"a schedule gave the learning rate {float(lr)}")
    return np.float64(lr)
