"""Starting values: each function fills a parameter (or another leaf) and returns it.

Drawn from `pullback.random`. For a weight of shape (out, in, *kernel), fan_in is in·|kernel| and fan_out
is out·|kernel|.
"""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np

from .. import mappings as m
from .. import random
from ..core.errors import ShapeError
from ..tensor import Tensor
from ..transforms.backward import numbers_of
from .absent import STARTS, refusal

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Set every element to `value`."""
    return tensor.assign_(value)


def zeros_(tensor: Tensor) -> Tensor:
    """Set every element to 0."""
    return tensor.assign_(0)


def ones_(tensor: Tensor) -> Tensor:
    """Set every element to 1."""
    return tensor.assign_(1)


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw from U[low, high)."""
    return tensor.assign_(random.uniform(tensor.shape, low, high, tensor.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw from N(mean, std²)."""
    return tensor.assign_(random.normal(tensor.shape, mean, std, tensor.dtype))


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Draw from N(mean, std²) where it lies in [a, b]. Raises ValueError unless a < b and that has any weight."""
    below, above = (0.5 * math.erfc(-(x - mean) / (std * math.sqrt(2.0))) for x in (a, b))
    if not above > below:
        raise ValueError(f"trunc_normal_: N({mean}, {std}²) has no weight between a = {a} and b = {b}")
    share = random.uniform(tensor.shape, 2 * below - 1, 2 * above - 1, np.float64)
    drawn = mean + std * math.sqrt(2.0) * numbers_of(m.erfinv(share))
    return tensor.assign_(np.clip(drawn, a, b).astype(tensor.dtype))


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: ones on the diagonal. Raises ShapeError unless it has two axes."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expected two axes, got shape {tensor.shape}")
    return tensor.assign_(np.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution (out, in, *kernel) so that each group passes its first channels on unchanged.

    Raises ShapeError unless it has three to five axes, ValueError unless `groups` divides the first.
    """
    shape = tensor.shape
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: expected the weight of a convolution, with three to five axes, got shape {shape}")
    if groups < 1 or shape[0] % groups:
        raise ValueError(f"dirac_: expected groups to divide the first axis, got groups={groups} and shape {shape}")
    weight = np.zeros(shape, tensor.dtype)
    each, middle = shape[0] // groups, tuple(n // 2 for n in shape[2:])
    for channel in range(min(each, shape[1])):
        for out in range(channel, shape[0], each):
            weight[(out, channel, *middle)] = 1
    return tensor.assign_(weight)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Draw from N(0, std²) and set the share `sparsity` of each column to 0 (Martens, ICML 2010).

    Raises ShapeError unless it has two axes, ValueError unless 0 ≤ sparsity ≤ 1.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: expected two axes, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: expected sparsity in [0, 1], got {sparsity}")
    rows, columns = tensor.shape
    weight = np.array(numbers_of(random.normal(tensor.shape, 0.0, std, tensor.dtype)))
    for column in range(columns):
        weight[numbers_of(random.permutation(rows))[: math.ceil(sparsity * rows)], column] = 0
    return tensor.assign_(weight)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Draw from U(−a, a) with a = gain·√(6/(fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010)."""
    bound = gain * math.sqrt(6.0 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Draw from N(0, σ²) with σ = gain·√(2/(fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans("xavier_normal_", tensor))))


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Draw from U(−b, b) with b = gain·√(3/fan) (He et al., ICCV 2015).

    `a` is the negative slope of leaky_relu; `mode` is "fan_in" or "fan_out".
    """
    bound = math.sqrt(3.0) * _he("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Draw from N(0, σ²) with σ = gain/√fan (He et al., ICCV 2015)."""
    return normal_(tensor, 0.0, _he("kaiming_normal_", tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill with a random (semi-)orthogonal matrix times `gain` (Saxe et al., ICLR 2014).

    The axes after the first are folded into one. Raises ShapeError for fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: expected at least two axes, got shape {tensor.shape}")
    rows = tensor.shape[0]
    columns = tensor.size // rows if rows else 0
    flat = numbers_of(random.normal((max(rows, columns), min(rows, columns)), dtype=np.float64))
    q, r = np.linalg.qr(flat)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the distribution uniform (Mezzadri, 2007)
    return tensor.assign_((gain * (q if rows >= columns else q.T)).reshape(tensor.shape).astype(tensor.dtype))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the gain recommended for an activation; `param` is the negative slope of leaky_relu (0.01).

    Raises ValueError for an activation that is not known.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: expected one of {[*_GAINS, 'leaky_relu']}, got {nonlinearity!r}")
    return _GAINS[nonlinearity]


def _fans(where: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ShapeError(f"{where}: fan_in and fan_out need at least two axes, got shape {tensor.shape}")
    kernel = math.prod(tensor.shape[2:])
    fan_in, fan_out = tensor.shape[1] * kernel, tensor.shape[0] * kernel
    if not fan_in + fan_out:
        raise ShapeError(f"{where}: the shape {tensor.shape} has no fan_in and no fan_out")
    return fan_in, fan_out


def _he(where: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{where}: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(where, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.nn.init", name, STARTS)
