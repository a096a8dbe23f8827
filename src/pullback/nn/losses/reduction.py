"""What all losses share: the reduction, and the check that input and target have one shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import mappings as m
from ...core.errors import ShapeError
from ...core.spec import operand, shape_of
from ..module import Module

__all__ = ["Loss", "broadcast", "check_reduction", "paired", "reduced"]


class Loss(Module):
    """A loss with a reduction."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction


def paired(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Return both after checking that they have one shape. Raises ShapeError."""
    input, target = operand(input), operand(target)
    if shape_of(input) != shape_of(target):
        raise ShapeError(
            f"{name}: expected input and target of one shape, got input {shape_of(input)} and target "
            f"{shape_of(target)}. They would broadcast to something else than was meant; reshape one of them."
        )
    return input, target


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """Return the mean or the sum of the losses, or the losses themselves. Raises ValueError."""
    check_reduction(name, reduction)
    return losses if reduction == "none" else m.sum(losses) if reduction == "sum" else m.mean(losses)


def check_reduction(name: str, reduction: str) -> None:
    """Raise ValueError unless `reduction` is one."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")


def broadcast(name: str, **arrays: Any) -> list[Any]:
    """Return the arrays after checking that they broadcast together. Raises ShapeError that names them."""
    given = {argument: operand(x) for argument, x in arrays.items()}
    try:
        np.broadcast_shapes(*(shape_of(x) for x in given.values()))
    except ValueError:
        shapes = ", ".join(f"{argument} {shape_of(x)}" for argument, x in given.items())
        raise ShapeError(f"{name}: the shapes do not broadcast together: {shapes}") from None
    return list(given.values())
