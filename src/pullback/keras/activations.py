"""Activations under Keras' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import mappings as m
from .names import named

__all__ = ["activation_of"]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": m.relu,
    "sigmoid": m.sigmoid,
    "tanh": m.tanh,
    "softmax": m.softmax,
    "softplus": m.softplus,
    "softsign": m.softsign,
    "elu": m.elu,
    "selu": m.selu,
    "gelu": m.gelu,
    "silu": m.silu,
    "swish": m.silu,
    "exponential": m.exp,
}


def activation_of(activation: str | Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """The function of that name; None is the identity."""
    return named("activation", "linear" if activation is None else activation, ACTIVATIONS)
