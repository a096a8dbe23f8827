"""Normalisation as functions: to mean 0 and variance 1 over the batch, a layer, a group or an instance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import DtypeError, PullbackError, ShapeError
from ..core.spec import dtype_of, operand, shape_of
from ..core.value import Value
from ..mappings.normalise import _moments, _normalise, _rms_norm, _standardise
from ..mappings.pool import avg_pool1d
from ..transforms.batch import Batch
from .parameter import Buffer

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return (x − mean)/√(var + eps) · weight + bias with one mean and variance per channel (axis 1).

    x: (N, C, …); all others: (C,) or None. In training they are those of the batch, and the running ones,
    if given as buffers, move towards them: running ← (1 − momentum) running + momentum new, with the
    unbiased variance. Otherwise the running ones are used (Ioffe & Szegedy, ICML 2015). Raises ShapeError
    in training for a single value per channel, which has no variance.

    >>> import numpy as np, pullback as pb
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> np.round(np.asarray(pb.nn.functional.batch_norm(x, training=True, eps=0.0)), 6).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    x = _real("batch_norm", x)
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: expected x of shape (N, C, …), got {shape}")
    channels = shape[1]
    kept = (1, channels) + (1,) * (len(shape) - 2)
    for name, v in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if v is not None and shape_of(v) != (channels,):
            raise ShapeError(
                f"batch_norm: expected {name} of shape ({channels},) for x of shape {shape}, got {shape_of(v)}"
            )
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: in evaluation running_mean and running_var are needed")
        mean, var = m.reshape(running_mean, kept), m.reshape(running_var, kept)
    else:
        count = math.prod(shape) // channels if channels else 0
        if count == 1:
            raise ShapeError(
                f"batch_norm: expected more than 1 value per channel in training, got x of shape {shape}: a single "
                f"value has no variance.\n  right:  a larger batch, or model.eval()"
            )
        mean, var = _moments(x, axis=(0, *range(2, len(shape))))
        _follow(running_mean, mean, momentum, (channels,))
        _follow(running_var, var, momentum, (channels,), count / (count - 1) if count else 1.0)
    return _affine(x, mean, var, weight, bias, kept, eps)


def _follow(running: Any, new: Any, momentum: Any, shape: tuple[int, ...], factor: float = 1.0) -> None:
    """Move a running statistic towards the statistic `new` of the batch, times `factor`."""
    if running is None:
        return
    new = m.reshape(m.stop_gradient(new), shape)
    if isinstance(new, Value) and isinstance(new._owner, Batch):
        raise PullbackError(
            "batch_norm: inside vmap every example would leave its own running statistics, and there is one place "
            "for them.\n  right:  model.eval() before vmap, or track_running_stats=False"
        )
    if not isinstance(running, Buffer):
        raise TypeError(f"batch_norm: running statistics must be an nn.Buffer to be updated, got {type(running)}")
    # Python numbers are combined as such: on their own in a mapping they would be rounded to the default dtype.
    running.assign_(m.add(m.multiply(running, 1 - momentum), m.multiply(new, momentum * factor)))


def _affine(x: Any, mean: Any, var: Any, weight: Any, bias: Any, shape: tuple[int, ...], eps: float) -> Any:
    weight = weight if weight is None or shape_of(weight) == shape else m.reshape(weight, shape)
    bias = bias if bias is None or shape_of(bias) == shape else m.reshape(bias, shape)
    if weight is not None and bias is not None:
        return _normalise(x, mean, var, weight, bias, eps=eps)
    y = _standardise(x, mean, var, eps=eps)
    y = y if weight is None else m.multiply(y, weight)
    return y if bias is None else m.add(y, bias)


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return (x − mean)/√(var + eps) · weight + bias with a mean and variance per example and channel.

    x: (N, C, …), at least one axis behind the channels; all others: (C,) or None. With `use_input_stats`
    the running ones, if given as buffers, move towards the mean over the batch of what was found; without
    it they are used (Ulyanov, Vedaldi & Lempitsky, arXiv:1607.08022). Raises ShapeError for one value per
    channel.

    >>> import numpy as np, pullback as pb
    >>> x = np.array([[[1.0, 3.0], [10.0, 30.0]]])
    >>> np.round(np.asarray(pb.nn.functional.instance_norm(x, eps=0.0)), 6).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    x = _real("instance_norm", x)
    shape = shape_of(x)
    if len(shape) < 3:
        raise ShapeError(f"instance_norm: expected x of shape (N, C, …) with an axis behind the channels, got {shape}")
    count = math.prod(shape[2:])
    if count == 1:
        raise ShapeError(f"instance_norm: expected more than 1 value per example and channel, got x of shape {shape}")
    mean, var = _moments(x, axis=tuple(range(2, len(shape))))
    if running_mean is not None:
        _follow(running_mean, m.mean(m.stop_gradient(mean), axis=0), momentum, shape[1:2])
        _follow(running_var, m.mean(m.stop_gradient(var), axis=0), momentum, shape[1:2], count / max(count - 1, 1))
    return _affine(x, mean, var, weight, bias, (1, shape[1]) + (1,) * (len(shape) - 2), eps)


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Return (x − mean)/√(var + eps) · weight + bias over the last axes, those of `normalized_shape`.

    weight, bias: `normalized_shape` or None (Ba, Kiros & Hinton, arXiv:1607.06450). Raises ShapeError when
    x does not end in `normalized_shape`.

    >>> import numpy as np, pullback as pb
    >>> np.round(np.asarray(pb.nn.functional.layer_norm(np.array([1.0, 3.0]), 2, eps=0.0)), 6).tolist()
    [-1.0, 1.0]
    """
    x = _real("layer_norm", x)
    folded = _ending("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    first = len(shape_of(x)) - len(folded)
    mean, var = _moments(x, axis=tuple(range(first, first + len(folded))))
    return _affine(x, mean, var, weight, bias, folded, eps)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return (x − mean)/√(var + eps) · weight + bias over groups of neighbouring channels of each example.

    x: (N, C, …); weight, bias: (C,) or None (Wu & He, ECCV 2018). Raises ShapeError when the channels cannot
    be divided into `num_groups` equal groups.

    >>> import numpy as np, pullback as pb
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> np.round(np.asarray(pb.nn.functional.group_norm(x, 2, eps=0.0)), 6).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x = _real("group_norm", x)
    shape = shape_of(x)
    if len(shape) < 2 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: expected x of shape (N, C, …) with C divisible by num_groups = {num_groups}, got {shape}"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and shape_of(v) != shape[1:2]:
            raise ShapeError(f"group_norm: expected {name} of shape {shape[1:2]} for x of {shape}, got {shape_of(v)}")
    inner = (num_groups, shape[1] // num_groups)
    grouped = m.reshape(x, (shape[0], *inner, *shape[2:]))
    mean, var = _moments(grouped, axis=tuple(range(2, len(shape) + 1)))
    y = _affine(grouped, mean, var, weight, bias, (1, *inner) + (1,) * (len(shape) - 2), eps)
    return m.reshape(y, shape)


def rms_norm(x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """Return x/√(mean x² + eps) · weight over the last axes, those of `normalized_shape`.

    weight: `normalized_shape` or None; `eps` None: the spacing of x's dtype at 1 (Zhang & Sennrich,
    NeurIPS 2019). Raises ShapeError when x does not end in `normalized_shape`.

    >>> import numpy as np, pullback as pb
    >>> pb.nn.functional.rms_norm(np.array([3.0, -3.0]), 2, eps=0.0).tolist()
    [1.0, -1.0]
    """
    x = _real("rms_norm", x)
    folded = _ending("rms_norm", x, normalized_shape, weight=weight)
    dtype = dtype_of(x)
    scale = dtype.type(1) if weight is None else weight
    return _rms_norm(
        x, scale, axis=tuple(range(-len(folded), 0)), eps=float(np.finfo(dtype).eps) if eps is None else eps
    )


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Return x / (k + α mean(x²))^β, the mean being over `size` neighbouring channels, zeros beyond them.

    x: (N, C, …) with at least one axis behind the channels (Krizhevsky et al., NeurIPS 2012). Raises ShapeError
    for another x, ValueError unless size > 0.

    >>> import numpy as np, pullback as pb
    >>> pb.nn.functional.local_response_norm(np.array([[[2.0], [0.0]]]), 2, alpha=6.0, beta=1.0, k=1.0).tolist()
    [[[0.15384615384615385], [0.0]]]
    """
    x = _real("local_response_norm", x)
    shape = shape_of(x)
    if len(shape) < 3:
        raise ShapeError(f"local_response_norm: expected x of shape (N, C, …) with an axis behind C, got {shape}")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"local_response_norm: expected size to be a positive integer, got {size!r}")
    rows = m.reshape(m.square(x), (shape[0], shape[1], math.prod(shape[2:])))
    bordered = m.pad(m.swapaxes(rows, 1, 2), [(0, 0), (0, 0), (size // 2, (size - 1) // 2)])
    means = m.reshape(m.swapaxes(avg_pool1d(bordered, size, 1), 1, 2), shape)
    return m.divide(x, m.pow(m.add(m.multiply(means, alpha), k), float(beta)))


def _ending(where: str, x: Any, normalized_shape: int | Sequence[int], **affine: Any) -> tuple[int, ...]:
    folded = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = shape_of(x)
    if not folded or shape[-len(folded) :] != folded:
        ending = ", ".join(map(str, folded))
        raise ShapeError(f"{where}: expected x of shape (…, {ending}) for normalized_shape {folded}, got {shape}")
    for name, v in affine.items():
        if v is not None and shape_of(v) != folded:
            raise ShapeError(f"{where}: expected {name} of shape {folded}, got {shape_of(v)}")
    return folded


def _real(where: str, x: Any) -> Any:
    x = operand(x)
    if dtype_of(x).kind != "f":
        raise DtypeError(f"{where}: expected a real floating x, got {dtype_of(x)}")
    return x
