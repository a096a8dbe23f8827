"""Residual: a module with a shortcut around it."""

from __future__ import annotations

from typing import Any

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import shape_of
from .module import Module

__all__ = ["Residual"]


class Residual(Module):
    """y = f(x) + x, or y = f(x) + s(x) with a module `shortcut` that brings x to the shape of f(x).

    Raises ShapeError when the shapes differ (He et al., CVPR 2016).

    >>> import pullback as pb
    >>> pb.nn.Residual(pb.nn.Linear(4, 4))(pb.zeros((2, 4))).shape
    (2, 4)
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        for name, x in (("module", module), ("shortcut", shortcut)):
            if not isinstance(x, Module) and not (x is None and name == "shortcut"):
                raise TypeError(f"Residual: expected {name} to be a module, got {type(x).__name__}")
        self.module = module
        self.shortcut = shortcut

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Return f(x, …) + x."""
        y = self.module(x, *args, **kwargs)
        if self.shortcut is not None:
            x = self.shortcut(x)
        if shape_of(x) != shape_of(y):
            name = "shortcut(x)" if self.shortcut is not None else "x"
            raise ShapeError(
                f"Residual: expected {type(self.module).__name__} to return the shape of {name}, {shape_of(x)}, got "
                f"{shape_of(y)}.\n  right:  nn.Residual(f, shortcut=nn.Linear(in_features, out_features))"
            )
        return m.add(y, x)
