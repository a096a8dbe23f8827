"""functional_call: a module as a function of its parameters."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.spec import shape_of
from .module import _INTERNAL, Module
from .parameter import Buffer, Parameter

__all__ = ["functional_call"]


def functional_call(module: Module, parameters: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call `module(*args, **kwargs)` with some parameters and buffers replaced for this call.

    `parameters` maps paths (as in `named_parameters`) to arrays of the same shape; what it leaves out is
    the module's own. The module is as before afterwards, also after an exception. Other threads must not
    use the module meanwhile. Raises KeyError for an unknown path, ShapeError for another shape.

    >>> import pullback as pb
    >>> layer = pb.nn.Linear(2, 1)
    >>> params = dict(layer.named_parameters())
    >>> grads = pb.grad(lambda p: pb.sum(pb.nn.functional_call(layer, p, pb.tensor([[1.0, 2.0]]))))(params)
    >>> grads["weight"].tolist()
    [[1.0, 2.0]]
    """
    own = dict(module._named((Parameter, Buffer), "", True))  # type: ignore[arg-type]  # isinstance takes a tuple
    unknown = [path for path in parameters if path not in own]
    if unknown:
        raise KeyError(f"functional_call: {type(module).__name__} has no {', '.join(unknown)}; it has {', '.join(own)}")
    for path, new in parameters.items():
        if shape_of(new) != own[path].shape:
            raise ShapeError(f"functional_call: expected {path} of shape {own[path].shape}, got {shape_of(new)}")
    swaps = {id(own[path]): new for path, new in parameters.items()}
    kept: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for inner in list(module.modules()):
            attributes = vars(inner)
            for name, x in attributes.items():
                if name not in _INTERNAL:
                    replaced = _replace(x, swaps)
                    if replaced is not x:
                        kept.append((attributes, name, x))
                        attributes[name] = replaced
        return module(*args, **kwargs)
    finally:
        for attributes, name, x in kept:
            attributes[name] = x


def _replace(x: Any, swaps: dict[int, Any]) -> Any:
    """Return `x` with the leaves in `swaps` replaced, also inside lists, tuples and dicts; `x` itself if none is."""
    if isinstance(x, Parameter | Buffer):
        return swaps.get(id(x), x)
    if isinstance(x, dict):
        values = {key: _replace(value, swaps) for key, value in x.items()}
        return values if any(values[key] is not x[key] for key in x) else x
    if isinstance(x, list | tuple):
        items = [_replace(item, swaps) for item in x]
        if all(new is old for new, old in zip(items, x, strict=True)):
            return x
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x
