"""Windows that slide over samples with the channels last: their sizes, their steps, Keras' padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import ndim_of
from .core import positive

__all__ = ["channels_first", "channels_last", "check_padding", "check_samples", "per_axis", "same"]

AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


def per_axis(where: str, n: Any, rank: int) -> tuple[int, ...]:
    """One positive integer for each axis."""
    each = tuple(n) if isinstance(n, tuple | list) else (n,) * rank
    if len(each) != rank:
        raise ValueError(f"{where}: expected an integer{' or two' if rank == 2 else ''}, got {n!r}")
    return tuple(positive(where, one) for one in each)


def check_padding(where: str, padding: str) -> str:
    """The padding, if Keras has it; else ValueError."""
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(f"{where}: padding: expected 'valid' or 'same', got {padding!r}")
    return padding.lower()


def check_samples(name: str, shape: Any, rank: int, window: Sequence[int] = ()) -> None:
    """Raise ShapeError unless samples have ``rank`` axes and channels, and a window fits into them."""
    if len(shape) != rank + 2:
        what = "images" if rank == 2 else "samples"
        raise ShapeError(
            f"{name}: expected {what} ({AXES[rank]}, channels), got samples of shape {tuple(shape[1:])}: x[..., None]"
        )
    if any(n is not None and n < k for n, k in zip(shape[1:-1], window, strict=False)):
        raise ShapeError(f"{name}: a window {tuple(window)} does not fit into samples of shape {tuple(shape[1:])}")


def same(n: int, window: int, stride: int) -> tuple[int, int]:
    """What padding="same" puts before and behind an axis: ⌈n / stride⌉ windows then fit; an odd one goes behind.

    >>> same(8, 3, 1), same(8, 3, 2), same(5, 2, 2)
    ((1, 1), (0, 1), (0, 1))
    """
    total = max((-(-n // stride) - 1) * stride + window - n, 0)
    return total // 2, total - total // 2


def channels_first(x: Any) -> Any:
    """Samples (n, …, c) as (n, c, …)."""
    last = ndim_of(x) - 1
    return m.permute_dims(x, (0, last, *range(1, last)))


def channels_last(x: Any) -> Any:
    """Samples (n, c, …) as (n, …, c)."""
    return m.permute_dims(x, (0, *range(2, ndim_of(x)), 1))
