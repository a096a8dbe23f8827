"""Containers: modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from .module import Module

__all__ = ["ModuleList", "Sequential"]


class _Ordered(Module):
    """Modules under names, in order; by default the names are 0, 1, 2, …"""

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected modules, got {type(module).__name__} at {name!r}.\n"
                f"  wrong:  nn.Sequential(nn.Linear(4, 2), pb.tanh)\n"
                f"  right:  nn.Sequential(nn.Linear(4, 2), nn.Tanh())"
            )
        if name in vars(self) or hasattr(type(self), name):
            raise ValueError(f"{type(self).__name__}: the name {name!r} is taken")
        vars(self)[name] = module

    def _held(self) -> list[Module]:
        return [x for x in vars(self).values() if isinstance(x, Module)]

    def append(self, module: Module) -> Self:
        """Add a module at the end, and return the container."""
        self._add(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, and return the container."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._held())

    def __getitem__(self, index: int | slice) -> Any:
        """The module at an index; a slice gives a container of the same modules."""
        if isinstance(index, slice):
            return type(self)._of(self._held()[index])
        held = self._held()
        if not -len(held) <= index < len(held):
            raise IndexError(f"{type(self).__name__}: index {index} in a container of {len(held)} modules")
        return held[index]

    def __setitem__(self, index: int, module: Module) -> None:
        held = [name for name, x in vars(self).items() if isinstance(x, Module)]
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a module, got {type(module).__name__}")
        vars(self)[held[index]] = module

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        raise NotImplementedError(f"{cls.__name__}._of")  # an abstract method


class Sequential(_Ordered):
    """Apply modules one after the other: xₙ = fₙ(… f₁(x)).

    Takes the modules, or one dict of modules by name. Raises TypeError for what is not a module.

    >>> import pullback as pb
    >>> net = pb.nn.Sequential(pb.nn.Linear(4, 8), pb.nn.Tanh(), pb.nn.Linear(8, 2))
    >>> net(pb.zeros((3, 4))).shape
    (3, 2)
    >>> net[1]
    Tanh()
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self._add(name, module)
        else:
            for i, module in enumerate(modules):
                self._add(str(i), module)

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        return Sequential(*modules)

    def forward(self, x: Any) -> Any:
        """Apply the modules in order."""
        for module in vars(self).values():
            if isinstance(module, Module):
                x = module(x)
        return x


class ModuleList(_Ordered):
    """A list of modules; what is computed with them is up to the module that holds the list.

    >>> import pullback as pb
    >>> len(pb.nn.ModuleList([pb.nn.Linear(2, 2) for _ in range(3)]))
    3
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self._add(str(i), module)

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        return ModuleList(modules)
