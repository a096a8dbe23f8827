"""Operation: an array function as a layer without parameters, put there by operators and `keras.ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import mappings as m
from .layer import Layer

__all__ = ["OPERATIONS", "Operation"]

OPERATIONS: dict[str, Callable[..., Any]] = {
    "abs": m.abs,
    "add": m.add,
    "cast": lambda x, dtype: m.astype(x, dtype),
    "clip": m.clip,
    "concatenate": lambda xs, axis=-1: m.concat(xs, axis=axis),
    "cos": m.cos,
    "divide": m.divide,
    "exp": m.exp,
    "expand_dims": m.expand_dims,
    "get_item": lambda x, key: x[key],
    "log": m.log,
    "log_softmax": m.log_softmax,
    "matmul": m.matmul,
    "max": m.max,
    "maximum": m.maximum,
    "mean": m.mean,
    "min": m.min,
    "minimum": m.minimum,
    "multiply": m.multiply,
    "negative": m.negative,
    "power": m.pow,
    "relu": m.relu,
    "reshape": m.reshape,
    "sigmoid": m.sigmoid,
    "sin": m.sin,
    "softmax": m.softmax,
    "softplus": m.softplus,
    "sqrt": m.sqrt,
    "square": m.square,
    "squeeze": m.squeeze,
    "stack": m.stack,
    "subtract": m.subtract,
    "sum": m.sum,
    "tanh": m.tanh,
    "transpose": m.permute_dims,
}


class Operation(Layer):
    """The function ``operation`` as a layer; its further arguments are those of the call."""

    def __init__(self, operation: str, **kwargs: Any) -> None:
        super().__init__(**{"name": None, **kwargs})
        if operation not in OPERATIONS:
            raise ValueError(f"Operation: expected one of {', '.join(OPERATIONS)}, got {operation!r}")
        self.operation = operation

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function of the arguments."""
        return OPERATIONS[self.operation](*args, **kwargs)
