"""Starting values under Keras' names; a kernel has the shape (…, in, out)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import create, random
from .. import mappings as m
from ..core.spec import default_dtype, dtype_of
from ..nn import Parameter, init
from .names import named
from .recipe import Recorded

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "Zeros",
    "start",
]

Shape = tuple[int, ...]


class Initializer(Recorded):
    """A function of a shape that gives starting values."""

    def __call__(self, shape: Shape) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape)")


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Shape) -> Any:
        return create.zeros(shape, default_dtype())


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Shape) -> Any:
        return create.ones(shape, default_dtype())


class Constant(Initializer):
    """All ``value``."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape) -> Any:
        return create.full(shape, self.value, dtype=default_dtype())


class RandomUniform(Initializer):
    """Uniform between ``minval`` and ``maxval``."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05) -> None:
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Shape) -> Any:
        return random.uniform(shape, self.minval, self.maxval)


class RandomNormal(Initializer):
    """Normal with ``mean`` and ``stddev``."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05) -> None:
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Shape) -> Any:
        return random.normal(shape, self.mean, self.stddev)


class Orthogonal(Initializer):
    """Orthonormal rows or columns of a matrix (Saxe, McClelland & Ganguli, ICLR 2014)."""

    def __call__(self, shape: Shape) -> Any:
        matrix = Parameter(create.zeros(shape, default_dtype()))
        init.orthogonal_(matrix)
        return matrix


class _Scaled(Initializer):
    """Zero mean and a variance that follows from the numbers of inputs and outputs."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of an element."""
        raise NotImplementedError(f"{type(self).__name__} must define variance")

    def _variance_of(self, shape: Shape) -> float:
        if len(shape) == 1:
            return self.variance(shape[0], shape[0])
        window = math.prod(shape[:-2])
        return self.variance(window * shape[-2], window * shape[-1])


class _Uniform(_Scaled):
    def __call__(self, shape: Shape) -> Any:
        bound = math.sqrt(3 * self._variance_of(shape))
        return random.uniform(shape, -bound, bound)


TRUNCATED = 0.87962566103423978  # the standard deviation of a standard normal variable that is kept within ±2


class _TruncatedNormal(_Scaled):
    def __call__(self, shape: Shape) -> Any:
        """Normal within ±2 standard deviations, as in Keras; what falls outside is drawn again."""
        scale = math.sqrt(self._variance_of(shape)) / TRUNCATED
        draws = np.array(random.normal(shape, 0.0, 1.0))
        while (outside := np.abs(draws) > 2).any():
            draws[outside] = np.asarray(random.normal((int(outside.sum()),), 0.0, 1.0))
        return m.multiply(draws, scale)


class GlorotUniform(_Uniform):
    """Variance 2/(in + out) (Glorot & Bengio, AISTATS 2010)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class GlorotNormal(_TruncatedNormal):
    """Variance 2/(in + out) (Glorot & Bengio, AISTATS 2010)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class HeUniform(_Uniform):
    """Variance 2/in (He et al., ICCV 2015)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class HeNormal(_TruncatedNormal):
    """Variance 2/in (He et al., ICCV 2015)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class LecunUniform(_Uniform):
    """Variance 1/in (LeCun et al., 1998)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


class LecunNormal(_TruncatedNormal):
    """Variance 1/in (LeCun et al., 1998)."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


INITIALIZERS: dict[str, Callable[..., Any]] = {
    "glorot_uniform": GlorotUniform(),
    "glorot_normal": GlorotNormal(),
    "he_uniform": HeUniform(),
    "he_normal": HeNormal(),
    "lecun_uniform": LecunUniform(),
    "lecun_normal": LecunNormal(),
    "orthogonal": Orthogonal(),
    "zeros": Zeros(),
    "ones": Ones(),
    "uniform": RandomUniform(),
    "random_uniform": RandomUniform(),
    "normal": RandomNormal(),
    "random_normal": RandomNormal(),
}


def start(initializer: str | Callable[..., Any], shape: Shape, dtype: Any = None) -> Parameter:
    """A parameter with starting values: by an initialiser's name, or a function of the shape."""
    values = named("initializer", initializer, INITIALIZERS)(shape)
    wanted = default_dtype() if dtype is None else np.dtype(dtype)
    return Parameter(values if dtype_of(values) == wanted else m.astype(values, wanted))
