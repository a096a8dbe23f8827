"""Learning rates that follow the number of steps, under Keras' names; each is a function of the step, from 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..recipe import Recorded

__all__ = ["CosineDecay", "ExponentialDecay", "LearningRateSchedule", "PiecewiseConstantDecay", "PolynomialDecay"]


class LearningRateSchedule(Recorded):
    """What you subclass for a schedule of your own: ``__call__(step)`` gives the learning rate of a step."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step)")


class ExponentialDecay(LearningRateSchedule):
    """rate · ``decay_rate``^(step/``decay_steps``); with ``staircase`` the exponent is rounded down.

    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
    0.025
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase = decay_rate, staircase

    def __call__(self, step: int) -> float:
        power = step / self.decay_steps
        return float(self.initial_learning_rate * self.decay_rate ** (math.floor(power) if self.staircase else power))


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to and including step ``boundaries[i]``, the last value after all.

    >>> [PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])(step) for step in (0, 2, 3, 5)]
    [1.0, 1.0, 0.5, 0.1]
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay: expected one value more than boundaries, got {len(values)} values and "
                f"{len(boundaries)} boundaries"
            )
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step: int) -> float:
        return float(self.values[sum(step > boundary for boundary in self.boundaries)])


class PolynomialDecay(LearningRateSchedule):
    """From the initial to the end rate along (1 − step/``decay_steps``)^``power``, then constant or again (``cycle``).

    >>> PolynomialDecay(1.0, 10, 0.0)(4)
    0.6
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step: int) -> float:
        length = self.decay_steps * (max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1)
        left = 1 - min(step, length) / length
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """From the initial rate to ``alpha`` times it along half a cosine.

    With ``warmup_target`` a straight line leads there first, in ``warmup_steps``, and the cosine falls from there.

    >>> round(CosineDecay(1.0, decay_steps=10)(5), 6)
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, step = self.warmup_target, step - self.warmup_steps
        wave = 0.5 * (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps))
        return top * ((1 - self.alpha) * wave + self.alpha)
