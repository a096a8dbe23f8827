"""Losses of regression: how far numbers are from numbers."""

from __future__ import annotations

import math
from typing import Any

from ... import mappings as m
from ...core.spec import dtype_of, operand, shape_of
from ...mappings.residual import _huber, _not_negative, _pinball
from .reduction import Loss, broadcast, paired, reduced

__all__ = [
    "GaussianNLLLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "PoissonNLLLoss",
    "QuantileLoss",
    "SmoothL1Loss",
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "quantile_loss",
    "smooth_l1_loss",
]


def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the squared error (input − target)². The shapes must be equal (ShapeError).

    `weight`: a factor for each element; the mean is then weighted.

    >>> import pullback as pb
    >>> pb.nn.functional.mse_loss(pb.tensor([1.0, 2.0]), pb.tensor([1.0, 4.0])).item()
    2.0
    """
    input, target = paired("mse_loss", input, target)
    return _weighed("mse_loss", m.square(m.subtract(input, target)), weight, reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the absolute error |input − target|. The shapes must be equal (ShapeError).

    `weight`: a factor for each element; the mean is then weighted.

    >>> import pullback as pb
    >>> pb.nn.functional.l1_loss(pb.tensor([1.0, 2.0]), pb.tensor([1.0, 4.0])).item()
    1.0
    """
    input, target = paired("l1_loss", input, target)
    return _weighed("l1_loss", m.abs(m.subtract(input, target)), weight, reduction)


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Return Huber's loss: r²/2 where |r| ≤ δ, else δ(|r| − δ/2), r = input − target (Huber, 1964).

    `delta`: δ > 0. `weight`: a factor for each element; the mean divides by the number of elements, as
    in PyTorch. The shapes must be equal (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.huber_loss(pb.tensor([1.0, 5.0]), pb.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.5, 4.5]
    """
    input, target = paired("huber_loss", input, target)
    losses = _huber(input, target, delta=_positive("huber_loss", "delta", delta))
    if weight is None:
        return reduced("huber_loss", losses, reduction)
    _, weight = paired("huber_loss", input, weight)
    return reduced("huber_loss", m.multiply(losses, weight), reduction)


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Return r²/(2β) where |r| < β, else |r| − β/2, r = input − target; β = 0 is the absolute error.

    That is Huber's loss with δ = β, divided by β (Girshick, ICCV 2015). The shapes must be equal (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.smooth_l1_loss(pb.tensor([1.0]), pb.tensor([0.0]), beta=2.0).item()
    0.25
    """
    input, target = paired("smooth_l1_loss", input, target)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    beta = _positive("smooth_l1_loss", "beta", beta)
    return reduced("smooth_l1_loss", m.divide(_huber(input, target, delta=beta), beta), reduction)


def quantile_loss(input: Any, target: Any, quantile: Any = 0.5, *, reduction: str = "mean") -> Any:
    """Return the pinball loss max(q e, (q − 1) e), e = target − input (Koenker & Bassett, 1978).

    It is least when `input` is the quantile q of the target; q = 0.5 gives half the absolute error.
    `quantile`: a number in (0, 1), or an array that broadcasts with `input`, such as one for each column.
    The shapes of input and target must be equal (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.quantile_loss(pb.tensor([0.0, 0.0]), pb.tensor([1.0, -1.0]), 0.75, reduction="none").tolist()
    [0.75, 0.25]
    """
    input, target = paired("quantile_loss", input, target)
    if isinstance(quantile, float | int):
        if not 0 < quantile < 1:
            raise ValueError(f"quantile_loss: expected quantile in (0, 1), got {quantile}")
        return reduced("quantile_loss", _pinball(input, target, float(quantile)), reduction)
    input, quantile = broadcast("quantile_loss", input=input, quantile=quantile)
    return reduced("quantile_loss", _pinball(input, target, m.astype(quantile, dtype_of(input))), reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """Return the negative log likelihood of counts under Poisson's distribution: λ − t log λ.

    With `log_input` the input is log λ, else λ (and `eps` is added under the logarithm). `full` adds
    Stirling's approximation of log t!, t log t − t + log(2πt)/2, where t > 1. The shapes must broadcast
    together (ShapeError).

    >>> import pullback as pb
    >>> pb.nn.functional.poisson_nll_loss(pb.tensor([0.0]), pb.tensor([3.0])).item()
    1.0
    """
    input, target = broadcast("poisson_nll_loss", input=input, target=target)
    if log_input:
        losses = m.subtract(m.exp(input), m.multiply(target, input))
    else:
        losses = m.subtract(input, m.multiply(target, m.log(m.add(input, eps))))
    if full:
        many = m.greater(target, 1)
        t = m.where(many, target, 1)
        logarithm = m.log(t)
        stirling = m.add(
            m.subtract(m.multiply(t, logarithm), t), m.multiply(0.5, m.add(logarithm, math.log(2 * math.pi)))
        )
        losses = m.add(losses, m.where(many, stirling, 0))
    return reduced("poisson_nll_loss", losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Return the negative log likelihood under a normal distribution: (log v + (input − target)²/v)/2.

    v = max(var, eps); the gradient reaches `var` as if it were not bounded, as in PyTorch. `var` has the shape
    of `input`, or is one for each row ((…) or (…, 1) for an input (…, D)), or a number. `full` adds
    log(2π)/2. Raises ShapeError, and ValueError for a negative variance.

    >>> import pullback as pb
    >>> pb.nn.functional.gaussian_nll_loss(pb.tensor([2.0]), pb.tensor([0.0]), pb.tensor([1.0])).item()
    2.0
    """
    if not eps > 0:
        raise ValueError(f"gaussian_nll_loss: expected eps > 0, got {eps}")
    input, target = broadcast("gaussian_nll_loss", input=input, target=target)
    var = operand(var)
    shape, have = shape_of(input), shape_of(var)
    if have not in ((), shape) and have == shape[:-1]:
        var = m.reshape(var, (*have, 1))
    elif have not in ((), shape) and have != (*shape[:-1], 1):
        broadcast("gaussian_nll_loss", input=input, var=var)
    var = _not_negative(var, name="gaussian_nll_loss: var")
    if dtype_of(var).kind == "f":
        var = m.add(var, m.stop_gradient(m.subtract(m.maximum(var, eps), var)))
    losses = m.multiply(0.5, m.add(m.log(var), m.divide(m.square(m.subtract(input, target)), var)))
    if full:
        losses = m.add(losses, 0.5 * math.log(2 * math.pi))
    return reduced("gaussian_nll_loss", losses, reduction)


def _weighed(name: str, losses: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return reduced(name, losses, reduction)
    losses, weight = paired(name, losses, weight)
    losses = m.multiply(losses, weight)
    return m.divide(m.sum(losses), m.sum(weight)) if reduction == "mean" else reduced(name, losses, reduction)


def _positive(where: str, name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{where}: expected {name} > 0, got {value}")
    return float(value)


# ------------------------------------------------------------------------------------------- modules


class MSELoss(Loss):
    """The squared error; see `functional.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The absolute error; see `functional.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Loss):
    """Huber's loss: a square near the target, straight lines far from it; see `functional.huber_loss`.

    >>> import pullback as pb
    >>> pb.nn.HuberLoss(delta=2.0)(pb.tensor([5.0]), pb.tensor([0.0])).item()
    8.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = _positive("HuberLoss", "delta", delta)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(Loss):
    """The absolute error, rounded off near the target; see `functional.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: expected beta >= 0, got {beta}")
        self.beta = float(beta)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class QuantileLoss(Loss):
    """The pinball loss, which is least at a quantile of the target; see `functional.quantile_loss`."""

    def __init__(self, quantile: Any = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if isinstance(quantile, float | int):
            if not 0 < quantile < 1:
                raise ValueError(f"QuantileLoss: expected quantile in (0, 1), got {quantile}")
            self.quantile = quantile
        else:
            self.register_buffer("quantile", quantile)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return quantile_loss(input, target, self.quantile, reduction=self.reduction)


class PoissonNLLLoss(Loss):
    """The negative log likelihood of counts; see `functional.poisson_nll_loss`."""

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Any, target: Any) -> Any:
        """Return the loss."""
        return poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """The negative log likelihood under a normal distribution; see `functional.gaussian_nll_loss`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """Return the loss."""
        return gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)
