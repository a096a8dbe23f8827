"""Clipping: bounding the gradients between the backward pass and the step of the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.interpret import interpreting
from ..core.spec import dtype_of, ndim_of, operand
from ..core.value import Value
from ..mappings.update import _finite_norm
from ..tensor import Tensor
from ..transforms.reverse import TAPE, tape

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = True,
) -> Tensor:
    """Scale all gradients by min(1, max_norm / (‖g‖ + 1e-6)), and return ‖g‖, the norm before.

    The norm is that of all gradients as one vector: (Σ|gᵢ|^p)^(1/p), p = `norm_type` (inf: the largest
    element), added up in float64. Parameters without a gradient count for nothing. A norm that is infinite or
    NaN raises ValueError and nothing has changed; with `error_if_nonfinite=False`, which is PyTorch's default, all
    gradients are scaled by it all the same.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([3.0, 4.0])
    >>> (w * w / 2).sum().backward()
    >>> pb.nn.clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    >>> [round(g, 4) for g in w.grad.tolist()]
    [0.6, 0.8]
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: expected max_norm >= 0, got {max_norm}")
    _check_exponent("clip_grad_norm_", norm_type)
    found = _gradients("clip_grad_norm_", parameters)
    if not found:
        return Tensor(TAPE, np.float32(0.0))
    with interpreting(tape().below):
        total = _total_norm([g for _, g in found], float(norm_type))
        if error_if_nonfinite:
            total = _finite_norm(total)
        clipped = _scaled(found, max_norm, total)
        total = m.astype(total, np.result_type(*(dtype_of(g) for _, g in found)))
    for (cell, _), g in zip(found, clipped, strict=True):
        cell.write(g)
    return Tensor(TAPE, total)


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Any:
    """Return the norm of all `tensors` as one vector, (Σ|x|^p)^(1/p) with p = `norm_type`, added up in float64.

    Raises ValueError for another exponent, and with `error_if_nonfinite` where it is infinite or NaN.

    >>> import pullback as pb
    >>> pb.nn.get_total_norm([pb.tensor([3.0]), pb.tensor([4.0])]).item()
    5.0
    """
    _check_exponent("get_total_norm", norm_type)
    arrays = [operand(x) for x in ([tensors] if isinstance(tensors, Tensor) else list(tensors))]
    if not arrays:
        return Tensor(TAPE, np.float32(0.0))
    total = _total_norm(arrays, float(norm_type))
    if error_if_nonfinite:
        total = _finite_norm(total)
    total = m.astype(total, np.result_type(*(dtype_of(x) for x in arrays)))
    return total if isinstance(total, Value) else Tensor(TAPE, total)


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Any) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6)); the norm is one that is known already.

    Raises ValueError for a negative `max_norm`.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grads_with_norm_: expected max_norm >= 0, got {max_norm}")
    found = _gradients("clip_grads_with_norm_", parameters)
    with interpreting(tape().below):
        clipped = _scaled(found, max_norm, _below(operand(total_norm)))
    for (cell, _), g in zip(found, clipped, strict=True):
        cell.write(g)


def _check_exponent(where: str, norm_type: float) -> None:
    if not float(norm_type) > 0:
        raise ValueError(f"{where}: expected norm_type > 0 or inf, got {float(norm_type)}")


def _scaled(found: list[tuple[Cell, Any]], max_norm: float, total: Any) -> list[Any]:
    factor = m.minimum(m.divide(max_norm, m.add(total, 1e-6)), 1.0)
    return [m.multiply(g, m.astype(factor, dtype_of(g))) for _, g in found]


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bound each element of the gradients to [−clip_value, clip_value]. Raises ValueError for a negative one.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([3.0, -4.0])
    >>> (w * w / 2).sum().backward()
    >>> pb.nn.clip_grad_value_([w], 3.5)
    >>> w.grad.tolist()
    [3.0, -3.5]
    """
    bound = float(clip_value)
    if not bound >= 0:
        raise ValueError(f"clip_grad_value_: expected clip_value >= 0, got {clip_value}")
    found = _gradients("clip_grad_value_", parameters)
    with interpreting(tape().below):
        clipped = [m.maximum(m.minimum(g, bound), -bound) for _, g in found]
    for (cell, _), g in zip(found, clipped, strict=True):
        cell.write(g)


def gradient_cell(parameter: Any) -> Cell | None:
    """Return the cell that holds the gradient of a leaf, or None when it is not asked for one."""
    link = parameter._link
    return None if link is None else link.grad


def plain_gradient(cell: Cell) -> Any:
    """Return what the cell of a gradient holds, below the tape; None before the first backward pass."""
    return _below(cell.read())


def _below(x: Any) -> Any:
    while isinstance(x, Value) and x._owner is TAPE:
        x = x._payload.read() if isinstance(x._payload, Cell) else x._payload
    return x


def _gradients(name: str, parameters: Tensor | Iterable[Tensor]) -> list[tuple[Cell, Any]]:
    found: list[tuple[Cell, Any]] = []
    seen: set[int] = set()  # asked for membership only
    for parameter in [parameters] if isinstance(parameters, Tensor) else list(parameters):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{name}: expected tensors, got {type(parameter).__name__}")
        cell = gradient_cell(parameter)
        if cell is None or id(cell) in seen:
            continue
        seen.add(id(cell))
        g = plain_gradient(cell)
        if g is not None:
            found.append((cell, g))
    return found


def _total_norm(gradients: list[Any], norm_type: float) -> Any:
    total: Any = None
    for g in gradients:
        axes = tuple(range(ndim_of(g)))
        g = m.abs(m.astype(g, np.float64))
        if math.isinf(norm_type):
            part = m.max(g, axis=axes) if math.prod(g.shape) else np.float64(0.0)
            total = part if total is None else m.maximum(total, part)
        else:
            power = m.square(g) if norm_type == 2 else g if norm_type == 1 else m.pow(g, norm_type)
            part = m.sum(power, axis=axes)
            total = part if total is None else m.add(total, part)
    if norm_type == 2:
        return m.sqrt(total)
    return total if norm_type == 1 or math.isinf(norm_type) else m.pow(total, 1 / norm_type)
