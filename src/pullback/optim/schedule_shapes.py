"""Schedules with corners and cycles: steps, ramps, waves that start again, one cycle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.value import Value
from .optimizer import Optimizer
from .schedule import Schedule, positive

__all__ = [
    "SWALR",
    "ConstantLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
]


class MultiStepLR(Schedule):
    """lr · γ^k, where k is the number of `milestones` that t has reached.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = pb.optim.MultiStepLR(optimiser, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> optimiser.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = np.array(sorted(_count("MultiStepLR", "milestones", n) for n in milestones), np.int64)
        self.gamma = float(gamma)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · γ^k."""
        return m.multiply(lr, m.pow(self.gamma, m.astype(_reached(self.milestones, count), np.float64)))


class ConstantLR(Schedule):
    """lr · factor for the first `total_iters` steps, then lr."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor = _share("ConstantLR", "factor", factor)
        self.total_iters = _count("ConstantLR", "total_iters", total_iters)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · factor, then lr."""
        return m.multiply(lr, m.where(m.less(count, self.total_iters), np.float64(self.factor), np.float64(1.0)))


class LinearLR(Schedule):
    """lr · (a + (b − a) min(1, t/n)): a = `start_factor`, b = `end_factor`, n = `total_iters`."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = _share("LinearLR", "start_factor", start_factor)
        self.end_factor = _share("LinearLR", "end_factor", end_factor)
        self.total_iters = positive("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · (a + (b − a) min(1, t/n))."""
        climbed = m.multiply(_done(count, self.total_iters), self.end_factor - self.start_factor)
        return m.multiply(lr, m.add(self.start_factor, climbed))


class PolynomialLR(Schedule):
    """lr · (1 − min(1, t/n))^p: n = `total_iters`, p = `power`."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters = positive("PolynomialLR", "total_iters", total_iters)
        self.power = float(power)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr · (1 − min(1, t/n))^p."""
        return m.multiply(lr, m.pow(m.subtract(1.0, _done(count, self.total_iters)), self.power))


class CosineAnnealingWarmRestarts(Schedule):
    """η + (lr − η)(1 + cos(π s/T))/2, where s counts from the last restart (Loshchilov & Hutter, ICLR 2017).

    The first cycle has T = `T_0` steps, each further one `T_mult` times as many; η = `eta_min`.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0 = positive("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = positive("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = float(eta_min)
        lengths, starts = [self.T_0], [0]
        while self.T_mult > 1 and starts[-1] + lengths[-1] < 2**62:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.T_mult)
        self._starts, self._lengths = np.array(starts, np.int64), np.array(lengths, np.float64)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """η + (lr − η)(1 + cos(π s/T))/2."""
        if self.T_mult == 1:
            since, length = m.remainder(count, self.T_0), np.float64(self.T_0)
        else:
            cycle = m.subtract(_reached(self._starts, count), 1)
            since, length = m.subtract(count, m.take(self._starts, cycle)), m.take(self._lengths, cycle)
        return _cosine(lr, np.float64(self.eta_min), m.divide(m.astype(since, np.float64), length))


class OneCycleLR(Schedule):
    """One cycle of `total_steps` steps (Smith & Topin, 2018): up to `max_lr`, then down to almost nothing.

    It starts from `max_lr`/`div_factor`, which becomes the group's initial rate, climbs in the share `pct_start`
    of the steps, and ends at that rate divided by `final_div_factor`; with `three_phase` it first returns to
    where it began, in as many steps. `anneal_strategy` is "cos" or "linear". With `cycle_momentum` the momentum
    (Adam's β₁) goes the other way, between `max_momentum` and `base_momentum`. `total_steps` may be given as
    `epochs` × `steps_per_epoch`. `max_lr` and the momenta are numbers, or lists with one for each group.

    Counting beyond `total_steps` raises ValueError; inside a traced step, where the count is not known, the
    rate stays at the end instead. Raises ValueError for settings out of range, and for `cycle_momentum` when
    the optimiser was made without momentum.

    >>> import pullback as pb
    >>> optimiser = pb.optim.Adam([pb.nn.Parameter([1.0])])
    >>> schedule = pb.optim.OneCycleLR(optimiser, max_lr=0.1, total_steps=10, pct_start=0.5)
    >>> rates = [optimiser.lr]
    >>> for _ in range(9):
    ...     schedule.step()
    ...     rates.append(round(optimiser.lr, 5))
    >>> rates[0], rates[4], rates[-1], optimiser.param_groups[0]["betas"]
    (0.004, 0.1, 0.0, (0.95, 0.999))
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch")
            total_steps = positive("OneCycleLR", "epochs", epochs) * positive(
                "OneCycleLR", "steps_per_epoch", steps_per_epoch
            )
        self.total_steps = positive("OneCycleLR", "total_steps", total_steps)
        if self.total_steps < 2:
            raise ValueError(f"OneCycleLR: expected total_steps >= 2, got {total_steps}")
        self.anneal = _strategy("OneCycleLR", anneal_strategy)
        self.cycle_momentum = cycle_momentum
        top = _share("OneCycleLR", "pct_start", pct_start) * self.total_steps - 1
        rates = _each("OneCycleLR", "max_lr", max_lr, optimizer)
        self.div_factor, self.final_div_factor = float(div_factor), float(final_div_factor)
        self._momenta = _momenta("OneCycleLR", optimizer, cycle_momentum, base_momentum, max_momentum)
        ends = [top, 2 * top, self.total_steps - 1.0] if three_phase else [top, self.total_steps - 1.0]
        low, high, least = 1.0, self.div_factor, 1 / self.final_div_factor
        levels = [low, high, low, least] if three_phase else [low, high, least]
        flips = [1.0, 0.0, 1.0, 1.0] if three_phase else [1.0, 0.0, 1.0]
        starts = [0.0, *ends[:-1]]
        # (start, end, what the rate is at both, what the momentum's height is at both)
        self._phases = [
            (starts[i], ends[i], levels[i], levels[i + 1], flips[i], flips[i + 1])
            for i in range(len(ends))
            if ends[i] > starts[i]
        ]
        self.start_from(optimizer, [lr / self.div_factor for lr in rates])
        super().__init__(optimizer)

    def step(self) -> None:
        """Count one further and set the learning rates. Raises ValueError beyond `total_steps`."""
        count = self._count.read()
        if not isinstance(count, Value) and count >= self.total_steps:
            raise ValueError(f"OneCycleLR.step: the cycle has {self.total_steps} steps, and all are done")
        super().step()

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """The rate of the phase that `count` lies in."""
        return m.multiply(lr, self._along(count, 2))

    def momentum(self, count: Any, group: int) -> Any:
        """The momentum, which is high where the rate is low."""
        if not self.cycle_momentum:
            return None
        base, high = self._momenta[group]
        return m.add(base, m.multiply(high - base, self._along(count, 4)))

    def _along(self, count: Any, column: int) -> Any:
        t = m.astype(count, np.float64)
        value: Any = None
        for phase in reversed(self._phases):
            start, end = phase[:2]
            share = m.clip(m.divide(m.subtract(t, start), end - start), 0.0, 1.0)
            here = self.anneal(np.float64(phase[column]), np.float64(phase[column + 1]), share)
            value = here if value is None else m.where(m.less_equal(t, end), here, value)
        return value


class CyclicLR(Schedule):
    """Between `base_lr` and `max_lr`, up in `step_size_up` and down in `step_size_down` steps (Smith, 2017).

    `mode`: "triangular"; "triangular2", where each cycle is half as high as the one before; "exp_range", where
    the height is multiplied by `gamma` in every step. `base_lr` becomes the group's initial rate. With
    `cycle_momentum` the momentum (Adam's β₁) goes the other way, between `max_momentum` and `base_momentum`.
    `base_lr`, `max_lr` and the momenta are numbers, or lists with one for each group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        *,
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"CyclicLR: expected mode to be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        up = positive("CyclicLR", "step_size_up", step_size_up)
        down = up if step_size_down is None else positive("CyclicLR", "step_size_down", step_size_down)
        self.length, self.share_up = float(up + down), up / (up + down)
        self.mode, self.gamma, self.cycle_momentum = mode, float(gamma), cycle_momentum
        low = _each("CyclicLR", "base_lr", base_lr, optimizer)
        self._heights = [b - a for a, b in zip(low, _each("CyclicLR", "max_lr", max_lr, optimizer), strict=True)]
        self._momenta = _momenta("CyclicLR", optimizer, cycle_momentum, base_momentum, max_momentum)
        self.start_from(optimizer, low)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """lr plus the height of the cycle."""
        return m.add(lr, m.multiply(self._heights[group], self._height(count)))

    def momentum(self, count: Any, group: int) -> Any:
        """The momentum, which is high where the rate is low."""
        if not self.cycle_momentum:
            return None
        base, high = self._momenta[group]
        return m.subtract(np.float64(high), m.multiply(high - base, self._height(count)))

    def _height(self, count: Any) -> Any:
        t = m.astype(count, np.float64)
        cycles = m.divide(t, self.length)
        cycle = m.floor(cycles)
        place = m.subtract(cycles, cycle)
        falling = m.divide(m.subtract(place, 1.0), self.share_up - 1.0)
        height = m.where(m.less_equal(place, self.share_up), m.divide(place, self.share_up), falling)
        if self.mode == "triangular2":
            return m.multiply(height, m.pow(0.5, cycle))
        return m.multiply(height, m.pow(self.gamma, t)) if self.mode == "exp_range" else height


class SWALR(Schedule):
    """From the rate of the schedules before it to `swa_lr` in `anneal_epochs` steps, and there it stays.

    For averaging weights (Izmailov et al., UAI 2018; see `AveragedModel`). `anneal_strategy` is "cos" or
    "linear"; `swa_lr` a number, or a list with one for each group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
    ) -> None:
        self.swa_lr = _each("SWALR", "swa_lr", swa_lr, optimizer)
        self.anneal_epochs = _count("SWALR", "anneal_epochs", anneal_epochs)
        self.anneal = _strategy("SWALR", anneal_strategy)
        super().__init__(optimizer)

    def rate(self, count: Any, lr: Any, group: int) -> Any:
        """The rate between lr and `swa_lr`."""
        share = _done(count, self.anneal_epochs) if self.anneal_epochs else 1.0
        return self.anneal(lr, np.float64(self.swa_lr[group]), share)


def _done(count: Any, total: int) -> Any:
    """min(1, t/n)."""
    return m.divide(m.astype(m.minimum(count, total), np.float64), float(total))


def _reached(milestones: Any, count: Any) -> Any:
    return m.sum(m.astype(m.less_equal(milestones, count), np.int64))


def _cosine(start: Any, end: Any, share: Any) -> Any:
    """From `start` to `end` along half a cosine."""
    wave = m.add(m.cos(m.multiply(share, math.pi)), 1.0)
    return m.add(end, m.multiply(m.multiply(m.subtract(start, end), 0.5), wave))


def _straight(start: Any, end: Any, share: Any) -> Any:
    return m.add(start, m.multiply(m.subtract(end, start), share))


def _strategy(where: str, name: str) -> Any:
    if name not in ("cos", "linear"):
        raise ValueError(f"{where}: expected anneal_strategy to be 'cos' or 'linear', got {name!r}")
    return _cosine if name == "cos" else _straight


def _count(where: str, name: str, n: Any) -> int:
    return 0 if n == 0 and not isinstance(n, bool) else positive(where, name, n)


def _share(where: str, name: str, share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"{where}: expected {name} in [0, 1], got {share}")
    return float(share)


def _each(where: str, name: str, value: float | Sequence[float], optimizer: Optimizer) -> list[float]:
    """One number for each group of the optimiser."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{where}: expected an optimiser, got {type(optimizer).__name__}")
    groups = len(optimizer.param_groups)
    values = [float(x) for x in value] if isinstance(value, Sequence) else [float(value)] * groups
    if len(values) != groups:
        raise ValueError(f"{where}: expected one {name} for each of {groups} groups, got {len(values)}")
    for x in values:
        if not 0 <= x < math.inf:
            raise ValueError(f"{where}: expected {name} to be a finite number >= 0, got {x}")
    return values


def _momenta(where: str, optimizer: Optimizer, wanted: bool, base: Any, high: Any) -> list[tuple[float, float]]:
    """The lowest and the highest momentum of each group, after checking that they can be set."""
    if not wanted:
        return []
    pairs = list(
        zip(_each(where, "base_momentum", base, optimizer), _each(where, "max_momentum", high, optimizer), strict=True)
    )
    for group, pair in zip(optimizer.param_groups, pairs, strict=True):
        if "momentum" not in group and "betas" not in group:
            raise ValueError(
                f"{where}: {type(optimizer).__name__} has neither momentum nor betas.\n"
                f"  right:  {where}(optimizer, …, cycle_momentum=False)"
            )
        for x in pair:
            if "momentum" in group:
                group.checked("momentum", x)
            else:
                group.checked("betas", (x, group["betas"][1]))
    return pairs
