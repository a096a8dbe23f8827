"""BatchNormalization over all axes but the last."""

from __future__ import annotations

from typing import Any

from ... import mappings as m
from ...core.spec import ndim_of
from ...nn import Buffer
from ..initializers import start
from .layer import Layer, Shape

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """y = γ (x − mean)/√(var + ε) + β with one mean and variance per channel, the last axis.

    In training they are the batch's, and `moving_mean` and `moving_variance` (not the unbiased one, as in Keras)
    follow: moving ← momentum · moving + (1 − momentum) · batch. Else the moving ones are used (Ioffe & Szegedy,
    ICML 2015).
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, shape: Shape) -> Shape:
        """Make γ, β and the moving statistics."""
        self.gamma, self.beta = start("ones", shape[-1:]), start("zeros", shape[-1:])
        self.moving_mean, self.moving_variance = Buffer(start("zeros", shape[-1:])), Buffer(start("ones", shape[-1:]))
        return shape

    def forward(self, x: Any) -> Any:
        """Normalise x."""
        mean: Any = self.moving_mean
        var: Any = self.moving_variance
        if self.training:
            axes = tuple(range(ndim_of(x) - 1))
            mean, var = m.mean(x, axis=axes), m.var(x, axis=axes)
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, var)):
                kept = m.multiply(moving, self.momentum)
                moving.assign_(m.add(kept, m.multiply(m.stop_gradient(new), 1 - self.momentum)))
        scaled = m.divide(m.subtract(x, mean), m.sqrt(m.add(var, self.epsilon)))
        return m.add(m.multiply(scaled, self.gamma), self.beta)
