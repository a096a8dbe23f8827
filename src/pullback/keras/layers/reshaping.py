"""Layers that arrange the elements of a sample anew: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import ndim_of, shape_of
from .core import positive
from .layer import Layer

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape", "ZeroPadding2D"]


class Flatten(Layer):
    """Each sample as one row: (n, …) becomes (n, product of the others)."""

    def call(self, inputs: Any) -> Any:
        """Return x with one axis behind the first."""
        shape = shape_of(inputs)
        return m.reshape(inputs, (shape[0], math.prod(shape[1:])))


class Reshape(Layer):
    """Each sample in the shape ``target_shape``, of which one length may be −1: what is left."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        if sum(n == -1 for n in self.target_shape) > 1:
            raise ValueError(f"Reshape: expected at most one -1, got {self.target_shape}")

    def call(self, inputs: Any) -> Any:
        """Return the samples in their new shape."""
        shape = shape_of(inputs)
        known = math.prod(n for n in self.target_shape if n != -1)
        held = math.prod(shape[1:])
        if held % known or (-1 not in self.target_shape and held != known):
            raise ShapeError(f"{self.name}: samples of shape {shape[1:]} do not fit into {self.target_shape}")
        return m.reshape(inputs, (shape[0], *(held // known if n == -1 else n for n in self.target_shape)))


class Permute(Layer):
    """The axes of a sample in another order; ``dims`` counts them from 1, as Keras does."""

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: expected the numbers 1, …, {len(self.dims)} in some order, got {self.dims}")

    def build(self, input_shape: Any) -> None:
        """Check that there are so many axes."""
        if len(input_shape) != len(self.dims) + 1:
            raise ShapeError(f"{self.name}: expected samples with {len(self.dims)} axes, got shape {input_shape}")

    def call(self, inputs: Any) -> Any:
        """Return the samples with their axes in the new order."""
        return m.permute_dims(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Each row ``n`` times: (samples, features) becomes (samples, n, features)."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive("RepeatVector: n", n)

    def call(self, inputs: Any) -> Any:
        """Return the repeated rows."""
        if ndim_of(inputs) != 2:
            raise ShapeError(f"{self.name}: expected rows (n, features), got x of shape {shape_of(inputs)}")
        rows, width = shape_of(inputs)
        return m.broadcast_to(m.expand_dims(inputs, axis=1), (rows, self.n, width))


class ZeroPadding2D(Layer):
    """Zeros around images (n, h, w, c): ``padding`` is one number, one for each axis, or two for each."""

    def __init__(self, padding: Any = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        both = padding if isinstance(padding, tuple | list) else (padding, padding)
        self.padding = tuple(tuple(side) if isinstance(side, tuple | list) else (side, side) for side in both)
        if len(self.padding) != 2 or any(len(side) != 2 or min(side) < 0 for side in self.padding):
            raise ValueError(f"ZeroPadding2D: expected an integer, two, or two pairs, none below 0; got {padding!r}")

    def call(self, inputs: Any) -> Any:
        """Return the images with their border."""
        return m.pad(inputs, ((0, 0), *self.padding, (0, 0)))
