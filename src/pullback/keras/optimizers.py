"""Optimisers under Keras' names and with its settings; the steps are those of `pullback.optim`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import optim
from .names import named

__all__ = ["SGD", "Adam", "AdamW", "RMSprop", "optimizer_of"]


class _Settings:
    """What an optimiser will be made with when the model has parameters."""

    def __init__(self, make: Callable[..., Any], **settings: Any) -> None:
        self._make, self._settings = make, settings

    def make(self, parameters: Iterable[Any]) -> Any:
        """The optimiser of these parameters. Raises ValueError for settings out of range."""
        return self._make(parameters, **self._settings)


class SGD(_Settings):
    """Gradient descent; see `pullback.optim.SGD`."""

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(optim.SGD, lr=learning_rate, momentum=momentum, nesterov=nesterov)


class Adam(_Settings):
    """Adam; see `pullback.optim.Adam`."""

    def __init__(
        self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        super().__init__(optim.Adam, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


class AdamW(_Settings):
    """Adam with decoupled weight decay; see `pullback.optim.AdamW`."""

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        betas = (beta_1, beta_2)
        super().__init__(optim.AdamW, lr=learning_rate, betas=betas, eps=epsilon, weight_decay=weight_decay)


class RMSprop(_Settings):
    """RMSprop; see `pullback.optim.RMSprop`."""

    def __init__(
        self, learning_rate: float = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7
    ) -> None:
        super().__init__(optim.RMSprop, lr=learning_rate, alpha=rho, momentum=momentum, eps=epsilon)


_NAMES: dict[str, type[Any]] = {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD}


def optimizer_of(optimizer: Any) -> _Settings:
    """An optimiser's settings by its name, or as given. Raises ValueError and TypeError for anything else."""
    found = named("optimizer", optimizer, _NAMES)
    if isinstance(optimizer, str):
        found = found()
    if not isinstance(found, _Settings):
        raise TypeError(
            f"optimizer: expected a name or one of pullback.keras.optimizers, got {type(found).__name__}.\n"
            '  right:  model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")'
        )
    return found
