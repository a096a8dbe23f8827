"""Shape: mappings that move elements and change none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import ShapeError
from ..core.families import linear
from ..core.samples import Sample, fixed
from ..core.spec import Spec, ndim_of, operand, shape_of

__all__ = ["broadcast_to", "permute_dims", "reshape"]

# ---------------------------------------------------------------------------------------------- reshape

_reshape = linear(
    "reshape",
    lambda x, *, shape: np.reshape(x, shape),
    lambda x, *, shape: Spec(shape, x.dtype),
    lambda g, x, *, shape: _reshape(g, shape=x.shape),
    lambda batched, xs, *, shape: _reshape(xs[0], shape=(shape_of(xs[0])[0], *shape)),
    formula=r"\operatorname{{reshape}}({x})",
    words="{x} in another shape",
    lower="view",
    onnx="Reshape",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"shape": (3, 2)}),
            Sample((rng.normal(size=()),), {"shape": (1, 1)}),
            Sample((rng.normal(size=(0, 3)),), {"shape": (3, 0, 2)}),
            Sample((rng.normal(size=(4, 1)),), {"shape": (4,)}),
        ]
    ),
)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """Return the elements of `x`, in order, in another shape of the same size; one length may be -1.

    Raises ShapeError when the sizes differ.

    >>> import pullback as pb
    >>> pb.reshape(pb.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    x = operand(x)
    new = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    old = shape_of(x)
    size = math.prod(old)
    if new.count(-1) == 1:
        rest = -math.prod(new)
        if rest and size % rest == 0:
            new = tuple(size // rest if n == -1 else n for n in new)
    if any(n < 0 for n in new) or math.prod(new) != size:
        raise ShapeError(f"reshape: an array of shape {old} ({size} elements) does not fit into the shape {shape}")
    return _reshape(x, shape=new)


# ----------------------------------------------------------------------------------------- broadcast_to

_broadcast_to = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    lambda x, *, shape: Spec(shape, x.dtype),
    lambda g, x, *, shape: space.fit(g, x),
    lambda batched, xs, *, shape: _broadcast_to(
        _reshape(
            xs[0],
            shape=(shape_of(xs[0])[0],) + (1,) * (len(shape) + 1 - ndim_of(xs[0])) + shape_of(xs[0])[1:],
        ),
        shape=(shape_of(xs[0])[0], *shape),
    ),
    formula=r"\operatorname{{broadcast}}({x})",
    words="{x} repeated along its missing axes",
    lower="view",
    onnx="Expand",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(3,)),), {"shape": (2, 3)}),
            Sample((rng.normal(size=(2, 1)),), {"shape": (4, 2, 3)}),
            Sample((rng.normal(size=()),), {"shape": (2,)}),
            Sample((rng.normal(size=(1, 3)),), {"shape": (0, 3)}),
        ]
    ),
)


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """Return `x` repeated along missing axes and axes of length 1, up to `shape`.

    Raises ShapeError when `x` does not broadcast to `shape`.

    >>> import pullback as pb
    >>> pb.broadcast_to(pb.tensor([1.0, 2.0]), (3, 2)).shape
    (3, 2)
    """
    x = operand(x)
    new = tuple(int(n) for n in shape)
    old = shape_of(x)
    if len(old) > len(new) or any(
        a not in (1, b) for a, b in zip(reversed(old), reversed(new), strict=False)
    ):
        raise ShapeError(f"broadcast_to: an array of shape {old} does not broadcast to {new}")
    return _broadcast_to(x, shape=new)


# ----------------------------------------------------------------------------------------- permute_dims

_permute_dims = linear(
    "permute_dims",
    lambda x, *, axes: np.transpose(x, axes),
    lambda x, *, axes: Spec(tuple(x.shape[a] for a in axes), x.dtype),
    lambda g, x, *, axes: _permute_dims(g, axes=tuple(axes.index(i) for i in range(len(axes)))),
    lambda batched, xs, *, axes: _permute_dims(xs[0], axes=(0, *(a + 1 for a in axes))),
    formula="{x}^T",
    words="{x} with its axes in another order",
    lower="view",
    onnx="Transpose",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"axes": (1, 0)}),
            Sample((rng.normal(size=(2, 3, 4)),), {"axes": (2, 0, 1)}),
            Sample((rng.normal(size=()),), {"axes": ()}),
            Sample((rng.normal(size=(0, 3)),), {"axes": (1, 0)}),
        ]
    ),
)


def permute_dims(x: Any, axes: Sequence[int]) -> Any:
    """Return `x` with axis `axes[i]` as axis i.

    Raises ShapeError unless `axes` names each axis once.

    >>> import pullback as pb
    >>> pb.permute_dims(pb.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = operand(x)
    ndim = ndim_of(x)
    order = tuple(a + ndim if a < 0 else a for a in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"permute_dims: axes must name each of the {ndim} axes of the array once, got {tuple(axes)}")
    return _permute_dims(x, axes=order)


# ---------------------------------------------------------------------------------------------- astype

_cast = linear(
    "astype",
    lambda x, *, dtype: np.asarray(x).astype(dtype, copy=False)[()],
    lambda x, *, dtype: Spec(x.shape, dtype),
    lambda g, x, *, dtype: _cast(g, dtype=x.dtype),
    lambda batched, xs, *, dtype: _cast(xs[0], dtype=dtype),
    formula="{x}",
    words="{x} in another dtype",
    lower="convert",
    onnx="Cast",
    samples=fixed(
        lambda rng: [
            Sample((rng.normal(size=(2, 3)),), {"dtype": np.dtype(np.float64)}),
            Sample((rng.normal(size=()),), {"dtype": np.dtype(np.float64)}),
            Sample((rng.normal(size=(0,)),), {"dtype": np.dtype(np.float64)}),
        ]
    ),
)
