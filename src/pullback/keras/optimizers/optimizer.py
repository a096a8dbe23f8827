"""The optimisers: settings under Keras' names, from which one of `pullback.optim` is made for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ... import nn, optim
from ..names import named
from ..recipe import Recorded
from .schedules import LearningRateSchedule

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "optimizer_of",
]


class Optimizer(Recorded):
    """What an optimiser is made with, and, when a model has parameters, the optimiser.

    ``learning_rate``: a number, which may be set at any time, or one of `schedules`. Gradients are bounded by
    ``clipvalue`` (each element), ``clipnorm`` (the norm of each parameter's) or ``global_clipnorm`` (of all together).
    ``inner`` is the optimiser of `pullback.optim`, None before; ``iterations`` counts its steps.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        learning_rate: float | LearningRateSchedule,
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        kind = type(self).__name__
        given = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        for what, bound in given.items():
            if bound is not None and not bound > 0:
                raise ValueError(f"{kind}: {what}: expected a number above 0, got {bound!r}")
        if sum(bound is not None for bound in given.values()) > 1:
            raise ValueError(f"{kind}: expected one of clipnorm, clipvalue and global_clipnorm, got several")
        self.name = name or kind.lower()
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.schedule = learning_rate if isinstance(learning_rate, LearningRateSchedule) else None
        self.inner: Any = None
        self.iterations = 0
        self._make, self._settings = make, settings
        self._rate = self.schedule(0) if self.schedule is not None else float(learning_rate)  # type: ignore[arg-type]  # no schedule

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self._rate if self.inner is None else float(self.inner.lr)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self.schedule is not None:
            raise TypeError(f"{type(self).__name__}: the learning rate follows {type(self.schedule).__name__}")
        self._rate = float(value)
        if self.inner is not None:
            self.inner.lr = self._rate

    lr = learning_rate

    def bind(self, parameters: Iterable[Any]) -> Any:
        """Make the optimiser of these parameters, once. Raises ValueError for settings out of range."""
        if self.inner is None:
            self.inner = self._make(parameters, lr=self._rate, **self._settings)
        return self.inner

    def step(self) -> None:
        """Count a step, and set the learning rate of the next."""
        self.iterations += 1
        if self.schedule is not None:
            self.inner.lr = self._rate = self.schedule(self.iterations)

    def clip_each(self, parameters: Iterable[Any]) -> None:
        """Bound the norm of each parameter's gradient by ``clipnorm``."""
        if self.clipnorm is not None:
            for parameter in parameters:
                if parameter.grad is not None:
                    nn.clip_grad_norm_([parameter], self.clipnorm)


Rate = float | LearningRateSchedule


class SGD(Optimizer):
    """Gradient descent; see `pullback.optim.SGD`."""

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(optim.SGD, learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)


class Adam(Optimizer):
    """Adam; see `pullback.optim.Adam`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        betas = (beta_1, beta_2)
        super().__init__(optim.Adam, learning_rate, betas=betas, eps=epsilon, amsgrad=amsgrad, **kwargs)


class AdamW(Optimizer):
    """Adam with decoupled weight decay; see `pullback.optim.AdamW`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        settings: dict[str, Any] = {"betas": (beta_1, beta_2), "eps": epsilon, "weight_decay": weight_decay}
        super().__init__(optim.AdamW, learning_rate, **settings, **kwargs)


class RMSprop(Optimizer):
    """RMSprop; see `pullback.optim.RMSprop`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        settings: dict[str, Any] = {"alpha": rho, "momentum": momentum, "eps": epsilon, "centered": centered}
        super().__init__(optim.RMSprop, learning_rate, **settings, **kwargs)


class Adagrad(Optimizer):
    """Adagrad; see `pullback.optim.Adagrad`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        settings: dict[str, Any] = {"initial_accumulator_value": initial_accumulator_value, "eps": epsilon}
        super().__init__(optim.Adagrad, learning_rate, **settings, **kwargs)


class Adadelta(Optimizer):
    """Adadelta; see `pullback.optim.Adadelta`."""

    def __init__(self, learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(optim.Adadelta, learning_rate, rho=rho, eps=epsilon, **kwargs)


class Adamax(Optimizer):
    """Adamax; see `pullback.optim.Adamax`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(optim.Adamax, learning_rate, betas=(beta_1, beta_2), eps=epsilon, **kwargs)


class Nadam(Optimizer):
    """Nadam; see `pullback.optim.NAdam`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(optim.NAdam, learning_rate, betas=(beta_1, beta_2), eps=epsilon, **kwargs)


class Lion(Optimizer):
    """Lion; see `pullback.optim.Lion`."""

    def __init__(self, learning_rate: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(optim.Lion, learning_rate, betas=(beta_1, beta_2), **kwargs)


KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Adam, AdamW, RMSprop, SGD, Adagrad, Adadelta, Adamax, Nadam, Lion)
}


def optimizer_of(optimizer: Any) -> Optimizer:
    """An optimiser by its name, or as given. Raises ValueError and TypeError for anything else."""
    found = named("optimizer", optimizer, KINDS)
    if isinstance(optimizer, str):
        found = found()
    if not isinstance(found, Optimizer):
        raise TypeError(
            f"optimizer: expected a name or one of pullback.keras.optimizers, got {type(found).__name__}.\n"
            '  right:  model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")'
        )
    return found
