"""Schedules made of schedules: one after the other in time, or all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedule import Schedule, positive

__all__ = ["ChainedScheduler", "SequentialLR"]


class SequentialLR(Schedule):
    """One schedule after the other: the i-th runs, from its beginning, between two `milestones`.

    There is one milestone less than there are schedules. `step` of this schedule replaces theirs; they no
    longer act on the optimiser by themselves. Raises ValueError when the numbers do not fit, for a schedule of
    another optimiser, for one that needs a metric, and for one that sets the momentum.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=1.0)
    >>> warmup, decay = pb.optim.ConstantLR(optimiser, 0.5, 2), pb.optim.ExponentialLR(optimiser, 0.1)
    >>> schedule = pb.optim.SequentialLR(optimiser, [warmup, decay], milestones=[2])
    >>> rates = [optimiser.lr]
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates.append(optimiser.lr)
    >>> rates
    [0.5, 0.5, 1.0, 0.1]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        self.schedulers = list(schedulers)
        self.milestones = [positive("SequentialLR", "milestones", n) for n in milestones]
        _check("SequentialLR", self.schedulers, optimizer)
        if len(self.milestones) != len(self.schedulers) - 1 or self.milestones != sorted(set(self.milestones)):
            raise ValueError(
                f"SequentialLR: expected {len(self.schedulers) - 1} rising milestones for {len(self.schedulers)} "
                f"schedulers, got {list(milestones)}"
            )
        for schedule in self.schedulers:
            if schedule.momentum(np.int64(0), 0) is not None:
                raise ValueError(
                    f"SequentialLR: {type(schedule).__name__} sets the momentum, which has no value while another "
                    f"schedule runs; make it with cycle_momentum=False"
                )
        before = optimizer.schedules[:]
        optimizer.schedules[:] = [s for s in before if all(s is not inner for inner in self.schedulers)]
        try:
            super().__init__(optimizer)
        except BaseException:
            optimizer.schedules[:] = before
            raise

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """The rate of the schedule that `count` lies in."""
        value = self.schedulers[0].rate(count, lr, group)
        for milestone, schedule in zip(self.milestones, self.schedulers[1:], strict=True):
            since = m.maximum(m.subtract(count, milestone), 0)
            value = m.where(m.less(count, milestone), value, schedule.rate(since, lr, group))
        return value


class ChainedScheduler:
    """Several schedules of one optimiser that are stepped together; they act one on the other's rate.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=1.0)
    >>> chain = [pb.optim.ConstantLR(optimiser, 0.5, 2), pb.optim.ExponentialLR(optimiser, 0.5)]
    >>> schedule = pb.optim.ChainedScheduler(chain)
    >>> schedule.step()
    >>> optimiser.lr
    0.25
    """

    def __init__(self, schedulers: Sequence[Schedule], optimizer: Optimizer | None = None) -> None:
        self.schedulers = list(schedulers)
        first = getattr(self.schedulers[0], "optimizer", None) if self.schedulers else None
        self.optimizer: Any = first if optimizer is None else optimizer
        _check("ChainedScheduler", self.schedulers, self.optimizer)

    def step(self) -> None:
        """Step every schedule."""
        for schedule in self.schedulers:
            schedule.step()

    def get_last_lr(self) -> list[Any]:
        """Return the learning rates of the groups as they are now."""
        return self.schedulers[-1].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the schedules, as `load_state_dict` takes them."""
        return {"schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises ValueError when it does not fit."""
        states = state_dict.get("schedulers", [])
        if len(states) != len(self.schedulers):
            raise ValueError(
                f"ChainedScheduler.load_state_dict: expected the states of {len(self.schedulers)} schedulers, "
                f"got {len(states)}"
            )
        for schedule, state in zip(self.schedulers, states, strict=True):
            schedule.load_state_dict(state)


def _check(name: str, schedulers: list[Schedule], optimizer: Any) -> None:
    if not schedulers:
        raise ValueError(f"{name}: got no schedulers")
    for i, schedule in enumerate(schedulers):
        if not isinstance(schedule, Schedule):
            raise TypeError(f"{name}: expected schedules, got {type(schedule).__name__} at index {i}")
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(f"{name}: ReduceLROnPlateau needs a metric in each step; step it by itself")
        if schedule.optimizer is not optimizer:
            raise ValueError(f"{name}: the schedule at index {i} belongs to another optimiser")
