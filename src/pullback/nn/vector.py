"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import ndim_of, operand, shape_of
from ..tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """Return all parameters one behind the other, as a vector that gradients flow through.

    >>> import pullback as pb
    >>> pb.nn.parameters_to_vector([pb.tensor([[1.0, 2.0]]), pb.tensor([3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    parts = [m.reshape(operand(p), -1) for p in parameters]
    if not parts:
        raise ValueError("parameters_to_vector: expected at least one parameter, got none")
    return m.concat(parts, axis=0)


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Let the parameters hold the elements of a vector, as `parameters_to_vector` lays them out.

    Raises ShapeError unless there are as many elements as in all parameters; then nothing has changed.

    >>> import pullback as pb
    >>> layer = pb.nn.Linear(2, 1)
    >>> pb.nn.vector_to_parameters(pb.tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
    """
    vec, leaves = m.stop_gradient(operand(vec)), list(parameters)
    count = sum(p.size for p in leaves)
    if ndim_of(vec) != 1 or shape_of(vec)[0] != count:
        raise ShapeError(
            f"vector_to_parameters: expected a vector of the {count} elements of all parameters, got shape "
            f"{shape_of(vec)}"
        )
    start = 0
    for p in leaves:
        p.assign_(m.reshape(m.getitem(vec, slice(start, start + p.size)), p.shape))
        start += p.size
