"""BatchNormalization over all axes but the last, LayerNormalization over the last."""

from __future__ import annotations

from typing import Any

from ... import mappings as m
from ...core.spec import ndim_of
from .layer import Layer

__all__ = ["BatchNormalization", "LayerNormalization"]


class BatchNormalization(Layer):
    """y = γ (x − mean)/√(var + ε) + β with one mean and variance per channel, the last axis.

    In training they are the batch's, and `moving_mean` and `moving_variance` (not the unbiased one, as in Keras)
    follow: moving ← momentum · moving + (1 − momentum) · batch. Else, and where ``trainable`` is False, the moving
    ones are used (Ioffe & Szegedy, ICML 2015). ``center`` and ``scale``: whether there are β and γ.
    """

    def __init__(
        self, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        """Make γ, β and the moving statistics."""
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(channels, "ones") if self.scale else None
        self.beta = self.add_weight(channels, "zeros") if self.center else None
        self.moving_mean = self.add_weight(channels, "zeros", trainable=False)
        self.moving_variance = self.add_weight(channels, "ones", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Normalise x."""
        mean, var = self.moving_mean, self.moving_variance
        if training and self.trainable:
            axes = tuple(range(ndim_of(inputs) - 1))
            mean, var = m.mean(inputs, axis=axes), m.var(inputs, axis=axes)
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, var)):
                kept = m.multiply(moving, self.momentum)
                moving.assign_(m.add(kept, m.multiply(m.stop_gradient(new), 1 - self.momentum)))
        return _affine(_normalised(inputs, mean, var, self.epsilon), self.gamma, self.beta)


class LayerNormalization(Layer):
    """y = γ (x − mean)/√(var + ε) + β with the mean and variance of each row, along the last axis."""

    def __init__(self, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        """Make γ and β."""
        self.gamma = self.add_weight((input_shape[-1],), "ones") if self.scale else None
        self.beta = self.add_weight((input_shape[-1],), "zeros") if self.center else None

    def call(self, inputs: Any) -> Any:
        """Normalise x."""
        mean, var = m.mean(inputs, axis=-1, keepdims=True), m.var(inputs, axis=-1, keepdims=True)
        return _affine(_normalised(inputs, mean, var, self.epsilon), self.gamma, self.beta)


def _normalised(x: Any, mean: Any, var: Any, epsilon: float) -> Any:
    return m.divide(m.subtract(x, mean), m.sqrt(m.add(var, epsilon)))


def _affine(x: Any, gamma: Any, beta: Any) -> Any:
    y = x if gamma is None else m.multiply(x, gamma)
    return y if beta is None else m.add(y, beta)
