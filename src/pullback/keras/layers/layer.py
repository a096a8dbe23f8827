"""Layer: a module whose parameters are made when the shape of its input is known."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...nn import Module

__all__ = ["Input", "Layer", "Shape"]

Shape = tuple[int, ...]


class Layer(Module):
    """What you subclass: ``build`` makes the parameters and returns the shape of the output, ``forward`` computes.

    Shapes are without the axis of the batch. ``name``: in the summary and in saved weights' errors; by default the
    kind of the layer. ``input_shape``: the shape of one sample, for a model's first layer.
    """

    def __init__(self, *, name: str | None = None, input_shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.name = name or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        self.input_shape = None if input_shape is None else tuple(input_shape)
        self.output_shape: Shape | None = None

    def build(self, shape: Shape) -> Shape:
        """Make the parameters for samples of this shape, and return the shape of the results."""
        return shape


class Input(Layer):
    """The shape of one sample, as the first element of a model.

    >>> Input(shape=(28, 28, 1)).input_shape
    (28, 28, 1)
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name, input_shape=shape)
