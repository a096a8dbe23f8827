"""Input: the shape of one sample, where a model begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..symbolic import KerasTensor, Node
from .layer import Layer, Shape

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """Where the data enter a functional model; `Input` makes one and gives its symbolic tensor."""

    def __init__(self, shape: Sequence[int | None], *, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        for n in shape:
            if n is not None and (isinstance(n, bool) or int(n) != n or n < 1):
                raise ValueError(f"Input: expected shape to hold positive integers or None, got {tuple(shape)}")
        self.sample_shape: Shape = tuple(shape)
        self.built = True
        node = Node(self, (), {})
        node.outputs = KerasTensor((None, *self.sample_shape), self.dtype, node, 0)
        self.nodes.append(node)

    def call(self, inputs: Any) -> Any:
        """Return the data."""
        return inputs


def Input(shape: Sequence[int | None], *, dtype: Any = None, name: str | None = None) -> Any:
    """A symbolic tensor for samples of this shape, without the axis of the batch; None is an unknown length.

    ``dtype``: by default the default dtype, and data of other dtypes become it. In a `Sequential`, the first element.

    >>> Input(shape=(28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    return InputLayer(shape, dtype=dtype, name=name).output
