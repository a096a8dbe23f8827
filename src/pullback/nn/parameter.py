"""Parameter and Buffer: leaves whose values live in a cell, so that a traced step finds them as state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.cell import Cell
from ..tensor import Tensor, tensor
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """An array that training changes. `requires_grad=False` freezes it.

    `data`: an array, a number, nested lists or a tensor; the numbers are copied. Raises DtypeError when
    gradients are asked of integers.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([1.0, 2.0])
    >>> (w * w).sum().backward()
    >>> w.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        _become_leaf(self, data)
        self.requires_grad_(requires_grad)

    def _duplicate(self) -> Parameter:
        return Parameter(self, self.requires_grad)


class Buffer(Tensor):
    """State that training does not differentiate: a running mean, a counter. `persistent=False` is not saved.

    Assigning to the attribute of a module that holds a buffer replaces its values.

    >>> import pullback as pb
    >>> pb.nn.Buffer([0.0, 0.0]).requires_grad
    False
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any, persistent: bool = True) -> None:
        _become_leaf(self, data)
        self.persistent = persistent

    def _duplicate(self) -> Buffer:
        return Buffer(self, self.persistent)


def _become_leaf(leaf: Tensor, data: Any) -> None:
    array = np.array(numbers_of(data if isinstance(data, Tensor) else tensor(data)), order="C")
    Tensor.__init__(leaf, TAPE, Cell(array[()]))
