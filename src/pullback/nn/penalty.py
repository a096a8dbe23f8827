"""Penalties on the size of parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import mappings as m
from ..tensor import Tensor
from .module import Module

__all__ = ["l1_penalty", "l2_penalty"]


def l1_penalty(parameters: Module | Iterable[Tensor]) -> Any:
    """Return Σ|θ|, the sum of the absolute values of all parameters; its gradient pulls towards 0 by 1.

    `parameters`: tensors, such as `net.parameters()`, or a module. Raises ValueError for none.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([3.0, -4.0])
    >>> (0.5 * pb.nn.l1_penalty([w])).backward()
    >>> w.grad.tolist()
    [0.5, -0.5]
    """
    return _total("l1_penalty", parameters, lambda p: m.sum(m.abs(p)))


def l2_penalty(parameters: Module | Iterable[Tensor]) -> Any:
    """Return Σθ², the sum of the squares of all parameters; λ/2 of it is an optimiser's `weight_decay` λ.

    `parameters`: tensors, such as `net.parameters()`, or a module. Raises ValueError for none.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([3.0, -4.0])
    >>> pb.nn.l2_penalty([w]).item()
    25.0
    """
    return _total("l2_penalty", parameters, lambda p: m.sum(m.square(p)))


def _total(name: str, parameters: Any, of: Any) -> Any:
    given = list(parameters.parameters()) if isinstance(parameters, Module) else list(parameters)
    if not given:
        raise ValueError(f"{name}: got no parameters (a generator that was used up before, perhaps?)")
    total = of(given[0])
    for p in given[1:]:
        total = m.add(total, of(p))
    return total
